"""Cutting the last axis into contiguous parts, and joining them again."""

from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.shapes import check_list, known_size


def split_last_axis(layer, x, sizes):
    """Contiguous parts of the last axis, of these sizes."""
    if sum(sizes) != x.shape[-1]:
        raise ValueError(
            f"{type(layer).__name__} needs a last axis of {sum(sizes)}, for parts of sizes "
            f"{sizes}. Received: shape={tuple(x.shape)}."
        )
    # Not by slices: TensorFlow pads their gradients one by one.
    at = [sum(sizes[:i]) for i in range(1, len(sizes))]
    return list(ops.split(x, len(sizes) if len(set(sizes)) == 1 else at, axis=-1))


def check_joinable(layer, shapes, count=None):
    """Raises a ValueError unless tensors of these shapes agree in all but the last axis."""
    check_list(layer, shapes, count)
    if len({(len(shape), *shape[1:-1]) for shape in shapes}) > 1:
        raise ValueError(
            f"{type(layer).__name__} joins parts that agree in all but the last axis. "
            f"Received: shapes {shapes}."
        )


@register
class Split(FlowLayer):
    """Splits the last axis into contiguous parts, log-det 0.

    Args:
        pattern: sizes of the parts; None for two halves (the first one longer
            by 1 if the axis is odd).

    Shapes: `(..., d)` to a list of `(..., pattern[i])`. Raises ValueError if
    the sizes do not add up to d. Paper: RealNVP (1605.08803) section 3.6.

    >>> kept, out = Split()(x)
    """

    volume_preserving = True

    def __init__(self, pattern=None, **kwargs):
        super().__init__(**kwargs)
        if pattern is not None and (len(pattern) < 2 or min(pattern) < 1):
            raise ValueError(f"pattern needs two positive sizes or more. Received: {pattern}.")
        self.pattern = None if pattern is None else [int(p) for p in pattern]

    def sizes(self, d):
        sizes = self.pattern or [(d + 1) // 2, d // 2]
        if sum(sizes) != d or min(sizes) < 1:
            raise ValueError(
                f"Split cannot cut a last axis of {d} into parts of {sizes}. "
                f"Received: pattern={self.pattern}."
            )
        return sizes

    def build(self, input_shape):
        self.sizes(known_size(self, input_shape))

    def encode(self, x):
        return split_last_axis(self, x, self.sizes(x.shape[-1])), None

    def decode(self, z):
        return ops.concatenate(z, axis=-1), None

    def compute_output_shape(self, input_shape):
        return [(*input_shape[:-1], size) for size in self.sizes(input_shape[-1])]

    def _make_inverse(self):
        return Concat(self.pattern, dtype=self.dtype_policy.name)

    def get_config(self):
        return {**super().get_config(), "pattern": self.pattern}


@register
class Concat(FlowLayer):
    """Joins parts along the last axis: the inverse of `Split`, log-det 0.

    Args:
        pattern: sizes of the parts, only needed for an inverse before the
            layer is built; otherwise they are those of the inputs.

    Shapes: a list of `(..., d_i)` to `(..., sum d_i)`.

    >>> x = Concat()([kept, out])
    """

    volume_preserving = True

    def __init__(self, pattern=None, **kwargs):
        super().__init__(**kwargs)
        self.pattern = None if pattern is None else [int(p) for p in pattern]

    @property
    def joined_sizes(self):
        return self.pattern

    def build(self, input_shape):
        check_joinable(self, input_shape)
        sizes = [known_size(self, shape) for shape in input_shape]
        if self.pattern not in (None, sizes):
            raise ValueError(f"Concat expects parts of {self.pattern}. Received: {input_shape}.")
        self.pattern = sizes

    def encode(self, x):
        return ops.concatenate(x, axis=-1), None

    def decode(self, z):
        return split_last_axis(self, z, self.pattern or Split().sizes(z.shape[-1])), None

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], sum(shape[-1] for shape in input_shape))

    def _make_inverse(self):
        if self.pattern is None:
            raise ValueError(
                f"The inverse of '{self.name}' needs the sizes of the parts: call the layer "
                "first, or pass pattern. Received: pattern=None."
            )
        return Split(self.pattern, dtype=self.dtype_policy.name)

    def get_config(self):
        return {**super().get_config(), "pattern": self.pattern}
