"""NICE in keras_flows, and its floor: the same networks without a flow."""

import keras
from keras import ops

from keras_flows.models import NICE


def flow(dims, couplings, hidden):
    """The blog's NICE as the package builds it: noise, couplings, scaling, normal prior."""
    return NICE(dims, steps=couplings, hidden=hidden, seed=0)


class Floor(keras.Model):
    """Trains networks to predict one half of the data from the other.

    With a target in reach, gradients would shrink to denormal numbers, which are slow on CPUs.
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        a, b = halves(x)
        errors = [out - (a if i % 2 else b) for i, out in enumerate(y_pred)]
        return sum(ops.mean(ops.sum(error * error, axis=-1)) for error in errors)


def halves(x):
    half = x.shape[-1] // 2
    return x[:, :half], x[:, half:]


def floor(dims, couplings, hidden):
    """The coupling networks of `flow` alone, each on one half of the data.

    The mean of the previous network's output is added to every input but the first. So the
    networks run in the order of the flow, where TensorFlow would run independent networks in
    parallel, and gradients reach their inputs.
    """
    layers = flow(dims, couplings, hidden).encoder.layers
    nets = [layer for layer in layers if isinstance(layer, keras.Sequential)]
    x = keras.Input((dims,), name="x")
    outputs = [nets[0](halves(x)[0])]
    for i, net in enumerate(nets[1:], 1):
        outputs.append(net(halves(x)[i % 2] + ops.mean(outputs[-1])))
    return Floor(x, outputs, name="floor")
