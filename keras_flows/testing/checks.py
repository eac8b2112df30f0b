"""`LayerCheck`: the checks of `check_layer` one by one."""

import json
import os
import tempfile

import keras
import numpy as np
from keras import ops

from keras_flows.backend import native
from keras_flows.backend.programs import compiled
from keras_flows.core.inversion import invert
from keras_flows.testing.arrays import (
    array,
    arrays,
    encode,
    flat,
    functional,
    outputs_of,
    pack,
    split_conditions,
)
from keras_flows.testing.jacobian import jacobian_log_det
from keras_flows.testing.layer_results import LayerResults, has_integers


class LayerCheck(LayerResults):
    """Each method is one check and raises AssertionError. The weights stay as they are.

    >>> LayerCheck(Sinh(), x).round_trip()
    """

    def round_trip(self, cancel=True):
        """x = decode(encode(x)), and the two log-determinants cancel."""
        data, conditions = split_conditions(self.layer, self.x)
        decoded, log_det = encode(self.layer.inverse(), self.encoded[0] + conditions)
        self.compare("decode(encode(x)) is not x", decoded, data)
        if cancel:
            message = "log-determinants of `encode` at x and of `decode` at encode(x) do not cancel"
            self.check_cancel(message, self.encoded[1], log_det)

    def inverse_round_trip(self):
        """z = encode(decode(z)), and the two log-determinants cancel."""
        data, conditions = split_conditions(self.layer.inverse(), self.latents)
        encoded, log_det = encode(self.layer, self.decoded[0] + conditions)
        message = "encode(decode(z)) is not z; if `decode` takes only some numbers, pass such z"
        self.compare(message, encoded, data)
        message = "log-determinants of `decode` at z and of `encode` at decode(z) do not cancel"
        self.check_cancel(message, log_det, self.decoded[1])

    def log_det(self):
        """The log-determinant of `encode` is that of its Jacobian."""
        if self.has_jacobian and not has_integers(self.encoded[0]):
            self._compare_log_det("encode", self.layer, self.x, self.encoded[1])

    def inverse_log_det(self):
        """The log-determinant of `decode` is that of its Jacobian."""
        if self.has_jacobian and not has_integers(self.decoded[0]):
            self._compare_log_det("decode", self.layer.inverse(), self.latents, self.decoded[1])

    def _compare_log_det(self, method, layer, inputs, log_det):
        expected = jacobian_log_det(layer, inputs)
        message = f"the log-determinant of `{method}` is not that of its Jacobian"
        if np.allclose(log_det, -expected, rtol=self.tolerance, atol=self.tolerance):
            message += ": its sign is wrong"
        elif np.ptp(log_det) == 0 < np.ptp(expected):
            message += ": it is the same for all samples, whose Jacobians differ"
        self.compare(message, [log_det], [expected.astype(log_det.dtype)])

    def samples_do_not_mix(self):
        """A sample has the same output and log-determinant alone and in a batch."""
        for method, layer, inputs, (outputs, log_det) in (
            ("encode", self.layer, self.x, self.encoded),
            ("decode", self.layer.inverse(), self.latents, self.decoded),
        ):
            one_output, one_log_det = encode(layer, [v[1:2] for v in inputs])
            message = f"`{method}` of a sample depends on the others of its batch"
            expected = [v[1:2] for v in (*outputs, log_det)]
            self.compare(message, [*one_output, one_log_det], expected)

    def gradients(self):
        """Every trainable weight has a gradient that is finite and not 0 everywhere."""
        weights, rng = self.layer.trainable_variables, np.random.default_rng(2)
        values, x = ([ops.convert_to_tensor(array(v)) for v in part] for part in (weights, self.x))
        directions = [rng.normal(size=z.shape).astype(z.dtype) for z in self.encoded[0]]
        directions = [ops.convert_to_tensor(direction) for direction in directions]

        def objective(*values):
            with keras.StatelessScope(state_mapping=list(zip(weights, values))):
                z, log_det = self.layer.encode(pack(x))
            total = sum(ops.sum(d * part) for d, part in zip(directions, flat(z)))
            return total if log_det is None else total + ops.sum(log_det)

        def gradients(*values):
            one = ops.ones((), keras.config.floatx())
            return native.vjp(objective, list(values), one)[1]

        results = arrays(compiled(gradients, *values)) if weights else []
        for weight, gradient in zip(weights, results):
            problem = "a gradient that is not finite" if np.any(gradient) else "no gradient"
            correct = np.any(gradient) and np.all(np.isfinite(gradient))
            assert correct, self.describe(f"weight '{weight.path}' has {problem}")

    def output_shapes(self):
        """Shapes and dtypes of the outputs are known before a call."""
        model = functional(self.layer, self.x)
        received = [(tuple(t.shape[1:]), t.dtype) for t in flat(model.outputs)]
        expected = [(z.shape[1:], z.dtype.name) for z in self.encoded[0]]
        message = "`compute_output_shape` does not give the shapes that `encode` returns"
        message = f"{message}. Expected: {expected}. Received: {received}."
        assert received == expected, self.describe(message)

    def config(self):
        """`from_config(get_config())` makes a layer with the same config."""
        config = json.loads(json.dumps(self.layer.get_config()))
        copy = type(self.layer).from_config(json.loads(json.dumps(config)))
        received = json.loads(json.dumps(copy.get_config()))
        message = "`from_config(get_config())` makes a layer with another config"
        message = f"{message}. Expected: {config}. Received: {received}."
        same = _without_shared_ids(received) == _without_shared_ids(config)
        assert same, self.describe(message)

    def saved(self, direction):
        """A saved and loaded model of the layer, or of its inverse, gives the same numbers.

        `direction` is "encoder" or "decoder".
        """
        model, x = functional(self.layer, self.x), self.x
        if direction == "decoder":
            model, x = invert(model), self.encoded[0] + split_conditions(self.layer, x)[1]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.keras")
            model.save(path)
            loaded = keras.saving.load_model(path)
        counts = f"has {len(loaded.weights)} weights, not {len(model.weights)}"
        same = len(loaded.weights) == len(model.weights)
        assert same, self.describe(f"a loaded {direction} {counts}")
        message = f"a loaded {direction} gives other numbers than the saved one"
        self.compare(message, outputs_of(loaded, x), outputs_of(model, x))


def _without_shared_ids(config):
    """A config without the numbers by which Keras identifies shared objects."""
    if isinstance(config, list):
        return [_without_shared_ids(v) for v in config]
    if not isinstance(config, dict):
        return config
    return {k: _without_shared_ids(v) for k, v in config.items() if k != "shared_object_id"}
