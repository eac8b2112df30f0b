"""From pixels to densities: noise, dequantization, logits."""

import math

import keras
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.ledger import Ledger


def sample_size(x):
    """Elements a sample, static where they are known."""
    inner = x.shape[1:]
    return ops.cast(ops.prod(ops.shape(x)[1:]), "float32") if None in inner else math.prod(inner)


class Noise(FlowLayer):
    """Adds noise in training and nothing otherwise; log-det 0, inverse the identity.

    A subclass writes `draw`, and has `seed` as an option.
    """

    volume_preserving = True

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed, self.seed_generator = seed, keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        if training:
            inputs = inputs + self.draw(ops.shape(inputs), inputs.dtype)
        return super().call(inputs)

    def encode(self, x):
        return x, None

    def decode(self, z):
        return z, None

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@register
class UniformNoise(Noise):
    """Adds U(low, high) in training and nothing otherwise; log-det 0, inverse the identity.

    The blog series' noise: `UniformNoise(-0.01, 0)` is its NICE's. It does
    not know the data's bin width, so that no bits/dim follow from it; for
    those use `Dequantize`.

    Args:
        low, high: ends of the interval, `low < high`, else ValueError.
        seed: integer that fixes the stream of noise.

    Shapes: any to the same.

    >>> x = UniformNoise(-0.01, 0.0)(x, training=True)
    """

    def __init__(self, low=0.0, high=1.0, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not low < high:
            raise ValueError(f"UniformNoise needs low < high. Received: low={low}, high={high}.")
        self.low, self.high = float(low), float(high)

    def draw(self, shape, dtype):
        return keras.random.uniform(shape, self.low, self.high, dtype, seed=self.seed_generator)

    def get_config(self):
        return {**super().get_config(), "low": self.low, "high": self.high}


@register
class GaussianNoise(Noise):
    """Adds N(0, std^2) in training and nothing otherwise; log-det 0, inverse the identity.

    A flow that begins with it is a density of noisy data; its score takes the
    noise off again (`GuidedFlow.denoise`).

    Args:
        std: standard deviation, above 0, else ValueError.
        seed: integer that fixes the stream of noise.

    Shapes: any to the same. Paper: TarFlow (2412.06329) section 2.

    >>> x = GaussianNoise(0.05)(x, training=True)
    """

    def __init__(self, std=0.05, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not std > 0:
            raise ValueError(f"std must be above 0. Received: std={std}.")
        self.std = float(std)

    def draw(self, shape, dtype):
        return keras.random.normal(shape, 0.0, self.std, dtype, seed=self.seed_generator)

    def get_config(self):
        return {**super().get_config(), "std": self.std}


@register
class Dequantize(FlowLayer):
    """Integers to [0, 1): z = (x + u) / levels, log|det dz/dx| = -dims * log(levels).

    u is uniform noise on [0, 1) in training and whenever a density is asked
    for; otherwise it is 1/2, the middle of the bin. The noise spans exactly
    one bin, and the log-det carries its width, so that -log_prob / (dims ln 2)
    of a flow that starts here is an upper bound on the bits/dim of the
    integers. The inverse is `Quantize`: it rounds down and clips.

    Args:
        levels: how many integers there are, 2 or more, else ValueError.
        seed: integer that fixes the stream of noise.

    Shapes: integers `(batch, ...)` to floats of the same shape; a log-det is
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
        # Noise just below a full bin rounds up to it: stay inside [0, 1).
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

    Gives uint8 up to 256 levels and int32 above. Its log-det is the negative
    of `Dequantize`'s, dims * log(levels) nats, so that the two cancel.

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


@register
class Logit(FlowLayer):
    """[0, 1] to the line: z = logit(alpha + (1 - 2 alpha) x).

    log|det dz/dx| = sum(softplus(z) + softplus(-z) + log(1 - 2 alpha)), shape
    `(batch,)`, in nats. Keeps a density from spending itself on the edges.

    Args:
        alpha: distance from 0 and 1 that inputs are drawn in by, in (0, 1/2),
            else ValueError.

    Shapes: any to the same. Paper: RealNVP (1605.08803) section 4.1.

    Its domain is wider than [0, 1] by alpha / (1 - 2 alpha) at each end, 0.056
    for an alpha of 0.05: decoded numbers may lie there, and numbers beyond
    give NaN. For columns that must stay within limits use `Constrained`.

    >>> z = Logit(0.05)(x)
    """

    def __init__(self, alpha=0.05, **kwargs):
        super().__init__(**kwargs)
        if not 0 < alpha < 0.5:
            raise ValueError(f"alpha lies between 0 and 0.5. Received: alpha={alpha}.")
        self.alpha = float(alpha)

    def _log_det(self, z):
        slope = math.log(1 - 2 * self.alpha)
        return self.sum(ops.softplus(z) + ops.softplus(-z) + slope)

    def encode(self, x):
        s = self.alpha + (1 - 2 * self.alpha) * x
        z = ops.log(s) - ops.log1p(-s)
        return z, self._log_det(z)

    def decode(self, z):
        return (ops.sigmoid(z) - self.alpha) / (1 - 2 * self.alpha), -self._log_det(z)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


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


def check_levels(levels):
    if int(levels) != levels or levels < 2:
        raise ValueError(f"levels is a whole number of 2 or more. Received: levels={levels}.")
    return int(levels)


def integer_dtype(levels):
    return "uint8" if levels <= 256 else "int32"
