"""From integers to the interval [0, 1) and back."""

import math

import keras
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.ledger import Ledger
from keras_flows.layers.rescale import sample_size


@register
class Dequantize(FlowLayer):
    """Integers to [0, 1): z = (x + u) / levels, log|det dz/dx| = -dims * log(levels).

    u is uniform noise on [0, 1) in training and whenever a density is
    computed; otherwise it is 1/2, the middle of the bin. The noise spans
    exactly one bin, and the log-det includes its width, so that
    -log_prob / (dims ln 2) of a flow that starts with this layer is an upper
    bound on the bits/dim of the integers. The inverse is `Quantize`, which
    rounds down and clips.

    Args:
        levels: number of levels, 2 or more, else ValueError; the data is
            integers from 0 to levels - 1.
        seed: integer seed of the noise.

    Shapes: integers `(batch, ...)` to floats of the same shape; the log-det is
    a scalar in nats. Paper: Theis et al. (1511.01844) section 3.1.

    >>> z = Dequantize(256)(pixels)
    """

    def __init__(self, levels=256, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.levels, self.seed = check_levels(levels), seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def integer_levels(self):
        return self.levels

    def call(self, inputs, training=None):
        x = ops.cast(inputs, self.compute_dtype)
        if training or Ledger.active():
            noise = keras.random.uniform(ops.shape(x), dtype=x.dtype, seed=self.seed_generator)
            x = x + noise - 0.5
        return super().call(x)

    def encode(self, x):
        x = ops.cast(x, self.compute_dtype)
        # Noise just below 1 can round up to 1: stay inside [0, 1).
        z = ops.clip((x + 0.5) / self.levels, 0, 1 - 2**-24)
        return z, -sample_size(z) * math.log(self.levels)

    def decode(self, z):
        # The cast rounds down; ops.floor would drop float64 to float32 on JAX and torch.
        x = ops.clip(z * self.levels, 0, self.levels - 1)
        return ops.cast(x, integer_dtype(self.levels)), sample_size(z) * math.log(self.levels)

    def _make_inverse(self):
        return Quantize(self.levels, dtype=self.dtype_policy.name)

    def get_config(self):
        return {**super().get_config(), "levels": self.levels, "seed": self.seed}


@register
class Quantize(FlowLayer):
    """[0, 1) to integers: x = clip(floor(z * levels)), the inverse of `Dequantize`.

    The output is uint8 for up to 256 levels and int32 for more. The log-det is
    that of `Dequantize` with the sign changed, dims * log(levels) nats.

    >>> pixels = Quantize(256)(z)
    """

    def __init__(self, levels=256, **kwargs):
        super().__init__(**kwargs)
        self.levels = check_levels(levels)

    encode = Dequantize.decode
    decode = Dequantize.encode

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, dtype=integer_dtype(self.levels))

    def _make_inverse(self):
        return Dequantize(self.levels, dtype=self.dtype_policy.name)

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}


def check_levels(levels):
    if int(levels) != levels or levels < 2:
        raise ValueError(f"levels is a whole number of 2 or more. Received: levels={levels}.")
    return int(levels)


def integer_dtype(levels):
    return "uint8" if levels <= 256 else "int32"
