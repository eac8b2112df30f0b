"""Feeding `fit`: epochs that can be repeated, and the first batch of anything."""

import types

import keras
import numpy as np


class Shuffled(keras.utils.PyDataset):
    """An array in batches, in an order that only `seed` and the epoch decide.

    A run that is resumed at an epoch sees what the uninterrupted one saw.
    Give `fit` the data set's `callback()`, which tells the epoch, and
    `shuffle=False`, or Keras shuffles the batches once more.
    """

    def __init__(self, x, batch_size, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.x, self.batch_size, self.seed = x, batch_size, seed
        self.set_epoch(0)

    def set_epoch(self, epoch):
        self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.x))

    def callback(self):
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda e, logs: self.set_epoch(e))

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return (self.x[rows],)


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


def with_weights(x, y, sample_weight):
    """A `y` where there are sample weights: without one Keras drops them."""
    return np.zeros(len(x), "float32") if y is None and sample_weight is not None else y


def _inputs(batch):
    return keras.utils.unpack_x_y_sample_weight(batch)[0]


def _again(batch, generator):
    yield batch
    yield from generator
