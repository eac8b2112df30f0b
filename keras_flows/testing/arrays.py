"""Flow layers called on lists of NumPy arrays."""

import keras
import numpy as np
from keras import ops

from keras_flows.backend.programs import compiled
from keras_flows.core.flow_layer import check_result


def flat(values):
    """A list of one or several values."""
    return list(values) if isinstance(values, (list, tuple)) else [values]


def pack(values):
    """What a layer is called with: a single value by itself, several as a list."""
    return values[0] if len(values) == 1 else list(values)


def array(x):
    return np.asarray(ops.convert_to_numpy(x))


def arrays(values):
    return [array(v) for v in flat(values)]


def split_conditions(layer, inputs):
    """The inputs that a layer transforms, and those that only condition it."""
    count = len(inputs) - layer.conditions
    return list(inputs[:count]), list(inputs[count:])


def encode(layer, inputs):
    """Outputs of `encode` as a list of arrays, and its log-determinants `(batch,)`."""

    def pair(*x):
        return check_result(layer, layer.encode(pack(x)), x[0])

    outputs, log_det = compiled(pair, *inputs)
    log_det = np.asarray(0.0 if log_det is None else array(log_det))
    return arrays(outputs), np.broadcast_to(log_det, len(inputs[0]))


def outputs_of(model, inputs):
    """Outputs of a layer or model as a list of arrays."""
    return arrays(compiled(lambda *x: model(pack(x)), *inputs))


def functional(layer, inputs):
    """A functional model of one layer, with inputs of the shapes and dtypes of these arrays."""
    symbols = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in inputs]
    return keras.Model(pack(symbols), layer(pack(symbols)))
