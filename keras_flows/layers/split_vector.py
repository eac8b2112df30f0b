"""Cutting the last axis into even and odd positions, and interleaving them again."""

from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.shapes import known_size
from keras_flows.layers.split import check_joinable


def interleave(even, odd):
    """Even positions from `even`, odd ones from `odd`, along the last axis."""
    extra = even.shape[-1] - odd.shape[-1]
    if extra not in (0, 1):
        raise ValueError(
            "The even part must have as many positions as the odd one, or one more. "
            f"Received: {tuple(even.shape)} and {tuple(odd.shape)}."
        )
    if extra:
        odd = ops.concatenate([odd, even[..., :1]], axis=-1)
    pairs = ops.stack([even, odd], axis=-1)
    joined = ops.reshape(pairs, (-1, *ops.shape(even)[1:-1], 2 * even.shape[-1]))
    return joined[..., :-1] if extra else joined


@register
class SplitVector(FlowLayer):
    """Splits the last axis by parity: x -> [x[..., 0::2], x[..., 1::2]], log-det 0.

    Shapes: `(..., d)` to `(..., ceil(d/2))` and `(..., floor(d/2))`.
    Raises ValueError if d is below 2. Paper: NICE (1410.8516) section 5.1.

    >>> even, odd = SplitVector()(x)
    """

    volume_preserving = True

    def build(self, input_shape):
        if known_size(self, input_shape) < 2:
            raise ValueError(
                "SplitVector needs two positions or more on the last axis. "
                f"Received: input_shape={tuple(input_shape)}."
            )

    def encode(self, x):
        return [x[..., 0::2], x[..., 1::2]], None

    def decode(self, z):
        return interleave(*z), None

    def compute_output_shape(self, input_shape):
        *lead, size = input_shape
        return [(*lead, (size + 1) // 2), (*lead, size // 2)]

    def _make_inverse(self):
        return ConcatVector(dtype=self.dtype_policy.name)


@register
class ConcatVector(FlowLayer):
    """Interleaves two parts along the last axis: the inverse of `SplitVector`, log-det 0.

    Shapes: `(..., ceil(d/2))` and `(..., floor(d/2))` to `(..., d)`. Raises
    ValueError unless the parts have equal length, or the first is longer by 1.

    >>> x = ConcatVector()([even, odd])
    """

    volume_preserving = True

    encode = SplitVector.decode
    decode = SplitVector.encode

    def build(self, input_shape):
        check_joinable(self, input_shape, 2)

    def compute_output_shape(self, input_shape):
        (*lead, even), (*_, odd) = input_shape
        if even - odd not in (0, 1):
            raise ValueError(
                "ConcatVector needs parts of equal length, or the first longer by 1. "
                f"Received: shapes {input_shape}."
            )
        return (*lead, even + odd)

    def _make_inverse(self):
        return SplitVector(dtype=self.dtype_policy.name)
