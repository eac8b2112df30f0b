"""A training run in one folder: settings, training that can be resumed, metrics."""

import datetime
import hashlib
import sys
from pathlib import Path

import keras
import numpy as np

from keras_flows.core.cost import multiply_adds, trainable_parameters
from keras_flows.data.shuffled import Shuffled
from keras_flows.files import write_json, written_whole
from keras_flows.training.callbacks import AveragedWeights, Checkpoint, StopAfter, StopOnInterrupt
from keras_flows.training.machine import machine
from keras_flows.training.optimizers import make_optimizer, set_up
from keras_flows.training.progress import TimeLeft
from keras_flows.training.script import STATE

METRICS = "metrics.json"
# Options that a resumed run shares with the run that it resumes.
SETTINGS = (
    *("batch_size", "optimizer", "learning_rate", "schedule", "warmup", "clip"),
    *("weight_decay", "beta_2", "ema"),
    *("steps_per_epoch", "mixed_precision", "seed", "limit"),
)


class Run:
    """One training run in one folder.

    Args:
        name: of the recipe.
        args: the parsed options.
        data: arrays, or None, that the run depends on. A run cannot be
            resumed with other data.
        settings: names of further options that cannot change when the run is
            resumed.
        checkpoint: class of the checkpoint.
    """

    def __init__(self, name, args, data, settings=(), checkpoint=Checkpoint):
        set_up(args)
        self.name, self.args = name, args
        settings = self._settings(data, settings)
        self.checkpoint = checkpoint(args.out / STATE, every_seconds=20, settings=settings)
        self.interrupt = StopOnInterrupt(self.checkpoint)
        self.steps_per_epoch = None

    def _settings(self, data, names):
        names = (*SETTINGS, *names)
        # A cosine ends with the last epoch, so there the length is part of the run.
        names += ("epochs",) * (self.args.schedule == "cosine")
        values = {name: getattr(self.args, name) for name in names}
        return {
            "script": self.name,
            **{k: str(v) if isinstance(v, Path) else v for k, v in values.items()},
            "backend": keras.backend.backend(),
            "contents_of_data": contents_hash(*data),
        }

    def flow(self, build, samples):
        """The resumed flow or `build()`, compiled for a training set of `samples` samples."""
        flow, self.epochs_done = self.checkpoint.restore() if self.args.resume else (None, 0)
        if flow is not None:
            print(f"Resuming after epoch {self.epochs_done}.")
            return flow
        flow = build()
        flow.compile(make_optimizer(self.args, samples))
        return flow

    def train(self, flow, x, validation, callbacks=(), *, validation_batch_size=1000, **options):
        """Trains the remaining epochs; the flow then has the weights of its best epoch.

        `options` are those of `Shuffled`.
        """
        if not self.epochs_done:
            self.checkpoint.clear()
        args = self.args
        data = Shuffled(x, args.batch_size, args.seed, steps=args.steps_per_epoch, **options)
        self.steps_per_epoch = len(data)
        flow.fit(
            data,
            shuffle=False,
            epochs=args.epochs,
            initial_epoch=self.epochs_done,
            validation_data=(validation,),
            validation_batch_size=validation_batch_size,
            verbose=1 if sys.stdout.isatty() else 2,  # a bar on a terminal, lines in a file
            callbacks=[data.callback(), *self._callbacks(callbacks)],
        )
        return self.checkpoint.best_flow(flow)

    def _callbacks(self, callbacks):
        """The callbacks in their order: limits come last and count the time of the others."""
        args = self.args
        averages = [AveragedWeights(self.epochs_done > 0)] if args.ema else []
        limits = [self.interrupt, *([StopAfter(args.minutes)] if args.minutes else [])]
        return [
            *averages,
            *callbacks,
            self.checkpoint,
            *limits,
            TimeLeft(args.epochs, args.minutes),
        ]

    def finish(self, flow, metrics):
        """Writes the model and `metrics.json`."""
        out = self.args.out
        with written_whole(out / f"{self.name}.keras") as partial:
            type(flow)(flow.encoder, flow.prior, name=flow.name).save(partial)
        self.write_metrics(flow, metrics)

    def write_metrics(self, flow, metrics):
        """Writes `metrics.json`: the facts of the run, `metrics` and the history."""
        facts = {
            **provenance(self.args),
            "settings": self.checkpoint.settings,
            "interrupted": self.interrupt.interrupted,
            "best_epoch": self.checkpoint.best_epoch,
            "parameters": trainable_parameters(flow),
            "multiply_adds": multiply_adds(flow.encoder),
            "steps_per_epoch": self.steps_per_epoch,
        }
        write_json(self.args.out / METRICS, {**facts, **metrics, "epochs": self.checkpoint.history})


def provenance(args):
    """The command, date and machine of a run, for `metrics.json`."""
    return {
        "command": args.command,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
    }


def contents_hash(*arrays, rows=4096):
    """A line that identifies data: shapes, and a hash of at most `rows` rows of each array.

    The rows are spread over the array. Arrays that are None are left out.

    >>> contents_hash(train, test)
    '(55000, 784) (10000, 784) 1f8b...'
    """
    arrays = [np.asanyarray(x) for x in arrays if x is not None]
    digest = hashlib.sha256()
    for x in arrays:
        spread = np.unique(np.linspace(0, len(x) - 1, min(rows, len(x))).astype(int))
        digest.update(f"{x.dtype} {x.shape}".encode() + np.ascontiguousarray(x[spread]).tobytes())
    return " ".join([*(str(x.shape) for x in arrays), digest.hexdigest()[:16]])
