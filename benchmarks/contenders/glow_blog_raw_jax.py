"""The blog series' Glow written by hand in JAX: channels last, one jitted step with Adam.

The same model as `glow_keras.blog`, without Keras: networks in `dtype`, the rest in float32.
"""

import math
from functools import partial

import jax
import numpy as np
from jax import numpy as jnp

AXES = ("NHWC", "HWIO", "NHWC")


def start(image_shape, levels, depth, hidden, seed=0):
    """The trained arrays, and the order of the channels in each step."""
    keys = iter(jax.random.split(jax.random.key(seed), 2 * levels * depth))
    generator, channels = np.random.default_rng(seed), image_shape[-1]
    scales, orders = [], []
    for level in range(levels):
        channels *= 4
        steps = [step(keys, channels, hidden) for _ in range(depth)]
        orders.append([generator.permutation(channels) for _ in range(depth)])
        last = level == levels - 1
        channels //= 1 if last else 2
        scales.append({"steps": steps, "prior": None if last else zeros(channels, 2 * channels)})
    return {"scales": scales, "top": affine(channels)}, orders


def step(keys, channels, hidden):
    half, glorot = channels // 2, jax.nn.initializers.glorot_uniform()
    first, middle = (
        (glorot(next(keys), shape, jnp.float32), jnp.zeros(hidden, jnp.float32))
        for shape in ((3, 3, half, hidden), (1, 1, hidden, hidden))
    )
    return {"affine": affine(channels), "net": [first, middle, zeros(hidden, half)]}


def affine(channels):
    return jnp.zeros(channels, jnp.float32), jnp.zeros(channels, jnp.float32)


def zeros(inputs, outputs):
    return jnp.zeros((3, 3, inputs, outputs), jnp.float32), jnp.zeros(outputs, jnp.float32)


def conv(x, kernel, bias, dtype=jnp.float32):
    x, kernel, bias = (part.astype(dtype) for part in (x, kernel, bias))
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=AXES) + bias


def shift_of(net, x, dtype):
    first, middle, last = net
    h = jax.nn.relu(conv(x, *first, dtype))
    return conv(jax.nn.relu(conv(h, *middle, dtype)), *last, dtype).astype(jnp.float32)


def squeeze(h):
    n, height, width, c = h.shape
    h = h.reshape(n, height // 2, 2, width // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return h.reshape(n, height // 2, width // 2, 4 * c)


def actnorm(h, scale, shift):
    """The output of an actnorm and its log-determinant."""
    return h * jnp.exp(scale) + shift, h.shape[1] * h.shape[2] * scale.sum()


def loss(params, orders, dtype, pixels, noise):
    """Mean negative log-likelihood of a batch in nats, `noise` from U(0, 1)."""
    h = (pixels + noise) / 128 - 1
    parts, log_det = [], -h[0].size * math.log(128)
    for scale, scale_orders in zip(params["scales"], orders):
        h = squeeze(h)
        for step_params, order in zip(scale["steps"], scale_orders):
            h, more = actnorm(h, *step_params["affine"])
            x1, x2 = jnp.split(h[..., order], 2, axis=-1)
            h = jnp.concatenate([x1, x2 - shift_of(step_params["net"], x1, dtype)], axis=-1)
            log_det += more
        if scale["prior"]:
            h, out = jnp.split(h, 2, axis=-1)
            k, b = jnp.split(conv(h, *scale["prior"]), 2, axis=-1)
            parts.append(out * jnp.exp(k) + b)
            log_det += k.sum((1, 2, 3))
    h, more = actnorm(h, *params["top"])
    normal = sum(jax.scipy.stats.norm.logpdf(z).sum((1, 2, 3)) for z in (*parts, h))
    return -(normal + log_det + more).mean()


def adam(params, gradients, moments, count, rate=1e-3, b1=0.9, b2=0.999, epsilon=1e-7):
    """The next weights and moments, as in Keras' Adam."""
    means = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, moments[0], gradients)
    squares = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, moments[1], gradients)
    rate = rate * jnp.sqrt(1 - b2**count) / (1 - b1**count)
    params = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) + epsilon), params, means, squares
    )
    return params, (means, squares)


def training(image_shape, levels, depth, hidden, dtype=jnp.float32, rate=1e-3):
    """A jitted step, (state, pixels) -> (state, loss), its first state, and the parameter count."""
    params, orders = start(image_shape, levels, depth, hidden)
    moments = tuple(jax.tree.map(jnp.zeros_like, params) for _ in range(2))

    @partial(jax.jit, donate_argnums=0)
    def train(state, pixels):
        params, moments, count = state
        noise = jax.random.uniform(jax.random.key(count), pixels.shape, jnp.float32)
        value, gradients = jax.value_and_grad(loss)(params, orders, dtype, pixels, noise)
        count += 1
        params, moments = adam(params, gradients, moments, count.astype(jnp.float32), rate)
        return (params, moments, count), value

    parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    return train, (params, moments, jnp.zeros((), jnp.int32)), parameters
