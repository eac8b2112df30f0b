"""The script `reproductions.maf_mnist`: what only it computes."""

import keras
import numpy as np
import pytest

from keras_flows.models import MAF
from reproductions import maf_mnist


@pytest.mark.parametrize("classes", [None, 3])
def test_the_likelihood_of_logits_is_that_of_the_steps_and_leaves_the_flow_as_it_was(
    classes, tmp_path
):
    rng = np.random.default_rng(0)
    identity = {"norm": None, "standardize": False, "steps": 1, "hidden": (4,)}
    flow = MAF((2, 2, 1), classes=classes, alpha=0.05, **identity)
    x, labels = rng.integers(0, 256, (4000, 2, 2, 1)).astype("uint8"), np.arange(4000) % 3
    found = maf_mnist.logit_likelihood(flow, [x, labels] if classes else x, 500)
    u = 0.05 + 0.9 * (x + rng.random(x.shape)) / 256
    normal = -0.5 * np.log(u / (1 - u)) ** 2 - 0.5 * np.log(2 * np.pi)
    assert found["logit_log_likelihood"] == pytest.approx(4 * normal.mean(), abs=0.05)
    flow.save(tmp_path / "maf.keras")
    again = keras.models.load_model(tmp_path / "maf.keras")
    given = labels[:50] if classes else None
    assert again.encode(x[:50], given).shape == (50, 4)
