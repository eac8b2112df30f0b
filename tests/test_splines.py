"""Rational-quadratic splines: reference values, the ends of bins, and extreme inputs."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows.layers.transforms import AffineTransform, SplineTransform
from tests.numeric import array, gradient

# From an independent implementation (nflows 0.14, in float64): 4 bins on [-2, 2], linear tails.
WIDTHS, HEIGHTS, SLOPES = [0.3, -1.2, 0.8, 0.1], [-0.5, 1.1, 0.2, -0.9], [0.7, -1.5, 2.0]
X = np.array([-5.0, -2.0, -1.9999, -1.3, -0.2, 0.0, 0.4, 1.1, 1.99, 2.0, 2.5])
VALUES = [-5.0, -2.0, -1.999900032, -1.7342703746, 0.8455843681, 0.8915768394, 1.020300443]
VALUES += [1.6614492749, 1.9907781273, 2.0, 2.5]
LOG_SLOPES = [0.0, 0.0, -6.4053436174e-4, -1.2626896917, -1.5537525208, -1.3790637309]
LOG_SLOPES += [-0.87644038388, 0.71180015794, -0.16175603065, 0.0, 0.0]
BACK = [-5.0, -2.0, -1.999899968, -0.8621650582, -0.7860629209, -0.7740723948, -0.7449801896]
BACK += [0.5670345048, 1.9890787408, 2.0, 2.5]
BACK_LOG_SLOPES = [0.0, 0.0, 6.4073956457e-4, -2.1371903035, -2.8435283141, -2.7761402860]
BACK_LOG_SLOPES += [-2.4056510214, 0.60239660136, 0.17594435593, 0.0, 0.0]
EXTREMES = np.array([-1e30, -1e6, -3.0, -2.9999998, 0.0, 0.0, 1e-30, 2.9999998, 3.0, 1e6, 1e30])


def reference_params(dtype):
    """The same spline: slopes are softplus(raw) in the reference, and here 1 at raw = 0."""
    slopes = np.array(SLOPES) - np.log(np.expm1(1 - 1e-3))
    row = np.concatenate([WIDTHS, HEIGHTS, slopes])
    return ops.convert_to_tensor(np.tile(row, (len(X), 1)).astype(dtype))


@pytest.mark.parametrize("dtype,tolerance", [("float64", 1e-8), ("float32", 2e-5)])
def test_values_and_slopes_equal_the_reference_inside_and_outside_of_the_tails(dtype, tolerance):
    keras.config.set_floatx(dtype)
    spline, x = SplineTransform(4, 2.0), ops.convert_to_tensor(X.astype(dtype))
    expected = {spline.encode: (VALUES, LOG_SLOPES), spline.decode: (BACK, BACK_LOG_SLOPES)}
    for move, (values, log_slopes) in expected.items():
        z, log_slope = move(x, reference_params(dtype))
        np.testing.assert_allclose(array(z), values, atol=tolerance)
        np.testing.assert_allclose(array(log_slope), log_slopes, atol=tolerance)


def test_parameters_of_zero_are_the_identity():
    spline = SplineTransform(5, 3.0)
    x = np.linspace(-4, 4, 41).astype("float32")
    for move in (spline.encode, spline.decode):
        z, log_slope = move(ops.convert_to_tensor(x), ops.zeros((41, spline.outputs)))
        np.testing.assert_allclose(array(z), x, atol=1e-6)
        np.testing.assert_allclose(array(log_slope), 0, atol=1e-6)


def random_params(count, scale, seed=0):
    rng = np.random.default_rng(seed)
    return (scale * rng.normal(size=(count, SplineTransform(6, 3.0).outputs))).astype("float32")


def edges(spline, params, which):
    """The ends of the bins, as the spline computes them."""
    raw = ops.convert_to_tensor(params)[..., which * 6 : which * 6 + 6]
    inner = array(spline._inner_knots(spline._shares(raw)))
    return np.pad(inner, [(0, 0), (1, 1)], constant_values=((0, 0), (-3, 3)))


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_ends_of_bins_map_to_ends_of_bins(direction):
    spline, params = SplineTransform(6, 3.0), random_params(40, 1.0)
    start, end = (edges(spline, params, i) for i in ((0, 1) if direction == "encode" else (1, 0)))
    for k in range(7):
        x = ops.convert_to_tensor(start[:, k])
        z, log_slope = getattr(spline, direction)(x, ops.convert_to_tensor(params))
        np.testing.assert_allclose(array(z), end[:, k], atol=2e-5)
        assert np.all(np.isfinite(array(log_slope)))


@pytest.mark.parametrize("direction", ["encode", "decode"])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_the_gradient_at_knots_and_tail_bounds_is_the_slope(direction, scale):
    spline, params = SplineTransform(6, 3.0), random_params(100, scale)
    start = edges(spline, params, int(direction == "decode"))
    move = getattr(spline, direction)
    each = ops.convert_to_tensor(np.repeat(params, 7, axis=0))
    log_slope = array(move(ops.convert_to_tensor(start.ravel()), each)[1])
    slope = gradient(lambda v: move(v, each)[0], start.ravel())
    np.testing.assert_allclose(slope, np.exp(log_slope), rtol=5e-3)
    np.testing.assert_allclose(slope.reshape(100, 7)[:, [0, 6]], 1, rtol=1e-3)


@pytest.mark.parametrize("direction", ["encode", "decode"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1000.0])
def test_extreme_numbers_and_parameters_stay_finite_with_their_gradients(direction, scale):
    spline, params = SplineTransform(6, 3.0), random_params(len(EXTREMES), scale)
    move = getattr(spline, direction)
    x = EXTREMES.astype("float32")
    z, log_slope = (array(v) for v in move(ops.convert_to_tensor(x), ops.convert_to_tensor(params)))
    assert np.all(np.isfinite(z)) and np.all(np.isfinite(log_slope))
    outside = np.abs(x) > 3
    np.testing.assert_array_equal(z[outside], x[outside])
    np.testing.assert_array_equal(log_slope[outside], 0)
    assert np.all(np.abs(z[~outside]) <= 3 + 1e-5)

    def of_x(v):
        return sum(ops.sum(u) for u in move(v, ops.convert_to_tensor(params)))

    def of_params(v):
        # In a sum the numbers near 1e30 would hide the others.
        z, log_slope = move(ops.convert_to_tensor(x), v)
        return ops.sum(ops.where(ops.convert_to_tensor(outside), 0.0, z)) + ops.sum(log_slope)

    assert np.all(np.isfinite(gradient(of_x, x)))
    by_params = gradient(of_params, params)
    assert np.all(np.isfinite(by_params)) and np.all(by_params[outside] == 0)


def test_equal_numbers_in_a_batch_have_equal_results():
    spline, row = SplineTransform(6, 3.0), random_params(1, 1.0)
    x, params = np.full(5, 0.7, "float32"), np.repeat(row, 5, axis=0)
    z, log_slope = spline.encode(ops.convert_to_tensor(x), ops.convert_to_tensor(params))
    assert len(set(array(z).tolist())) == len(set(array(log_slope).tolist())) == 1


def test_the_affine_scale_is_bounded_in_both_directions():
    affine = AffineTransform(bound=5.0)
    raw = np.array([-1e6, -1.0, 0.0, 1.0, 1e6], "float32")
    params = ops.convert_to_tensor(np.stack([np.full(5, 0.5, "float32"), raw], -1))
    z, log_slope = affine.encode(ops.ones((5,)), params)
    np.testing.assert_allclose(array(log_slope), [-5, -5 / 6, 0, 5 / 6, 5], rtol=1e-4)
    np.testing.assert_allclose(array(z), 0.5 * np.exp(array(log_slope)), rtol=1e-5)
    x, back = affine.decode(z, params)
    np.testing.assert_allclose(array(x), 1, rtol=1e-5)
    np.testing.assert_array_equal(array(back), -array(log_slope))
