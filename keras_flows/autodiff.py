"""Reverse mode, and compilation on JAX: the one place that needs each backend's own."""

import keras
from keras import ops


def gradient(function, x):
    """The gradient of the sum of what `function` gives of a tensor, in the shape of x."""
    x = ops.convert_to_tensor(x)
    return vjp(lambda v: ops.sum(function(v)), [x], ops.ones((), x.dtype))[1][0]


def vjp(function, inputs, cotangent):
    """The output of `function(*inputs)`, and of <cotangent, output> the gradient for each input.

    `inputs` is a list of tensors; the gradient is zeros for one that is not used.
    """
    return _BACKENDS[keras.backend.backend()](function, inputs, cotangent)


def _jax(function, inputs, cotangent):
    import jax

    output, pullback = jax.vjp(function, *inputs)
    return output, list(pullback(cotangent))


def _tensorflow(function, inputs, cotangent):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = function(*inputs)
    return output, tape.gradient(output, inputs, cotangent, tf.UnconnectedGradients.ZERO)


def _torch(function, inputs, cotangent):
    import torch

    with torch.enable_grad():
        inputs = [v.detach().requires_grad_() for v in inputs]
        output = function(*inputs)
        gradients = torch.autograd.grad(output, inputs, cotangent, materialize_grads=True)
    return output.detach(), list(gradients)


def jit(function):
    """The function, compiled by JAX; its arguments keep their memory."""
    import jax

    return jax.jit(function)


_BACKENDS = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
