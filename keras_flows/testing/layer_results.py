"""What a flow layer returns for given data, computed once, and comparisons of such results."""

import functools

import keras
import numpy as np

from keras_flows.core.flow_layer import FlowLayer, Inverse
from keras_flows.testing.arrays import encode, flat, pack, split_conditions

TOLERANCE = {"float32": 1e-4, "float64": 1e-8}


class LayerResults:
    """Outputs and log-determinants of a layer in both directions; arguments as `check_layer`."""

    def __init__(self, layer, x, z=None, tolerance=None):
        if not isinstance(layer, FlowLayer):
            raise ValueError(
                f"check_layer takes a FlowLayer or a function that makes one. Received: {layer!r}."
            )
        self.layer, self.x = layer, [_check_array(v) for v in flat(x)]
        self.z = None if z is None else [_check_array(v) for v in flat(z)]
        if min(len(v) for v in self.x) < 2:
            raise ValueError(
                "check_layer takes two samples or more, to see that they do not influence each "
                f"other. Received: shapes {[v.shape for v in self.x]}."
            )
        self.tolerance = tolerance or TOLERANCE[keras.config.floatx()]
        if not layer.built:
            layer(pack([keras.KerasTensor((None, *v.shape[1:]), v.dtype.name) for v in self.x]))

    @functools.cached_property
    def encoded(self):
        """Outputs of `encode` at x and log-determinants `(batch,)`."""
        return encode(self.layer, self.x)

    @functools.cached_property
    def latents(self):
        """Inputs of the inverse, conditions last."""
        z = self.z
        if z is None:
            z, rng = self.encoded[0], np.random.default_rng(1)
            data = split_conditions(self.layer, self.x)[0]
            if self.has_jacobian and not has_integers(data) and not has_integers(z):
                z = [rng.normal(size=part.shape).astype(part.dtype) for part in z]
        return z + split_conditions(self.layer, self.x)[1]

    @property
    def has_jacobian(self):
        """Whether the layer maps real numbers; layers with `logistic_latent` map integers."""
        layer = self.layer.layer if isinstance(self.layer, Inverse) else self.layer
        return not layer.logistic_latent

    @functools.cached_property
    def decoded(self):
        """Outputs of `decode` at the latents and log-determinants `(batch,)`."""
        return encode(self.layer.inverse(), self.latents)

    def compare(self, message, received, expected):
        """AssertionError unless two lists of arrays have equal shapes, dtypes and numbers."""
        message = self.describe(message)
        got, want = ([(v.shape, v.dtype.name) for v in part] for part in (received, expected))
        assert got == want, f"{message}. Expected: {want}. Received: {got}."
        for value, other in zip(received, expected):
            np.testing.assert_allclose(
                value, other, rtol=self.tolerance, atol=self.tolerance, err_msg=message
            )

    def check_cancel(self, message, encode_log_det, decode_log_det):
        """AssertionError unless the log-determinants of both directions add up to 0."""
        np.testing.assert_allclose(
            encode_log_det,
            -decode_log_det,
            rtol=0,
            atol=self.tolerance,
            err_msg=self.describe(message),
        )

    def describe(self, message):
        """The message with the layer's name and class."""
        return f"'{self.layer.name}' ({type(self.layer).__name__}): {message}"


def has_integers(values):
    """Whether any array has integers: a rounding layer has no Jacobian in that direction."""
    return any(np.issubdtype(v.dtype, np.integer) for v in values)


def _check_array(x):
    if not isinstance(x, np.ndarray) or x.ndim < 2:
        raise ValueError(
            "check_layer takes NumPy arrays (batch, ...), or a list of them. "
            f"Received: {type(x).__name__} {getattr(x, 'shape', x)}."
        )
    return x.astype(keras.config.floatx()) if np.issubdtype(x.dtype, np.floating) else x
