"""Variational dequantization: its density, its bound, and the builders that take it."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers, models
from keras_flows.models.pictures import learned_noise
from tests.numeric import array

LEVELS = 4


def moved_layer(seed=0):
    """A layer for 2x2 pictures of one channel, whose noise is not uniform."""
    layer = learned_noise((2, 2, 1), LEVELS, seed, hidden=4)
    layer.build((None, 2, 2, 1))
    rng = np.random.default_rng(seed)
    for v in layer.trainable_weights:
        v.assign(array(v) + 0.2 * rng.normal(size=v.shape))
    return layer


def pictures(n, seed=0):
    """2x2 pictures of 4 levels that are dark or bright as a whole, so that pixels depend."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2, (n, 1, 1, 1)) * 3
    flips = rng.random((n, 2, 2, 1)) < 0.1
    return np.where(flips, rng.integers(0, LEVELS, (n, 2, 2, 1)), base).astype("uint8")


@pytest.mark.parametrize("low,high", [(0.3, 0.7), (0.1, 0.5)])
def test_the_density_of_the_noise_is_that_of_its_draws(low, high):
    """The mean of 1 / q(u | x) over the draws u of q that are in a cube is the cube's volume."""
    x = ops.convert_to_tensor(np.tile(pictures(1, seed=3), (100_000, 1, 1, 1)), "float32")
    noise, log_q = (array(v) for v in moved_layer().noise(x))
    assert 0 <= noise.min() and noise.max() < 1 and log_q.std() > 0.2
    inside = np.all((low < noise) & (noise < high), axis=(1, 2, 3))
    volume = np.mean(np.exp(-log_q.astype("float64")) * inside)
    assert volume == pytest.approx((high - low) ** 4, rel=0.06)


def test_noise_depends_on_the_picture_and_stays_in_its_bin():
    means = []
    for value in (0, LEVELS - 1):
        layer, x = moved_layer(), np.full((4000, 2, 2, 1), value, "uint8")
        z = layer(ops.convert_to_tensor(x), training=True)
        np.testing.assert_array_equal(array(layer.inverse()(z)), x)
        means.append((array(z) * LEVELS - x).mean(0))
    # Both layers draw the same numbers.
    assert np.abs(means[0] - means[1]).max() > 0.002
    middle = array(layer(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(middle, (value + 0.5) / LEVELS, rtol=1e-6)


@pytest.mark.parametrize("levels", [4, 256])
def test_noise_near_1_does_not_reach_the_next_integer(levels):
    layer = learned_noise((2, 2, 1), levels, 0, hidden=4)
    layer.build((None, 2, 2, 1))
    bias = next(v for v in layer.steps[0].trainable_weights if "bias" in v.name)
    bias.assign(np.full(bias.shape, 30.0))  # noise of which the sigmoid is 1
    x = np.arange(levels, dtype="uint8")[:, None, None, None] * np.ones((1, 2, 2, 1), "uint8")
    z = layer(ops.convert_to_tensor(x), training=True)
    np.testing.assert_array_equal(array(layer.inverse()(z)), x)


def simple_flow(noise):
    """A diagonal flow, which cannot model the square bins of uniform noise."""
    x = keras.Input((2, 2, 1), dtype="uint8")
    uniform = layers.Dequantize(LEVELS, seed=0)
    start = uniform if noise == "uniform" else learned_noise((2, 2, 1), LEVELS, 0, hidden=8)
    h = layers.Reshape((4,))(layers.Logit(1e-3)(start(x)))
    for flip in (False, True):
        net = keras.Sequential([keras.layers.Dense(16, "relu"), keras.layers.Dense(4)])
        h = layers.Coupling(net, "affine", flip=flip, scale="tanh")(layers.Actnorm()(h))
    return Flow(keras.Model(x, h))


def test_learned_noise_gives_a_tighter_bound():
    x = pictures(4096)
    bits = {}
    for noise in ("uniform", "variational"):
        keras.utils.set_random_seed(0)
        flow = simple_flow(noise)
        flow.compile(keras.optimizers.Adam(0.01))
        flow.fit(x, batch_size=256, epochs=12, verbose=0)
        bits[noise] = flow.bits_per_dim(np.tile(x, (4, 1, 1, 1))).mean()
    counts = np.unique(x.reshape(len(x), -1), axis=0, return_counts=True)[1] / len(x)
    entropy = -(counts * np.log2(counts)).sum() / 4
    assert entropy - 0.02 < bits["variational"] < bits["uniform"] - 0.1


@pytest.mark.parametrize(
    "builder,options",
    [
        (models.Glow, {"levels": 2, "steps": 1, "hidden": 4}),
        (models.RealNVP, {"levels": 2, "hidden": 4, "blocks": 1}),
        (models.Jet, {"steps": 2, "hidden": 4, "blocks": 1, "heads": 1}),
        (models.TarFlow, {"steps": 2, "hidden": 4, "blocks": 1, "heads": 1}),
    ],
)
def test_builders_of_pictures_take_it(builder, options):
    x = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype("uint8")
    flow = builder((8, 8, 3), noise="variational", seed=0, **options)
    flow.adapt(x)
    assert flow.discrete and not flow.exact
    assert np.isfinite(flow.bits_per_dim(x)).all()
    assert flow.sample(2, seed=0).dtype == "uint8"
    np.testing.assert_array_equal(flow.reconstruct(x), x)


def test_a_saved_flow_has_the_same_noise(tmp_path):
    flow, x = simple_flow("variational"), pictures(64)
    flow.adapt(x)
    flow.save(tmp_path / "flow.keras")
    loaded = keras.saving.load_model(tmp_path / "flow.keras")
    start = [v.encoder.layers[1] for v in (flow, loaded)]
    assert [type(v) for v in start] == [layers.VariationalDequantize] * 2
    for v in start:
        v.seed_generator.state.assign(ops.zeros_like(v.seed_generator.state.value))
    np.testing.assert_allclose(flow.log_prob(x), loaded.log_prob(x), rtol=1e-5)


@pytest.mark.parametrize("builder", [models.Glow, models.RealNVP, models.Jet, models.TarFlow])
def test_unknown_noise_is_refused(builder):
    with pytest.raises(ValueError, match="noise is .*'variational'.*Received: noise='normal'"):
        builder((8, 8, 3), noise="normal")


@pytest.mark.parametrize("shape", [(2, 3, 4, 1), (2, 12), (2, None, 4, 1)])
def test_pictures_without_even_sides_are_refused(shape):
    with pytest.raises(ValueError, match="even sides.*Received"):
        learned_noise((4, 4, 1), LEVELS, 0, hidden=4)(keras.KerasTensor(shape, "uint8"))


def test_a_built_layer_refuses_other_pictures():
    layer = moved_layer()
    with pytest.raises(ValueError, match="shape"):
        layer(ops.ones((2, 4, 4, 1), "uint8"))
