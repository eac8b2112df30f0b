"""Normal priors: standard, and with learned means and standard deviations."""

import math
import statistics

from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.priors.prior import Prior

_normal_quantile = staticmethod(statistics.NormalDist().inv_cdf)


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
class DiagonalNormal(Prior):
    """Normal with learned means and log standard deviations; starts as N(0, I).

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
