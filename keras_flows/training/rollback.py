"""`RollbackOnCollapse`: restores the best weights when the loss collapses."""

import dataclasses
import math
import weakref

import keras
from keras import ops


@dataclasses.dataclass
class Kept:
    """The state of `RollbackOnCollapse`, which a `Checkpoint` saves.

    `weights` are the weights and the optimizer's variables after the epoch
    `epoch`, the best one, or at the start if it is 0. None stands for the
    model's current ones.
    """

    first: float | None = None
    best: float | None = None
    epoch: int = 0
    rollbacks: int = 0
    weights: list | None = None


class RollbackOnCollapse(keras.callbacks.Callback):
    """Restores the best weights when the loss collapses, and lowers the learning rate.

    A loss has collapsed if it is not finite, or if it exceeds the best one by
    more than `jump * max(|best|, first - best)`. Then the weights and the
    optimizer of the best epoch, or of the start, are restored, and the
    learning rate is multiplied by `factor`.

    A `Checkpoint` later in the list of callbacks saves the state, and a flow
    from `Checkpoint.restore` continues with it. Without one each `fit` starts
    with a new state.

    Args:
        monitor: name in the logs of the value that is watched.
        jump: least relative rise that is a collapse.
        factor: of the learning rate, in (0, 1]. A schedule is left as it is.
        max_rollbacks: training stops at the next collapse after so many.

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
        self.max_rollbacks, self.kept = max_rollbacks, Kept()

    @property
    def rollbacks(self):
        return self.kept.rollbacks

    def on_train_begin(self, logs=None):
        model = self.model
        self.kept = model.__dict__.pop("_restored_rollback", None) or Kept()
        if self.kept.weights is None:
            self.kept.weights = self._snapshot()
        model._rollback = weakref.ref(self.kept)  # for `Checkpoint`

    def on_epoch_end(self, epoch, logs=None):
        value, kept = (logs or {}).get(self.monitor), self.kept
        if value is None:
            raise ValueError(
                f"RollbackOnCollapse watches '{self.monitor}'. "
                f"Received: logs with {list(logs or ())}."
            )
        if self._collapsed(value):
            self._roll_back(epoch, value)
        elif kept.best is None or value < kept.best:
            kept.first = float(value) if kept.first is None else kept.first
            kept.best, kept.epoch, kept.weights = float(value), epoch + 1, self._snapshot()

    def _collapsed(self, value):
        if not math.isfinite(value):
            return True
        best, first = self.kept.best, self.kept.first
        if best is None:
            return False
        return value - best > self.jump * max(abs(best), first - best)

    def _variables(self):
        return [*self.model.weights, *self.model.optimizer.variables]

    def _snapshot(self):
        return [ops.convert_to_numpy(v) for v in self._variables()]

    def _roll_back(self, epoch, value):
        self.kept.rollbacks += 1
        message = f"\nEpoch {epoch + 1}: {self.monitor} is {value:.6g}, best was {self.kept.best}."
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        for variable, kept in zip(self._variables(), self.kept.weights):
            variable.assign(kept)
        if self.rollbacks > self.max_rollbacks:
            self.model.stop_training = True
            print(
                f"{message} Giving up after {self.max_rollbacks} rollbacks: best weights restored."
            )
        else:
            print(f"{message} Best weights restored, learning rate {self._set_rate(rate)}.")

    def _set_rate(self, rate):
        try:
            self.model.optimizer.learning_rate = rate * self.factor
        except TypeError:
            return "left to its schedule"
        return f"lowered to {rate * self.factor:.3g}"


def kept_by(model):
    """The `Kept` of the `RollbackOnCollapse` that the model trains with, or None."""
    return getattr(model, "_rollback", lambda: None)()


def restore(model, kept):
    """Makes the next `RollbackOnCollapse` of the model continue with `kept`."""
    model._restored_rollback = kept
