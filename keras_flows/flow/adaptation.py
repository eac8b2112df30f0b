"""Data-dependent initialisation of a flow's layers, before training and once only."""

import keras
import numpy as np
from keras import ops

from keras_flows.core.graph import called_on_inputs, operations
from keras_flows.core.ledger import Ledger, adapting

ROWS = 50_000  # that go through the layers
VALUES = 2**26  # of which moments are taken at once


def adapt(flow, parts):
    """Initialises all layers, in order, from arrays of data and contexts.

    Layers on the inputs see all rows. Where others wait, rows go through the
    layers up to the last one that waits, and no further: all of them up to
    `ROWS`, evenly spaced ones of more.
    """
    most = max(1, VALUES // max(flow.dims, 1))
    for layer, place in called_on_inputs(flow.encoder):
        if _waits(layer) and not list(layer._flatten_layers(include_self=False)):
            layer.adapt(_rows(parts[place], most))
    flow.prior.adapt(*(_rows(part, most) for part in parts[1:]))
    waiting = [t for layer, outputs in operations(flow.encoder) if _waits(layer) for t in outputs]
    if waiting:
        upto = keras.Model(flow.encoder.inputs, waiting)
        with adapting(), Ledger():
            upto([_rows(part, min(ROWS, most)) for part in parts], training=True)


def needs_adapt(layer):
    """Whether the layer, or one inside, still waits for its initialisation."""
    return any(getattr(inner, "needs_adapt", False) for inner in layer._flatten_layers())


def _waits(operation):
    return isinstance(operation, keras.layers.Layer) and needs_adapt(operation)


def _rows(x, most):
    """So many rows of x, evenly spaced, as a tensor."""
    n = x.shape[0]
    if n > most:
        places = np.linspace(0, n - 1, most).astype("int64")
        x = x[places] if isinstance(x, np.ndarray) else ops.take(x, places, axis=0)
    return ops.convert_to_tensor(x)
