"""The standard logistic prior."""

import math

import keras
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.priors.prior import Prior


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
        epsilon = 1e-7
        u = keras.random.uniform(shape, epsilon, 1 - epsilon, dtype=self.variable_dtype, seed=seed)
        return ops.log(u) - ops.log1p(-u)

    def transform(self, u, temperature):
        return temperature * u
