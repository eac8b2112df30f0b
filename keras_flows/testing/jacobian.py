"""Jacobians of flow layers by automatic differentiation."""

import keras
import numpy as np
from keras import ops

from keras_flows.backend import programs
from keras_flows.backend.programs import compiled
from keras_flows.testing.arrays import array, flat, pack, split_conditions


def gradient(function, x):
    """The gradient of the sum of a function's outputs, as an array."""
    return array(compiled(lambda v: programs.gradient(function, v), x))


def jacobian_log_det(layer, inputs):
    """log|det| of the Jacobian of `encode`, one for each sample; conditions are constant.

    One reverse pass computes all rows: each sample is repeated once for every row.
    """
    data, conditions = split_conditions(layer, inputs)
    data = [x.astype(keras.config.floatx()) for x in data]
    batch, dims = len(data[0]), sum(x[0].size for x in data)
    edges = np.cumsum([0] + [x[0].size for x in data])
    constants = [ops.convert_to_tensor(np.repeat(c, dims, axis=0)) for c in conditions]

    def function(x):
        parts = [x[:, a:b] for a, b in zip(edges, edges[1:])]
        parts = [ops.reshape(p, (-1, *d.shape[1:])) for p, d in zip(parts, data)]
        outputs = flat(layer.encode(pack(parts + constants))[0])
        return ops.concatenate([ops.reshape(o, (batch * dims, -1)) for o in outputs], axis=-1)

    point = np.repeat(np.concatenate([x.reshape(batch, -1) for x in data], axis=-1), dims, axis=0)
    row_mask = ops.convert_to_tensor(np.tile(np.eye(dims, dtype=point.dtype), (batch, 1)))
    rows = gradient(lambda x: function(x) * row_mask, point).reshape(batch, dims, dims)
    return np.linalg.slogdet(rows.astype("float64"))[1]
