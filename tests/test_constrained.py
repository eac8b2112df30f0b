"""`Constrained`: columns with limits, alone and at the start of a flow."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows.layers import Constrained
from keras_flows.models import MAF, NSF
from tests.layers import SUPPORT, limited
from tests.numeric import array, encode, gradient

RNG = np.random.default_rng(0)
LOW, HIGH = np.array([-np.inf, 0, 0, -np.inf, -3]), np.array([np.inf, np.inf, 1, 2, 5])


def test_values_are_the_logarithms_of_distances_to_the_limits():
    x = limited(RNG, (4, 5))
    (z,), log_det = encode(Constrained(SUPPORT), [x])
    expected = [x[:, 0], np.log(x[:, 1]), np.log(x[:, 2] / (1 - x[:, 2])), -np.log(2 - x[:, 3])]
    expected.append(np.log((x[:, 4] + 3) / (5 - x[:, 4])))
    np.testing.assert_allclose(z, np.stack(expected, -1), rtol=1e-4, atol=1e-5)
    slopes = [1 / x[:, 1], 1 / (x[:, 2] * (1 - x[:, 2])), 1 / (2 - x[:, 3])]
    slopes.append(8 / ((x[:, 4] + 3) * (5 - x[:, 4])))
    np.testing.assert_allclose(log_det, np.log(slopes).sum(0), rtol=1e-4)


@pytest.mark.parametrize("floatx", ["float32", "float64"])
def test_decoded_numbers_are_strictly_within_the_limits_for_all_latents(floatx):
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    layer = Constrained([*SUPPORT, (1000, 1001), (None, 0), (0.1, None)])
    z = np.array([-1e4, -200, -90, -20, 0, 20, 90, 200, 1e4], floatx)[:, None].repeat(8, axis=1)
    x = array(layer.inverse()(z))
    low, high = np.r_[LOW, 1000, -np.inf, 0.1], np.r_[HIGH, 1001, 0, np.inf]
    assert np.all(x > low) and np.all(x < high)
    assert np.all(np.isfinite(array(layer(x))))


def test_data_outside_has_density_0_and_a_finite_gradient():
    x = np.array([[0.0, 1.0, 0.5, 0.0, 0.0]] * 3, "float32")
    x[1, 1], x[2, 2] = 0.0, 1.5
    layer = Constrained(SUPPORT)
    (z,), log_det = encode(layer, [x])
    assert np.all(np.isfinite(z)) and np.isfinite(log_det[0])
    assert log_det[1:].tolist() == [-np.inf, -np.inf]
    assert np.all(np.isfinite(gradient(lambda v: layer.encode(v)[0], x)))


@pytest.mark.parametrize("row,column,value", [(2, 1, 0.0), (0, 2, 1.0), (3, 4, -7.5)])
def test_adapt_names_the_value_outside_of_the_limits(row, column, value):
    x = limited(RNG, (4, 5))
    layer = Constrained(SUPPORT)
    layer.adapt(ops.convert_to_tensor(x))
    x[row, column] = value
    with pytest.raises(ValueError, match=f"Column {column} .* Received: {value:g} in row {row}"):
        layer.adapt(ops.convert_to_tensor(x))


def test_a_flow_with_limits_samples_within_them():
    x = limited(RNG, (64, 5))
    flow = MAF(5, steps=1, hidden=(8,), support=SUPPORT)
    flow.adapt(x)
    flow.compile("adam", run_eagerly=keras.backend.backend() == "tensorflow")
    flow.fit(x, batch_size=32, verbose=0)
    samples = flow.sample(200, temperature=5.0, seed=0)
    assert np.all(samples > LOW) and np.all(samples < HIGH)
    x[0, 1] = -1
    log_prob = flow.log_prob(np.concatenate([x[:1], samples[:31]]))
    assert log_prob[0] == -np.inf and np.all(np.isfinite(log_prob[1:]))


@pytest.mark.parametrize("builder", [MAF, NSF])
def test_adapting_a_flow_names_the_data_outside_of_its_support(builder):
    x = limited(RNG, (8, 5))
    x[3, 1] = -1
    with pytest.raises(ValueError, match="Column 1 of the data .* in row 3"):
        builder(5, steps=1, support=SUPPORT).adapt(x)


def test_a_density_with_limits_adds_up_to_1():
    x = RNG.beta(2, 3, size=(64, 1)).astype("float32")
    flow = MAF(1, steps=1, hidden=(4,), support=[(0, 1)])
    flow.adapt(x)
    points = (np.arange(2000, dtype="float32")[:, None] + 0.5) / 2000
    density = np.exp(flow.log_prob(points, batch_size=2000))
    assert density.mean() == pytest.approx(1, abs=1e-3)
