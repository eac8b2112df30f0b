"""The benchmarks: model name -> sizes and contenders.

To add a model, add an entry here and its builders in modules beside this one.
"""

from dataclasses import dataclass, field

BACKENDS = ("tensorflow", "jax", "torch")


@dataclass(frozen=True)
class Contender:
    """One line of the table.

    `build` is "module:function" in this package. With a Keras `backend` the function returns a
    `keras.Model` for `fit`. Without one it returns a torch module and its loss or, if `framework`
    is "jax", a `training_loops.jax.Density`. `adam` has options for the framework's Adam. `floor`
    names the contender whose time is the shortest possible on this backend. A `peer` is another
    library. Contenders that are not `default` run only if they are named.
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
        """The framework that trains it: "keras", "torch" or "jax"."""
        return "keras" if self.backend else self.framework


@dataclass(frozen=True)
class Benchmark:
    """The sizes that every builder receives, the shape of one sample, and the contenders.

    Samples are floats in [0, 1] or, with `levels`, integers below `levels`. `batch` is the default
    batch size, `data` names the possible data, and `nets` describes the networks of the floor.
    """

    title: str
    sizes: dict
    sample_shape: tuple
    contenders: dict
    batch: int = 128
    levels: int | None = None
    data: tuple = ("synthetic",)
    nets: str = "coupling networks"


def keras_contenders(module):
    """The floor and the flow on each backend, from the functions `floor` and `flow` of `module`."""
    entries = {}
    for backend in BACKENDS:
        floor, needs = f"floor-{backend}", ("keras", backend)
        entries[floor] = Contender(f"{module}:floor", needs, backend)
        flow = Contender(f"{module}:flow", needs, backend, floor=floor)
        entries[f"keras_flows-{backend}"] = flow
    return entries


def torch_peer(name, module):
    """Another library with the default `torch.optim.Adam`, and with the fused one on request."""
    build, needs = f"{module}:build", ("torch", name)
    return {
        name: Contender(build, needs, peer=True),
        f"{name}-fused": Contender(build, needs, peer=True, adam={"fused": True}, default=False),
    }


def jax_peer(name, module):
    """Another library in JAX."""
    needs = ("jax", "optax", name)
    return {name: Contender(f"{module}:build", needs, framework="jax", peer=True)}


def by_hand(model):
    """What a user would write without a library of flows; compared with Keras' floor."""
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
            **keras_contenders("nice_keras"),
            **by_hand("nice"),
            **torch_peer("normflows", "nice_normflows"),
            **torch_peer("nflows", "nice_nflows"),
            **torch_peer("FrEIA", "nice_freia"),
            **torch_peer("zuko", "nice_zuko"),
            **jax_peer("flowjax", "nice_flowjax"),
            **jax_peer("distrax", "nice_distrax"),
        },
        data=("synthetic", "mnist"),
    ),
    "glow": Benchmark(
        title="Glow: 32x32x3, 3 scales of 4 steps of actnorm, 1x1 convolution and affine coupling "
        "by convolutions of 128 channels",
        sizes={"image_shape": (32, 32, 3), "levels": 3, "depth": 4, "hidden": 128},
        sample_shape=(32, 32, 3),
        contenders={
            **keras_contenders("glow_keras"),
            **by_hand("glow"),
            **torch_peer("normflows", "glow_normflows"),
            **torch_peer("nflows", "glow_nflows"),
            **torch_peer("FrEIA", "glow_freia"),
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
            **keras_contenders("maf_keras"),
            **torch_peer("nflows", "maf_nflows"),
            **torch_peer("zuko", "maf_zuko"),
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
            **keras_contenders("nsf_keras"),
            **torch_peer("nflows", "nsf_nflows"),
            **torch_peer("zuko", "nsf_zuko"),
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
        contenders=keras_contenders("tarflow_keras"),
        batch=64,
        levels=256,
        nets="causal transformers",
    ),
    "residual": Benchmark(
        title="residual flow: 32x32x3, a squeeze, 4 blocks of convolutions of 64 channels with "
        "kernels of 3, 1 and 3, actnorm; series of 5 terms",
        sizes={
            "image_shape": (32, 32, 3),
            "blocks": 4,
            "hidden": 64,
            "lipschitz": 0.9,
            "terms": 5,
        },
        sample_shape=(32, 32, 3),
        contenders={
            **keras_contenders("residual_keras"),
            **torch_peer("normflows", "residual_normflows"),
        },
        batch=16,
        levels=256,
        nets="networks in an ordinary residual net",
    ),
}
