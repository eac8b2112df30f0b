"""Several devices: what a flow does there beside what it does on one, see devices_worker."""

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
SAME_TOO = ("shuffled", "rollback", "averages", "batch_norm", "vae")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BACKEND == "torch", reason="Keras shares no batches on torch"),
]


def ran(cases):
    """{case: {"one": figures, "several": figures}}, from a process that has several devices."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": BACKEND, "JAX_ENABLE_X64": "0"}
    command = [sys.executable, "-m", "tests.devices_worker", *cases]
    out = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr[-3000:]
    lines = [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]
    return {case: found for line in lines for case, found in line.items()}


@pytest.fixture(scope="module")
def quick():
    return ran(QUICK)


@pytest.fixture(scope="module")
def slow():
    return ran((*SAME_TOO, "noise"))


def assert_same(found):
    """Losses and weights of one device and of several agree up to rounding."""
    one, several = found["one"], found["several"]
    assert one.keys() == several.keys()
    for name in one:
        atol = 2e-5 if name == "weights" else 2e-6
        np.testing.assert_allclose(several[name], one[name], rtol=1e-5, atol=atol, err_msg=name)


def test_the_same_losses_and_weights(quick):
    assert_same(quick["training"])
    losses = quick["training"]["several"]["losses"]
    assert len(losses) == 6 and losses[5] < losses[2]


def test_actnorms_start_from_the_whole_batch(quick):
    assert_same(quick["glow"])
    assert quick["glow"]["several"]["adapted"]


def test_any_number_of_samples_can_be_asked_for(quick):
    assert_same(quick["calls"])
    found = quick["calls"]["several"]
    assert len(found["sample"]) == len(found["log_prob"]) == len(found["predict"]) == 9
    for name in ("of_a_tensor", "in_batches", "loaded"):
        np.testing.assert_allclose(found[name], found["log_prob"], rtol=1e-5)


def test_batches_that_devices_cannot_share_are_refused_at_once(quick):
    told = quick["uneven"]["several"]
    refused = ["first", "held_out", "evaluate", *["shuffled", "last"] * (BACKEND == "jax")]
    for name in refused:
        assert "devices share each batch" in told[name] and "Received" in told[name], name
    assert np.isfinite(told["weights"]).all()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="JAX refuses it")
def test_a_last_batch_of_one_sample_leaves_a_device_without(quick):
    assert np.isfinite(quick["uneven"]["several"]["last"]).all()


@pytest.mark.parametrize("case", SAME_TOO)
def test_data_sets_callbacks_and_the_other_loss(slow, case):
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
    found = ran(["script"])["script"]
    one, several = found["one"]["losses"], found["several"]["losses"]
    # The devices of TensorFlow draw the same noise.
    np.testing.assert_allclose(several, one, rtol=1e-5 if BACKEND == "jax" else 1e-2)
