"""Times the training steps of a Keras model through `fit`, as a user runs it."""

import os
import time

import keras
import numpy as np


class Stamps(keras.callbacks.Callback):
    """When each step was done, on the clock and in CPU time, and the running mean of the loss.

    `async_safe` has `fit` call it as it calls its progress bar, from another
    thread: waiting for a step's loss here does not hold up the next step.
    """

    async_safe = True

    def __init__(self):
        super().__init__()
        self.done = {}

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        self.done[batch] = (time.perf_counter(), time.process_time(), loss)


def measure(build, x, batch, sizes, adam, policy="float32", **options):
    """Clock and CPU times of the start and of each step's end, losses, number of parameters.

    One epoch over x in shuffled batches. `compile(Adam(1e-3))` unless `adam` tells
    another rate, and otherwise defaults, unless `options` of `compile` say more: graphs on
    TensorFlow, XLA on JAX, eager steps on torch. Of steps of which only the last of several
    is told, the others are put evenly before it.
    """
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    model = build(**sizes)
    model.compile(keras.optimizers.Adam(**{"learning_rate": 1e-3, **adam}), **options)
    stamps = Stamps()
    start, cpu_start = time.perf_counter(), time.process_time()
    model.fit(x, batch_size=batch, verbose=0, callbacks=[stamps])
    done, steps = sorted(stamps.done), np.arange(-1, len(x) // batch)
    times, cpu, means = zip(*(stamps.done[i] for i in done))
    times = np.subtract(times, start)  # a clock's large numbers would leave short steps few digits
    means = np.interp(steps[1:], done, means)
    return {
        "times": np.interp(steps, [-1, *done], [0, *in_order(times)]).tolist(),
        "cpu": np.interp(steps, [-1, *done], [cpu_start, *in_order(cpu)]).tolist(),
        "losses": np.diff(np.arange(1, len(means) + 1) * means, prepend=0).tolist(),
        "parameters": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        "threads": _threads(),
    }


def in_order(times):
    """When each step was done: not after a later one, whose callback may have been quicker."""
    return np.minimum.accumulate(times[::-1])[::-1].tolist()


def jax_state(model):
    """The values that a compiled model's `train_step` takes and gives on JAX."""
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    return tuple([variable.value for variable in group] for group in groups)


def _threads():
    if keras.backend.backend() == "torch":
        import torch

        return torch.get_num_threads()
    return len(os.sched_getaffinity(0))  # TensorFlow and JAX make one for each
