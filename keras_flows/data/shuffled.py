"""`Shuffled`: an array in batches, in a shuffled order that can be repeated."""

import keras
import numpy as np


class Shuffled(keras.utils.PyDataset):
    """An array in batches, in an order that depends only on `seed` and the epoch.

    A run that is resumed at an epoch sees the same batches as the uninterrupted run, also with
    several `workers`. Pass `callback()`, which sets the epoch, to `fit`, and `shuffle=False`:
    otherwise Keras shuffles the batches again.

    Args:
        x: array or memmap, one sample a row.
        batch_size: samples in a batch.
        seed: integer that determines the order and the flips.
        flip: whether to mirror each picture `(h, w, c)` with probability 1/2.
        steps: batches in an epoch, all of full size. Epochs are then
            consecutive parts of an endless stream of shuffled passes. If None,
            an epoch is one pass, whose last batch may be smaller.
        rows: indices into `x` of the samples to use, without copying them;
            None uses all.
        context: array of conditions, one for each row of `x`; batches are
            then `((x, context),)`.
        transform: function that is applied to each batch of `x`, such as a
            change of dtype.

    Raises ValueError for arguments that do not fit together.

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
                "steps must be 1 or more, and there must be a sample. "
                f"Received: steps={self.steps}, {len(self.rows)} samples."
            )
        if self.rows.ndim != 1 or self.rows.dtype.kind not in "iu":
            raise ValueError(
                "rows must be a vector of integers; for a mask use np.flatnonzero(mask). "
                f"Received: dtype={self.rows.dtype}, shape={self.rows.shape}."
            )
        if self.context is not None and len(self.context) != len(self.x):
            raise ValueError(
                "context needs one row for each row of x, also if rows selects some of them. "
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
        # Drawn for the whole epoch, so that threads only read, in any order.
        mirrored = np.random.default_rng([self.seed, epoch, 1]).random(len(order)) < 0.5
        self._drawn = order, mirrored

    def _pass(self, number):
        return np.random.default_rng([self.seed, number]).permutation(self.rows)

    def callback(self):
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda e, logs: self.set_epoch(e))

    @keras.utils.PyDataset.workers.getter
    def workers(self):
        """Number of threads for `fit`: one except on TensorFlow.

        On other backends, the threads of Keras 3.15 make batches before the epoch is set.
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
        """The size of the first batch of an epoch, and of the last one if it is smaller."""
        n = self.steps * self.batch_size if self.steps else len(self.rows)
        return [min(n, self.batch_size)] + [n % self.batch_size] * (
            n > self.batch_size and n % self.batch_size > 0
        )
