"""Chains of repeated steps, and inputs for them."""

import keras
import numpy as np

from keras_flows import layers, networks
from tests.nets import glow_step
from tests.numeric import perturb

IMAGE = (4, 4, 3)


def images(shape=(5, *IMAGE), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(keras.config.floatx())


def wide():
    """A network that JAX may run in a loop on CPUs, because its convolutions are products there."""
    return networks.ConvNet(2, 16, actnorm=True, edges=True)


def glow_chain(count=3, network=wide, shape=IMAGE, stack=True):
    chain = layers.Chain([v for _ in range(count) for v in glow_step(network())], stack=stack)
    chain.build((None, *shape))
    return perturb(chain, 0.05)
