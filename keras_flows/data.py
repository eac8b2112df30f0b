"""Reading the first batch of whatever `fit` takes."""

import types

import keras


def first_batch(data, batch_size=None):
    """The first batch of inputs, and the data with nothing missing from it.

    Takes arrays, tensors, `keras.utils.PyDataset`, `tf.data`, torch
    DataLoaders, other iterables and generators. A generator that has been
    asked for its first batch is replaced by one that yields it again.
    """
    if hasattr(data, "shape"):
        return data[: batch_size or 32], data
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


def _inputs(batch):
    return keras.utils.unpack_x_y_sample_weight(batch)[0]


def _again(batch, generator):
    yield batch
    yield from generator
