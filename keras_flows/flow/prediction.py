"""`predict` of a flow, its encoder or its decoder: on any number of devices, from any thread."""

import keras
import numpy as np
from keras import ops

from keras_flows.backend.devices import sharing
from keras_flows.backend.state import access, keep_values, newest_state
from keras_flows.flow.arrays import count_rows, is_array_data


def predict(model, x, batch_size=None, *, flow=None, **options):
    """`keras.Model.predict` of a flow, its encoder or decoder, whose variables stay as they are.

    Under `keras.distribution` also of arrays that devices do not divide: these are
    filled up with their last row, of which nothing is returned.
    """
    with access(flow or model), newest_state(model):
        if model.predict_function is None:
            keep_values(model)
        return _predict(model, x, batch_size, **options)


def _predict(model, x, batch_size, **options):
    whole = keras.Model.predict
    if keras.distribution.distribution() is None or not is_array_data(x):
        return whole(model, x, batch_size=batch_size, **options)
    devices, n = sharing(model), count_rows(x)
    batch_size = -(-(batch_size or 32) // devices) * devices
    x = keras.tree.map_structure(lambda part: _filled(part, -n % devices), x)
    y = whole(model, x, batch_size=batch_size, **options)
    return keras.tree.map_structure(lambda part: part[:n], y)


def _filled(x, rows):
    """x with so many copies of its last row."""
    if not rows:
        return x
    x = ops.convert_to_numpy(x)
    return np.concatenate([x, np.repeat(x[-1:], rows, axis=0)])
