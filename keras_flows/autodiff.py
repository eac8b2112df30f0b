"""Reverse mode and compiling: the one place that needs each backend's own."""

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


_BACKENDS = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}


def compiled(function, *inputs):
    """`function(*inputs)`, on JAX as one program, where each operation would otherwise be one.

    Inputs are arrays or tensors. What the function assigns to variables is lost on JAX.
    """
    inputs = [ops.convert_to_tensor(x) for x in inputs]
    if keras.backend.backend() != "jax":
        return function(*inputs)
    import jax

    with keras.StatelessScope():
        return jax.jit(function)(*inputs)
