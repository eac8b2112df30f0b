"""Glow in keras_flows, and its floor: the same networks with no flow around them."""

import keras
from keras import ops

from keras_flows.layers import Chain, CondActnorm, Squeeze
from keras_flows.models import Glow


def flow(image_shape, levels, depth, hidden):
    """Glow as the package builds it, with plain networks: actnorm, PLU, affine coupling.

    Pixels are dequantized and brought to [-1, 1]; what is split off has a
    Gaussian given by what is kept, and the last scale N(0, 1).
    """
    return Glow(
        image_shape,
        levels=levels,
        steps=depth,
        variant="blog",
        coupling="affine",
        permutation="inv_conv",
        hidden=hidden,
        learn_top=False,
        seed=0,
    )


def blog(image_shape, levels, depth, hidden):
    """The blog series' Glow: additive couplings, permutations, a learned scale at the top."""
    return Glow(image_shape, levels=levels, steps=depth, hidden=hidden, seed=0)


def networks(model):
    """For each scale the networks of its couplings and, last, that of its conditional prior.

    Couplings' are made anew, with weights of their own: stacked steps have only rows of some.
    """
    layers = model.encoder.layers
    scales = [layer for layer in layers if isinstance(layer, Chain)]
    priors = [layer.net for layer in layers if isinstance(layer, CondActnorm)]
    parts = [
        [_anew(step, scale) for step in scale.steps if hasattr(step, "net")] for scale in scales
    ]
    return [[*nets, *priors[i : i + 1]] for i, nets in enumerate(parts)]


def _anew(coupling, scale):
    net = type(coupling.net).from_config(coupling.net.get_config())
    *sides, channels = scale.input.shape
    net.build((*sides, channels // 2))
    return net


class Floor(keras.Model):
    """Trains networks one after another to tell the picture from its first channels.

    Each has the input it has in the flow: the first half of the channels of
    its scale, here of the picture itself. To every input the mean of the
    last network's output is added, and to the first a trained number: so the
    networks run in the flow's order, and gradients go on to the inputs of
    all of them, as they do there. The pictures are noise, a target that cannot
    be reached: gradients that shrink to denormal numbers are slow on CPUs.
    """

    def __init__(self, parts, **kwargs):
        super().__init__(dtype="float32", **kwargs)  # the networks have their own
        self.parts, self.squeeze = parts, Squeeze()
        self.start = self.add_weight(name="start", shape=(), initializer="zeros")

    def build(self, input_shape):
        self.built = True  # the networks are

    def call(self, x):
        h, last, errors = ops.cast(x, "float32") / 128 - 1, self.start, []
        for nets in self.parts:
            h = self.squeeze.encode(h)[0]
            x1 = h[..., : h.shape[-1] // 2]
            for net in nets:
                out = ops.cast(net(x1 + last), "float32")
                last = ops.mean(out)
                errors.append(ops.sum(ops.square(out - h[..., : out.shape[-1]])))
            h = x1
        return sum(errors) / ops.cast(ops.shape(x)[0], "float32")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return y_pred


def floor(image_shape, levels, depth, hidden):
    """The coupling and prior networks of `flow` alone.

    No Glow can be faster by more than what stands between the networks
    here: a mean, a sum and a difference of a few channels each, about 1%.
    """
    return Floor(networks(flow(image_shape, levels, depth, hidden)), name="floor")


def blog_floor(image_shape, levels, depth, hidden):
    """The networks of `blog` alone."""
    return Floor(networks(blog(image_shape, levels, depth, hidden)), name="floor")
