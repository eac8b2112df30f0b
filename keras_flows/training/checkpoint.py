"""`Checkpoint`: saves what a run needs to continue after it was killed."""

import dataclasses
import json
import math
import pathlib
import time
import warnings
from contextlib import nullcontext

import keras
import numpy as np
from keras import ops

from keras_flows.core.repeats import stacking
from keras_flows.files import write_json, written_whole
from keras_flows.flow.flow import Flow
from keras_flows.training import rollback


class Checkpoint(keras.callbacks.Callback):
    """Saves the state of a run, so that it can continue after it was killed, and the best flow.

    After an epoch, at most once in `every_seconds`, it writes to the folder: the
    flow with its optimizer, the state of its random seeds, the state of
    `RollbackOnCollapse`, the history, and the best flow as `best.keras`.
    `state.json` is written last and names complete files only: a run that is
    killed while it saves leaves the state before.

    Args:
        folder: for these files, one folder for each run.
        monitor: name in the logs of the value that the best flow minimizes.
        every_seconds: least time between two saved states.
        settings: dictionary that JSON can hold. `restore` refuses a run that
            has other settings.

    >>> checkpoint = Checkpoint("run"); flow.fit(x, callbacks=[checkpoint])
    >>> flow, epochs_done = checkpoint.restore()  # in another process
    """

    def __init__(self, folder, monitor="val_loss", every_seconds=0.0, settings=None):
        super().__init__()
        self.folder, self.monitor = pathlib.Path(folder), monitor
        self.every_seconds, self.settings = every_seconds, settings or {}
        self.history, self.best, self.best_epoch = [], math.inf, None
        self.best_weights, self._best_unsaved, self._saved_at = None, False, -math.inf
        self.last_saved, self.interrupted, self._rollback_file = 0, False, None

    @property
    def state_path(self):
        return self.folder / "state.json"

    def restore(self):
        """Returns (flow, epochs done), or (None, 0) if the folder has no state.

        Raises ValueError for other settings, a damaged state, or a state of the optimizer that
        does not fit.
        """
        if not self.state_path.exists():
            return None, 0
        try:
            state = json.loads(self.state_path.read_text())
            old, last, noise = (state[key] for key in ("settings", "last", "noise"))
            self.history, self.best_epoch = state["history"], state["best_epoch"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.state_path} is damaged, so its run cannot be resumed. Received: {error!r}."
            ) from error
        self._check_settings(old)
        flow = _with_optimizer(self.folder / last, state)
        for variable, value in zip(_noise_state(flow), noise):
            variable.assign(value)
        self._restore_rollback(flow, state.get("rollback"))
        self.last_saved = len(self.history)
        if self.best_epoch is not None:
            logs = self.history[self.best_epoch - 1]
            if self.monitor not in logs:
                raise ValueError(
                    f"The run in {self.folder} has another `monitor`; give the same one. "
                    f"Received: monitor='{self.monitor}', logs with {list(logs)}."
                )
            self.best = logs[self.monitor]
            self.best_weights = keras.models.load_model(self.folder / "best.keras").get_weights()
        return flow, len(self.history)

    def _check_settings(self, old):
        changed = {
            key: (value, self.settings.get(key))
            for key, value in old.items()
            if self.settings.get(key) != value
        }
        if changed:
            raise ValueError(
                f"The run in {self.folder} has other settings; give the same ones or "
                f"another folder. Received, as (then, now): {changed}."
            )

    def clear(self):
        """Removes the state in the folder, so that a new run cannot be taken for the old one."""
        self.state_path.unlink(missing_ok=True)

    def best_flow(self, flow):
        """Returns `flow` with the weights of its best epoch, if an epoch has ended."""
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
        """Writes the current state to the folder."""
        epoch = len(self.history)
        last = f"last_{epoch:05d}.keras"
        with written_whole(self.folder / last) as partial:
            flow.save(partial)
        if self._best_unsaved:
            self._save_best(flow)
        state = {
            "settings": self.settings,
            "last": last,
            "iterations": _iterations(flow),
            "noise": [ops.convert_to_numpy(v).tolist() for v in _noise_state(flow)],
            "rollback": self._save_rollback(flow),
            "best_epoch": self.best_epoch,
            "history": self.history,
        }
        write_json(self.state_path, state)
        self.last_saved, self._saved_at = epoch, time.perf_counter()
        used = (last, (state["rollback"] or {}).get("file"))
        for old in (*self.folder.glob("last_*.keras"), *self.folder.glob("rollback_*.npz")):
            if old.name not in used:
                old.unlink()

    def _save_rollback(self, flow):
        """The state of `RollbackOnCollapse`. Its weights go to a file unless `last` has them."""
        kept, file = rollback.kept_by(flow), None
        if kept is None:
            return None
        if kept.epoch != len(self.history):
            file = f"rollback_{kept.epoch:05d}.npz"
            if file != self._rollback_file:
                with written_whole(self.folder / file) as partial:
                    np.savez(partial, *kept.weights)
        self._rollback_file = file
        return {**dataclasses.asdict(dataclasses.replace(kept, weights=None)), "file": file}

    def _restore_rollback(self, flow, state):
        """Restores the state of `RollbackOnCollapse`, if one was saved."""
        if not state:
            return
        self._rollback_file = file = state.pop("file")
        if file:
            with np.load(self.folder / file) as arrays:
                state["weights"] = [arrays[f"arr_{i}"] for i in range(len(arrays))]
        rollback.restore(flow, rollback.Kept(**state))

    def _save_best(self, flow):
        """Saves the flow with its best weights, without the optimizer."""
        bare, now = Flow(flow.encoder, flow.prior, name=flow.name), flow.get_weights()
        flow.set_weights(self.best_weights)
        with written_whole(self.folder / "best.keras") as partial:
            bare.save(partial)
        flow.set_weights(now)
        self._best_unsaved = False


def _iterations(flow):
    return int(ops.convert_to_numpy(flow.optimizer.iterations))


def _with_optimizer(path, state):
    """Loads the flow with the state of its optimizer.

    Keras skips that state with a warning if it does not fit. It fits if repeated steps are stacked
    as in the flow that was saved, so this tries the default, then stacked, then not stacked.
    """
    saved = state.get("iterations")
    for scope in (nullcontext(), stacking(True), stacking(False)):
        with warnings.catch_warnings(), scope:
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            flow = keras.models.load_model(path)
        loaded = _iterations(flow)
        if loaded == saved or saved is None and (loaded or not state["history"]):
            return flow
    raise ValueError(
        f"The optimizer's state in {path} does not fit the flow here: repeated steps are stacked "
        "differently on another backend, or on a CPU and a GPU. Resume the run on the backend and "
        "device that it began on; or begin a new run from its weights, which "
        f"`keras.models.load_model(path, compile=False)` loads. Received: {loaded} steps of the "
        f"optimizer instead of {'one or more' if saved is None else saved}."
    )


def _noise_state(flow):
    """The states of the seed generators, which Keras does not save."""
    weights = {id(w) for w in flow.weights}
    return [v for v in flow.variables if id(v) not in weights]


def _floats(logs):
    return {name: float(value) for name, value in (logs or {}).items()}
