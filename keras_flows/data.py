"""Feeding `fit`: epochs that can be repeated, and the first batch of anything."""

import types

import keras
import numpy as np

VALUES = 100_000  # a batch, where there is nothing to train


class Shuffled(keras.utils.PyDataset):
    """An array in batches, in an order that only `seed` and the epoch decide.

    A run that is resumed at an epoch sees what the uninterrupted one saw, also
    with several `workers`. Give `fit` the data set's `callback()`, which tells
    the epoch, and `shuffle=False`, or Keras shuffles the batches once more.

    Args:
        x: array or memmap, one sample a row.
        batch_size: samples a batch.
        seed: integer that fixes the order and the flips.
        flip: whether each picture `(h, w, c)` is mirrored half of the time.
        steps: batches an epoch, all of full size: consecutive stretches of an
            endless stream of shuffled passes. If None, an epoch is one pass,
            whose last batch may be smaller.
        rows: indices into `x` of the samples to use, which copies nothing;
            all if None.
        context: array of conditions, one for each row of `x`; batches then
            are `((x, context),)`.
        transform: function of each batch of `x`, such as a change of dtype.

    Raises ValueError for arguments that do not go together.

    >>> data = Shuffled(pixels, 64, flip=True, rows=train)
    >>> flow.fit(data, shuffle=False, callbacks=[data.callback()])
    """

    def __init__(
        self,
        x,
        batch_size,
        seed=0,
        flip=False,
        steps=None,
        rows=None,
        context=None,
        transform=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.x, self.batch_size, self.seed, self.flip = x, batch_size, seed, flip
        self.steps, self.context, self.transform = steps, context, transform
        self.rows = np.arange(len(x)) if rows is None else np.asarray(rows)
        self._check()
        self.set_epoch(0)

    def _check(self):
        if self.flip and self.x.ndim != 4:
            raise ValueError(f"flip needs pictures (n, h, w, c). Received: shape {self.x.shape}.")
        if self.steps is not None and (self.steps < 1 or not len(self.rows)):
            raise ValueError(
                "steps must be 1 or more, of one sample or more. "
                f"Received: steps={self.steps}, {len(self.rows)} samples."
            )
        if self.rows.ndim != 1 or self.rows.dtype.kind not in "iu":
            raise ValueError(
                "rows must be a vector of integers; of a mask take np.flatnonzero. "
                f"Received: dtype={self.rows.dtype}, shape={self.rows.shape}."
            )
        if self.context is not None and len(self.context) != len(self.x):
            raise ValueError(
                "context needs one row for each of x, also where rows choose among them. "
                f"Received: {len(self.context)} for {len(self.x)}."
            )

    def set_epoch(self, epoch):
        if self.steps is None:
            order = self._pass(epoch)
        else:
            length, n = self.steps * self.batch_size, len(self.rows)
            first, skip = divmod(epoch * length, n)
            passes = range(first, first - (-(skip + length) // n))
            order = np.concatenate([self._pass(p) for p in passes])[skip : skip + length]
        # Drawn here and not by batch, so that threads only read, in whatever order.
        mirrored = np.random.default_rng([self.seed, epoch, 1]).random(len(order)) < 0.5
        self._drawn = order, mirrored

    def _pass(self, number):
        return np.random.default_rng([self.seed, number]).permutation(self.rows)

    def callback(self):
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda e, logs: self.set_epoch(e))

    @keras.utils.PyDataset.workers.getter
    def workers(self):
        """Threads that `fit` uses: one except on TensorFlow.

        Elsewhere Keras 3.15 begins with batches its threads made before it told the epoch.
        """
        return super().workers if keras.backend.backend() == "tensorflow" else 1

    def __len__(self):
        return self.steps or -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index):
        batch = slice(index * self.batch_size, (index + 1) * self.batch_size)
        rows, mirrored = (drawn[batch] for drawn in self._drawn)
        x = self.x[rows]
        if self.flip:
            x[mirrored] = x[mirrored, :, ::-1]
        if self.transform is not None:
            x = self.transform(x)
        return (x,) if self.context is None else ((x, self.context[rows]),)


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


def are_arrays(x):
    """Whether x is a list of arrays, one for each input, rather than a data set."""
    return isinstance(x, (list, tuple)) and all(hasattr(part, "shape") for part in x)


def _inputs(batch):
    return keras.utils.unpack_x_y_sample_weight(batch)[0]


def _again(batch, generator):
    yield batch
    yield from generator
