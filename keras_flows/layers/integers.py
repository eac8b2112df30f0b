"""Integers that stay integers: between pixels and the numbers that integer flows compute with."""

import keras
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.layers.dequantize import check_levels, integer_dtype


@register
class IntegerInput(FlowLayer):
    """Integers to floats with the same values, centred: z = x - levels // 2, log-det 0.

    The first layer of an integer discrete flow. z is an integer in a float,
    which is exact up to 2^24. No noise is added, so that the flow computes
    probabilities and not densities. The inverse is `IntegerOutput`, which
    clips and returns integers.

    Args:
        levels: number of levels, 2 or more, else ValueError; the data is
            integers from 0 to levels - 1.

    Shapes: any to the same. Paper: IDF (1905.07376) section 3.

    >>> z = IntegerInput(256)(pixels)
    """

    volume_preserving = True
    keeps_integers = True

    def __init__(self, levels=256, **kwargs):
        super().__init__(**kwargs)
        self.levels = check_levels(levels)

    @property
    def integer_levels(self):
        return self.levels

    def encode(self, x):
        return ops.cast(x, self.compute_dtype) - self.levels // 2, None

    def decode(self, z):
        x = ops.clip(ops.round(z) + self.levels // 2, 0, self.levels - 1)
        return ops.cast(x, integer_dtype(self.levels)), None

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def _make_inverse(self):
        return IntegerOutput(self.levels, dtype=self.dtype_policy.name)

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}


@register
class IntegerOutput(FlowLayer):
    """Floats with integer values to integers: x = clip(z + levels // 2), log-det 0.

    The inverse of `IntegerInput`. The output is uint8 for up to 256 levels and
    int32 for more. Values of z outside the range, which samples of a flow may
    have, become the nearest level.

    >>> pixels = IntegerOutput(256)(z)
    """

    volume_preserving = True

    def __init__(self, levels=256, **kwargs):
        super().__init__(**kwargs)
        self.levels = check_levels(levels)

    encode = IntegerInput.decode
    decode = IntegerInput.encode

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, dtype=integer_dtype(self.levels))

    def _make_inverse(self):
        return IntegerInput(self.levels, dtype=self.dtype_policy.name)

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}
