"""Data sets of pictures, cut into training, validation and test pictures."""

import dataclasses

import numpy as np

from keras_flows.data import datasets


@dataclasses.dataclass
class ImageData:
    """Pictures from 0 to 255 `(n, h, w, c)`, or vectors of them `(n, d)`.

    `rows` are the indices of the training pictures in `train`, or None if all
    of them are used. `labels` are those of `train`, `validation` and `test`,
    for a class-conditional flow.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    rows: np.ndarray | None = None
    labels: tuple = (None, None, None)

    @property
    def arrays(self):
        return (self.train, self.rows, self.validation, self.test, *self.labels)

    @property
    def size(self):
        """How many training pictures there are."""
        return len(self.train if self.rows is None else self.rows)


def held_out(train, test, args, labels=None):
    """`ImageData` whose validation set is the last `args.holdout` of the training pictures.

    `labels` are those of `train` and `test`.
    """
    if args.holdout >= len(train):
        raise ValueError(
            f"--holdout must leave training pictures. Received: {args.holdout} of {len(train)}."
        )
    cut = len(train) - args.holdout
    parts = (train[:cut][: args.limit], train[cut:], test)
    if labels is None:
        return ImageData(*parts)
    y_train, y_test = labels
    return ImageData(*parts, labels=(y_train[:cut][: args.limit], y_train[cut:], y_test))


def mnist(args, classes=False):
    """MNIST as `ImageData`, pictures `(n, 28, 28, 1)`, with labels if `classes`."""
    (train, y_train), (test, y_test) = datasets.mnist(args.data, classes)
    labels = (y_train, y_test) if classes else None
    return held_out(train[..., None], test[..., None], args, labels)


def mnist_vectors(args):
    """MNIST as `ImageData`, vectors `(n, 784)`."""
    (train, _), (test, _) = datasets.mnist(args.data, labels=False)
    return held_out(*(x.reshape(len(x), -1) for x in (train, test)), args)


def cifar10(args, classes=False):
    """CIFAR-10 as `ImageData`, pictures `(n, 32, 32, 3)`, with labels if `classes`."""
    (train, y_train), (test, y_test) = datasets.cifar10(args.data, classes)
    return held_out(train, test, args, (y_train, y_test) if classes else None)
