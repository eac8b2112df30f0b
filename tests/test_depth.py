"""A Glow of the paper's depth still inverts. Slow: `python -m pytest -m slow`."""

import time

import keras
import numpy as np
import pytest

from keras_flows.models import Glow
from tests.multiscale import Whole, smooth_pictures
from tests.numeric import array

LIMITS = {"float32": 1e-3, "float64": 1e-8}


@pytest.mark.slow
@pytest.mark.parametrize("floatx", LIMITS)
def test_a_trained_glow_of_96_steps_inverts(floatx):
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    shape, start = (8, 8, 3), time.time()
    flow = Glow(shape, variant="paper", hidden=8, seed=0)
    steps = [len(v.steps) for v in flow.encoder.layers if hasattr(v, "steps")]
    assert steps == [3 * 32] * 3
    pictures = smooth_pictures(256, shape)
    flow.compile(keras.optimizers.Adam(1e-3))
    losses = flow.fit(pictures, batch_size=16, epochs=13, verbose=0).history["loss"]  # 208 steps
    whole = Whole(flow)
    # Integers would hide the error by rounding: invert what lies behind the dequantization.
    x = ((pictures[:16] + 0.5) / 256).astype(floatx)
    back = array(whole.inverse(whole.model([x])))
    # Above a temperature of about 0.4 some samples of a flow this young overflow in float32.
    z = (0.3 * np.random.default_rng(0).normal(size=(16, flow.dims))).astype(floatx)
    z_back = array(whole.model([whole.inverse(z)]))
    errors = np.abs(back - x).max(), np.abs(z_back - z).max()
    took = time.time() - start
    print(
        f"\n{keras.backend.backend()} {floatx}: loss {losses[0]:.1f} to {losses[-1]:.1f}, "
        f"|x - x'| {errors[0]:.2g}, |z - z'| {errors[1]:.2g}, {took:.0f} s"
    )
    assert losses[-1] < losses[0] - 100
    assert max(errors) < LIMITS[floatx]
