"""The benchmarks: entries that resolve, floors with the flows' networks, options. No timings."""

import ast
import importlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks import (
    decoding,
    feeding,
    first_step,
    likelihood,
    memory,
    overhead,
    report,
    sampling,
    training,
    training_options,
)
from benchmarks.contenders import BENCHMARKS, glow_keras, maf_keras, nice_keras, tarflow_keras
from benchmarks.training_loops import keras as keras_steps
from benchmarks.workers import decoding as decoding_worker
from benchmarks.workers import feeding as feeding_worker
from benchmarks.workers import likelihood as likelihood_worker
from benchmarks.workers import memory as memory_worker
from benchmarks.workers import overhead as overhead_worker
from benchmarks.workers import sampling as sampling_worker
from benchmarks.workers import training as worker
from keras_flows.layers import CondActnorm, Coupling

BENCHES = Path(training.__file__).parent / "contenders"
SMALL = {"image_shape": (8, 8, 3), "levels": 2, "depth": 2, "hidden": 4}
TINY = {"image_shape": (4, 4, 2), "levels": 2, "depth": 1, "hidden": 4}
NICE = {"dims": 64, "couplings": 2, "hidden": (16, 16)}
VECTORS = {
    "maf": {"dims": 5, "steps": 2, "hidden": (8, 8)},
    "nsf": {"dims": 5, "steps": 2, "bins": 4, "tail_bound": 5.0, "hidden": 8, "blocks": 1},
}
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
        tree = ast.parse((BENCHES / f"{module}.py").read_text())  # other libraries may be missing
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


@pytest.mark.parametrize(
    ("main", "argv", "message"),
    [
        (training, "glow --data mnist", "--data mnist is not for glow"),
        (training, "glow --contenders nobody", "unknown contenders ['nobody']"),
        (training, "nice --batch 0", "must be 1 or more"),
        (first_step, "nice", "invalid choice"),
        (memory, "--backends numpy", "unknown backends ['numpy']"),
        (memory, "--depths 4,0", "must be 1 or more"),
        (first_step, "glow --backends numpy", "unknown backends ['numpy']"),
        (first_step, "glow --depths 4,0", "must be 1 or more"),
        (first_step, "maf --width 0", "must be 1 or more"),
        (training_options, "maf", "invalid choice"),
        (training_options, "nice --steps 15", "a multiple of 10"),
        (feeding, "--backends numpy", "unknown backends ['numpy']"),
        (feeding, "--scale 2", "--scale in (0, 1]"),
        (sampling, "glow --contenders flowjax", "unknown contenders ['flowjax']"),
        (sampling, "maf --contenders floor-jax", "unknown contenders ['floor-jax']"),
        (sampling, "maf --rows 0", "must be 1 or more"),
        (sampling, "nice --batch 0", "must be 1 or more"),
        (sampling, "tarflow", "invalid choice"),
        (decoding, "--contenders jax-3x3", "unknown contenders ['jax-3x3']"),
        (decoding, "--batch 0", "must be 1 or more"),
        (overhead, "--models maf", "unknown models ['maf']"),
        (overhead, "--rounds 0", "must be 1 or more"),
        (overhead, "--rows 0", "must be 1 or more"),
        (likelihood, "--model maf --steps 1 --data nowhere.npz", "no file nowhere.npz"),
    ],
)
def test_wrong_options_are_refused(main, argv, message, capsys):
    with pytest.raises(SystemExit):
        main.parse(argv.split())
    assert message in capsys.readouterr().err


def test_the_default_batch_is_that_of_the_benchmark():
    assert training.parse(["glow"]).batch == 16
    assert training.parse(["nice"]).batch == 128
    assert training.parse(["glow", "--batch", "4"]).batch == 4
    assert training.parse(["nice", "--quick"]).batch == 16


def test_the_default_batches_of_samples_depend_on_the_model():
    defaults = {model: sampling.parse([model]) for model in ("maf", "nice", "glow")}
    assert {model: (args.rows, args.batch) for model, args in defaults.items()} == {
        "maf": (1000, 1000),
        "nice": (10_000, 1000),
        "glow": (1000, 100),
    }
    assert sampling.parse(["glow", "--batch", "30"]).batch == 30
    assert sampling.parse(["nice", "--rows", "50"]).batch == 50
    assert sampling_worker.batches(70, 30) == [30, 30, 10]


def test_no_step_ends_after_a_later_one():
    assert keras_steps.in_order((1.0, 4.0, 3.0, 5.0)) == [1, 3, 3, 5]


@pytest.mark.slow
def test_samples_and_densities_are_measured_in_a_separate_process(monkeypatch, tmp_path):
    for key, size in {"dims": 4, "steps": 1, "hidden": (8, 8)}.items():
        monkeypatch.setitem(BENCHMARKS["maf"].sizes, key, size)
    backend = keras.backend.backend()
    argv = f"maf --quick --contenders keras_flows-{backend} --out {tmp_path}".split()
    assert sampling.main(argv) == 0
    result = json.loads((tmp_path / "sampling_maf.json").read_text())
    (figures,) = result["summary"].values()
    ratio = figures["sample_s"] / figures["density_s"]
    assert figures["sample_over_density"] == pytest.approx(ratio) and ratio > 0
    assert f"|{ratio:.2f}|" in (tmp_path / "sampling_maf.md").read_text()


def test_alternating_functions_are_compared_within_each_round():
    calls = []

    def takes(name, *seconds):
        seconds = iter(seconds)
        return lambda: calls.append(name) or next(seconds)

    functions = {"floor": takes("floor", 9, 1, 4, 2), "flow": takes("flow", 99, 2, 4, 3)}
    result = overhead_worker.compare(functions, rounds=3)
    assert (result["floor"], result["flow"]) == (2, 3)
    assert result["ratio"] == [1.25, 1.5, 1.75]
    assert calls == ["floor", "flow", "flow", "floor", "floor", "flow", "flow", "floor"]


@pytest.mark.slow
def test_flows_and_floors_alternate_in_one_process(monkeypatch, tmp_path):
    monkeypatch.setitem(BENCHMARKS["nice"].sizes, "hidden", (8,))
    monkeypatch.setattr(overhead, "measured", lambda _, task, __: overhead_worker.measure(**task))
    backend = keras.backend.backend()
    argv = f"--models nice --backends {backend} --quick --out {tmp_path}".split()
    assert overhead.main(argv) == 0
    (run,) = json.loads((tmp_path / "overhead.json").read_text())["runs"]
    assert min(run["training"]["flow"], run["sampling"]["samples"], *run["training"]["ratio"]) > 0
    assert f"|nice|{backend}|" in (tmp_path / "overhead.md").read_text()


@pytest.mark.parametrize("main", [overhead, memory])
def test_a_failed_measurement_is_reported_and_the_others_go_on(main, monkeypatch, tmp_path):
    def measured(module, task, backend):
        raise RuntimeError(f"Traceback\nno {backend} here")

    monkeypatch.setattr(main, "measured", measured)
    assert main.main(["--out", str(tmp_path)]) == 1
    page = "".join(path.read_text() for path in tmp_path.glob("*.md"))
    assert page.count("no tensorflow here") == page.count("no jax here") > 1


def test_both_decoding_methods_are_measured_and_agree(monkeypatch, tmp_path):
    for key, size in TOKENS.items():
        monkeypatch.setitem(BENCHMARKS["tarflow"].sizes, key, size)
    # In this process, because a new one takes seconds to start.
    monkeypatch.setattr(decoding, "measured", lambda _, task, __: decoding_worker.measure(**task))
    name = f"{keras.backend.backend()}-2x2"
    assert decoding.main(f"--quick --contenders {name} --out {tmp_path}".split()) == 0
    result = json.loads((tmp_path / "decoding.json").read_text())
    figures = result["summary"][name]
    ratio = figures["full_s"] / figures["cached_s"]
    assert figures["full_over_cached"] == pytest.approx(ratio) and ratio > 0
    assert figures["patches"] == 16 and figures["difference"] < 1e-5
    assert f"|{name}|16|" in (tmp_path / "decoding.md").read_text()


def test_decoding_methods_that_differ_are_refused(monkeypatch):
    monkeypatch.setattr(decoding_worker, "TOLERANCE", 0.0)
    with pytest.raises(RuntimeError, match="The two methods differ by"):
        decoding_worker.measure({**TOKENS, "blocks": 1}, batch=1, calls=1)


def test_the_flow_that_is_decoded_is_not_the_identity():
    tokens = np.random.default_rng(0).normal(size=(2, 4, 16)).astype("float32")
    for net in maf_keras.networks(decoding_worker.perturbed_flow(TOKENS)):
        params = keras.ops.convert_to_numpy(net(tokens))
        assert (params.std(axis=(0, 1)) > 1e-3).all()


def tables(path):
    x = np.random.default_rng(0).normal(size=(80, 5)).astype("float32")
    np.savez(path, train=x[:50], validation=x[50:60], test=x[60:])
    return path


def test_every_contender_learns_from_the_same_batches():
    one, other = (list(likelihood_worker.parts(50, 12, 16)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other))
    batches = np.concatenate(one)
    assert batches.shape == (12, 16)
    assert all(len(set(batches[i : i + 3].ravel())) == 48 for i in range(0, 12, 3))
    assert (batches[:3] != batches[3:6]).any()


@pytest.mark.parametrize("name", ["flow", "nflows", "zuko"])
def test_a_likelihood_is_measured_after_training(name, monkeypatch, tmp_path):
    name = f"keras_flows-{keras.backend.backend()}" if name == "flow" else name
    if not name.startswith("keras_flows"):
        pytest.importorskip(name)
    monkeypatch.setitem(BENCHMARKS["maf"].sizes, "steps", 1)
    monkeypatch.setitem(BENCHMARKS["maf"].sizes, "hidden", (8, 8))
    data = str(tables(tmp_path / "small.npz"))
    figures = likelihood_worker.measure("maf", name, data, 40, 10, 1e-2)
    assert figures["losses"][-1] < figures["losses"][0] and len(figures["losses"]) == 10
    # The entropy of this normal distribution is 7.1 nats.
    assert -9 < figures["test"] < -6 and 0 < figures["test_2se"] < 2


def test_the_likelihoods_become_a_table(monkeypatch, tmp_path):
    figures = {"test": -7.25, "test_2se": 0.5, "validation": -7.0, "validation_2se": 0.25}
    figures |= {"last_loss": 6.5, "steps_per_s": 9.0, "training_s": 2.0, "parameters": 1234}
    monkeypatch.setattr(likelihood, "run", lambda args, name: figures)
    data, backend = tables(tmp_path / "small.npz"), keras.backend.backend()
    argv = f"--data {data} --model nsf --steps 9 --out {tmp_path} --batch-size 10".split()
    assert likelihood.main([*argv, "--contenders", f"keras_flows-{backend}"]) == 0
    page = (tmp_path / "likelihood_nsf_small.md").read_text()
    assert f"|keras_flows-{backend}|-7.250 (+- 0.500)|-7.000 (+- 0.250)|6.500|9.0|2|1,234|" in page
    with pytest.raises(SystemExit):
        likelihood.parse([*argv, "--batch-size", "51"])


def test_training_options_are_compared_within_a_backend_and_round(monkeypatch, tmp_path):
    def measured(module, task, backend, env):
        fast = 3 if task["policy"] == "mixed_bfloat16" else task.get("steps_per_execution", 2)
        speed = (fast + len(env)) * (10 if backend == "jax" else 1)
        return {"samples_per_s": speed, "cpu_s_per_step": 1, "first_loss": 2.0, "last_loss": 1.0}

    monkeypatch.setattr(training_options, "measured", measured)
    monkeypatch.setattr(training_options.Setting, "needs", ())
    assert training_options.main(f"nice --backends tensorflow,jax --out {tmp_path}".split()) == 0
    page = (tmp_path / "training_options_nice.md").read_text()
    assert "|jax|mixed_bfloat16|30 (30..30)|1.50|1000|2.0 -> 1.0|" in page
    assert "|tensorflow|steps_per_execution=10|10 (10..10)|5.00|" in page
    assert "|tensorflow|jit_compile=True|" in page and "|jax|jit_compile" not in page
    assert "|jax|memory kept|40 (40..40)|2.00|" in page


@pytest.mark.parametrize("mapped", [False, True])
def test_feeding_is_measured_by_itself_and_in_fit(monkeypatch, tmp_path, mapped):
    case = {"shape": (16, 16, 3), "dtype": "uint8", "rows": 99, "batch": 64, "flip": True}
    monkeypatch.setattr(feeding, "CASES", {"tiny": {**case, "mapped": mapped}})
    monkeypatch.setattr(feeding, "measured", lambda _, task, __: feeding_worker.measure(**task))
    backend = keras.backend.backend()
    assert feeding.main(f"--backends {backend} --steps 6 --out {tmp_path}".split()) == 0
    (run,) = json.loads((tmp_path / "feeding.json").read_text())["runs"]
    assert 0 < run["alone_s"] < run["step_s"] < 10


def test_steps_that_are_reported_together_are_spaced_evenly():
    if keras.backend.backend() == "torch":
        pytest.skip("on torch Keras takes one step at a time")
    x = np.full((12, 64), 0.5, "float32")
    run = keras_steps.measure(nice_keras.flow, x, 2, NICE, {}, steps_per_execution=3)
    assert len(run["losses"]) == 6 and run["losses"][-1] < run["losses"][0]
    times = np.diff(run["times"])
    assert len(times) == 6
    np.testing.assert_allclose(times[:3], times[0])
    np.testing.assert_allclose(times[3:], times[3])


def test_memory_is_compared_within_a_backend_and_depth(monkeypatch, tmp_path):
    def measured(module, task, backend):
        saves_memory = task["backprop"] is not None
        peak = 100 + (10 if saves_memory else 50 * task["sizes"]["depth"])
        planned = None if saves_memory else 100 * 2**20 * task["sizes"]["depth"]
        step_s = 3.0 if saves_memory else 2.0
        return {"peak": peak, "held": 80, "weights": 10, "step_s": step_s, "planned": planned}

    monkeypatch.setattr(memory, "measured", measured)
    assert memory.main(f"--depths 1,2 --backends jax --out {tmp_path}".split()) == 0
    runs = json.loads((tmp_path / "memory.json").read_text())["runs"]
    figures = {(r["backprop"], r["depth"]): r for r in runs}
    assert figures["ordinary", 2]["of_least_depth"] == pytest.approx(120 / 70)
    assert figures["reversible", 2]["of_least_depth"] == 1.0
    assert figures["remat", 1]["slowdown"] == 1.5
    page = (tmp_path / "memory.md").read_text()
    assert "|jax|remat|2|0|1.00|||3.00|1.50|" in page
    assert "|jax|ordinary|2|0|1.71|200|2.00|2.00|1.00|" in page


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the plan comes from XLA")
def test_xla_plans_less_memory_for_reversible_steps():
    sizes = {"image_shape": (8, 8, 1), "levels": 1, "depth": 4, "hidden": 16}
    ordinary, reversible = (
        memory_worker.measure(sizes, 32, mode, 1)["planned"] for mode in (None, "reversible")
    )
    assert 0 < 1.5 * reversible < ordinary


@pytest.mark.slow
def test_a_first_step_is_measured_in_a_separate_process(monkeypatch, tmp_path):
    monkeypatch.setitem(BENCHMARKS["glow"].sizes, "levels", 1)
    backend = keras.backend.backend()
    options = f"--backends {backend} --depths 1 --width 4 --batch 2 --floor --out {tmp_path}"
    assert first_step.main(["glow", *options.split()]) == 0
    result = json.loads((tmp_path / "first_step_glow.json").read_text())
    table = (tmp_path / "first_step_glow.md").read_text()
    for entry, kind in zip(result["runs"], ("keras_flows", "floor"), strict=True):
        stages = [entry[stage]["wall_s"] for stage in first_step.STAGES]
        assert min(stages) > 0 and stages[-1] == pytest.approx(sum(stages[:-1]))
        assert f"|{kind}-{backend}|1|{entry['parameters']:,}|" in table
    flow, floor = (entry["parameters"] for entry in result["runs"])
    assert floor < flow
    assert report.machine()["cpu"] in table
