"""Data that comes in batches: data sets, DataLoaders and generators."""

import copy
import types

import keras

from keras_flows.flow.arrays import is_array, is_array_data


def first_batch(data, batch_size=None):
    """The inputs of the first batch, and data that still contains all batches.

    Takes arrays, tensors, `keras.utils.PyDataset`, `tf.data`, torch
    DataLoaders, other iterables and generators. A generator is replaced by
    one that yields its first batch again.
    """
    if is_array(data):
        return data[: batch_size or 32], data
    if is_array_data(data):
        return [part[: batch_size or 32] for part in data], data
    if isinstance(data, keras.utils.PyDataset):
        return _inputs(data[0]), data
    if isinstance(data, types.GeneratorType):
        batch = next(data)
        return _inputs(batch), _with_first(batch, data)
    try:
        return _inputs(next(iter(data))), data
    except (TypeError, StopIteration) as error:
        raise ValueError(
            "fit needs an array, a data set or a generator with at least one batch. "
            f"Received: {type(data).__name__}."
        ) from error


def _inputs(batch):
    return keras.utils.unpack_x_y_sample_weight(batch)[0]


def _with_first(batch, generator):
    yield batch
    yield from generator


def prepare_batches(inputs_spec, data):
    """The data set with each batch prepared by `inputs_spec.prepare_batch`.

    Takes `keras.utils.PyDataset`, `tf.data`, torch DataLoaders and generators;
    other iterables are returned unchanged.
    """
    prepare = inputs_spec.prepare_batch
    if isinstance(data, keras.utils.PyDataset):
        return PreparedDataset(data, prepare)
    if isinstance(data, types.GeneratorType):
        return (prepare(batch) for batch in data)
    if hasattr(data, "collate_fn") and hasattr(data, "dataset"):
        data = copy.copy(data)
        data.collate_fn = PreparedCollate(data.collate_fn, prepare)
        return data
    if hasattr(data, "element_spec") and hasattr(data, "map"):
        return data.map(lambda *batch: prepare(batch))
    return data


class PreparedDataset(keras.utils.PyDataset):
    """A `PyDataset` that applies a function to each batch of another one."""

    def __init__(self, data, prepare):
        options = ("workers", "use_multiprocessing", "max_queue_size")
        super().__init__(**{name: getattr(data, name) for name in options})
        self.data, self.prepare = data, prepare

    def __getitem__(self, index):
        return self.prepare(self.data[index])

    @property
    def num_batches(self):
        return self.data.num_batches

    def __len__(self):
        return len(self.data)

    def on_epoch_begin(self):
        self.data.on_epoch_begin()

    def on_epoch_end(self):
        self.data.on_epoch_end()


class PreparedCollate:
    """A DataLoader's `collate_fn` followed by a function of the batch."""

    def __init__(self, collate, prepare):
        self.collate, self.prepare = collate, prepare

    def __call__(self, samples):
        return self.prepare(self.collate(samples))
