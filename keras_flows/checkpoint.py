"""`Checkpoint`: all that a run needs to go on after being killed at any moment."""

import json
import math
import pathlib
import time

import keras
from keras import ops

from keras_flows.files import write_json, written_whole
from keras_flows.flow import Flow


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

    def clear(self):
        """Forgets the state in the folder, so that nobody resumes it for a run begun anew."""
        self.state_path.unlink(missing_ok=True)

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


def _noise_state(flow):
    """The states of the seed generators, which Keras does not save."""
    weights = {id(w) for w in flow.weights}
    return [v for v in flow.variables if id(v) not in weights]


def _floats(logs):
    return {name: float(value) for name, value in (logs or {}).items()}
