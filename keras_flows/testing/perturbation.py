"""Weights moved away from their initial values, which hide most errors."""

import contextlib

import numpy as np

from keras_flows.core import lipschitz
from keras_flows.testing.arrays import array


def perturb(layer, scale=0.2, seed=0):
    """Adds normal noise to every trainable weight and returns the layer."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_variables:
        weight.assign(array(weight) + scale * rng.normal(size=weight.shape))
    lipschitz.refresh(layer)
    return layer


@contextlib.contextmanager
def perturbed(layer):
    """Perturbs the layer's trainable weights inside the block and restores them afterwards."""
    values = [(weight, array(weight)) for weight in layer.trainable_variables]
    try:
        yield perturb(layer)
    finally:
        for weight, value in values:
            weight.assign(value)
        lipschitz.refresh(layer)
