"""Times the training steps of JAX functions in a plain loop, as their users write it.

One jitted step with donated weights and Adam state, float32, `optax.adam(1e-3)` with its defaults,
noise from a new key in each step. The data is one array, pictures as (height, width, channels),
shuffled once and indexed. The loss is read after every step.
"""

import math
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp


class Density(NamedTuple):
    """What a builder returns: trainable arrays, and functions of them and of a random key."""

    params: Any
    loss: Callable  # (params, key, x) -> mean over the batch
    log_prob: Callable  # (params, key, x) -> nats of each sample
    sample: Callable  # (params, key, n) -> n samples


def start(generator, shape):
    """Glorot uniform weights and zero biases, as in Keras."""
    limit = math.sqrt(6 / math.prod(shape[:-2]) / sum(shape[-2:]))
    weights = generator.uniform(-limit, limit, shape)
    return weights.astype("float32"), np.zeros(shape[-1], "float32")


def mlp_start(generator, widths):
    return [start(generator, shape) for shape in zip(widths, widths[1:])]


def mlp(layers, x):
    """Dense layers, each followed by a ReLU."""
    for weights, bias in layers:
        x = jax.nn.relu(x @ weights + bias)
    return x


def normal(z):
    """Log density of N(0, 1), summed over all axes but the first."""
    return jax.scipy.stats.norm.logpdf(z).reshape(len(z), -1).sum(axis=1)


def noisy(key, x):
    """Adds the blog's training noise, U(-0.01, 0), which is a layer of the Keras model."""
    return x - 0.01 * jax.random.uniform(key, x.shape, x.dtype)


def trainer(loss, adam):
    """A function that makes Adam's state, and a jitted step of (params, state, key, i, batch)."""
    import optax

    optimizer = optax.adam(1e-3, **adam)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, key, i, x):
        value, gradients = jax.value_and_grad(loss)(params, jax.random.fold_in(key, i), x)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, value

    return optimizer.init, step


def measure(build, x, batch, sizes, adam):
    """Wall and CPU times at the start and after each step, losses, number of parameters."""
    model = build(**sizes)
    init, step = trainer(model.loss, adam)
    params = jax.tree.map(jnp.array, model.params)
    state, parameters = init(params), sum(leaf.size for leaf in jax.tree.leaves(params))
    key, order = jax.random.key(0), np.random.default_rng(0).permutation(len(x))
    times, cpu, losses = [time.perf_counter()], [time.process_time()], []
    for i, idxs in enumerate(np.split(order, range(batch, len(x), batch))):
        params, state, loss = step(params, state, key, i, x[idxs])
        losses.append(float(loss))
        times.append(time.perf_counter())
        cpu.append(time.process_time())
    return {
        "times": times,
        "cpu": cpu,
        "losses": losses,
        "parameters": parameters,
        "threads": len(os.sched_getaffinity(0)),
    }
