"""The recipe `maf_mnist`: the likelihood of logits."""

import keras
import numpy as np
import pytest

from keras_flows import Flow
from keras_flows.models import MAF
from keras_flows.recipes import maf_mnist
from keras_flows.training.image_metrics import measure_images
from tests.numeric import perturb


@pytest.mark.parametrize("classes", [None, 3])
def test_the_likelihood_of_logits_is_right_and_does_not_change_the_flow(classes, tmp_path):
    rng = np.random.default_rng(0)
    identity = {"norm": None, "standardize": False, "steps": 1, "hidden": (4,)}
    flow = MAF((2, 2, 1), classes=classes, alpha=0.05, **identity)
    x, labels = rng.integers(0, 256, (4000, 2, 2, 1)).astype("uint8"), np.arange(4000) % 3
    metrics = maf_mnist.logit_likelihood(flow, [x, labels] if classes else x, 500)
    u = 0.05 + 0.9 * (x + rng.random(x.shape)) / 256
    normal = -0.5 * np.log(u / (1 - u)) ** 2 - 0.5 * np.log(2 * np.pi)
    assert metrics["logit_log_likelihood"] == pytest.approx(4 * normal.mean(), abs=0.05)
    assert saved_and_loaded(flow, tmp_path).discrete


def saved_and_loaded(flow, folder):
    Flow(flow.encoder, flow.prior).save(folder / "maf.keras")
    return keras.models.load_model(folder / "maf.keras")


@pytest.mark.slow
def test_a_conditional_flow_can_be_saved_after_it_was_measured(tmp_path):
    flow = perturb(MAF((2, 2, 1), classes=3, steps=2, hidden=(4,), alpha=0.05))
    x, labels = np.arange(240, dtype="uint8").reshape(60, 2, 2, 1), np.arange(60) % 3
    flow.adapt([x, labels])
    measured = measure_images(flow, {"test": [x, labels]}, 50)
    assert measured["reconstruction_error"] == 0 and measured["inversion_error"] < 0.01
    again = saved_and_loaded(flow, tmp_path)
    np.testing.assert_allclose(again.encode(x, labels), flow.encode(x, labels), atol=1e-5)
