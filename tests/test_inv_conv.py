"""The inverse of a 1x1 convolution, for more sizes than in test_layers.py."""

import numpy as np
import pytest
from keras import ops

from keras_flows import layers
from tests.numeric import array


@pytest.mark.parametrize("size", [1, 2, 3, 12, 48, 64, 65, 131, 192])
def test_the_inverse_is_as_accurate_as_numpys(size):
    layer, rng = layers.InvConv(seed=1), np.random.default_rng(0)
    layer.build((None, size))
    for weight in (layer.lower, layer.upper):
        weight.assign(array(weight) + rng.normal(scale=0.03, size=(size, size)))
    x = rng.normal(size=(100, size)).astype("float32")
    z, log_det = layer.encode(ops.convert_to_tensor(x))
    kernel = array(layer.encode(ops.eye(size))[0])
    by_numpy = np.abs(array(z) @ np.linalg.inv(kernel) - x).max()
    back, log_det_back = layer.decode(z)
    assert np.abs(array(back) - x).max() < 3 * by_numpy + 2e-6
    np.testing.assert_allclose(array(log_det), -array(log_det_back), rtol=1e-6)
