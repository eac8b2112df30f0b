"""NICE in distrax, with its public classes."""

from functools import partial

import distrax
import numpy as np
from jax import numpy as jnp

from benchmarks.training_loops.jax import Density, mlp, mlp_start, noisy


def build(dims, couplings, hidden):
    """`SplitCoupling`s of alternating contiguous halves, diagonal scale, standard normal.

    The library has no networks. Its bijectors run from latent to data, so that its `Shift` becomes
    the subtraction of the blog's couplings.
    """
    half = dims // 2
    generator = np.random.default_rng(0)
    nets = [mlp_start(generator, (half, *hidden, half)) for _ in range(couplings)]
    params = {"nets": nets, "log_scale": np.zeros(dims, "float32")}
    return Density(
        params,
        lambda params, key, x: -flow(params).log_prob(noisy(key, x)).mean(),
        lambda params, key, x: flow(params).log_prob(x),
        lambda params, key, n: flow(params).sample(seed=key, sample_shape=n),
    )


def flow(params):
    log_scale, bijectors = params["log_scale"], []
    for i, net in enumerate(params["nets"]):
        swap = i % 2 == 1
        bijectors.append(
            distrax.SplitCoupling(len(log_scale) // 2, 1, partial(mlp, net), distrax.Shift, swap)
        )
    scale = distrax.Block(distrax.ScalarAffine(0.0, log_scale=-log_scale), 1)
    base = distrax.MultivariateNormalDiag(jnp.zeros_like(log_scale))
    return distrax.Transformed(base, distrax.Chain([*bijectors, scale]))
