"""Distributions of the latent: log densities in nats, samples with a temperature."""

from keras_flows.priors.logistic import StandardLogistic
from keras_flows.priors.mixture import AutoregressiveMixture
from keras_flows.priors.normal import DiagonalNormal, StandardNormal
from keras_flows.priors.prior import Prior

__all__ = [
    "AutoregressiveMixture",
    "DiagonalNormal",
    "Prior",
    "StandardLogistic",
    "StandardNormal",
]
