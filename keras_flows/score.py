"""The score of a density, by the backend's reverse mode: the one place that needs it."""

import keras
from keras import ops


def gradient(function, x):
    """The gradient of the sum of what `function` gives of a tensor, in the shape of x."""
    x = ops.convert_to_tensor(x)
    return _BACKENDS[keras.backend.backend()](function, x)


def _jax(function, x):
    import jax

    return jax.grad(lambda v: ops.sum(function(v)))(x)


def _tensorflow(function, x):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        total = ops.sum(function(x))
    return tape.gradient(total, x)


def _torch(function, x):
    import torch

    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(function(x).sum(), x)[0]


_BACKENDS = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
