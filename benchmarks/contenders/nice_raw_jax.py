"""NICE written by hand in JAX."""

import jax
import numpy as np
from jax import numpy as jnp

from benchmarks.training_loops.jax import Density, mlp, mlp_start, noisy, normal


def build(dims, couplings, hidden):
    """The blog's NICE: even positions shift the odd ones, with the order reversed in each coupling.

    The two halves are concatenated only at the end.
    """
    half = dims // 2
    generator = np.random.default_rng(0)
    nets = [mlp_start(generator, (half, *hidden, half)) for _ in range(couplings)]
    params = {"nets": nets, "log_scale": np.zeros(dims, "float32")}
    return Density(
        params,
        lambda params, key, x: -log_prob(params, noisy(key, x)).mean(),
        lambda params, key, x: log_prob(params, x),
        lambda params, key, n: decode(params, jax.random.normal(key, (n, dims), jnp.float32)),
    )


def encode(params, x):
    a, b = x[:, ::2], x[:, 1::2]
    for net in params["nets"]:
        a, b = b[:, ::-1], a[:, ::-1]
        b = b - mlp(net, a)
    return jnp.concatenate([a, b], axis=1) * jnp.exp(params["log_scale"])


def decode(params, z):
    a, b = jnp.split(z * jnp.exp(-params["log_scale"]), 2, axis=1)
    for net in reversed(params["nets"]):
        b = b + mlp(net, a)
        a, b = b[:, ::-1], a[:, ::-1]
    return jnp.stack([a, b], axis=2).reshape(z.shape)


def log_prob(params, x):
    return normal(encode(params, x)) + params["log_scale"].sum()
