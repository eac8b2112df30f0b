"""Glow in keras_flows, and its floor: the same networks without a flow."""

import keras
from keras import ops

from keras_flows.layers import Chain, CondActnorm, Squeeze
from keras_flows.models import Glow


def flow(image_shape, levels, depth, hidden):
    """Glow as the package builds it, with plain networks: actnorm, PLU, affine coupling.

    Pixels are dequantized and scaled to [-1, 1]. The prior of a split-off part is a Gaussian
    conditioned on the part that is kept; that of the last scale is N(0, 1).
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
    """For each scale the networks of its couplings, followed by that of its conditional prior.

    Networks of couplings are new copies, because the weights of stacked steps are rows of shared
    variables.
    """
    layers = model.encoder.layers
    scales = [layer for layer in layers if isinstance(layer, Chain)]
    priors = [layer.net for layer in layers if isinstance(layer, CondActnorm)]
    parts = [
        [_copy_net(step, scale) for step in scale.steps if hasattr(step, "net")] for scale in scales
    ]
    return [[*nets, *priors[i : i + 1]] for i, nets in enumerate(parts)]


def _copy_net(coupling, scale):
    net = type(coupling.net).from_config(coupling.net.get_config())
    *sides, channels = scale.input.shape
    net.build((*sides, channels // 2))
    return net


class Floor(keras.Model):
    """Trains networks, one after another, to predict the picture from its first channels.

    The input of each network has the shape that it has in the flow: the first half of the channels
    of its scale, here of the picture itself. The mean of the previous network's output, or for the
    first network a trained number, is added to the input. So the networks run in the order of the
    flow, and gradients reach all inputs, as they do in the flow. The pictures are noise, which
    cannot be predicted: with a target in reach, gradients would shrink to denormal numbers, which
    are slow on CPUs.
    """

    def __init__(self, parts, **kwargs):
        super().__init__(dtype="float32", **kwargs)  # each network has its own
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

    A Glow can be faster only by the operations between the networks here: a mean, a sum and a
    difference of a few channels each, about 1%.
    """
    return Floor(networks(flow(image_shape, levels, depth, hidden)), name="floor")


def blog_floor(image_shape, levels, depth, hidden):
    """The networks of `blog` alone."""
    return Floor(networks(blog(image_shape, levels, depth, hidden)), name="floor")
