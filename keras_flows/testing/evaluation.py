"""Flow layers called on lists of NumPy arrays, and their Jacobians."""

import contextlib
import os

import keras
import numpy as np
from keras import ops

from keras_flows.backend import autodiff
from keras_flows.backend.autodiff import compiled
from keras_flows.core.flow_layer import check_result


def flat(values):
    return list(values) if isinstance(values, (list, tuple)) else [values]


def pack(values):
    return values[0] if len(values) == 1 else list(values)


def array(x):
    return np.asarray(ops.convert_to_numpy(x))


def arrays(values):
    return [array(v) for v in flat(values)]


def split_conditions(layer, inputs):
    count = len(inputs) - layer.conditions
    return list(inputs[:count]), list(inputs[count:])


def encode(layer, inputs):
    """Outputs as a list of arrays, and one log-determinant a sample."""

    def pair(*x):
        return check_result(layer, layer.encode(pack(x)), x[0])

    outputs, log_det = compiled(pair, *inputs)
    log_det = np.asarray(0.0 if log_det is None else array(log_det))
    return arrays(outputs), np.broadcast_to(log_det, len(inputs[0]))


def gradient(function, x):
    """The gradient of the sum of a function, as an array."""
    return array(compiled(lambda v: autodiff.gradient(function, v), x))


def jacobian_log_det(layer, inputs):
    """log|det| of each sample's Jacobian, row by row in one reverse pass; conditions are fixed."""
    data, conditions = split_conditions(layer, inputs)
    data = [x.astype(keras.config.floatx()) for x in data]
    batch, dims = len(data[0]), sum(x[0].size for x in data)
    edges = np.cumsum([0] + [x[0].size for x in data])
    fixed = [ops.convert_to_tensor(np.repeat(c, dims, axis=0)) for c in conditions]

    def function(x):
        parts = [x[:, a:b] for a, b in zip(edges, edges[1:])]
        parts = [ops.reshape(p, (-1, *d.shape[1:])) for p, d in zip(parts, data)]
        outputs = flat(layer.encode(pack(parts + fixed))[0])
        return ops.concatenate([ops.reshape(o, (batch * dims, -1)) for o in outputs], axis=-1)

    point = np.repeat(np.concatenate([x.reshape(batch, -1) for x in data], axis=-1), dims, axis=0)
    which = ops.convert_to_tensor(np.tile(np.eye(dims, dtype=point.dtype), (batch, 1)))
    rows = gradient(lambda x: function(x) * which, point).reshape(batch, dims, dims)
    return np.linalg.slogdet(rows.astype("float64"))[1]


def outputs_of(model, inputs):
    """What a layer or model makes of arrays, as a list of arrays."""
    return arrays(compiled(lambda *x: model(pack(x)), *inputs))


def functional(layer, inputs):
    """A functional model of one layer, for inputs like these arrays."""
    symbols = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in inputs]
    return keras.Model(pack(symbols), layer(pack(symbols)))


def moved(layer, scale=0.2, seed=0):
    """Moves every trainable weight away from where it starts, above all from zero."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_variables:
        weight.assign(array(weight) + scale * rng.normal(size=weight.shape))
    return layer


@contextlib.contextmanager
def moved_weights(layer):
    """The layer's trainable weights are moved inside, and put back afterwards."""
    before = [(weight, array(weight)) for weight in layer.trainable_variables]
    try:
        yield moved(layer)
    finally:
        for weight, value in before:
            weight.assign(value)


@contextlib.contextmanager
def in_float64():
    """Layers made inside are of float64 and compute in it."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        if array(ops.zeros((), "float64")).dtype != "float64":
            raise ValueError(
                "JAX computes in float64 only where JAX_ENABLE_X64=1 was set before it was "
                f"imported. Received: JAX_ENABLE_X64={os.environ.get('JAX_ENABLE_X64')}."
            )
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
