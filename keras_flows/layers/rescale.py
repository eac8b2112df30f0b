"""A fixed affine map of all numbers."""

import math

from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register


@register
class Rescale(FlowLayer):
    """Fixed affine map: z = scale * x + offset, log|det dz/dx| = dims * log|scale| nats.

    `Rescale(2, -1)` takes [0, 1] to [-1, 1]. Shapes: any to the same. Raises
    ValueError for a scale of 0.

    >>> z = Rescale(2.0, -1.0)(Dequantize()(pixels))
    """

    def __init__(self, scale, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        if not scale:
            raise ValueError(f"scale must not be 0. Received: scale={scale}.")
        self.scale, self.offset = float(scale), float(offset)

    def encode(self, x):
        return self.scale * x + self.offset, sample_size(x) * math.log(abs(self.scale))

    def decode(self, z):
        return (z - self.offset) / self.scale, -sample_size(z) * math.log(abs(self.scale))

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}


def sample_size(x):
    """The number of elements in a sample, a Python integer where it is known."""
    inner = x.shape[1:]
    return ops.cast(ops.prod(ops.shape(x)[1:]), "float32") if None in inner else math.prod(inner)
