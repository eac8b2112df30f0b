"""TarFlow in keras_flows, and its floor: the same transformers without a flow."""

from keras import ops

from benchmarks.contenders import maf_keras
from benchmarks.contenders.maf_keras import networks
from keras_flows.layers import Patchify
from keras_flows.models import TarFlow


def flow(image_shape, patch, channels, blocks, layers_per_block):
    """As the package builds it: dequantized pixels in [-1, 1], standard normal."""
    return TarFlow(
        image_shape,
        steps=blocks,
        patch=patch,
        hidden=channels,
        blocks=layers_per_block,
        noise="uniform",
        seed=0,
    )


class Floor(maf_keras.Floor):
    """The floor of MAF for patches: predicts the numbers of each from the patches before it.

    Every number has two outputs, as in the flow. The networks run in the order of the flow, the
    patches in raster order.
    """

    def __init__(self, nets, patch, **kwargs):
        super().__init__(nets, **kwargs)
        self.patchify = Patchify(patch)

    def call(self, x):
        x = self.patchify(ops.cast(x, "float32") / 128 - 1)
        target, last, errors = ops.repeat(x, 2, axis=-1), 0.0, []
        for net in self.nets:
            out = net(x + last)
            last = ops.mean(out)
            errors.append(ops.sum(ops.square(out - target)))
        return sum(errors) / ops.cast(ops.shape(x)[0], "float32")


def floor(image_shape, patch, channels, blocks, layers_per_block):
    """The transformers of `flow` alone.

    A TarFlow with these can be faster only by a mean, a sum and a difference of each
    transformer's outputs.
    """
    nets = networks(flow(image_shape, patch, channels, blocks, layers_per_block))
    return Floor(nets, patch, name="floor")
