"""Networks for couplings, and layers made of them, that several test files use."""

import keras
from keras import ops

import keras_flows
from keras_flows import layers, networks


@keras.saving.register_keras_serializable("my_flows")
class Sinh(keras_flows.layers.FlowLayer):
    """The example in the docstring of FlowLayer, word for word; a test compares them."""

    def encode(self, x):
        return ops.arcsinh(x), -self.sum(0.5 * ops.log1p(x * x))

    def decode(self, z):
        return ops.sinh(z), self.sum(ops.log(ops.cosh(z)))


@keras.saving.register_keras_serializable("my_flows")
class Dense64(keras.layers.Dense):
    """A dense layer that keeps float64, which Keras' rounds to float32 on JAX and torch."""

    def call(self, x):
        return self.activation(x @ ops.convert_to_tensor(self.kernel) + self.bias)


def net(outputs):
    return keras.Sequential([keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(outputs)])


def net64(outputs):
    return keras.Sequential([Dense64(6, activation="relu"), Dense64(outputs)])


def net_of_two(first, context, outputs, net=net):
    """A network with a list of inputs: the part that stays, and a context."""
    parts = [keras.Input(first), keras.Input(context)]
    return keras.Model(parts, net(outputs)(keras.layers.Concatenate()(parts)))


def conv_net(outputs):
    return networks.ConvNet(outputs, 4, actnorm=True, edges=True)


def glow_step(network):
    return [layers.Actnorm(), layers.InvConv(), affine(network, split="halves")]


def affine(network, *args, **options):
    return layers.Coupling(network, "affine", *args, **options)


def checkers(outputs, *args, net=net, **options):
    return layers.CheckerboardCouple(net(outputs), *args, **options)


def autoregressive(outputs, transform="affine", order="natural", hidden=(8,), **options):
    names = [name for name in ("residual", "activation") if name in options]
    net_options = {name: options.pop(name) for name in names}
    made = networks.MADE(outputs, hidden, order, seed=0, **net_options)
    return layers.MaskedAutoregressive(made, transform, **options)


@keras.saving.register_keras_serializable("my_flows")
class Before(keras.layers.Layer):
    """An autoregressive network other than MADE: shift and scale from the previous dimension.

    In float32 under a mixed policy, as MADE: in bfloat16 its shifts would differ in a loop.
    """

    def __init__(self, dtype=None, **kwargs):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 2))

    def call(self, x):
        before = ops.pad(x[:, :-1], [[0, 0], [1, 0]])
        return ops.stack([before, before], axis=-1) * self.kernel

    def compute_output_shape(self, shape):
        return (*shape, 2)
