"""Times the training steps of a Keras model through `fit`, as a user runs it."""

import os
import time

import keras
import numpy as np


class Stamps(keras.callbacks.Callback):
    """When each step was done, and the running mean of the loss.

    `async_safe` has `fit` call it as it calls its progress bar, from another
    thread: waiting for a step's loss here does not hold up the next step.
    """

    async_safe = True

    def __init__(self):
        super().__init__()
        self.done = {}

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        self.done[batch] = (time.perf_counter(), loss)


def measure(build, x, batch, sizes, adam):
    """Times of the start and of the end of each step, the losses, the number of parameters.

    One epoch over x in shuffled batches. `compile(Adam(1e-3))` and otherwise
    defaults: graphs on TensorFlow, XLA on JAX, eager steps on torch.
    """
    keras.utils.set_random_seed(0)
    model = build(**sizes)
    model.compile(keras.optimizers.Adam(1e-3, **adam))
    stamps = Stamps()
    start = time.perf_counter()
    model.fit(x, batch_size=batch, verbose=0, callbacks=[stamps])
    times, means = zip(*(stamps.done[i] for i in range(len(x) // batch)))
    return {
        "times": [start, *times],
        "losses": np.diff(np.arange(1, len(means) + 1) * means, prepend=0).tolist(),
        "parameters": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        "threads": _threads(),
    }


def _threads():
    if keras.backend.backend() == "torch":
        import torch

        return torch.get_num_threads()
    return len(os.sched_getaffinity(0))  # TensorFlow and JAX make one for each
