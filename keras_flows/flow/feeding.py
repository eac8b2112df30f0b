"""Data sets of batches (x, context), as Keras feeds them to a flow."""

import copy
import types

import keras


def feed(takes, data):
    """The data set with batches as the flow's `Inputs` arrange them.

    Takes `keras.utils.PyDataset`, `tf.data`, torch DataLoaders and generators;
    what else there is is handed on as it is.
    """
    if isinstance(data, keras.utils.PyDataset):
        return Batches(takes, data)
    if isinstance(data, types.GeneratorType):
        return (takes.batch(batch) for batch in data)
    if hasattr(data, "collate_fn") and hasattr(data, "dataset"):
        data = copy.copy(data)
        data.collate_fn = Collate(takes, data.collate_fn)
        return data
    if hasattr(data, "element_spec") and hasattr(data, "map"):
        return data.map(lambda *batch: takes.batch(batch))
    return data


class Batches(keras.utils.PyDataset):
    """A `PyDataset` whose batches are arranged as they are asked for."""

    def __init__(self, takes, data):
        options = ("workers", "use_multiprocessing", "max_queue_size")
        super().__init__(**{name: getattr(data, name) for name in options})
        self.takes, self.data = takes, data

    def __getitem__(self, index):
        return self.takes.batch(self.data[index])

    @property
    def num_batches(self):
        return self.data.num_batches

    def __len__(self):
        return len(self.data)

    def on_epoch_begin(self):
        self.data.on_epoch_begin()

    def on_epoch_end(self):
        self.data.on_epoch_end()


class Collate:
    """What a DataLoader makes of the samples of a batch, arranged."""

    def __init__(self, takes, collate):
        self.takes, self.collate = takes, collate

    def __call__(self, samples):
        return self.takes.batch(self.collate(samples))
