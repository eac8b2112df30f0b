"""The benchmark programs: options, measurements on tiny models, tables. No timings."""

import json

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
from benchmarks.contenders import BENCHMARKS, maf_keras, nice_keras
from benchmarks.training_loops import keras as keras_steps
from benchmarks.workers import decoding as decoding_worker
from benchmarks.workers import feeding as feeding_worker
from benchmarks.workers import likelihood as likelihood_worker
from benchmarks.workers import memory as memory_worker
from benchmarks.workers import overhead as overhead_worker
from benchmarks.workers import sampling as sampling_worker
from tests.test_benchmark_contenders import NICE, TOKENS


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
