"""Callbacks: sample grids, rollback on collapse, checkpoints to resume from, a soft Ctrl-C."""

import json
import math
import pathlib
import signal
import threading
import time

import keras
from keras import ops

from keras_flows.files import write_json, written_whole
from keras_flows.flow import Flow
from keras_flows.grids import grid, write_png


class SampleGrid(keras.callbacks.Callback):
    """Writes a grid of samples after every epoch, always from the same latent draws.

    Args:
        path: of the PNG; `{epoch}` in it stands for the epoch, from 1 on.
        temperature: spread of the latents.
        rows, columns: of the grid.
        image_shape: (height, width, channels) where samples are vectors;
            square and grey if None.
        seed: integer that fixes the draws.

    >>> flow.fit(x, callbacks=[SampleGrid("samples/epoch_{epoch:03d}.png", 0.75)])
    """

    def __init__(self, path, temperature=1.0, rows=15, columns=15, image_shape=None, seed=0):
        super().__init__()
        self.path, self.temperature, self.image_shape = str(path), temperature, image_shape
        self.rows, self.columns, self.seed = rows, columns, seed

    def on_epoch_end(self, epoch, logs=None):
        flow = self.model
        draws = flow.prior.draw((self.rows * self.columns, *flow.prior.latent_shape), self.seed)
        samples = flow.decode(flow.prior.transform(draws, self.temperature), len(draws))
        picture = grid(samples, self.rows, self.columns, self.image_shape)
        write_png(self.path.format(epoch=epoch + 1), picture)


class RollbackOnCollapse(keras.callbacks.Callback):
    """Goes back to the best weights when the loss collapses, and lowers the learning rate.

    A collapse is a monitored value that is not finite, or that has risen
    above the best one by more than `jump` times the larger of the best one's
    size and the progress since the first epoch. Weights and optimiser state
    of the best epoch (or the start) come back, the rate is multiplied by
    `factor`; after `max_rollbacks` times training stops with a message.

    >>> flow.fit(x, callbacks=[RollbackOnCollapse()])
    """

    def __init__(self, monitor="loss", jump=0.5, factor=0.1, max_rollbacks=5):
        super().__init__()
        if jump <= 0 or not 0 < factor <= 1 or max_rollbacks < 1:
            raise ValueError(
                "RollbackOnCollapse needs jump > 0, factor in (0, 1], max_rollbacks >= 1. "
                f"Received: jump={jump}, factor={factor}, max_rollbacks={max_rollbacks}."
            )
        self.monitor, self.jump, self.factor = monitor, jump, factor
        self.max_rollbacks = max_rollbacks

    def on_train_begin(self, logs=None):
        self.first = self.best = None
        self.rollbacks, self.kept = 0, self._snapshot()

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None:
            raise ValueError(
                f"RollbackOnCollapse watches '{self.monitor}'. "
                f"Received: logs with {list(logs or ())}."
            )
        if self._collapsed(value):
            self._roll_back(epoch, value)
        elif self.best is None or value < self.best:
            self.first = value if self.first is None else self.first
            self.best, self.kept = value, self._snapshot()

    def _collapsed(self, value):
        if not math.isfinite(value):
            return True
        if self.best is None:
            return False
        return value - self.best > self.jump * max(abs(self.best), self.first - self.best)

    def _variables(self):
        return [*self.model.weights, *self.model.optimizer.variables]

    def _snapshot(self):
        return [ops.convert_to_numpy(v) for v in self._variables()]

    def _roll_back(self, epoch, value):
        self.rollbacks += 1
        says = f"\nEpoch {epoch + 1}: {self.monitor} is {value:.6g}, best was {self.best}."
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        for variable, kept in zip(self._variables(), self.kept):
            variable.assign(kept)
        if self.rollbacks > self.max_rollbacks:
            self.model.stop_training = True
            print(f"{says} Giving up after {self.max_rollbacks} rollbacks: best weights restored.")
        else:
            print(f"{says} Best weights restored, learning rate {self._set_rate(rate)}.")

    def _set_rate(self, rate):
        try:
            self.model.optimizer.learning_rate = rate * self.factor
        except TypeError:
            return "left to its schedule"
        return f"lowered to {rate * self.factor:.3g}"


class Checkpoint(keras.callbacks.Callback):
    """Saves all that a run needs to go on after being killed, and the best flow so far.

    After an epoch, at most once in `every_seconds`, the folder gets the whole
    flow with its optimiser, the state of its noise, the history, and the best
    flow by `monitor` as `best.keras`. `state.json` is replaced last and names
    complete files only, so that a kill at any moment leaves the last state.

    >>> checkpoint = Checkpoint("run"); flow.fit(x, callbacks=[checkpoint])
    >>> flow, epochs_done = checkpoint.restore()  # in another process
    """

    def __init__(self, folder, monitor="val_loss", every_seconds=0.0, settings=None):
        super().__init__()
        self.folder, self.monitor = pathlib.Path(folder), monitor
        self.every_seconds, self.settings = every_seconds, settings or {}
        self.history, self.best, self.best_epoch = [], math.inf, None
        self.best_weights, self._best_unsaved, self._saved_at = None, False, -math.inf
        self.last_saved, self.interrupted = 0, False

    @property
    def state_path(self):
        return self.folder / "state.json"

    def restore(self):
        """The flow as it was, and how many epochs it has done; (None, 0) if there is nothing."""
        if not self.state_path.exists():
            return None, 0
        state = json.loads(self.state_path.read_text())
        changed = {
            key: (old, self.settings[key])
            for key, old in state["settings"].items()
            if self.settings.get(key) != old
        }
        if changed:
            raise ValueError(
                f"The run in {self.folder} was begun with other settings; give the same ones or "
                f"another folder. Received, as (then, now): {changed}."
            )
        flow = keras.models.load_model(self.folder / state["last"])
        for variable, value in zip(_noise_state(flow), state["noise"]):
            variable.assign(value)
        self.history, self.best_epoch = state["history"], state["best_epoch"]
        self.last_saved = len(self.history)
        if self.best_epoch is not None:
            self.best = self.history[self.best_epoch - 1][self.monitor]
            self.best_weights = keras.models.load_model(self.folder / "best.keras").get_weights()
        return flow, len(self.history)

    def best_flow(self, flow):
        """`flow` with the weights of its best epoch, if one has ended."""
        if self.best_weights is not None:
            flow.set_weights(self.best_weights)
        return flow

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if self.interrupted:
            return
        seconds = time.perf_counter() - self._began
        self.history.append({"epoch": epoch + 1, "seconds": seconds, **_floats(logs)})
        value = (logs or {}).get(self.monitor, math.nan)
        if value < self.best:
            self.best, self.best_epoch = float(value), epoch + 1
            self.best_weights, self._best_unsaved = self.model.get_weights(), True
        if time.perf_counter() - self._saved_at >= self.every_seconds:
            self.save(self.model)

    def on_train_end(self, logs=None):
        if self.interrupted and self._best_unsaved:
            self._save_best(self.model)
        elif not self.interrupted and self.last_saved != len(self.history):
            self.save(self.model)

    def save(self, flow):
        """Writes the files of the state that the callback has now."""
        epoch = len(self.history)
        last = f"last_{epoch:05d}.keras"
        with written_whole(self.folder / last) as partial:
            flow.save(partial)
        if self._best_unsaved:
            self._save_best(flow)
        state = {
            "settings": self.settings,
            "last": last,
            "noise": [ops.convert_to_numpy(v).tolist() for v in _noise_state(flow)],
            "best_epoch": self.best_epoch,
            "history": self.history,
        }
        write_json(self.state_path, state)
        self.last_saved, self._saved_at = epoch, time.perf_counter()
        for old in self.folder.glob("last_*.keras"):
            if old.name != last:
                old.unlink()

    def _save_best(self, flow):
        """Saves the best weights without the optimiser's state."""
        bare, now = Flow(flow.encoder, flow.prior, name=flow.name), flow.get_weights()
        flow.set_weights(self.best_weights)
        with written_whole(self.folder / "best.keras") as partial:
            bare.save(partial)
        flow.set_weights(now)
        self._best_unsaved = False


class StopOnInterrupt(keras.callbacks.Callback):
    """Turns the first Ctrl-C into a stop after the current step; a second one ends the process.

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


def _noise_state(flow):
    """The states of the seed generators, which Keras does not save."""
    weights = {id(w) for w in flow.weights}
    return [v for v in flow.variables if id(v) not in weights]


def _floats(logs):
    return {name: float(value) for name, value in (logs or {}).items()}
