"""The contenders of the benchmarks: sizes, floors with the networks of the flows, densities."""

import ast
import importlib
from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks import contenders
from benchmarks.contenders import (
    BENCHMARKS,
    glow_keras,
    maf_keras,
    nice_keras,
    residual_keras,
    tarflow_keras,
)
from benchmarks.workers import sampling as sampling_worker
from benchmarks.workers import training as worker
from keras_flows.layers import CondActnorm, Coupling

FOLDER = Path(contenders.__file__).parent
SMALL = {"image_shape": (8, 8, 3), "levels": 2, "depth": 2, "hidden": 4}
TINY = {"image_shape": (4, 4, 2), "levels": 2, "depth": 1, "hidden": 4}
NICE = {"dims": 64, "couplings": 2, "hidden": (16, 16)}
VECTORS = {
    "maf": {"dims": 5, "steps": 2, "hidden": (8, 8)},
    "nsf": {"dims": 5, "steps": 2, "bins": 4, "tail_bound": 5.0, "hidden": 8, "blocks": 1},
}
RESIDUAL = {"image_shape": (4, 4, 2), "blocks": 2, "hidden": 4, "lipschitz": 0.9, "terms": 2}
TOKENS = {
    "image_shape": (8, 8, 1),
    "patch": 4,
    "channels": 8,
    "blocks": 2,
    "layers_per_block": 1,
}


@pytest.mark.parametrize("model", BENCHMARKS)
def test_each_contender_names_a_function_and_its_floor(model):
    contenders = BENCHMARKS[model].contenders
    for contender in contenders.values():
        module, function = contender.build.split(":")
        tree = ast.parse((FOLDER / f"{module}.py").read_text())  # other libraries may be missing
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert {a.arg for a in functions[function].args.args} == set(BENCHMARKS[model].sizes)
        assert contender.floor is None or contender.floor in contenders


def count(layer):
    return sum(int(np.prod(w.shape)) for w in layer.trainable_weights)


def test_the_glow_floor_has_the_networks_of_the_flow():
    flow, floor = glow_keras.flow(**SMALL), glow_keras.floor(**SMALL)
    inner = flow._flatten_layers(include_self=False)
    nets = [layer.net for layer in inner if isinstance(layer, (Coupling, CondActnorm))]
    assert len(nets) == 2 * 2 + 1
    assert count(floor) == sum(map(count, nets)) + 1  # the trained number at the start


def test_the_glow_floor_trains_all_its_networks():
    x = worker.images(BENCHMARKS["glow"], "synthetic", 4)[:, :8, :8]
    assert x.dtype == "uint8"
    assert_trains_all_weights(glow_keras.floor(**SMALL), x)


@pytest.mark.parametrize("model", VECTORS)
def test_the_floor_of_a_flow_of_vectors_is_its_networks_and_trains_them(model):
    module = importlib.import_module(f"benchmarks.contenders.{model}_keras")
    flow, floor = module.flow(**VECTORS[model]), module.floor(**VECTORS[model])
    nets = maf_keras.networks(flow)
    assert len(nets) == 2 and count(floor) == sum(map(count, nets))
    assert_trains_all_weights(
        floor, np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
    )


@pytest.mark.slow
def test_the_tarflow_floor_is_its_transformers_and_trains_them():
    flow, floor = tarflow_keras.flow(**TOKENS), tarflow_keras.floor(**TOKENS)
    nets = [layer.net for layer in flow._flatten_layers() if hasattr(layer, "net")]
    assert len(nets) == 2 and count(floor) == sum(map(count, nets)) == count(flow)
    x = worker.images(BENCHMARKS["tarflow"], "synthetic", 4)[:, :8, :8]
    assert x.dtype == "uint8"
    assert_trains_all_weights(floor, x)


@pytest.mark.slow
def test_the_floor_of_a_residual_flow_is_its_networks_and_trains_them():
    flow, floor = residual_keras.flow(**RESIDUAL), residual_keras.floor(**RESIDUAL)
    nets = residual_keras.networks(flow)
    assert len(nets) == 2 and count(floor) == sum(map(count, nets))
    x = worker.images(BENCHMARKS["residual"], "synthetic", 4)[:, :4, :4, :2]
    assert_trains_all_weights(floor, x)


def test_a_residual_flow_of_normflows_has_the_networks_of_the_flow():
    built, flow = Built("residual", "normflows", RESIDUAL), residual_keras.flow(**RESIDUAL)
    # normflows has an activation before the first network and stores two numbers for each
    # block's random length; the flow has an actnorm after the logits.
    assert built.parameters == count(flow) + 1 + 2 * 2 - 2 * 2
    x = worker.images(BENCHMARKS["residual"], "synthetic", 4)[:, :4, :4, :2]
    assert 4 < built.loss(x) / (4 * 4 * 2) < 9


def assert_trains_all_weights(floor, x):
    floor.compile(keras.optimizers.Adam(1e-3))
    floor.fit(x, batch_size=len(x) // 2, verbose=0)
    before = [keras.ops.convert_to_numpy(w) for w in floor.trainable_weights]
    floor.fit(x, batch_size=len(x) // 2, verbose=0)
    after = [keras.ops.convert_to_numpy(w) for w in floor.trainable_weights]
    assert all((a != b).any() for a, b in zip(after, before))


class Built:
    """A contender without Keras: its number of parameters and its functions of arrays."""

    def __init__(self, model, name, sizes):
        entry = BENCHMARKS[model].contenders[name]
        for package in set(entry.needs) - {"optax"}:  # for training alone
            pytest.importorskip(package)
        made = worker.load(entry.build)(**sizes)
        (self._jax if entry.runs_in == "jax" else self._torch)(*made)

    def _torch(self, model, loss_of):
        torch = importlib.import_module("torch")
        torch.manual_seed(0)
        importlib.import_module("benchmarks.training_loops.torch").start_as_keras(model)
        self.parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)

        def tensor(x):
            return torch.from_numpy(x if x.ndim < 4 else x.transpose(0, 3, 1, 2).copy())

        self.loss = lambda x: loss_of(tensor(x)).item()
        self.sample, self.log_prob = map(torch.no_grad(), (model.sample, model.log_prob))

    def _jax(self, params, loss, log_prob, sample):
        jax = importlib.import_module("jax")
        key = jax.random.key(0)
        loss, log_prob = jax.jit(loss), jax.jit(log_prob)
        sample = jax.jit(sample, static_argnums=2)
        self.parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
        self.loss = lambda x: float(loss(params, key, x))
        self.sample = lambda n: sample(params, key, n)
        self.log_prob = lambda x: log_prob(params, key, x)


@pytest.mark.parametrize(
    ("model", "name"),
    [("nice", "flow"), ("nice", "raw-jax"), ("glow", "raw-torch")],
)
def test_samples_of_couplings_are_measured_in_batches(model, name):
    name = f"keras_flows-{keras.backend.backend()}" if name == "flow" else name
    for package in set(BENCHMARKS[model].contenders[name].needs) - {"optax"}:
        pytest.importorskip(package)
    sizes = NICE if model == "nice" else TINY
    figures = sampling_worker.measure(model, name, sizes, rows=4, batch=2, calls=1)
    assert min(figures["sample_s"], figures["density_s"]) > 0
    assert np.isfinite(figures["mean_density"])


@pytest.mark.filterwarnings("ignore:torch.lu")
@pytest.mark.parametrize("name", ["raw-jax", "raw-torch", "normflows", "nflows", "FrEIA"])
def test_a_glow_without_keras_has_the_parameters_of_the_flow(name):
    built, flow = Built("glow", name, TINY), glow_keras.flow(**TINY)
    # nflows stores triangles of n (n - 1) / 2 numbers instead of squares, and a bias.
    fewer = sum(n * n for n in (8, 16)) if name == "nflows" else 0
    assert built.parameters == count(flow) - fewer
    pixels = worker.images(BENCHMARKS["glow"], "synthetic", 16)[:, :4, :4, :2]
    if name.startswith("raw"):
        expected = -flow.log_prob(pixels).mean()
        assert built.loss(pixels) == pytest.approx(expected, rel=0.01)
    else:
        # Slightly worse than the 5.5 nats a pixel of the uniform density.
        assert 5 < built.loss(pixels) / (4 * 4 * 2) < 8
    samples = built.sample(3)
    assert tuple(samples.shape) == ((3, 4, 4, 2) if "jax" in name else (3, 2, 4, 4))
    assert "uint8" in str(samples.dtype) and tuple(built.log_prob(samples).shape) == (3,)


def test_a_glow_in_plain_torch_inverts_and_has_the_right_log_determinant():
    torch = pytest.importorskip("torch")
    module = importlib.import_module("benchmarks.contenders.glow_raw_torch")
    torch.manual_seed(0)
    model = module.RawGlow(**TINY)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    x = torch.randn(1, 2, 4, 4)
    parts, log_det = model.encode(x)
    assert [tuple(z.shape[1:]) for z in parts] == model.shapes
    assert torch.allclose(model.decode(parts), x, atol=1e-4)

    def flat(x):
        return torch.cat([z.flatten() for z in model.encode(x)[0]])

    jacobian = torch.autograd.functional.jacobian(flat, x).reshape(32, 32)
    assert log_det.item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-3)


def test_a_glow_in_plain_jax_inverts_and_has_the_right_log_determinant():
    jax = pytest.importorskip("jax")
    module = importlib.import_module("benchmarks.contenders.glow_raw_jax")
    params, fixed, shapes = module.start_all(**TINY)
    generator = np.random.default_rng(0)
    params = jax.tree.map(lambda w: w + 0.1 * generator.normal(size=w.shape), params)
    x = generator.normal(size=(1, 4, 4, 2))

    @jax.jit
    def there_and_back(x):
        parts, log_det = module.encode(params, fixed, x)
        slopes = jax.jacobian(lambda x: module.encode(params, fixed, x)[0])(x)
        return parts, log_det, slopes, module.decode(params, fixed, parts)

    parts, log_det, slopes, back = there_and_back(x)
    assert [z.shape[1:] for z in parts] == shapes and np.allclose(back, x, atol=1e-4)
    jacobian = np.concatenate([np.reshape(part, (-1, 32)) for part in slopes])
    assert float(log_det[0]) == pytest.approx(np.linalg.slogdet(jacobian)[1], abs=1e-3)


@pytest.mark.parametrize(
    "name",
    ["raw-jax", "raw-torch", "normflows", "nflows", "FrEIA", "zuko", "flowjax", "distrax"],
)
def test_a_nice_without_keras_has_the_parameters_of_the_flow(name):
    built, flow = Built("nice", name, NICE), nice_keras.flow(**NICE)
    assert built.parameters == count(flow)
    flow.encoder.layers[-1].kernel.assign(np.zeros((1, 64)))  # the others' initial value
    x = worker.images(BENCHMARKS["nice"], "synthetic", 64)[:, :64]
    # The random initial coupling networks account for a hundredth of the loss.
    assert built.loss(x) == pytest.approx(-flow.log_prob(x).mean(), rel=0.03)
    # The flow keeps volumes: if sampling inverts it, the samples' mean density is the prior's.
    density = built.log_prob(built.sample(200)).mean()
    assert float(density) == pytest.approx(-0.5 * 64 * np.log(2 * np.pi * np.e), abs=2)


def test_plain_jax_learns():
    pytest.importorskip("optax")
    jax_steps = importlib.import_module("benchmarks.training_loops.jax")
    build = worker.load(BENCHMARKS["nice"].contenders["raw-jax"].build)
    figures = jax_steps.measure(build, np.full((12, 64), 0.5, "float32"), 2, NICE, {})
    assert len(figures["losses"]) == 6 and len(figures["times"]) == len(figures["cpu"]) == 7
    assert figures["losses"][-1] < figures["losses"][0]


@pytest.mark.parametrize("peer", ["nflows", "zuko"])
@pytest.mark.parametrize("model", VECTORS)
def test_a_peer_of_vectors_has_the_networks_of_the_flow(model, peer):
    pytest.importorskip(peer)
    sizes = VECTORS[model]
    module, loss_of = worker.load(BENCHMARKS[model].contenders[peer].build)(**sizes)
    parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
    flow = worker.load(f"{model}_keras:flow")(**sizes)
    # zuko has no linear maps; those of nflows store triangles instead of squares, and a bias.
    networks = sum(map(count, maf_keras.networks(flow)))
    linear = 3 * (5 * 5 + 5) if model == "nsf" and peer == "nflows" else 0
    assert parameters == networks + linear
    torch = importlib.import_module("torch")
    torch.manual_seed(0)
    x = module.sample(4)
    assert x.shape == (4, 5) and module.log_prob(x).shape == (4,)
    assert loss_of(x).item() == pytest.approx(-module.log_prob(x).mean().item())
