"""Times the training steps of a Keras model in `fit`."""

import os
import time

import keras
import numpy as np


class Stamps(keras.callbacks.Callback):
    """Wall time, CPU time and the running mean of the loss at the end of each step.

    With `async_safe`, `fit` calls it from another thread, as it calls its progress bar. Waiting
    for a step's loss here does not delay the next step.
    """

    async_safe = True

    def __init__(self):
        super().__init__()
        self.done = {}

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        self.done[batch] = (time.perf_counter(), time.process_time(), loss)


def measure(build, x, batch, sizes, adam, policy="float32", **options):
    """Wall and CPU times at the start and after each step, losses, number of parameters.

    One epoch over x in shuffled batches.

    Args:
        build: function of `sizes` that makes the model.
        x: data, whole batches of `batch` samples.
        adam: options of Adam; the default learning rate is 1e-3.
        policy: dtype policy.
        options: of `compile`. By default TensorFlow runs graphs, JAX XLA programs, torch eager
            steps. With `steps_per_execution` only the last of several steps is reported; the
            times of the others are interpolated.
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
    times = np.subtract(times, start)  # large clock readings leave few digits for short steps
    means = np.interp(steps[1:], done, means)
    return {
        "times": np.interp(steps, [-1, *done], [0, *in_order(times)]).tolist(),
        "cpu": np.interp(steps, [-1, *done], [cpu_start, *in_order(cpu)]).tolist(),
        "losses": np.diff(np.arange(1, len(means) + 1) * means, prepend=0).tolist(),
        "parameters": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        "threads": _threads(),
    }


def in_order(times):
    """Times at which steps ended, none later than the next step's: callbacks may change order."""
    return np.minimum.accumulate(times[::-1])[::-1].tolist()


def jax_state(model):
    """The state that a compiled model's `train_step` takes and returns on JAX."""
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
    return len(os.sched_getaffinity(0))  # TensorFlow and JAX start one for each core
