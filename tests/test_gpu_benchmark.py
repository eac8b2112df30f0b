"""The full-size runs: Glow written by hand, commands, limits, resuming, tables. No timings."""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks import gpu
from benchmarks.contenders import glow_keras
from benchmarks.gpu import report as gpu_report
from benchmarks.gpu import steps as gpu_steps
from benchmarks.workers import gpu as worker
from tests.numeric import perturb

ROOT = Path(gpu.__file__).parents[2]
SMALL = {"image_shape": (8, 8, 3), "levels": 2, "depth": 2, "hidden": 4}


def pixels(n=4):
    return np.random.default_rng(0).integers(256, size=(n, 8, 8, 3), dtype="uint8")


def count(layer):
    return sum(int(np.prod(w.shape)) for w in layer.trainable_weights)


def by_hand(flow):
    """The arrays of a flow, as `glow_blog_raw_jax` has them, and its orders."""
    from keras_flows.layers import Chain, CondActnorm

    array = keras.ops.convert_to_numpy
    both = lambda layer: (array(layer.kernel), array(layer.bias))  # noqa: E731
    layers = flow.encoder.layers
    priors = [both(layer.net) for layer in layers if isinstance(layer, CondActnorm)]
    scales, orders = [], []
    for level in (layer for layer in layers if isinstance(layer, Chain)):
        steps = [level.steps[i : i + 3] for i in range(0, len(level.steps), 3)]
        nets = [[both(part) for part in coupling.net.parts] for _, _, coupling in steps]
        scales.append(
            {
                "steps": [{"affine": both(s[0]), "net": net} for s, net in zip(steps, nets)],
                "prior": priors.pop(0) if priors else None,
            }
        )
        orders.append([array(permutation.order) for _, permutation, _ in steps])
    return {"scales": scales, "top": both(flow.encoder.get_layer("top"))}, orders


def test_glow_by_hand_has_the_flow_s_density(monkeypatch):
    middle = lambda shape, dtype, seed: keras.ops.full(shape, 0.5, dtype)  # noqa: E731
    monkeypatch.setattr(keras.random, "uniform", middle)
    jax = pytest.importorskip("jax")
    from benchmarks.contenders import glow_blog_raw_jax as hand

    flow, x = perturb(glow_keras.blog(**SMALL)), pixels()
    params, orders = by_hand(flow)
    loss = jax.jit(lambda p: hand.loss(p, orders, "float32", x, np.float32(0.5)))(params)
    log_prob = keras.ops.convert_to_numpy(flow.log_prob(keras.ops.convert_to_tensor(x)))
    assert float(loss) == pytest.approx(-log_prob.mean(), rel=1e-5)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    _, _, reported = hand.training(**SMALL)
    assert count(flow) == parameters == reported


def test_adam_by_hand_is_keras():
    pytest.importorskip("jax")
    from benchmarks.contenders import glow_blog_raw_jax as hand

    weight, adam = keras.Variable(np.float32([1, 2])), keras.optimizers.Adam(1e-3)
    adam.build([weight])
    params, zeros = [np.float32([1, 2])], [np.zeros(2, "float32")]
    moments = (zeros, zeros)
    for i, gradient in enumerate(np.float32([[3, -1e-6], [-1, 2e-6], [2, 1e-6]])):
        adam.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        params, moments = hand.adam(params, [gradient], moments, i + 1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), params[0], rtol=1e-6)
    assert np.abs(np.asarray(params[0]) - [1, 2]).min() > 1e-4


def test_training_by_hand_lowers_the_loss():
    jax = pytest.importorskip("jax")
    from benchmarks.contenders import glow_blog_raw_jax as hand

    sizes = {**SMALL, "levels": 1, "depth": 1}
    train, state, _ = hand.training(**sizes, dtype=jax.numpy.bfloat16)
    before = jax.tree.map(np.array, state[0])
    losses = []
    for _ in range(3):
        state, loss = train(state, pixels())
        losses.append(float(loss))
    assert losses[2] < losses[0]
    moved = jax.tree.map(lambda a, b: bool((np.array(a) != b).any()), state[0], before)
    assert all(jax.tree.leaves(moved))


def test_the_floor_of_the_blogs_glow_trains_its_networks():
    sizes = {**SMALL, "depth": 1}
    flow, floor = glow_keras.blog(**sizes), glow_keras.blog_floor(**sizes)
    nets = [net for part in glow_keras.networks(flow) for net in part]
    assert len(nets) == 2 + 1 and count(floor) == sum(map(count, nets)) + 1
    floor.compile(keras.optimizers.Adam(1e-2))
    losses = floor.fit(pixels(), epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.parametrize("mixed", [True, False])
def test_all_contenders_compute_in_the_same_precision(mixed, monkeypatch):
    policies = {}

    def recorded(name, build):
        def builder(**sizes):
            policies[name] = keras.config.dtype_policy().name
            return build(**sizes)

        return builder

    names = ["flow", "floor"] + ["step", "unrolled"] * (keras.backend.backend() == "jax")
    for name in names:
        monkeypatch.setitem(worker.BUILDERS, name, recorded(name, worker.BUILDERS[name]))
    before = keras.config.dtype_policy()
    try:
        for name in names:
            worker.steps(name, {**SMALL, "depth": 1}, batch=2, steps=12, warmup=1, mixed=mixed)
    finally:
        keras.config.set_dtype_policy(before)
    assert policies == dict.fromkeys(names, "mixed_bfloat16" if mixed else "float32")


@pytest.mark.parametrize("stage", gpu.RUNS)
@pytest.mark.parametrize("quick", [(), ("--quick",)])
def test_each_stage_is_a_command_that_its_recipe_accepts(stage, quick):
    args = gpu.parse([stage, "--out", "runs", *quick, "--limit", "5", "--", "--data", "somewhere"])
    _, module, name, *options = gpu.command(args)
    recipe = importlib.import_module(name.replace("reproductions", "keras_flows.recipes"))
    parsed = recipe.main.options(options)
    assert module == "-m" and parsed.resume and parsed.minutes == 3
    assert (parsed.out, parsed.data) == (Path("runs", stage), Path("somewhere"))
    assert parsed.mixed_precision == stage.startswith(("faces", "cifar"))
    epochs = {"nice": 30, "nice_paper": 1500, "faces": 1000, "cifar10": 250}[stage]
    assert parsed.epochs == 3 if quick else parsed.epochs == epochs
    assert quick or parsed.hidden in (512, [1000] * 5)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("nice --out runs --limit 2 --reserve 2", "--limit more than --reserve"),
        ("steps --out runs -- --epochs 3", "no script"),
        ("nothing --out runs", "invalid choice"),
    ],
)
def test_wrong_options_are_refused(argv, message, capsys):
    with pytest.raises(SystemExit):
        gpu.parse(argv.split())
    assert message in capsys.readouterr().err


def test_jax_is_the_default_backend(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    args = gpu.parse("cifar10 --out runs".split())
    variables = gpu.environment(args)
    assert (
        variables["KERAS_BACKEND"] == "jax"
        and variables["JAX_DEFAULT_MATMUL_PRECISION"] == "float32"
    )
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert gpu.environment(args)["KERAS_BACKEND"] == "tensorflow"


def test_a_command_ends_by_itself_or_is_killed(capsys):
    program = "import time; time.sleep({}); raise SystemExit(3)"
    command = [sys.executable, "-c"]
    assert gpu.limited([*command, program.format(0)], time.monotonic() + 60) == 3
    assert gpu.limited([*command, program.format(60)], time.monotonic() + 0.2) == -9
    assert "Run the same command again" in capsys.readouterr().err


def figures(name, speed):
    result = {"pictures_per_s": speed, "first_step_s": 9.0, "first_loss": 3.0, "last_loss": 2.0}
    result |= {"parameters": 7, "device_kind": "card", "device_peak_gib": 1.5, "backend": "jax"}
    compiled = {"tflop": 1.0, "gib": 2.0} if name in ("step", "by_hand") else None
    return {**result, "compiled": compiled}


def test_steps_that_were_cut_off_are_continued(monkeypatch, tmp_path):
    asked, speeds = [], {"flow": 90.0, "step": 95.0, "floor": 120.0, "by_hand": 100.0}

    def measured(module, task, backend, timeout, gpu):
        asked.append(name := task.get("contender", task["what"]))
        if len(asked) == 4:
            raise subprocess.TimeoutExpired(name, timeout)
        if name == "ceiling":
            return {"matrix_size": 8192, "matrix_tflops": 0.5, "multiply_adds": 10**9}
        return figures(name, speeds[name])

    monkeypatch.setattr(gpu_steps, "measured", measured)
    monkeypatch.setattr(gpu_steps, "contenders", lambda backend: list(speeds))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))  # and put back afterwards
    argv = ["steps", "--out", str(tmp_path), "--rounds", "1"]
    assert gpu.main(argv) == 0 and asked == ["ceiling", "flow", "step", "floor"]
    assert "by_hand" not in json.loads((tmp_path / "gpu.json").read_text())["steps"]
    assert gpu.main(argv) == 0 and asked[4:] == ["floor", "by_hand"]
    flow = json.loads((tmp_path / "gpu.json").read_text())["steps"]["flow"]
    assert flow["tflops"] == pytest.approx(0.54) and flow["of_matrix_rate"] == pytest.approx(1.08)
    assert flow["speed_over_by_hand"] == 0.9
    assert flow["step_time_over_floor"] == pytest.approx(4 / 3)
    row = "|flow|90 (90..90)|711.1|0.5|1.08|1.333|0.900|9|1.50||3 -> 2|"
    assert row in (tmp_path / "gpu.md").read_text()
    with pytest.raises(SystemExit, match="other settings"):
        gpu.main([*argv, "--quick"])


def test_runs_become_tables(tmp_path):
    epochs = [
        {"seconds": s, "bits_per_dim": b, "val_bits_per_dim": b + 1}
        for s, b in ((90.0, 5.0), (10.0, 4.0), (12.0, 3.0), (11.0, 2.0))
    ]
    machine = {"backend": "jax", "device_kind": "card", "device_peak_gib": 2.5, "versions": {}}
    metrics = {
        **{"command": "python -m x", "date": "2026-01-01", "best_epoch": 4, "interrupted": False},
        "settings": {"batch_size": 64, "mixed_precision": True},
        **{
            "machine": machine,
            "epochs": epochs,
            "steps_per_epoch": 1000,
            "training_pictures": 32000,
        },
        "multiply_adds": 10**9,
        "test": {"bits_per_dim": 3.0, "standard_error": 0.1},
    }
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "metrics.json").write_text(json.dumps(metrics))
    gpu_report.write_all(tmp_path)
    page = (tmp_path / "gpu.md").read_text()
    row = "card, jax, bfloat16|4,000 (4 epochs)|2.0|11.00|5818|34.9||2.50|3.000 +- 0.200 bits/dim"
    assert row in page and "|3|3,000|6.0|3.000|4.000|" in page
    metrics["epochs"] = []  # interrupted in its first epoch
    (tmp_path / "faces" / "metrics.json").write_text(json.dumps(metrics))
    assert not gpu_report.summary(tmp_path)["runs"]


def test_the_page_shows_the_epochs_of_a_killed_run(tmp_path):
    history = [{"seconds": 9.0, "bits_per_dim": 5.0, "val_bits_per_dim": 6.0}] * 2
    settings = {"steps_per_epoch": 750, "batch_size": 64}
    (tmp_path / "cifar10" / "checkpoint").mkdir(parents=True)
    state = tmp_path / "cifar10" / "checkpoint" / "state.json"
    state.write_text(json.dumps({"settings": settings, "history": history}))
    gpu_report.write_all(tmp_path)
    page = (tmp_path / "gpu.md").read_text()
    assert "to go on, 9.00 s an epoch" in page and "|2|1,500||5.000|6.000|" in page


@pytest.mark.slow
def test_a_stage_out_of_time_is_continued(tmp_path):
    done = []
    for options in (["--limit", "5", "--reserve", "4.9999"], []):
        argv = ["nice", "--out", str(tmp_path), "--quick", *options]
        subprocess.run([sys.executable, "-m", "benchmarks.gpu", *argv], cwd=ROOT, check=True)
        result = json.loads((tmp_path / "gpu.json").read_text())["runs"]["nice"]
        done.append((result["epochs"], result["curve"][0]))
    (first, start), (last, again) = done
    assert (first, last) == (1, 3) and start == again
