"""What is measured: model name -> sizes and contenders.

A further model is one more entry here, and its builders in modules beside this one.
"""

from dataclasses import dataclass, field

BACKENDS = ("tensorflow", "jax", "torch")


@dataclass(frozen=True)
class Contender:
    """One line of the table.

    `build` is "module:function" in this package. With a Keras `backend` the
    function returns a `keras.Model` for `fit`; without one it returns a torch
    module and its loss or, if its `framework` is "jax", a `training_loops.jax.Density`.
    `adam` holds options for the framework's Adam. `floor` is the contender
    whose time is the least possible here; a peer is another library. Only the
    `default` ones run unless they are named.
    """

    build: str
    needs: tuple
    backend: str | None = None
    framework: str = "torch"
    floor: str | None = None
    peer: bool = False
    adam: dict = field(default_factory=dict)
    default: bool = True

    @property
    def runs_in(self):
        """What runs it: "keras", "torch" or "jax"."""
        return "keras" if self.backend else self.framework


@dataclass(frozen=True)
class Benchmark:
    """Sizes given to every builder, the shape of one sample, and the contenders.

    Samples are floats in [0, 1] or, with `levels`, integers below it. `batch`
    is the default, `data` what they can be made of, `nets` what the floor trains.
    """

    title: str
    sizes: dict
    sample_shape: tuple
    contenders: dict
    batch: int = 128
    levels: int | None = None
    data: tuple = ("synthetic",)
    nets: str = "coupling networks"


def of_keras(module):
    """A floor and the flow for each backend, from `module`'s `floor` and `flow`."""
    entries = {}
    for backend in BACKENDS:
        floor, needs = f"floor-{backend}", ("keras", backend)
        entries[floor] = Contender(f"{module}:floor", needs, backend)
        flow = Contender(f"{module}:flow", needs, backend, floor=floor)
        entries[f"keras_flows-{backend}"] = flow
    return entries


def of_peer(name, module):
    """Another library with `torch.optim.Adam` as it comes, and with its fused form on request."""
    build, needs = f"{module}:build", ("torch", name)
    return {
        name: Contender(build, needs, peer=True),
        f"{name}-fused": Contender(build, needs, peer=True, adam={"fused": True}, default=False),
    }


def of_jax_peer(name, module):
    """Another library in JAX."""
    needs = ("jax", "optax", name)
    return {name: Contender(f"{module}:build", needs, framework="jax", peer=True)}


def by_hand(model):
    """What a user would write without any library of flows, beside Keras' floor."""
    build, fused = f"{model}_raw_{{}}:build".format, {"fused": True}
    return {
        "raw-jax": Contender(build("jax"), ("jax", "optax"), framework="jax", floor="floor-jax"),
        "raw-torch": Contender(build("torch"), ("torch",), floor="floor-torch", adam=fused),
    }


BENCHMARKS = {
    "nice": Benchmark(
        title="NICE: 784 dimensions, 4 additive couplings of 5 x Dense(1000) + Dense(392), ReLU",
        sizes={"dims": 784, "couplings": 4, "hidden": (1000,) * 5},
        sample_shape=(784,),
        contenders={
            **of_keras("nice_keras"),
            **by_hand("nice"),
            **of_peer("normflows", "nice_normflows"),
            **of_peer("nflows", "nice_nflows"),
            **of_peer("FrEIA", "nice_freia"),
            **of_peer("zuko", "nice_zuko"),
            **of_jax_peer("flowjax", "nice_flowjax"),
            **of_jax_peer("distrax", "nice_distrax"),
        },
        data=("synthetic", "mnist"),
    ),
    "glow": Benchmark(
        title="Glow: 32x32x3, 3 scales of 4 steps of actnorm, 1x1 convolution and affine coupling "
        "by convolutions of 128 channels",
        sizes={"image_shape": (32, 32, 3), "levels": 3, "depth": 4, "hidden": 128},
        sample_shape=(32, 32, 3),
        contenders={
            **of_keras("glow_keras"),
            **by_hand("glow"),
            **of_peer("normflows", "glow_normflows"),
            **of_peer("nflows", "glow_nflows"),
            **of_peer("FrEIA", "glow_freia"),
        },
        batch=16,
        levels=256,
        nets="networks of couplings and conditional priors",
    ),
    "maf": Benchmark(
        title="MAF: 63 dimensions, 5 affine autoregressive steps, masked networks of 2 x 512, ReLU",
        sizes={"dims": 63, "steps": 5, "hidden": (512, 512)},
        sample_shape=(63,),
        contenders={
            **of_keras("maf_keras"),
            **of_peer("nflows", "maf_nflows"),
            **of_peer("zuko", "maf_zuko"),
        },
        batch=100,
        nets="masked networks",
    ),
    "nsf": Benchmark(
        title="autoregressive NSF: 6 dimensions, 5 steps of rational-quadratic splines of 8 bins, "
        "masked networks of 2 residual blocks of 128 units",
        sizes={
            "dims": 6,
            "steps": 5,
            "bins": 8,
            "tail_bound": 5.0,
            "hidden": 128,
            "blocks": 2,
        },
        sample_shape=(6,),
        contenders={
            **of_keras("nsf_keras"),
            **of_peer("nflows", "nsf_nflows"),
            **of_peer("zuko", "nsf_zuko"),
        },
        batch=512,
        nets="masked networks",
    ),
    "tarflow": Benchmark(
        title="TarFlow: 28x28x1 in 49 patches, 4 autoregressive blocks of 2 transformer layers of "
        "128 channels",
        sizes={
            "image_shape": (28, 28, 1),
            "patch": 4,
            "channels": 128,
            "blocks": 4,
            "layers_per_block": 2,
        },
        sample_shape=(28, 28, 1),
        contenders=of_keras("tarflow_keras"),
        batch=64,
        levels=256,
        nets="causal transformers",
    ),
}
