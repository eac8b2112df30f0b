"""Compiled functions for batches of any size, and float64 on every backend."""

import contextlib

import keras

from keras_flows.backend.native import jit


@contextlib.contextmanager
def float64():
    """A context in which the backend computes in float64 where dtypes say so.

    On TensorFlow it does so anyway. On JAX and torch Keras takes float32 for the result of many
    operations on float64, such as `ops.tanh` on JAX: here this rule is off. Functions that were
    compiled inside must be called inside.
    """
    if keras.backend.backend() == "tensorflow":
        yield
        return
    from keras.src.backend.common import dtypes

    rule = dtypes.BIT64_TO_BIT32_DTYPE
    before = rule.get("float64")
    rule["float64"] = "float64"
    try:
        with _jax_x64() if keras.backend.backend() == "jax" else contextlib.nullcontext():
            yield
    finally:
        rule["float64"] = before


def _jax_x64():
    import jax

    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    return enable(True)


def program(function, variables):
    """A compiled function of tensors `(batch, ...)`, for any batch size, without gradients.

    Args:
        function: takes tensors and returns tensors; it must not assign to variables.
        variables: those that it reads. Their present values are used in each call.
    """
    return _PROGRAMS[keras.backend.backend()](function, variables)


def _jax_program(function, variables):
    def with_values(values, *tensors):
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            return function(*tensors)

    run = jit(with_values)
    return lambda *tensors: run([v.value for v in variables], *tensors)


def _tensorflow_program(function, variables):
    import tensorflow as tf

    run = tf.function(function, autograph=False)
    signatures = {}

    def call(*tensors):
        key = tuple((t.dtype, tuple(t.shape[1:])) for t in tensors)
        if key not in signatures:
            specs = [tf.TensorSpec([None, *t.shape[1:]], t.dtype) for t in tensors]
            signatures[key] = run.get_concrete_function(*specs)
        return signatures[key](*tensors)

    return call


def _torch_program(function, variables):
    import torch

    return torch.no_grad()(function)


_PROGRAMS = {"jax": _jax_program, "tensorflow": _tensorflow_program, "torch": _torch_program}
