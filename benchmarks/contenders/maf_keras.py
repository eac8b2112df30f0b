"""MAF in keras_flows, and its floor: the same masked networks without a flow."""

import keras
from keras import ops

from keras_flows.models import MAF


def flow(dims, steps, hidden):
    """Affine autoregressive steps in alternating order, no normalisation, standard normal.

    Weights start at random values, as those of the peers do.
    """
    options = {"norm": None, "standardize": False, "start": "random", "seed": 0}
    return MAF(dims, steps=steps, hidden=hidden, **options)


class Floor(keras.Model):
    """Trains networks, one after another, to predict each number of a row from those before it.

    The mean of the previous network's output is added to each input. So the networks run in the
    order of the flow, and gradients reach the inputs of all networks but the first. The rows are
    noise, which cannot be predicted: with a target in reach, gradients would shrink to denormal
    numbers, which are slow on CPUs.
    """

    def __init__(self, nets, **kwargs):
        super().__init__(**kwargs)
        self.nets = nets

    def build(self, input_shape):
        self.built = True  # the networks are

    def call(self, x):
        last, errors = 0.0, []
        for net in self.nets:
            out = net(x + last)
            last = ops.mean(out)
            errors.append(ops.sum(ops.square(out - x[..., None])))
        return sum(errors) / ops.cast(ops.shape(x)[0], "float32")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return y_pred


def networks(model):
    """The networks of the autoregressive steps."""
    return [layer.net for layer in model.encoder.layers if hasattr(layer, "net")]


def floor(dims, steps, hidden):
    """The networks of `flow` alone, with their masks.

    A MAF with these networks can be faster only by a mean, a sum and a difference of each
    network's outputs.
    """
    return Floor(networks(flow(dims, steps, hidden)), name="floor")
