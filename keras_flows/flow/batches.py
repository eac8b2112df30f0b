"""Batches: the first one of any data, their sizes, and whether devices can share them."""

import types

import keras
import numpy as np

from keras_flows.backend.devices import sharing
from keras_flows.flow.arrays import are_arrays

VALUES = 100_000  # a batch, where there is nothing to train


def first_batch(data, batch_size=None):
    """The first batch of inputs, and the data with nothing missing from it.

    Takes arrays, tensors, `keras.utils.PyDataset`, `tf.data`, torch
    DataLoaders, other iterables and generators. A generator that has been
    asked for its first batch is replaced by one that yields it again.
    """
    if hasattr(data, "shape"):
        return data[: batch_size or 32], data
    if are_arrays(data):
        return [part[: batch_size or 32] for part in data], data
    if isinstance(data, keras.utils.PyDataset):
        return _inputs(data[0]), data
    if isinstance(data, types.GeneratorType):
        batch = next(data)
        return _inputs(batch), _again(batch, data)
    try:
        return _inputs(next(iter(data))), data
    except (TypeError, StopIteration) as error:
        raise ValueError(
            "fit needs an array, a data set or a generator with at least one batch. "
            f"Received: {type(data).__name__}."
        ) from error


def rows_a_batch(x, dims, even=False):
    """Rows of arrays x for a batch of about `VALUES` numbers; None of a data set.

    From 32 to 10,000. `even` batches are all of about one size, which is then
    the one that is compiled for.
    """
    if not hasattr(x, "shape") and not are_arrays(x):
        return None
    n = len(x if hasattr(x, "shape") else x[0])
    rows = min(max(VALUES // max(dims, 1), 32), 10_000)
    return -(-n // -(-n // rows)) if even else rows


def with_weights(y, sample_weight):
    """A `y` where there are sample weights: without one Keras drops them."""
    if y is None and sample_weight is not None:
        return np.zeros(len(sample_weight), "float32")
    return y


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
    if hasattr(x, "batch_sizes"):
        return x.batch_sizes()
    if not hasattr(x, "shape") and not are_arrays(x):
        return []
    n, batch_size = len(x if hasattr(x, "shape") else x[0]), batch_size or 32
    return [min(n, batch_size)] + [n % batch_size] * (n > batch_size and n % batch_size > 0)


def _inputs(batch):
    return keras.utils.unpack_x_y_sample_weight(batch)[0]


def _again(batch, generator):
    yield batch
    yield from generator
