"""Densities of integers: bits/dim, checked by summing over all values."""

import functools
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers, models, networks, priors
from tests.flows import pixel_flow, trained
from tests.multiscale import eager, train_briefly
from tests.numeric import array

LEVELS = 4
STATES = np.array(list(itertools.product(range(LEVELS), repeat=2)), "uint8")


def probabilities(flow, draws=2000):
    """P(x) of each state: the density of x + u, averaged over the noise u."""
    log_prob = flow.log_prob(np.tile(STATES, (draws, 1)), batch_size=16000)
    return np.exp(log_prob.astype("float64")).reshape(draws, len(STATES)).mean(0)


def pairs(n=1024):
    """Integers whose distribution is far from uniform and not independent."""
    rng = np.random.default_rng(0)
    first = rng.choice(LEVELS, n, p=[0.5, 0.1, 0.1, 0.3])
    return np.stack([first, (first + rng.integers(0, 2, n)) % LEVELS], -1).astype("uint8")


def uniform_flow():
    """Logit and logistic prior cancel, so that all values have the same probability."""
    x = keras.Input((2,), dtype="uint8")
    z = layers.Logit(1e-6)(layers.Dequantize(LEVELS)(x))
    return Flow(keras.Model(x, z), priors.StandardLogistic())


@functools.cache
def trained_pixel_flow():
    return trained(pixel_flow(LEVELS), pairs(), epochs=4, rate=0.02)


def test_a_uniform_flow_has_log2_of_the_levels_as_bits_per_dim():
    flow = uniform_flow()
    np.testing.assert_allclose(flow.bits_per_dim(STATES), np.log2(LEVELS), atol=1e-4)
    np.testing.assert_allclose(probabilities(flow, 10), 1 / 16, rtol=1e-4)


def test_probabilities_sum_to_one():
    total = probabilities(trained_pixel_flow()).sum()
    assert 0.9 < total < 1.01


def test_bits_per_dim_bound_the_negative_log_probability():
    flow, x = trained_pixel_flow(), pairs()
    bits = flow.bits_per_dim(np.tile(STATES, (2000, 1)), batch_size=16000)
    exact = -np.log2(probabilities(flow)) / 2
    assert np.all(bits.reshape(2000, -1).mean(0) > exact - 0.02)
    entropy = -sum(p * np.log2(p) for p in np.bincount(x @ [4, 1], minlength=16) / len(x) if p) / 2
    assert entropy - 0.02 < flow.bits_per_dim(x).mean() < 2


def test_metric_and_loss_agree_with_bits_per_dim():
    flow, x = pixel_flow(LEVELS), np.tile(pairs(64), (64, 1))
    flow.adapt(x[:64])
    flow.compile("sgd")
    loss, bits = flow.evaluate(x, batch_size=1000, verbose=0)
    assert bits == pytest.approx(loss / (2 * np.log(2)), rel=1e-5)
    assert bits == pytest.approx(flow.bits_per_dim(x).mean(), abs=0.02)


def test_every_batch_and_every_call_has_new_noise():
    flow = pixel_flow(LEVELS)
    same = np.tile(STATES[5:6], (8, 1))
    values = np.concatenate([flow.log_prob(same, batch_size=4), flow.log_prob(same, batch_size=4)])
    assert len(np.unique(values)) == 16


def test_noise_spans_exactly_one_bin():
    layer = layers.Dequantize(LEVELS, seed=0)
    x = np.repeat(np.arange(LEVELS), 5000)[:, None].astype("uint8")
    z = array(layer(ops.convert_to_tensor(x), training=True))
    within = z * LEVELS - x
    assert 0 <= within.min() < 0.001 and 0.999 < within.max() <= 1
    assert array(layers.Dequantize(256).encode(np.array([[255.5]], "float32"))[0]) < 1
    assert within.mean() == pytest.approx(0.5, abs=0.01) and z.max() < 1
    np.testing.assert_array_equal(array(layer.inverse()(z)), x)


@pytest.mark.parametrize("levels", [2, 256, 1000, 65536])
def test_integers_come_back_exactly_with_noise(levels):
    layer = layers.Dequantize(levels, seed=0)
    x = np.random.default_rng(0).integers(0, levels, size=(2000, 3)).astype("int32")
    x[0], x[1] = 0, levels - 1
    back = array(layer.inverse()(layer(ops.convert_to_tensor(x))))
    np.testing.assert_array_equal(back, x)
    assert back.dtype == ("uint8" if levels <= 256 else "int32")


def test_a_chain_dequantizes_with_noise_for_densities_only():
    x = keras.Input((3,), dtype="uint8")
    flow = Flow(keras.Model(x, layers.Chain([layers.Dequantize(LEVELS), layers.Scale("zeros")])(x)))
    data = np.tile(np.array([[0, 1, 3]], "uint8"), (8, 1))
    np.testing.assert_allclose(flow.encode(data), (data + 0.5) / LEVELS, rtol=1e-6)
    assert len(np.unique(flow.log_prob(data))) == 8 and flow.discrete


def test_quantize_clips():
    z = np.array([[-0.5, 0.0, 0.999, 1.0, 7.0]], "float32")
    assert array(layers.Quantize(4)(z)).tolist() == [[0, 0, 3, 3, 3]]


def test_samples_are_integers_in_range():
    flow = trained_pixel_flow()
    x = flow.sample(200, seed=0)
    assert x.dtype == "uint8" and x.max() < LEVELS and len(np.unique(x)) == LEVELS
    np.testing.assert_array_equal(flow.reconstruct(STATES), STATES)


@pytest.mark.parametrize("value", [LEVELS, -1])
def test_integers_out_of_range_are_refused(value):
    flow, x = pixel_flow(LEVELS), np.full((8, 2), value, "int32")
    flow.compile("sgd")
    for call in (flow.fit, flow.log_prob, flow.encode):
        with pytest.raises(ValueError, match="from 0 to 3.*Received"):
            call(x)


def test_other_integer_dtypes_are_accepted():
    flow = trained_pixel_flow()
    np.testing.assert_array_equal(flow.encode(STATES), flow.encode(STATES.astype("int64")))


def test_bits_per_dim_without_integer_data_are_refused():
    x = keras.Input((2,))
    flow = Flow(keras.Model(x, layers.Scale()(layers.UniformNoise(-0.01, 0.0)(x))))
    with pytest.raises(ValueError, match=r"Dequantize.*Received.*begins with .*\(UniformNoise\)"):
        flow.bits_per_dim(np.zeros((2, 2), "float32"))


@pytest.mark.parametrize("levels", [256, 32])
def test_uniform_pictures_have_log2_of_the_levels_as_bits_per_dim(levels):
    x = keras.Input((2, 2, 3), dtype="uint8")
    z = layers.Logit(1e-6)(layers.Dequantize(levels)(x))
    flow = Flow(keras.Model(x, z), priors.StandardLogistic())
    pictures = np.random.default_rng(0).integers(0, levels, size=(16, 2, 2, 3)).astype("uint8")
    np.testing.assert_allclose(flow.bits_per_dim(pictures), np.log2(levels), rtol=1e-5)


PICTURES = np.array(list(itertools.product(range(LEVELS), repeat=4)), "uint8").reshape(-1, 2, 2, 1)
TINY = {"image_shape": (2, 2, 1), "levels": 1, "hidden": 4, "levels_per_channel": LEVELS, "seed": 0}


def plain_flow():
    """A flow without a logit after `Dequantize`."""
    x = keras.Input((2, 2, 1), dtype="uint8")
    h = layers.Squeeze()(layers.Dequantize(LEVELS, seed=0)(x))
    net = networks.ConvNet(4, 4)
    steps = [layers.Actnorm(), layers.InvConv(0), layers.Coupling(net, "affine", split="halves")]
    return Flow(keras.Model(x, layers.Reshape((4,))(layers.Chain(steps)(h))))


PICTURE_FLOWS = {
    "plain": plain_flow,
    "blog": lambda: models.Glow(steps=2, **TINY),
    "paper": lambda: models.Glow(steps=1, variant="paper", classes=2, **TINY),
    "logit": lambda: models.RealNVP(blocks=0, alpha=1e-4, **TINY),
}


def total_probability(flow, label=None, draws=200):
    """The sum of P(x) over all possible pictures, and its standard error over the noise."""
    context = None if label is None else np.full(draws * len(PICTURES), label)
    log_prob = flow.log_prob(np.tile(PICTURES, (draws, 1, 1, 1)), context, batch_size=30000)
    sums = np.exp(log_prob.astype("float64")).reshape(draws, -1).sum(1)
    return sums.mean(), sums.std() / np.sqrt(draws)


SLOW = dict.fromkeys(("blog", "paper"), pytest.mark.slow)


@pytest.mark.parametrize("name", [pytest.param(n, marks=SLOW.get(n, ())) for n in PICTURE_FLOWS])
def test_probabilities_of_all_pictures_sum_to_one(name):
    flow = eager(PICTURE_FLOWS[name]())
    # Pictures of the two middle levels: a normal fitted to them has little mass beyond the ends.
    x = PICTURES[np.all((PICTURES == 1) | (PICTURES == 2), axis=(1, 2, 3))]
    data = (x, x[:, 0, 0, 0] - 1) if flow.conditional else (x,)
    untrained = total_probability(flow, 0 if flow.conditional else None, draws=10)[0]
    train_briefly(flow, *data, steps=2 if name == "logit" else 30, rate=0.05)
    for label in (0, 1) if flow.conditional else (None,):
        total, error = total_probability(flow, label)
        # Without a logit the density has some mass outside of [0, 1), where there are no pictures:
        # the sum is less than 1 by that mass. With the logit the ends are at 9, beyond all mass.
        assert error < 0.02 and total < 1 + 4 * error
        assert total > (1 - 4 * error if name == "logit" else 0.97)
    assert name == "logit" or untrained < 0.5
