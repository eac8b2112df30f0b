"""Noise that is added in training: uniform and normal."""

import keras
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register


class Noise(FlowLayer):
    """Base of layers that add noise in training only; the log-det is 0, the inverse the identity.

    A subclass writes `draw(shape, dtype)`.
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
    """Adds U(low, high) in training only; the log-det is 0, the inverse the identity.

    The noise of the blog series: its NICE has `UniformNoise(-0.01, 0)`. The
    layer does not know the bin width of the data, so the flow has no
    bits/dim; for these use `Dequantize`.

    Args:
        low, high: ends of the interval, `low < high`, else ValueError.
        seed: integer seed of the noise.

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
    """Adds N(0, std^2) in training only; the log-det is 0, the inverse the identity.

    A flow that begins with this layer is a density of noisy data; its score
    removes the noise from samples (`GuidedFlow.denoise`).

    Args:
        std: standard deviation, above 0, else ValueError.
        seed: integer seed of the noise.

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
