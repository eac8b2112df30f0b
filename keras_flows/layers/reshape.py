"""Reshaping of samples."""

import math

from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register


@register
class Reshape(FlowLayer):
    """Reshapes each sample, log-det 0.

    Args:
        target_shape: output shape of a sample, without the batch axis; None
            for one axis of all elements, as in the blog series' Glow.
        source_shape: input shape of a sample; known once the layer is built,
            and only needed for an inverse before that.

    Raises ValueError if the two have different numbers of elements, and for
    sizes below 1, also -1.

    >>> z = Reshape()(images)  # or Reshape((784,))
    """

    volume_preserving = True

    def __init__(self, target_shape=None, source_shape=None, **kwargs):
        super().__init__(**kwargs)
        self.target_shape = self._sizes("target_shape", target_shape)
        self.source_shape = self._sizes("source_shape", source_shape)

    @staticmethod
    def _sizes(name, shape):
        if shape is None:
            return None
        sizes = tuple(shape) if hasattr(shape, "__iter__") else (None,)
        if any(s is None or s < 1 for s in sizes):
            raise ValueError(
                f"{name} lists the sizes of a sample, each 1 or more, without the batch axis: "
                f"(784,), not (-1, 784). Received: {name}={shape}."
            )
        return tuple(int(s) for s in sizes)

    def build(self, input_shape):
        source = tuple(input_shape[1:])
        if self.target_shape is None and None not in source:
            self.target_shape = (math.prod(source),)
        if (
            None in source
            or math.prod(source) != math.prod(self.target_shape)
            or self.source_shape not in (None, source)
        ):
            raise ValueError(
                f"Reshape from {self.source_shape or 'any shape'} to "
                f"{self.target_shape or 'one axis'} needs samples of known shape with the same "
                f"number of elements. Received: input_shape={tuple(input_shape)}."
            )
        self.source_shape = source

    def encode(self, x):
        return self._reshape(x, self.source_shape, self.target_shape), None

    def decode(self, z):
        return self._reshape(z, self.target_shape, self.source_shape), None

    def _reshape(self, x, source, target):
        received = tuple(x.shape[1:])
        if source is not None and None not in received and received != source:
            raise ValueError(
                f"'{self.name}' reshapes {source} to {target}. Received: shape={tuple(x.shape)}."
            )
        return ops.reshape(x, (-1, *target))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *(self.target_shape or [math.prod(input_shape[1:])]))

    def _make_inverse(self):
        if self.source_shape is None:
            raise ValueError(
                f"The inverse of '{self.name}' needs the input shape: call the layer first, or "
                "pass source_shape. Received: source_shape=None."
            )
        return Reshape(self.source_shape, self.target_shape, dtype=self.dtype_policy.name)

    def get_config(self):
        shapes = {"target_shape": self.target_shape, "source_shape": self.source_shape}
        return {**super().get_config(), **shapes}
