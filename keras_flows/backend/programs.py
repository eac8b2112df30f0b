"""Compiled functions, gradients of sums, and float64, on every backend."""

import contextlib

import keras
from keras import ops

from keras_flows.backend import native


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
        with native.jax_x64() if keras.backend.backend() == "jax" else contextlib.nullcontext():
            yield
    finally:
        rule["float64"] = before


def program(function, variables):
    """A compiled function of tensors `(batch, ...)`, for any batch size, without gradients.

    Args:
        function: takes tensors and returns tensors; it must not assign to variables.
        variables: those that it reads. Their present values are used in each call.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return _jax_program(function, variables)
    return (
        native.tensorflow_program(function)
        if backend == "tensorflow"
        else native.torch_program(function)
    )


def _jax_program(function, variables):
    def with_values(values, *tensors):
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            return function(*tensors)

    run = native.jit(with_values)
    return lambda *tensors: run([v.value for v in variables], *tensors)


def compiled(function, *inputs):
    """`function(*inputs)`, on JAX as one program instead of one for each operation.

    Inputs are arrays or tensors. On JAX, assignments to variables in the function are lost.
    """
    inputs = [ops.convert_to_tensor(x) for x in inputs]
    if keras.backend.backend() != "jax":
        return function(*inputs)
    with keras.StatelessScope():
        return native.jit(function)(*inputs)


def gradient(function, x):
    """The gradient of the sum of `function(x)`, in the shape of x."""
    x = ops.convert_to_tensor(x)
    return native.vjp(lambda v: ops.sum(function(v)), [x], ops.ones((), x.dtype))[1][0]
