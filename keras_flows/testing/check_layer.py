"""Checks of flow layers, for authors of layers: on whatever backend is active."""

import contextlib
import functools
import json
import os
import tempfile

import keras
import numpy as np
from keras import ops

from keras_flows.backend import autodiff
from keras_flows.backend.autodiff import compiled
from keras_flows.core.flow_layer import FlowLayer
from keras_flows.core.inversion import invert
from keras_flows.testing.evaluation import (
    array,
    arrays,
    encode,
    flat,
    functional,
    in_float64,
    jacobian_log_det,
    moved_weights,
    outputs_of,
    pack,
    split_conditions,
)

TOLERANCE = {"float32": 1e-4, "float64": 1e-8}


def check_layer(layer, x, z=None, *, tolerance=None, float64=False):
    """Checks that a flow layer does what `FlowLayer` promises, in both directions.

    In this order: shapes and dtypes are known before a call; `decode` and
    `encode` undo each other; each log-determinant is that of the Jacobian,
    which is computed by automatic differentiation; samples of a batch do not
    influence each other; every trainable weight has a gradient; the config
    and a saved file give the same layer. The trainable weights are moved away
    from where they start, because untrained weights hide most errors, and put back
    afterwards.

    Args:
        layer: a `FlowLayer`, or a function without arguments that makes one.
        x: NumPy array `(batch, ...)` of data, 2 samples or more; a list for a
            layer of several inputs, conditions last. The Jacobian takes
            dims^2 numbers a sample: use few dimensions.
        z: latents to decode, without conditions. None: standard normal
            numbers, or the layer's outputs where one direction is integers.
        tolerance: absolute and relative. None: 1e-4, in float64 1e-8.
        float64: whether to compute in float64; `layer` is then a function.
            On JAX this needs the environment variable JAX_ENABLE_X64=1.

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
        with moved_weights(layer):
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


class LayerCheck:
    """The checks of `check_layer` one by one, for a layer as it is; results are computed once."""

    def __init__(self, layer, x, z=None, tolerance=None):
        if not isinstance(layer, FlowLayer):
            raise ValueError(
                f"check_layer takes a FlowLayer or a function that makes one. Received: {layer!r}."
            )
        self.layer, self.x = layer, [_array(v) for v in flat(x)]
        self.z = None if z is None else [_array(v) for v in flat(z)]
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
        """Outputs and log-determinants, `(batch,)`, of x."""
        return encode(self.layer, self.x)

    @functools.cached_property
    def latents(self):
        """Inputs of the inverse, its conditions last."""
        z = self.z
        if z is None:
            z, rng = self.encoded[0], np.random.default_rng(1)
            if not self._whole(self.x) and not self._whole(z):
                z = [rng.normal(size=each.shape).astype(each.dtype) for each in z]
        return z + split_conditions(self.layer, self.x)[1]

    @functools.cached_property
    def decoded(self):
        """Outputs and log-determinants of the inverse, for `latents`."""
        return encode(self.layer.inverse(), self.latents)

    def _whole(self, values):
        """Whether the layer rounds: it then has a Jacobian in one direction at most."""
        data = split_conditions(self.layer, values)[0] if values is self.x else values
        return any(np.issubdtype(v.dtype, np.integer) for v in data)

    def round_trip(self, cancel=True):
        """x = decode(encode(x)), and the two log-determinants cancel."""
        data, conditions = split_conditions(self.layer, self.x)
        again, back = encode(self.layer.inverse(), self.encoded[0] + conditions)
        self._compare("decode(encode(x)) is not x", again, data)
        if cancel:
            self._cancel("`encode` at x and of `decode` at encode(x)", self.encoded[1], back)

    def inverse_round_trip(self):
        """z = encode(decode(z)), and the two log-determinants cancel."""
        data, conditions = split_conditions(self.layer.inverse(), self.latents)
        again, there = encode(self.layer, self.decoded[0] + conditions)
        hint = "encode(decode(z)) is not z; if `decode` takes only some numbers, pass such z"
        self._compare(hint, again, data)
        self._cancel("`decode` at z and of `encode` at decode(z)", self.decoded[1], there)

    def _cancel(self, where, there, back):
        text = self._says(f"log-determinants of {where} do not cancel")
        np.testing.assert_allclose(there, -back, rtol=0, atol=self.tolerance, err_msg=text)

    def log_det(self):
        """The log-determinant of `encode` is that of its Jacobian."""
        if not self._whole(self.encoded[0]):
            self._log_det("encode", self.layer, self.x, self.encoded[1])

    def inverse_log_det(self):
        """The log-determinant of `decode` is that of its Jacobian."""
        if not self._whole(self.decoded[0]):
            self._log_det("decode", self.layer.inverse(), self.latents, self.decoded[1])

    def _log_det(self, method, layer, inputs, given):
        wanted = jacobian_log_det(layer, inputs)
        text = f"the log-determinant of `{method}` is not that of its Jacobian"
        if np.allclose(given, -wanted, rtol=self.tolerance, atol=self.tolerance):
            text += ": its sign is wrong"
        elif np.ptp(given) == 0 < np.ptp(wanted):
            text += ": it is the same for all samples, whose Jacobians differ"
        self._compare(text, [given], [wanted.astype(given.dtype)])

    def samples_do_not_mix(self):
        """A sample has the same output and log-determinant alone and in a batch."""
        for method, layer, inputs, whole in (
            ("encode", self.layer, self.x, self.encoded),
            ("decode", self.layer.inverse(), self.latents, self.decoded),
        ):
            z, log_det = encode(layer, [v[1:2] for v in inputs])
            text = f"`{method}` of a sample depends on the others of its batch"
            wanted = [v[1:2] for v in (*whole[0], whole[1])]
            self._compare(text, [*z, log_det], wanted)

    def gradients(self):
        """Every trainable weight has a gradient, finite, and not 0 everywhere."""
        weights, rng = self.layer.trainable_variables, np.random.default_rng(2)
        values, x = ([ops.convert_to_tensor(array(v)) for v in some] for some in (weights, self.x))
        ways = [rng.normal(size=z.shape).astype(z.dtype) for z in self.encoded[0]]
        ways = [ops.convert_to_tensor(way) for way in ways]

        def objective(*values):
            with keras.StatelessScope(state_mapping=list(zip(weights, values))):
                z, log_det = self.layer.encode(pack(x))
            total = sum(ops.sum(way * each) for way, each in zip(ways, flat(z)))
            return total if log_det is None else total + ops.sum(log_det)

        def backward(*values):
            one = ops.ones((), keras.config.floatx())
            return autodiff.vjp(objective, list(values), one)[1]

        found = arrays(compiled(backward, *values)) if weights else []
        for weight, gradient in zip(weights, found):
            kind = "no gradient" if not np.any(gradient) else "a gradient that is not finite"
            right = np.any(gradient) and np.all(np.isfinite(gradient))
            assert right, self._says(f"weight '{weight.path}' has {kind}")

    def output_shapes(self):
        """Shapes and dtypes of the outputs are known before a call."""
        model = functional(self.layer, self.x)
        known = [(tuple(t.shape[1:]), t.dtype) for t in flat(model.outputs)]
        given = [(z.shape[1:], z.dtype.name) for z in self.encoded[0]]
        text = "`compute_output_shape` does not give the shapes of what `encode` returns"
        assert known == given, self._says(f"{text}. Expected: {given}. Received: {known}.")

    def config(self):
        """`from_config(get_config())` makes a layer of the same config."""
        config = json.loads(json.dumps(self.layer.get_config()))
        again = type(self.layer).from_config(json.loads(json.dumps(config)))
        again = json.loads(json.dumps(again.get_config()))
        text = f"its config does not survive `from_config`. Expected: {config}. Received: {again}."
        assert _unshared(again) == _unshared(config), self._says(text)

    def saved(self, direction):
        """A model of the layer, or of its inverse, gives the same numbers when loaded again."""
        model, x = functional(self.layer, self.x), self.x
        if direction == "decoder":
            model, x = invert(model), self.encoded[0] + split_conditions(self.layer, x)[1]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.keras")
            model.save(path)
            again = keras.saving.load_model(path)
        text = f"a loaded {direction} has {len(again.weights)} weights, not {len(model.weights)}"
        assert len(again.weights) == len(model.weights), self._says(text)
        text = f"a loaded {direction} gives other numbers than the saved one"
        self._compare(text, outputs_of(again, x), outputs_of(model, x))

    def _compare(self, text, given, wanted):
        text = self._says(text)
        shapes = [[(v.shape, v.dtype.name) for v in values] for values in (given, wanted)]
        assert shapes[0] == shapes[1], f"{text}. Expected: {shapes[1]}. Received: {shapes[0]}."
        for value, other in zip(given, wanted):
            np.testing.assert_allclose(
                value, other, rtol=self.tolerance, atol=self.tolerance, err_msg=text
            )

    def _says(self, text):
        return f"'{self.layer.name}' ({type(self.layer).__name__}): {text}"


def _array(x):
    if not isinstance(x, np.ndarray) or x.ndim < 2:
        raise ValueError(
            "check_layer takes NumPy arrays (batch, ...), or a list of them. "
            f"Received: {type(x).__name__} {getattr(x, 'shape', x)}."
        )
    return x.astype(keras.config.floatx()) if np.issubdtype(x.dtype, np.floating) else x


def _unshared(config):
    """A config without the numbers by which Keras tells shared objects."""
    if isinstance(config, list):
        return [_unshared(v) for v in config]
    if not isinstance(config, dict):
        return config
    return {k: _unshared(v) for k, v in config.items() if k != "shared_object_id"}
