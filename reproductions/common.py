"""What the reproduction scripts share: options, a run that can be resumed, metrics."""

import argparse
import datetime
import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path

import keras

from keras_flows.callbacks import Checkpoint, StopOnInterrupt
from keras_flows.data import Shuffled
from keras_flows.files import write_json, written_whole

METRICS = "metrics.json"


def parser(description, *, epochs, batch_size, learning_rate, out):
    """The options that every script has; `--help` shows each with its default."""
    p = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = p.add_argument
    add("--epochs", type=positive, default=epochs, help="passes over the training set")
    add("--batch-size", type=positive, default=batch_size, help="samples a step")
    add("--learning-rate", type=float, default=learning_rate, help="of Adam")
    add(
        "--schedule",
        choices=("constant", "cosine"),
        default="constant",
        help="learning rate over all steps: as it is, or down to 0 along half a cosine",
    )
    add("--seed", type=int, default=0, help="fixes weights, order of samples and noise")
    add("--limit", type=positive, help="use only so many training samples")
    add("--data", type=Path, help="where the data is, instead of the script's own")
    add("--out", type=Path, default=Path(out), help="folder for pictures, metrics and the model")
    add("--resume", action="store_true", help="go on with the run in --out")
    add("--dry-run", action="store_true", help="build, do one step, write nothing")
    return p


def parse(options, name, argv=None):
    """The parsed options, and under `command` what would be typed to give them."""
    argv = sys.argv[1:] if argv is None else argv
    args = options.parse_args(argv)
    args.command = shlex.join(["python", "-m", f"reproductions.{name}", *argv])
    return args


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return value


class Run:
    """One training run in one folder.

    Args:
        args: the parsed options.
        same: names of the options that a resumed run must share with the
            run that it resumes.
    """

    def __init__(self, args, same=()):
        keras.utils.set_random_seed(args.seed)
        names = ("batch_size", "learning_rate", "schedule", "seed", "limit", *same)
        # A cosine ends with the last epoch, so there the length is part of the run.
        names += ("epochs",) * (args.schedule == "cosine")
        settings = {name: getattr(args, name) for name in names}
        settings["backend"] = keras.backend.backend()
        self.args = args
        self.checkpoint = Checkpoint(args.out / "checkpoint", every_seconds=20, settings=settings)
        self.interrupt = StopOnInterrupt(self.checkpoint)

    def flow(self, build, steps_per_epoch):
        """The flow to train: the resumed one, or `build()` compiled with Adam."""
        flow, self.epochs_done = self.checkpoint.restore() if self.args.resume else (None, 0)
        if flow is not None:
            print(f"Resuming after epoch {self.epochs_done}.")
            return flow
        rate, steps = self.args.learning_rate, self.args.epochs * steps_per_epoch
        if self.args.schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, steps)
        flow = build()
        flow.compile(optimizer=keras.optimizers.Adam(rate))
        return flow

    def train(self, flow, x, validation, callbacks=()):
        """Trains what epochs are left; the flow then has its best epoch's weights."""
        if not self.epochs_done:
            self.checkpoint.clear()
        data = Shuffled(x, self.args.batch_size, self.args.seed)
        flow.fit(
            data,
            shuffle=False,
            epochs=self.args.epochs,
            initial_epoch=self.epochs_done,
            validation_data=(validation,),
            validation_batch_size=1000,
            callbacks=[data.callback(), *callbacks, self.checkpoint, self.interrupt],
        )
        return self.checkpoint.best_flow(flow)

    def finish(self, flow, name, metrics):
        """Writes the model and `metrics.json`."""
        out = self.args.out
        with written_whole(out / f"{name}.keras") as partial:
            type(flow)(flow.encoder, flow.prior, name=flow.name).save(partial)
        best = self.checkpoint.best_epoch
        write_json(
            out / METRICS,
            {
                "command": self.args.command,
                "date": datetime.date.today().isoformat(),
                "settings": self.checkpoint.settings,
                "machine": machine(),
                "interrupted": self.interrupt.interrupted,
                "best_epoch": best,
                "parameters": flow.count_params(),
                **metrics,
                "epochs": self.checkpoint.history,
            },
        )


def machine():
    """Versions and the class of machine, for `metrics.json`."""
    packages = ("keras-flows", "keras", "numpy", keras.backend.backend())
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed as a package"
    # Every backend's tensors have a device: ".../device:CPU:0", "TFRT_CPU_0", "cuda:0".
    device = str(keras.ops.zeros(()).device).rsplit("device:")[-1].lower()
    return {
        "backend": keras.backend.backend(),
        "device": device,
        "python": platform.python_version(),
        "processor": platform.machine(),
        "cores": _cores(),
        "versions": versions,
    }


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
