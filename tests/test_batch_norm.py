"""BatchNormFlow: statistics of the batch in training, running averages in the density."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from keras_flows.core.ledger import Ledger
from keras_flows.networks import ResidualNet
from tests.layers import normal
from tests.numeric import array, encode, gradient, perturb

EPSILON = 1e-4


def draw(*shape):
    return normal(np.random.default_rng(0), shape)


def made(x, **options):
    layer = layers.BatchNormFlow(**options)
    layer(x)
    return layer


def in_training(layer, x):
    with Ledger() as ledger:
        z = layer(ops.convert_to_tensor(x), training=True)
    return array(z), array(ledger.total())


@pytest.mark.parametrize("shape", [(64, 5), (8, 3, 4, 5)])
@pytest.mark.parametrize("affine", [True, False])
def test_training_normalises_by_the_batch(shape, affine):
    x = draw(*shape)
    layer, axes = perturb(made(x, affine=affine)), tuple(range(len(shape) - 1))
    z, log_det = in_training(layer, x)
    k, b = (array(layer.kernel), array(layer.bias)) if affine else (0, 0)
    np.testing.assert_allclose(z.mean(axes), b + np.zeros(5), atol=1e-5)
    np.testing.assert_allclose(z.std(axes), np.exp(k) + np.zeros(5), rtol=1e-3)
    each = np.sum(k - 0.5 * np.log(x.var(axes) + EPSILON))
    np.testing.assert_allclose(log_det, np.prod(shape[1:-1]) * each, rtol=1e-4)


def test_gradients_go_through_the_statistics_of_the_batch(float64):
    x, direction = draw(6, 2), np.random.default_rng(1).normal(size=(6, 2))
    layer = perturb(made(x))
    k, b = array(layer.kernel), array(layer.bias)

    def objective(x):
        variables = layer.trainable_variables, layer.non_trainable_variables
        values = [[v.value for v in group] for group in variables]
        with Ledger() as ledger:
            z, _ = layer.stateless_call(*values, x, training=True)
        return ops.sum(z * ops.convert_to_tensor(direction)) + ledger.total()

    def by_hand(x):
        scale = k - 0.5 * np.log(x.var(0) + EPSILON)
        return np.sum(((x - x.mean(0)) * np.exp(scale) + b) * direction) + scale.sum()

    expected = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[i] = 1e-5
        expected[i] = (by_hand(x + step) - by_hand(x - step)) / 2e-5
    np.testing.assert_allclose(gradient(objective, x), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 1, 3)])
def test_a_batch_of_one_vector_is_normalised_by_the_running_averages(shape):
    layer = perturb(made(draw(1, 3)))
    layer.mean.assign([1.0, 2.0, 3.0])
    layer.variance.assign([4.0, 5.0, 6.0])
    (z,), log_det = encode(layer, [draw(*shape)])
    z_training, log_det_training = in_training(layer, draw(*shape))
    np.testing.assert_allclose(z_training, z, rtol=1e-5)
    np.testing.assert_allclose(log_det_training, log_det[0], rtol=1e-5)
    np.testing.assert_allclose(array(layer.mean), [1, 2, 3], rtol=1e-6)
    np.testing.assert_allclose(array(layer.variance), [4, 5, 6], rtol=1e-6)


def test_a_last_batch_of_one_row_does_not_change_the_running_averages():
    x, data = keras.Input((3,)), draw(9, 3)
    norm = layers.BatchNormFlow(0.5, data_init=False)
    flow = Flow(keras.Model(x, norm(x)))
    flow.compile("sgd")
    flow.fit(data, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_allclose(array(norm.mean), 0.5 * data[:8].mean(0), rtol=1e-4)
    np.testing.assert_allclose(array(norm.variance), 0.5 + 0.5 * data[:8].var(0), rtol=1e-4)


def test_statistics_have_the_precision_of_the_data(float64):
    x = draw(7, 3)
    layer = made(x, momentum=0.0)
    z, log_det = in_training(layer, x)
    np.testing.assert_allclose(array(layer.mean), x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(array(layer.variance), x.var(0), rtol=1e-13)
    np.testing.assert_allclose(z.std(0), np.sqrt(x.var(0) / (x.var(0) + EPSILON)), rtol=1e-13)
    np.testing.assert_allclose(log_det, -0.5 * np.log(x.var(0) + EPSILON).sum(), rtol=1e-13)


@pytest.mark.parametrize("kind", ["Actnorm", "Scale", "Standardize", "BatchNormFlow"])
def test_initialisation_has_the_precision_of_the_data(kind, float64):
    x = 3 + draw(50, 4)
    layer = getattr(layers, kind)(**({"data_init": True} if kind == "Scale" else {}))
    layer.adapt(ops.convert_to_tensor(x))
    (z,), _ = encode(layer, [x])
    ratio = EPSILON if kind == "BatchNormFlow" else 0
    np.testing.assert_allclose(z.std(0), np.sqrt(x.var(0) / (x.var(0) + ratio)), rtol=1e-12)


def test_running_averages_change_in_training_only():
    x = draw(64, 3)
    layer = made(x, momentum=0.9, data_init=False)
    in_training(layer, x)
    np.testing.assert_allclose(array(layer.mean), 0.1 * x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(array(layer.variance), 0.9 + 0.1 * x.var(0), rtol=1e-4)
    kept = array(layer.mean)
    layer(x)
    layer.inverse()(x, training=True)
    np.testing.assert_array_equal(array(layer.mean), kept)


def test_running_averages_are_not_trained():
    names = ("mean", "variance", "adapted")
    assert [w.name for w in made(draw(4, 3)).non_trainable_variables] == [names[2], *names[:2]]
    assert not made(draw(4, 3), affine=False).trainable_variables


def test_training_and_density_agree_if_the_statistics_do():
    x = draw(8, 2, 2, 3)
    layer = perturb(made(x))
    layer.mean.assign(x.mean((0, 1, 2)))
    layer.variance.assign(x.var((0, 1, 2)))
    (z,), log_det = encode(layer, [x])
    z_training, log_det_training = in_training(layer, x)
    np.testing.assert_allclose(z_training, z, atol=1e-5)
    np.testing.assert_allclose(log_det_training, log_det[0], rtol=1e-5)
    np.testing.assert_allclose(array(layer.inverse()(z)), x, atol=1e-5)


def test_adapt_initialises_the_running_averages_once():
    x = np.concatenate([draw(64, 3), np.full((64, 1), 7, "float32")], -1)
    layer = layers.BatchNormFlow()
    assert layer.needs_adapt
    layer.adapt(ops.convert_to_tensor(x))
    assert not layer.needs_adapt
    np.testing.assert_allclose(array(layer.mean), x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(array(layer.variance)[:3], x.var(0)[:3], rtol=1e-4)
    assert array(layer.variance)[3] == 1  # of a constant channel
    z = array(layer(x))
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(z.std(0)[:3], 1, atol=1e-3)
    layer.adapt(ops.convert_to_tensor(5 * x))
    np.testing.assert_array_equal(array(layer(x)), z)
    assert not layers.BatchNormFlow(data_init=False).needs_adapt


def test_the_training_flag_reaches_layers_in_a_chain_and_in_a_network():
    x, data = keras.Input((2, 2, 4)), 3 + draw(16, 2, 2, 4)
    net, norm = ResidualNet(4, 4, 1), layers.BatchNormFlow(0.5, data_init=False)
    coupling = layers.Coupling(net, "affine", split="halves")
    flow = Flow(keras.Model(x, layers.Chain([norm, coupling])(x)))
    flow.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
    watched = [norm.mean, net.enter_norm.moving_mean]
    before = [array(w) for w in watched]
    flow.evaluate(data, verbose=0)
    assert all(np.array_equal(a, array(w)) for a, w in zip(before, watched))
    flow.fit(data, batch_size=16, epochs=1, verbose=0)
    np.testing.assert_allclose(array(norm.mean), 0.5 * data.mean((0, 1, 2)), rtol=1e-4)
    assert not np.array_equal(before[1], array(watched[1]))
