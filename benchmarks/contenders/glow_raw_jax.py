"""Glow written by hand in JAX, channels last."""

import math

import jax
import numpy as np
import scipy
from jax import numpy as jnp

from benchmarks.training_loops.jax import Density, normal, start


def build(image_shape, levels, depth, hidden):
    """Actnorm, PLU 1x1 convolution and affine coupling; conditional Gaussians for split-off parts.

    Pixels are dequantized and brought to [-1, 1].
    """
    params, fixed, shapes = start_all(image_shape, levels, depth, hidden)

    def log_prob(params, key, pixels):
        x = (pixels + jax.random.uniform(key, pixels.shape, jnp.float32)) / 128 - 1
        parts, log_det = encode(params, fixed, x)
        return sum(map(normal, parts)) + log_det - x[0].size * math.log(128)

    def sample(params, key, n):
        keys = jax.random.split(key, levels)
        z = [jax.random.normal(k, (n, *shape), jnp.float32) for k, shape in zip(keys, shapes)]
        x = decode(params, fixed, z)
        return jnp.clip((x + 1) * 128, 0, 255).astype("uint8")

    return Density(params, lambda *args: -log_prob(*args).mean(), log_prob, sample)


def start_all(image_shape, levels, depth, hidden):
    """For each scale its trained arrays, its constants and the shape of its part of the latent."""
    height, width, channels = image_shape
    generator = np.random.default_rng(0)
    params, fixed, shapes = [], [], []
    for level in range(1, levels + 1):
        squeezed, last = channels << (level + 1), level == levels
        steps, constants = zip(*(start_step(generator, squeezed, hidden) for _ in range(depth)))
        params.append({"steps": steps, "prior": None if last else zeros(squeezed // 2, squeezed)})
        fixed.append(constants)
        shapes.append((height >> level, width >> level, squeezed if last else squeezed // 2))
    return params, fixed, shapes


def start_step(generator, channels, hidden):
    """A step's trained arrays and its constants; the convolution starts as a random rotation."""
    rotation = np.linalg.qr(generator.normal(size=(channels, channels)))[0]
    p, lower, upper = (part.astype("float32") for part in scipy.linalg.lu(rotation))
    diagonal = upper.diagonal()
    step = {
        "scale": np.zeros(channels, "float32"),
        "shift": np.zeros(channels, "float32"),
        "lower": np.tril(lower, -1),
        "upper": np.triu(upper, 1),
        "log_diagonal": np.log(np.abs(diagonal)),
        "net": [
            start(generator, (3, 3, channels // 2, hidden)),
            start(generator, (hidden, hidden)),
            zeros(hidden, channels),
        ],
    }
    return step, (p, np.sign(diagonal))


def zeros(inputs, outputs):
    return np.zeros((3, 3, inputs, outputs), "float32"), np.zeros(outputs, "float32")


def conv(x, weights, bias):
    axes = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, weights, (1, 1), "SAME", dimension_numbers=axes) + bias


def shift_and_log_scale(net, x):
    """Shift and log scale of the affine coupling, exp(s) = sigmoid(r + 2)."""
    first, (weights, bias), last = net
    h = jax.nn.relu(jax.nn.relu(conv(x, *first)) @ weights + bias)
    shift, raw = jnp.split(conv(h, *last), 2, axis=-1)
    return shift, jax.nn.log_sigmoid(raw + 2)


def kernel(step, constants):
    p, sign = constants
    lower = jnp.tril(step["lower"], -1) + jnp.eye(len(p), dtype=p.dtype)
    upper = jnp.triu(step["upper"], 1) + jnp.diag(sign * jnp.exp(step["log_diagonal"]))
    return p @ lower @ upper


def encode_step(step, constants, h):
    """The next pictures and the log-determinant."""
    h = (h * jnp.exp(step["scale"]) + step["shift"]) @ kernel(step, constants)
    x1, x2 = jnp.split(h, 2, axis=-1)
    shift, log_scale = shift_and_log_scale(step["net"], x1)
    h = jnp.concatenate([x1, (x2 - shift) * jnp.exp(log_scale)], axis=-1)
    positions = h.shape[1] * h.shape[2]
    constant = positions * (step["scale"].sum() + step["log_diagonal"].sum())
    return h, log_scale.sum((1, 2, 3)) + constant


def decode_step(step, constants, h):
    z1, z2 = jnp.split(h, 2, axis=-1)
    shift, log_scale = shift_and_log_scale(step["net"], z1)
    h = jnp.concatenate([z1, z2 * jnp.exp(-log_scale) + shift], axis=-1)
    h = h @ jnp.linalg.inv(kernel(step, constants))
    return (h - step["shift"]) * jnp.exp(-step["scale"])


def encode(params, fixed, h):
    """The parts of the latent, finest scale first, and the log-determinant."""
    parts, log_det = [], 0.0
    for scale, constants in zip(params, fixed):
        h = squeeze(h)
        for step, fixed_step in zip(scale["steps"], constants):
            h, more = encode_step(step, fixed_step, h)
            log_det += more
        if scale["prior"] is not None:
            h, out = jnp.split(h, 2, axis=-1)
            k, b = jnp.split(conv(h, *scale["prior"]), 2, axis=-1)
            parts.append(out * jnp.exp(k) + b)
            log_det += k.sum((1, 2, 3))
    return [*parts, h], log_det


def decode(params, fixed, parts):
    h = None
    for scale, constants, z in zip(params[::-1], fixed[::-1], parts[::-1]):
        if h is not None:
            k, b = jnp.split(conv(h, *scale["prior"]), 2, axis=-1)
            z = jnp.concatenate([h, (z - b) * jnp.exp(-k)], axis=-1)
        for step, fixed_step in zip(scale["steps"][::-1], constants[::-1]):
            z = decode_step(step, fixed_step, z)
        h = unsqueeze(z)
    return h


def squeeze(h):
    n, height, width, c = h.shape
    h = h.reshape(n, height // 2, 2, width // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return h.reshape(n, height // 2, width // 2, 4 * c)


def unsqueeze(h):
    n, height, width, c = h.shape
    h = h.reshape(n, height, width, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
    return h.reshape(n, 2 * height, 2 * width, c // 4)
