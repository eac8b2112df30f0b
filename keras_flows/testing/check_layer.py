"""`check_layer`: all checks of a flow layer, on the active backend."""

import contextlib
import os

import keras
from keras import ops

from keras_flows.testing.arrays import array
from keras_flows.testing.checks import LayerCheck
from keras_flows.testing.perturbation import perturbed


def check_layer(layer, x, z=None, *, tolerance=None, float64=False):
    """Checks that a flow layer keeps the contract of `FlowLayer`, in both directions.

    In this order: shapes and dtypes are known before a call; `decode` and
    `encode` undo each other; each log-determinant is that of the Jacobian,
    which is computed by automatic differentiation; samples of a batch do not
    influence each other; every trainable weight has a gradient; the config
    and a saved file give the same layer. The trainable weights are perturbed
    first, because initial values hide most errors, and restored afterwards.

    Args:
        layer: a `FlowLayer`, or a function without arguments that makes one.
        x: NumPy array `(batch, ...)` of data, 2 samples or more; a list for a
            layer of several inputs, conditions last. The Jacobian takes
            dims^2 numbers a sample: use few dimensions.
        z: latents to decode, without conditions. If None, standard normal
            numbers, or the layer's outputs if one direction has integers.
        tolerance: absolute and relative. If None, 1e-4, in float64 1e-8.
        float64: whether to compute in float64; `layer` must then be a
            function. On JAX this needs the environment variable
            JAX_ENABLE_X64=1.

    Raises AssertionError, which says what is wrong and shows the numbers, and
    ValueError for arguments that cannot be checked.

    >>> check_layer(Sinh(), np.random.normal(size=(3, 4)).astype("float32"))
    """
    with in_float64() if float64 else contextlib.nullcontext():
        if not isinstance(layer, keras.layers.Layer) and callable(layer):
            layer = layer()
        elif float64:
            raise ValueError(
                "In float64 check_layer makes the layer itself: pass a function, as in "
                f"check_layer(lambda: MyLayer(), x, float64=True). Received: layer={layer!r}."
            )
        check = LayerCheck(layer, x, z, tolerance)
        with perturbed(layer):
            check.output_shapes()
            check.round_trip(cancel=False)
            check.log_det()
            check.inverse_log_det()
            check.round_trip()
            check.inverse_round_trip()
            check.samples_do_not_mix()
            check.gradients()
            check.config()
            check.saved("encoder")
            check.saved("decoder")


@contextlib.contextmanager
def in_float64():
    """Layers made inside the block have float64 weights and compute in float64."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        if array(ops.zeros((), "float64")).dtype != "float64":
            raise ValueError(
                "JAX computes in float64 only if JAX_ENABLE_X64=1 was set before it was "
                f"imported. Received: JAX_ENABLE_X64={os.environ.get('JAX_ENABLE_X64')}."
            )
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
