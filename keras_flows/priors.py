"""Distributions of the latent: log densities in nats, samples with a temperature."""

import math
import statistics

import keras
import numpy as np
from keras import ops

from keras_flows.checks import check_count
from keras_flows.layers.flow_layer import FlowLayer, register

_normal_quantile = staticmethod(statistics.NormalDist().inv_cdf)


class Prior(keras.layers.Layer):
    """Base of priors over latents of one sample's shape, given to `build`.

    A subclass writes `log_prob(z)`, `(batch, ...)` to `(batch,)` in nats, and
    `transform(u, temperature)`, from standard draws to samples; `draw` makes
    the standard draws. A `conditional` prior takes the flow's contexts as
    further arguments of `build`, `log_prob` and `transform`.
    """

    conditional = False
    quantile = None  # of a standard draw, where dimensions are independent

    def __init__(self, *, dtype=None, **kwargs):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)

    def build(self, latent_shape):
        if not latent_shape or None in latent_shape[1:]:
            raise ValueError(
                f"A prior needs a latent of known shape. Received: latent_shape={latent_shape}."
            )
        self.latent_shape = tuple(latent_shape[1:])

    def draw(self, shape, seed):
        return keras.random.normal(shape, dtype=self.variable_dtype, seed=seed)

    def sample(self, n, temperature=1.0, seed=None, *context):
        """`n` latents, `(n, ...)`; `temperature` scales their spread around the mode.

        It is a number, or an array of one for each latent dimension. A
        context has one for each latent.
        """
        check_count(n)
        heat = np.asarray(temperature)
        if not np.all(np.isfinite(heat)) or np.any(heat < 0):
            raise ValueError(
                "A temperature is a finite number of 0 or more. "
                f"Received: temperature={temperature}."
            )
        if np.ndim(temperature):
            temperature = ops.convert_to_tensor(temperature, self.variable_dtype)
        return self.transform(self.draw((n, *self.latent_shape), seed), temperature, *context)

    def adapt(self, *context):
        """Data-dependent initialisation from contexts; most priors have none."""

    def call(self, z, *context):
        return self.log_prob(z, *context)


@register
class StandardNormal(Prior):
    """N(0, I): log p(z) = -1/2 sum(z^2 + log 2 pi) nats.

    >>> flow = Flow(encoder, prior=StandardNormal())
    """

    quantile = _normal_quantile

    def log_prob(self, z):
        return -0.5 * FlowLayer.sum(z * z + math.log(2 * math.pi))

    def transform(self, u, temperature):
        return temperature * u


@register
class StandardLogistic(Prior):
    """Independent logistics: log p(z) = -sum(softplus(z) + softplus(-z)) nats.

    The prior of NICE (1410.8516) section 3.4 for its MNIST model.

    >>> flow = Flow(encoder, prior=StandardLogistic())
    """

    @staticmethod
    def quantile(q):
        return math.log(q) - math.log1p(-q)

    def log_prob(self, z):
        return -FlowLayer.sum(ops.softplus(z) + ops.softplus(-z))

    def draw(self, shape, seed):
        tiny = 1e-7
        u = keras.random.uniform(shape, tiny, 1 - tiny, dtype=self.variable_dtype, seed=seed)
        return ops.log(u) - ops.log1p(-u)

    def transform(self, u, temperature):
        return temperature * u


@register
class DiagonalNormal(Prior):
    """Normal with a learned mean and log standard deviation a dimension; starts as N(0, I).

    log p(z) = -sum(1/2 ((z - mean) / std)^2 + log std + 1/2 log 2 pi) nats.
    Paper: Glow (1807.03039), the code's learned top.

    >>> flow = Flow(encoder, prior=DiagonalNormal())
    """

    quantile = _normal_quantile

    def build(self, latent_shape):
        super().build(latent_shape)
        self.mean = self.add_weight(name="mean", shape=self.latent_shape, initializer="zeros")
        self.log_std = self.add_weight(name="log_std", shape=self.latent_shape, initializer="zeros")

    def log_prob(self, z):
        u = (z - self.mean) * ops.exp(-self.log_std)
        return -FlowLayer.sum(0.5 * u * u + self.log_std + 0.5 * math.log(2 * math.pi))

    def transform(self, u, temperature):
        return self.mean + temperature * ops.exp(self.log_std) * u
