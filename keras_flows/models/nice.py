"""NICE: Non-linear Independent Components Estimation (Dinh et al., 1410.8516)."""

import keras

from keras_flows.flow.flow import Flow
from keras_flows.layers import (
    AddCouple,
    ConcatVector,
    Dequantize,
    Scale,
    Shuffle,
    SplitVector,
    UniformNoise,
)
from keras_flows.models.sizes import check_dims, check_sizes, widths
from keras_flows.priors import StandardLogistic, StandardNormal


def NICE(
    dims,
    *,
    steps=4,
    variant="blog",
    scale_init="glorot_normal",
    scale_factor=1.0,
    hidden=(1000,) * 5,
    prior=None,
    seed=None,
    name="nice",
):
    """A `Flow` of additive couplings and one scaling: NICE (1410.8516) sections 3 and 5.1.

    h -> [h_even, h_odd - m(h_even)], repeated `steps` times with the order
    reversed in between, then z = exp(k) h.

    Args:
        dims: dimensions of a sample, 2 or more.
        steps: number of coupling layers.
        variant: "blog", as in the blog series: floats in [0, 1], noise
            U(-0.01, 0) in training, ReLU at the end of the networks, normal
            prior; or "paper": integers 0..255, dequantized by U(0, 1)/256,
            linear outputs, logistic prior, so that bits/dim are defined.
        scale_init: a Keras initializer for k, or "data": from the first batch.
        scale_factor: z = exp(scale_factor * k) h; above 1, k is learned faster.
        hidden: widths of the ReLU layers of each coupling network; an integer
            is the width of all five.
        prior: another prior for the latent.
        seed: integer that fixes the noise.

    Shapes: `(batch, dims)` to the same. Log-likelihoods in nats. Raises
    ValueError for an unknown variant or sizes below their minimum.

    >>> flow = NICE(784); flow.compile("adam"); flow.fit(x_train, batch_size=128)
    >>> digits = flow.sample(225, temperature=0.75)
    """
    if variant not in ("blog", "paper"):
        raise ValueError(f"variant is 'blog' or 'paper'. Received: variant={variant!r}.")
    check_dims("NICE", dims, least=2)
    check_sizes("NICE", steps=steps)
    hidden = widths("NICE", hidden, layers=5)
    blog = variant == "blog"
    x = keras.Input((dims,), dtype="float32" if blog else "uint8", name="x")
    h = UniformNoise(-0.01, 0.0, seed=seed)(x) if blog else Dequantize(256, seed=seed)(x)
    for i in range(steps):
        h1, h2 = SplitVector()(Shuffle("reverse")(h))
        net = coupling_net(dims, hidden, "relu" if blog else None, name=f"net_{i}")
        h = ConcatVector()(AddCouple()([h1, h2, net(h1)]))
    from_data = scale_init == "data"
    z = Scale("zeros" if from_data else scale_init, scale_factor, data_init=from_data)(h)
    if prior is None:
        prior = StandardNormal() if blog else StandardLogistic()
    return Flow(keras.Model(x, z, name="encoder"), prior, name=name)


def coupling_net(dims, hidden, activation, name):
    """A network from the even to the odd positions: ReLU layers, then one with `activation`."""
    layers = [keras.layers.Dense(width, activation="relu") for width in hidden]
    layers.append(keras.layers.Dense(dims // 2, activation=activation))
    return keras.Sequential([keras.Input((dims - dims // 2,)), *layers], name=name)
