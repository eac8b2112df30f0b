"""Regression: contexts in any units, quantiles, many samples for each context."""

import statistics

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers, priors
from keras_flows.models import IAF, MAF, NSF
from tests.flows import vectors
from tests.multiscale import eager
from tests.numeric import array, perturb

UNITS, SHIFT = np.float32([1000, 1e-3]), np.float32([50_000, -2])
SMALL = {"steps": 1, "hidden": 8}


def table(n=256):
    rng = np.random.default_rng(0)
    c = rng.normal(size=(n, 2)).astype("float32")
    return c[:, :1] + 0.5 * rng.normal(size=(n, 1)).astype("float32"), c * UNITS + SHIFT


@pytest.mark.parametrize(
    "make",
    [
        lambda: MAF(1, context_dims=2, steps=1, hidden=(8,), mixture=2),
        lambda: NSF(1, context_dims=2, blocks=1, bins=3, **SMALL),
        lambda: NSF(2, context_dims=2, blocks=1, bins=3, **SMALL),
        lambda: IAF(1, context_dims=2, steps=1, hidden=(8,), standardize=True),
    ],
    ids=["MAF", "NSF of 1", "NSF of 2", "IAF"],
)
def test_builders_standardise_the_context(make):
    flow, (y, c) = eager(perturb(make(), 0.1)), table()
    plain = eager(make())
    plain.set_weights(flow.get_weights())
    y = np.repeat(y, flow.dims, axis=1)
    flow.adapt([y, c])
    plain.adapt([y, (c - SHIFT) / UNITS])
    assert not flow.needs_adapt
    np.testing.assert_allclose(
        flow.log_prob(y, c), plain.log_prob(y, (c - SHIFT) / UNITS), rtol=1e-3, atol=1e-3
    )


def test_the_layer_is_adapted_once_and_saved(tmp_path):
    c = keras.Input((2,))
    model = keras.Model(c, layers.StandardizeContext()(c))
    layer, x = model.layers[1], table()[1]
    np.testing.assert_array_equal(array(layer(x)), x)
    assert layer.needs_adapt and not layer.trainable_weights
    layer.adapt(x)
    layer.adapt(5 * x)
    z = array(layer(x))
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-2)
    np.testing.assert_allclose(z.std(0), 1, atol=1e-3)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert not again.layers[1].needs_adapt
    np.testing.assert_array_equal(array(again(x)), z)
    constant = layers.StandardizeContext()
    constant.adapt(np.full((8, 1), 3, "float32"))
    assert array(constant(np.float32([[5]]))) == 2
    with pytest.raises(ValueError, match="not finite. Received"):
        layers.StandardizeContext().adapt(np.full((8, 1), np.nan, "float32"))


def rising_or_falling(sign, prior=None):
    """p(y | c) = N(3 + 2 c, (1/2)^2): y is mapped to sign * 2 (y - 3 - 2 c)."""
    y, c = keras.Input((1,)), keras.Input((1,))
    scale = layers.CondActnorm()
    z = layers.Rescale(sign)(scale([y, c]))
    flow = Flow(keras.Model([y, c], z), prior)
    scale.net.kernel.assign([[0.0, -4.0]])
    scale.net.bias.assign([np.log(2), -6.0])
    return eager(flow)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_quantiles_of_one_dimension_are_exact(sign):
    flow, q = rising_or_falling(sign), np.array([0.05, 0.5, 0.95])
    c = np.float32([[-1], [0], [4]])
    normal = np.array([statistics.NormalDist(0, 0.5).inv_cdf(v) for v in q])
    expected = normal[:, None, None] + 3 + 2 * c
    np.testing.assert_allclose(flow.quantiles(q, c), expected, atol=1e-4)
    np.testing.assert_allclose(flow.quantiles(q, c[:, 0]), expected, atol=1e-4)
    np.testing.assert_allclose(flow.quantiles(0.95, c), expected[2], atol=1e-4)
    np.testing.assert_allclose(flow.quantiles(q, c[2]), expected[:, 2], atol=1e-4)
    np.testing.assert_allclose(flow.quantiles(0.05, 4.0), expected[0, 2], atol=1e-4)


def test_quantiles_under_other_priors():
    c, q = np.float32([[1]]), [0.1, 0.8]
    logistic = rising_or_falling(1.0, priors.StandardLogistic())
    expected = 5 + 0.5 * np.log(np.array(q) / (1 - np.array(q)))
    np.testing.assert_allclose(logistic.quantiles(q, c)[:, 0, 0], expected, atol=1e-4)
    learned = rising_or_falling(1.0, priors.DiagonalNormal())
    learned.prior.mean.assign([2.0])
    learned.prior.log_std.assign([np.log(3.0)])
    expected = [statistics.NormalDist(6, 1.5).inv_cdf(v) for v in q]
    np.testing.assert_allclose(learned.quantiles(q, c)[:, 0, 0], expected, atol=1e-4)


def test_quantiles_in_more_dimensions_are_those_of_samples():
    x, c = keras.Input((2,)), keras.Input((2,))
    scale = layers.CondActnorm(use_shift=False)
    flow = eager(Flow(keras.Model([x, c], scale([x, c]))))
    scale.net.bias.assign(np.log([2.0, 0.5]))
    result = flow.quantiles([0.1, 0.9], np.zeros((3, 2), "float32"), samples=4000, seed=0)
    expected = np.multiply.outer([-1.2816, 1.2816], [0.5, 2.0])
    assert result.shape == (2, 3, 2)
    np.testing.assert_allclose(result, np.repeat(expected[:, None], 3, axis=1), rtol=0.1)
    plain = keras.Input((2,))
    flow = eager(Flow(keras.Model(plain, layers.Rescale(2.0)(plain))))
    result = flow.quantiles([0.1, 0.9], samples=4000, seed=0)
    np.testing.assert_allclose(result, [[-0.64, -0.64], [0.64, 0.64]], rtol=0.1)


@pytest.mark.parametrize("q", [0.0, 1.5, np.nan, [], [[0.5]]], ids=str)
def test_numbers_that_are_not_quantiles_are_refused(q):
    with pytest.raises(ValueError, match="between 0 and 1. Received"):
        rising_or_falling(1.0).quantiles(q, 0.0)


def test_many_samples_for_each_context():
    flow, c = rising_or_falling(1.0), np.float32([[-1], [0], [4]])
    many = flow.sample(400, seed=0, context=c, per_context=True)
    assert many.shape == (3, 400, 1)
    np.testing.assert_allclose(many.mean(1), 3 + 2 * c, atol=0.1)
    np.testing.assert_allclose(many.std(1), 0.5, atol=0.06)
    assert flow.sample(4, context=c[0], per_context=True).shape == (1, 4, 1)
    for call in (lambda: flow.sample(400, context=c), lambda: flow.sample(2, context=c)):
        with pytest.raises(ValueError, match="per_context=True.*Received: n=[0-9]+, 3 contexts"):
            call()
    plain = keras.Input((2,))
    with pytest.raises(ValueError, match="no context.*Received"):
        Flow(keras.Model(plain, layers.Rescale(2.0)(plain))).sample(3, per_context=True)


def test_contexts_may_be_tensors():
    flow, c = rising_or_falling(1.0), np.float32([[-1], [0], [4]])
    x, log_prob = flow.sample_with_log_prob(context=ops.convert_to_tensor(c), seed=0)
    np.testing.assert_allclose(array(log_prob), flow.log_prob(array(x), c), rtol=1e-4)
    assert flow.sample(2, context=ops.convert_to_tensor(c), per_context=True).shape == (3, 2, 1)


def test_adapt_stops_at_the_last_layer_that_needs_it():
    seen = []

    class Net(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(1,))

        def call(self, x):
            seen.append(x.shape[0])
            return self.scale * x

    x = keras.Input((2,))
    h = layers.Coupling(Net(name="early"), split="halves")(layers.Standardize()(x))
    h = layers.Coupling(Net(name="late"), split="halves")(layers.Actnorm()(h))
    flow = Flow(keras.Model(x, h))
    seen.clear()
    flow.adapt(vectors(100, 2))
    assert seen == [100] and not flow.needs_adapt
    flow.adapt(vectors(100, 2))
    assert seen == [100]


def test_inner_layers_are_adapted_to_some_of_very_many_rows(monkeypatch):
    monkeypatch.setattr("keras_flows.flow.adaptation.ROWS", 10)
    x = keras.Input((2,))
    h = layers.Standardize()(x)
    flow, data = Flow(keras.Model(x, layers.Actnorm()(layers.Rescale(3.0)(h)))), vectors(1000, 2)
    flow.adapt(data)
    np.testing.assert_allclose(array(flow.encoder.layers[1].mean), data.mean(0), rtol=1e-4)
    some = data[np.linspace(0, 999, 10).astype(int)]
    np.testing.assert_allclose(flow.encode(some).std(0), 1, atol=1e-3)
