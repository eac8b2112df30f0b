"""How long a run will still take."""

import time

import keras


class TimeLeft(keras.callbacks.Callback):
    """Says after the first epoch of a `fit` how long the others will take, callbacks included.

    Args:
        epochs: of the whole run.
        minutes: as the option --minutes, for the text alone.
    """

    def __init__(self, epochs, minutes=None):
        super().__init__()
        self.epochs, self.stops = epochs, "--minutes or Ctrl-C" if minutes else "Ctrl-C"

    def on_train_begin(self, logs=None):
        self._first, self._began = None, time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        """Before the second one: the bar of the first is done, and it is clear that more come."""
        if self._first is not None and epoch == self._first + 1:
            seconds = time.perf_counter() - self._began
            left = time_left(f"Epoch {epoch}", seconds, self.epochs - epoch)
            print(f"{left} {self.stops} ends training with all files written.", flush=True)
        self._first = epoch if self._first is None else self._first


def time_left(what, seconds, left):
    """
    >>> time_left("Epoch 1", 61.2, 29)
    'Epoch 1 took 61 s; 29 more take about 30 minutes.'
    """
    rest = seconds * left
    rest = f"{rest / 60:.0f} minutes" if rest >= 120 else f"{rest:.0f} s"
    return f"{what} took {seconds:.0f} s; {left} more take about {rest}."
