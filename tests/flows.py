"""Small flows that several test files use."""

import keras
import numpy as np

from keras_flows import Flow, layers
from tests.nets import net


def vectors(n=64, dims=4, seed=0):
    """Correlated, skewed, shifted data."""
    x = np.random.default_rng(seed).normal(size=(n, dims)) @ np.triu(np.full((dims, dims), 0.6))
    return (2 + x + 0.2 * x**2).astype("float32")


def vector_flow(dims=4, prior=None, name="flow"):
    x = keras.Input((dims,))
    h = layers.InvConv(seed=0)(layers.Actnorm()(x))
    a, b = layers.SplitVector()(layers.Shuffle("random")(h))
    h = layers.ConcatVector()(layers.AddCouple()([a, b, net(dims // 2)(a)]))
    h = layers.Coupling(net(dims // 2), split="halves", flip=True)(h)
    return Flow(keras.Model(x, layers.Scale("zeros")(h)), prior, name=name)


def picture_flow():
    """A flow of two scales, with a conditional prior for the part that is split off."""
    x = keras.Input((4, 4, 2))
    h = layers.InvConv(seed=1)(layers.Actnorm()(layers.Squeeze()(x)))
    kept, out = layers.Split()(layers.Coupling(net(4), split="halves")(h))
    out = layers.CondActnorm()([out, kept])
    top = layers.Permute("random")(layers.Squeeze()(kept))
    return Flow(keras.Model(x, layers.Concat()([layers.Reshape((16,))(v) for v in (out, top)])))


def pictures(n=32, seed=0):
    return np.random.default_rng(seed).normal(1, 2, size=(n, 4, 4, 2)).astype("float32")


def pixel_flow(levels=4, dims=2, prior=None):
    """A flow of integers."""
    x = keras.Input((dims,), dtype="uint8")
    h = layers.Logit(1e-3)(layers.Dequantize(levels, seed=0)(x))
    for i in range(2):
        h = layers.Coupling(net(1), flip=bool(i))(layers.InvConv(seed=i)(layers.Actnorm()(h)))
    return Flow(keras.Model(x, layers.Actnorm()(h)), prior)


def trained(flow, x, epochs=2, rate=0.01):
    flow.compile(keras.optimizers.Adam(rate))
    flow.fit(x, batch_size=16, epochs=epochs, verbose=0, shuffle=False)
    return flow
