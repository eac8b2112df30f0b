"""Batch sizes: a default for computations without training, and the check that devices need."""

import keras

from keras_flows.backend.devices import sharing
from keras_flows.flow.arrays import count_rows, is_array_data

VALUES = 100_000  # numbers in a batch of the default size


def default_batch_size(x, dims, even=False):
    """Rows in a batch of about `VALUES` numbers, from 32 to 10,000; None for a data set.

    With `even` all batches have about the same size, so that the backend
    compiles for one shape.
    """
    if not is_array_data(x):
        return None
    n = count_rows(x)
    rows = min(max(VALUES // max(dims, 1), 32), 10_000)
    return -(-n // -(-n // rows)) if even else rows


def check_batch_sizes(model, x, batch_size=None):
    """Raises a ValueError where devices cannot share the batches, before an epoch is lost.

    On JAX the number of devices must divide every batch, on TensorFlow the first one.
    """
    devices, sizes = sharing(model), _known_sizes(x, batch_size)
    if keras.distribution.distribution() is None:
        sizes = sizes[:1]
    if any(size % devices for size in sizes):
        raise ValueError(
            f"{devices} devices share each batch: give sizes that {devices} divides, also for "
            "what is left for an epoch's last batch, or a data set whose batches are all full, "
            f"such as Shuffled(..., steps=n). Received: batches of {sizes}."
        )


def _known_sizes(x, batch_size):
    """Sizes of the first batch and, if it differs, of the last one, as far as they are known."""
    if hasattr(x, "batch_sizes"):
        return x.batch_sizes()
    if not is_array_data(x):
        return []
    n, batch_size = count_rows(x), batch_size or 32
    return [min(n, batch_size)] + [n % batch_size] * (n > batch_size and n % batch_size > 0)
