"""Several devices: losses that add up over them, and batches that they share evenly."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_flows.data import Shuffled, are_arrays
from keras_flows.state import access, keep_values, newest_state


class _Mean(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return y_pred


def batch_mean(values):
    """The mean over the batch, as Keras expects a loss.

    In a strategy of TensorFlow it is divided by the number of devices, whose
    gradients are summed; and it is 0 for a device that got nothing.
    """
    dtype = keras.backend.standardize_dtype(values.dtype)
    return _Mean(name="batch_mean", dtype=dtype)(values, values)


def on_accelerator():
    """Whether Keras sees anything but CPUs."""
    return any(not name.startswith("cpu") for name in keras.distribution.list_devices())


def sharing(model):
    """How many devices of this process share each batch of the model's."""
    distribution = keras.distribution.distribution()
    if distribution is not None:
        mesh = distribution.device_mesh
        devices = mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]
        return max(1, devices // getattr(distribution, "num_processes", 1))
    strategy = getattr(model, "distribute_strategy", None)  # of TensorFlow
    return strategy.num_replicas_in_sync if strategy else 1


def build_optimizer(model):
    """TensorFlow traces a step that makes variables twice, and makes them slowly."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        strategy = getattr(model, "distribute_strategy", None)
        with strategy.scope() if strategy else contextlib.nullcontext():
            optimizer.build(model.trainable_variables)


def check_batches(model, x, batch_size=None):
    """Raises a ValueError where devices cannot share the batches, before an epoch is lost.

    JAX cannot share any that its devices do not divide, TensorFlow not the first one.
    """
    devices, sizes = sharing(model), _batch_sizes(x, batch_size)
    if keras.distribution.distribution() is None:
        sizes = sizes[:1]
    if any(size % devices for size in sizes):
        raise ValueError(
            f"{devices} devices share each batch: give sizes that {devices} divides, also for "
            "what is left for an epoch's last batch, or a data set whose batches are all full, "
            f"such as Shuffled(..., steps=n). Received: batches of {sizes}."
        )


def _batch_sizes(x, batch_size):
    """Sizes of the first batch and, where it is another, the last one, as far as they are told."""
    if isinstance(x, Shuffled):
        n, batch_size = x.steps and x.steps * x.batch_size or len(x.rows), x.batch_size
    elif hasattr(x, "shape") or are_arrays(x):
        n, batch_size = len(x if hasattr(x, "shape") else x[0]), batch_size or 32
    else:
        return []
    return [min(n, batch_size)] + [n % batch_size] * (n > batch_size and n % batch_size > 0)


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
    if keras.distribution.distribution() is None or not (hasattr(x, "shape") or are_arrays(x)):
        return whole(model, x, batch_size=batch_size, **options)
    devices, n = sharing(model), len(x if hasattr(x, "shape") else x[0])
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
