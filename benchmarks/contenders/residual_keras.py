"""A residual flow in keras_flows, and its floor: the same networks in an ordinary residual net."""

import keras
from keras import ops

from keras_flows.layers import Residual, Squeeze
from keras_flows.models import ResidualFlow


def flow(image_shape, blocks, hidden, lipschitz, terms):
    """As the package builds it: a squeeze, then blocks of which each is followed by an actnorm.

    Log-determinants are series of `terms` terms, whose gradients are Neumann series.
    """
    return ResidualFlow(
        image_shape,
        levels=1,
        squeezes=1,
        steps=blocks,
        hidden=hidden,
        lipschitz=lipschitz,
        log_det="series",
        terms=terms,
        alpha=0.05,
        seed=0,
    )


def networks(model):
    """The networks of the blocks in their order."""
    return [layer.net for layer in model.encoder.layers if isinstance(layer, Residual)]


class Floor(keras.Model):
    """Trains networks g, in x + g(x) one after another, to make the pictures small."""

    def __init__(self, nets, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.nets, self.squeeze = nets, Squeeze()

    def build(self, input_shape):
        self.built = True  # the networks are

    def call(self, x):
        h = self.squeeze.encode(ops.cast(x, "float32") / 128 - 1)[0]
        for net in self.nets:
            h = h + net(h)
        return ops.sum(ops.square(h)) / ops.cast(ops.shape(x)[0], "float32")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return y_pred


def floor(image_shape, blocks, hidden, lipschitz, terms):
    """The networks of `flow` alone, with their kernels normalised: no log-determinants."""
    return Floor(networks(flow(image_shape, blocks, hidden, lipschitz, terms)), name="floor")
