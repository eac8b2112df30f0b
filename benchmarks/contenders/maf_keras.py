"""MAF in keras_flows, and its floor: the same masked networks with no flow around them."""

import keras
from keras import ops

from keras_flows.models import MAF


def flow(dims, steps, hidden):
    """Affine autoregressive steps in alternating order, no normalisation, standard normal.

    A random start, as the peers have.
    """
    options = {"norm": None, "standardize": False, "start": "random", "seed": 0}
    return MAF(dims, steps=steps, hidden=hidden, **options)


class Floor(keras.Model):
    """Trains networks one after another to tell each number of a row from those before it.

    To every input the mean of the last network's outputs is added: so the
    networks run in the flow's order, and gradients go on to the inputs of all
    but the first. The rows are noise, a target that cannot be reached:
    gradients that shrink to denormal numbers are slow on CPUs.
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
    """Those of the autoregressive steps."""
    return [layer.net for layer in model.encoder.layers if hasattr(layer, "net")]


def floor(dims, steps, hidden):
    """The networks of `flow` alone, masks and all.

    No MAF of these networks can be faster by more than a mean, a sum and a
    difference of each network's outputs.
    """
    return Floor(networks(flow(dims, steps, hidden)), name="floor")
