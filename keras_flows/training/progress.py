"""Estimates of the time that a run still takes."""

import time

import keras


class TimeLeft(keras.callbacks.Callback):
    """Prints after the first epoch of a `fit` how long the others take, callbacks included.

    Args:
        epochs: number of epochs of the whole run.
        minutes: value of the option --minutes, or None; only for the text.
    """

    def __init__(self, epochs, minutes=None):
        super().__init__()
        self.epochs, self.stop = epochs, "--minutes or Ctrl-C" if minutes else "Ctrl-C"

    def on_train_begin(self, logs=None):
        self._first, self._began = None, time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        """Prints when the second epoch begins: then the first one's progress bar is complete."""
        if self._first is not None and epoch == self._first + 1:
            seconds = time.perf_counter() - self._began
            left = time_left(f"Epoch {epoch}", seconds, self.epochs - epoch)
            print(f"{left} {self.stop} ends training with all files written.", flush=True)
        self._first = epoch if self._first is None else self._first


def time_left(what, seconds, left):
    """A sentence on the time of one and of `left` more.

    >>> time_left("Epoch 1", 61.2, 29)
    'Epoch 1 took 61 s; 29 more take about 30 minutes.'
    """
    rest = seconds * left
    rest = f"{rest / 60:.0f} minutes" if rest >= 120 else f"{rest:.0f} s"
    return f"{what} took {seconds:.0f} s; {left} more take about {rest}."
