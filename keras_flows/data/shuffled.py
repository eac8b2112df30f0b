"""Epochs that can be repeated: an array in batches, shuffled by a seed."""

import keras
import numpy as np


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

    def batch_sizes(self):
        """Samples of the first batch of an epoch, and of the last one where it is smaller."""
        n = self.steps * self.batch_size if self.steps else len(self.rows)
        return [min(n, self.batch_size)] + [n % self.batch_size] * (
            n > self.batch_size and n % self.batch_size > 0
        )
