"""`backprop="remat"`: a layer's activations are computed again in the backward pass."""

import keras
from keras import ops

from keras_flows.core.purity import inner_layers, is_pure
from keras_flows.core.scope import current, scope


def remat(function, *args):
    """`function(*args)`, a pair `(z, log_det)`; only `args` are kept for the backward pass."""

    def recomputed(*args):
        with scope(backprop=None):
            z, log_det = function(*args)
        # TensorFlow's recomputed functions return tensors only.
        return (z,) if log_det is None else (z, ops.convert_to_tensor(log_det))

    z, *log_det = keras.remat(recomputed)(*args)
    return z, log_det[0] if log_det else None


def encode(layer, inputs):
    """`layer.encode(inputs)`; under "remat" a layer with networks keeps only its inputs."""
    if current().backprop == "remat" and layer.has_networks and is_pure(inner_layers([layer])):
        return _remat_layer(layer, inputs)
    return layer.encode(inputs)


def _remat_layer(layer, inputs):
    """The weights are arguments: a scope that sets them is left before the backward pass."""
    several = isinstance(inputs, (list, tuple))
    data, variables = list(inputs) if several else [inputs], layer.variables

    def encode(*args):
        x, weights = args[: len(data)], args[len(data) :]
        with keras.StatelessScope(state_mapping=list(zip(variables, weights))):
            return layer.encode(list(x) if several else x[0])

    return remat(encode, *data, *(ops.cast(v.value, v.dtype) for v in variables))
