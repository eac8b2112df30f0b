"""A flow on several devices gives the same results as on one; devices_worker.py runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
BACKEND = keras.backend.backend()
QUICK = ("training", "glow", "calls", "uneven")
ALSO_EQUAL = ("shuffled", "rollback", "averages", "batch_norm", "vae")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BACKEND == "torch", reason="Keras shares no batches on torch"),
]


def run(cases):
    """{case: {"one": results, "several": results}}, from a process with several devices."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": BACKEND, "JAX_ENABLE_X64": "0"}
    command = [sys.executable, "-m", "tests.devices_worker", *cases]
    out = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr[-3000:]
    lines = [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]
    return {case: results for line in lines for case, results in line.items()}


@pytest.fixture(scope="module")
def quick():
    return run(QUICK)


@pytest.fixture(scope="module")
def slow():
    return run((*ALSO_EQUAL, "noise"))


def assert_same(results):
    """Results of one device and of several agree up to rounding."""
    one, several = results["one"], results["several"]
    assert one.keys() == several.keys()
    for name in one:
        atol = 2e-5 if name == "weights" else 2e-6
        np.testing.assert_allclose(several[name], one[name], rtol=1e-5, atol=atol, err_msg=name)


def test_the_same_losses_and_weights(quick):
    assert_same(quick["training"])
    losses = quick["training"]["several"]["losses"]
    assert len(losses) == 6 and losses[5] < losses[2]


def test_actnorms_are_initialized_from_the_whole_batch(quick):
    assert_same(quick["glow"])
    assert quick["glow"]["several"]["adapted"]


def test_any_number_of_samples_is_possible(quick):
    assert_same(quick["calls"])
    results = quick["calls"]["several"]
    for name in ("sample", "log_prob", "predict"):
        assert len(results[name]) == 9
    for name in ("of_a_tensor", "in_batches", "loaded"):
        np.testing.assert_allclose(results[name], results["log_prob"], rtol=1e-5)


def test_batches_that_devices_cannot_share_are_refused(quick):
    results = quick["uneven"]["several"]
    refused = ["first", "held_out", "evaluate", *["shuffled", "last"] * (BACKEND == "jax")]
    for name in refused:
        assert "devices share each batch" in results[name] and "Received" in results[name], name
    assert np.isfinite(results["weights"]).all()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="JAX refuses it")
def test_a_device_may_receive_no_sample_of_the_last_batch(quick):
    assert np.isfinite(quick["uneven"]["several"]["last"]).all()


@pytest.mark.parametrize("case", ALSO_EQUAL)
def test_data_sets_callbacks_and_the_loss_of_a_vae(slow, case):
    assert_same(slow[case])
    assert slow[case]["several"].get("n") == {"rollback": 1, "averages": 3}.get(case)


def test_training_with_noise(slow):
    one, several = slow["noise"]["one"], slow["noise"]["several"]
    assert several["losses"] == sorted(several["losses"], reverse=True)
    assert len(set(one["drawn"])) == 8
    if BACKEND == "jax":
        assert_same(slow["noise"])
    else:  # Each device draws from a state of its own, all from the same seed.
        np.testing.assert_allclose(several["drawn"][4:], several["drawn"][:4])


def test_a_script_on_all_devices():
    results = run(["script"])["script"]
    one, several = results["one"]["losses"], results["several"]["losses"]
    # The devices of TensorFlow draw the same noise.
    np.testing.assert_allclose(several, one, rtol=1e-5 if BACKEND == "jax" else 1e-2)
