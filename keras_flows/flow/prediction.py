"""`predict` for a flow, its encoder or its decoder, on several devices and from any thread."""

import keras
import numpy as np
from keras import ops

from keras_flows.backend.access import access
from keras_flows.backend.devices import sharing
from keras_flows.backend.state import keep_values, newest_state
from keras_flows.flow.arrays import count_rows, is_array_data
from keras_flows.flow.progress import verbose_for
from keras_flows.flow.reports import refresh


def predict(model, x, batch_size=None, *, flow=None, **options):
    """`keras.Model.predict` for a flow, its encoder or its decoder; no variable changes.

    Under `keras.distribution` the rows of arrays need not be a multiple of the
    devices: copies of the last row are added, and their results removed.
    Inside `progress` the prediction of many batches shows a bar.
    """
    if not options.get("verbose", "auto") and is_array_data(x):
        options["verbose"] = verbose_for(count_rows(x), batch_size)
    refresh(flow or model, model)
    with access(flow or model), newest_state(model):
        if model.predict_function is None:
            keep_values(model)
        return _predict(model, x, batch_size, **options)


def _predict(model, x, batch_size, **options):
    keras_predict = keras.Model.predict
    if keras.distribution.distribution() is None or not is_array_data(x):
        return keras_predict(model, x, batch_size=batch_size, **options)
    devices, n = sharing(model), count_rows(x)
    batch_size = -(-(batch_size or 32) // devices) * devices
    x = keras.tree.map_structure(lambda part: _padded(part, -n % devices), x)
    y = keras_predict(model, x, batch_size=batch_size, **options)
    return keras.tree.map_structure(lambda part: part[:n], y)


def _padded(x, rows):
    """x with `rows` copies of its last row added."""
    if not rows:
        return x
    x = ops.convert_to_numpy(x)
    return np.concatenate([x, np.repeat(x[-1:], rows, axis=0)])
