"""Callbacks: sample grids, averaged weights, a soft Ctrl-C, a time limit."""

import re
import signal
import threading
import time

import keras
import numpy as np
from keras import ops

from keras_flows.core import lipschitz
from keras_flows.plots.grids import check_size, grid, write_png
from keras_flows.training.checkpoint import Checkpoint
from keras_flows.training.rollback import RollbackOnCollapse

__all__ = [
    "AveragedWeights",
    "Checkpoint",
    "RollbackOnCollapse",
    "SampleGrid",
    "StopAfter",
    "StopOnInterrupt",
]


class SampleGrid(keras.callbacks.Callback):
    """Writes a grid of samples after every epoch, always from the same latents.

    Args:
        path: of the PNG. `{epoch}`, or `{epoch:03d}`, is replaced by the number
            of the epoch, from 1 on.
        temperature: scale of the latents.
        rows, columns: size of the grid.
        image_shape: (height, width, channels) of samples that are vectors.
            If None, they are square grey images.
        seed: integer that fixes the latents.
        context: of a conditional flow, one for all samples or one for each.
        options: further arguments of the flow's `sample`.

    >>> flow.fit(x, callbacks=[SampleGrid("samples/epoch_{epoch:03d}.png", 0.75)])
    """

    def __init__(
        self,
        path,
        temperature=1.0,
        rows=15,
        columns=15,
        image_shape=None,
        seed=0,
        context=None,
        **options,
    ):
        super().__init__()
        self.path, self.temperature, self.image_shape = str(path), temperature, image_shape
        self.rows, self.columns, self.seed = rows, columns, seed
        self.options = options if context is None else {"context": context, **options}

    def set_model(self, model):
        """Raises a ValueError if the grid would be too large, before the first epoch."""
        super().set_model(model)
        check_size(self.rows, self.columns, self.image_shape or model.data_shape)

    def on_epoch_end(self, epoch, logs=None):
        n = self.rows * self.columns
        samples = self.model.sample(n, self.temperature, self.seed, **self.options)
        picture = grid(samples, self.rows, self.columns, self.image_shape, self.model.levels)
        # Not `str.format`: a folder's name may have other braces.
        number = re.compile(r"\{epoch(:\w*)?\}")
        write_png(number.sub(lambda m: m[0].format(epoch=epoch + 1), self.path), picture)


class AveragedWeights(keras.callbacks.SwapEMAWeights):
    """Puts moving averages of the weights into the model between epochs and for validation.

    The optimizer needs `use_ema=True`. After an epoch the model has the averages and the optimizer
    keeps the trained weights, so put callbacks that save or sample after this one.

    Args:
        resumed: whether the model has the averages already, as a restored
            `Checkpoint` has.

    >>> flow.fit(x, callbacks=[AveragedWeights(), Checkpoint("run")])
    """

    def __init__(self, resumed=False):
        super().__init__(swap_on_epoch=True)
        self._ema_weights_in_model = bool(resumed)

    def on_train_begin(self, logs=None):
        if not self._ema_weights_in_model:  # a rollback to the start needs averages
            self._finalize_ema_values()

    def on_train_end(self, logs=None):
        self._finalize_ema_values()

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        lipschitz.refresh(self.model)

    def on_test_begin(self, logs=None):
        super().on_test_begin(logs)
        lipschitz.refresh(self.model)  # `evaluate` did so for the weights before they were swapped

    def _finalize_ema_values(self):
        """Sets the averages to copies of the weights: Keras shares buffers, which JAX donates."""
        optimizer = self.model.optimizer
        averages = optimizer._model_variables_moving_average
        for variable, average in zip(optimizer._trainable_variables, averages):
            average.assign(np.array(ops.convert_to_numpy(variable)))


class StopOnInterrupt(keras.callbacks.Callback):
    """Stops training after the current step on Ctrl-C; a second Ctrl-C ends the process.

    Args:
        checkpoint: `Checkpoint` that must not save the epoch that was cut short.

    >>> flow.fit(x, callbacks=[StopOnInterrupt()])
    """

    def __init__(self, checkpoint=None):
        super().__init__()
        self.checkpoint, self.interrupted = checkpoint, False

    def on_train_begin(self, logs=None):
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._stop)

    def on_train_end(self, logs=None):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _stop(self, *_):
        print("\nStopping after this step; Ctrl-C again to end at once.")
        self.interrupted = self._model.stop_training = True
        if self.checkpoint:
            self.checkpoint.interrupted = True
        signal.signal(signal.SIGINT, self._before)


class StopAfter(keras.callbacks.Callback):
    """Stops training before an epoch that would end more than `minutes` after the start.

    An epoch is expected to take as long as the last one, callbacks included.
    The first epoch is always trained.

    >>> flow.fit(x, epochs=1000, callbacks=[Checkpoint("run"), StopAfter(minutes=8)])
    """

    def __init__(self, minutes):
        super().__init__()
        if not minutes > 0:
            raise ValueError(f"StopAfter needs minutes above 0. Received: minutes={minutes}.")
        self.minutes = minutes

    def on_train_begin(self, logs=None):
        self._last = time.perf_counter()
        self._end = self._last + 60 * self.minutes

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        if 2 * now - self._last > self._end:
            self._model.stop_training = True
            print(f"\nStopping after epoch {epoch + 1}: the next one would end too late.")
        self._last = now
