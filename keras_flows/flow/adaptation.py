"""Data-dependent initialisation of flow layers, before training and once only."""

import keras
import numpy as np
from keras import ops

from keras_flows.core.graph import called_on_inputs, operations
from keras_flows.core.ledger import Ledger
from keras_flows.core.scope import adapting
from keras_flows.flow.arrays import is_array_data
from keras_flows.flow.batched_data import first_batch

ROWS = 50_000  # the most rows that go through the layers
VALUES = 2**26  # the most values whose moments are computed at once


def adapt(model, x):
    """Data-dependent initialisation of a model's flow layers, in order, once only.

    `Flow` does it in `fit`; a plain `keras.Model` of flow layers, trained in
    the style of the blog series, cannot: call this before its `fit`.

    Args:
        model: a `keras.Model` of flow layers, also a `Flow`.
        x: an array or a list of arrays, used as a whole, or any other data,
            of which the first batch is used.

    >>> encoder = keras.Model(x_in, Actnorm()(x_in))
    >>> keras_flows.adapt(encoder, x_train[:1000]); encoder.compile(...); encoder.fit(...)
    """
    if hasattr(model, "adapt"):
        model.adapt(x)
        return
    if not is_array_data(x):
        x, _ = first_batch(x)
    with adapting(), Ledger():
        model(keras.tree.map_structure(ops.convert_to_tensor, x), training=True)


def adapt_flow(flow, arrays):
    """Initialises all layers of a flow, in order, from arrays of data and contexts.

    Layers that are called on the inputs alone use all rows. For the layers
    behind them, up to `ROWS` rows, evenly spaced, go through the encoder as
    far as the last layer that is not initialised yet.
    """
    limit = max(1, VALUES // max(flow.dims, 1))
    for layer, place in called_on_inputs(flow.encoder):
        if _waits(layer) and not list(layer._flatten_layers(include_self=False)):
            layer.adapt(_spaced_rows(arrays[place], limit))
    flow.prior.adapt(*(_spaced_rows(array, limit) for array in arrays[1:]))
    waiting = [t for layer, outputs in operations(flow.encoder) if _waits(layer) for t in outputs]
    if waiting:
        first_layers = keras.Model(flow.encoder.inputs, waiting)
        with adapting(), Ledger():
            rows = [_spaced_rows(array, min(ROWS, limit)) for array in arrays]
            first_layers(rows, training=True)


def needs_adapt(layer):
    """Whether the layer, or one inside it, still needs its data-dependent initialisation."""
    return any(getattr(inner, "needs_adapt", False) for inner in layer._flatten_layers())


def _waits(operation):
    return isinstance(operation, keras.layers.Layer) and needs_adapt(operation)


def _spaced_rows(x, limit):
    """Up to `limit` rows of x, evenly spaced, as a tensor."""
    n = x.shape[0]
    if n > limit:
        places = np.linspace(0, n - 1, limit).astype("int64")
        x = x[places] if isinstance(x, np.ndarray) else ops.take(x, places, axis=0)
    return ops.convert_to_tensor(x)
