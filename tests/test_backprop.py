"""Backward passes that keep less: "reversible" and "remat" against ordinary training."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows import Flow, layers
from keras_flows.backend import native
from keras_flows.core.ledger import Ledger
from keras_flows.core.scope import BACKPROP, scope
from keras_flows.models import Glow
from tests.chains import IMAGE, glow_chain, images
from tests.multiscale import smooth_pictures, train_briefly
from tests.nets import affine, net64
from tests.numeric import array, arrays

SIZES = {"levels": 2, "hidden": 4, "steps": 3, "seed": 0}


def gradients(chain, x, mode):
    """Gradients of a function of z and its log-determinant, by x and by each weight."""
    trained = chain.trainable_variables

    def total(x, *weights):
        weights_set = keras.StatelessScope(state_mapping=list(zip(trained, weights)))
        with weights_set, scope(backprop=mode), Ledger() as ledger:
            z = chain(x)
        log_det = ops.broadcast_to(ledger.total(), x.shape[:1])
        return ops.sum(z * z) + ops.sum(log_det**2)

    inputs = [ops.convert_to_tensor(v) for v in (x, *map(array, trained))]
    return arrays(native.vjp(total, inputs, ops.ones((), x.dtype))[1])


def assert_same_gradients(chain, x, mode, tolerance):
    actual, expected = gradients(chain, x, mode), gradients(chain, x, None)
    assert len(actual) == 1 + len(chain.trainable_variables)
    for a, b in zip(actual, expected):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max(), rtol=0)


@pytest.mark.parametrize("mode", ["reversible", "remat"])
@pytest.mark.parametrize("stacked", [True, False])
def test_gradients_equal_those_of_ordinary_training(mode, stacked, run_as):
    assert_same_gradients(glow_chain(stack=stacked), images(), mode, 1e-5)


@pytest.mark.parametrize("mode", ["reversible", "remat"])
@pytest.mark.parametrize("stacked", [True, False])
def test_gradients_in_float64(mode, stacked, run_as, float64):
    chain = glow_chain(3, lambda: net64(4), (4,), stack=stacked)
    assert_same_gradients(chain, images((5, 4)), mode, 1e-10)


@pytest.mark.parametrize("variant", ["blog", "paper"])
def test_a_trained_flow_has_the_same_gradients(variant):
    flow = Glow(variant=variant, image_shape=(8, 8, 3), **SIZES)
    train_briefly(flow, smooth_pictures(32, (8, 8, 3)))
    for chain in (v for v in flow.encoder.layers if isinstance(v, layers.Chain)):
        assert_same_gradients(chain, images((5, *chain.input.shape[1:])), "reversible", 1e-5)


@pytest.mark.slow
def test_training_takes_the_same_steps_in_each_mode():
    losses = {}
    for mode in BACKPROP:
        keras.utils.set_random_seed(0)
        flow = Flow(keras.Sequential([keras.Input(IMAGE), glow_chain()]), backprop=mode)
        flow.compile(keras.optimizers.Adam(0.01))
        x = images((16, *IMAGE))
        losses[mode] = flow.fit(x, epochs=3, verbose=0, shuffle=False).history["loss"]
    assert losses[None][-1] < losses[None][0]
    for mode in BACKPROP:
        np.testing.assert_allclose(losses[mode], losses[None], rtol=1e-5)


def test_remat_with_log_determinants_that_are_numbers():
    def flow(backprop):
        keras.utils.set_random_seed(0)
        steps = [affine(net64(4)), layers.Rescale(2.0).inverse(), Folded(net64(4))]
        flow = Flow(keras.Sequential([keras.Input((4,)), *steps]), backprop=backprop)
        flow.compile(keras.optimizers.SGD(0.01))
        return flow

    histories = [flow(m).fit(images((8, 4)), epochs=2, verbose=0).history for m in (None, "remat")]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)


class Folded(layers.FlowLayer):
    """z = 3 (x + net(1)), whose log-determinant is a number."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def build(self, shape):
        self.net.build(shape)

    def encode(self, x):
        return 3 * (x + self.net(ops.ones_like(x))), 4 * float(np.log(3))

    def decode(self, z):
        return z / 3 - self.net(ops.ones_like(z)), -4 * float(np.log(3))


def test_log_determinants_that_are_numbers_are_float64(float64):
    scale = layers.Rescale(2.3)
    with Ledger() as ledger:
        scale.inverse()(scale(ops.ones((2, 5))))
        layers.Dequantize(7)(ops.ones((2, 5), "uint8"))
    expected = 5 * np.log([2.3, 1 / 2.3, 1 / 7])
    np.testing.assert_allclose(arrays(ledger.entries), expected, rtol=1e-14)


def test_a_flow_saves_its_mode_and_refuses_unknown_ones():
    flow = Flow(keras.Sequential([keras.Input(IMAGE), glow_chain()]), backprop="remat")
    assert Flow.from_config(flow.get_config()).backprop == "remat"
    with pytest.raises(ValueError, match="backprop is one of .*Received: backprop='less'"):
        flow.backprop = "less"


def test_remat_recomputes_single_flow_layers():
    calls = []

    class Counted(keras.layers.Dense):
        def call(self, x):
            calls.append(1)
            return super().call(x)

    x = keras.Input((4,))
    flow = Flow(keras.Model(x, affine(keras.Sequential([Counted(4)]))(x)))
    counts = {}
    for mode in (None, "remat"):
        flow.backprop = mode
        flow.compile("sgd", run_eagerly=True)
        calls.clear()
        if keras.backend.backend() == "jax":  # which traces a step once
            counts[mode] = recomputed(flow)
        else:
            flow.fit(images((8, 4)), batch_size=8, verbose=0)
            counts[mode] = len(calls)
    assert counts["remat"] > counts[None]


def recomputed(flow):
    """How many parts of a training step are computed again on JAX."""
    import jax

    def loss(x):
        with keras.StatelessScope():
            z, log_det = flow(x, training=True)
        return ops.sum(z) + ops.sum(log_det)

    return str(jax.make_jaxpr(jax.grad(loss))(ops.ones((8, 4)))).count("prevent_cse")
