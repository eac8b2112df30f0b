"""What the reproduction scripts share: options, a run that can be resumed, metrics."""

import argparse
import datetime
import functools
import hashlib
import sys
from pathlib import Path

import keras
import numpy as np

from keras_flows.core.cost import multiply_adds, trainable_parameters
from keras_flows.data.shuffled import Shuffled
from keras_flows.files import write_json, written_whole
from keras_flows.training.arguments import above_0, below_1, count, devices, not_negative, positive
from keras_flows.training.callbacks import AveragedWeights, Checkpoint, StopAfter, StopOnInterrupt
from keras_flows.training.machine import machine
from keras_flows.training.progress import TimeLeft
from keras_flows.training.script import STATE

METRICS = "metrics.json"
MNIST = "MNIST: an npz in Keras' layout or a folder of the idx files; None: the bundled one"
CIFAR10 = "CIFAR-10: an npz in Keras' layout; None: Keras' own"
OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamax": keras.optimizers.Adamax,
    "adamw": keras.optimizers.AdamW,
}
# Options that a resumed run shares with the run that it resumes.
SAME = (
    *("batch_size", "optimizer", "learning_rate", "schedule", "warmup", "clip"),
    *("weight_decay", "beta_2", "ema"),
    *("steps_per_epoch", "mixed_precision", "seed", "limit"),
)


def parser(
    description,
    *,
    epochs,
    batch_size,
    learning_rate,
    out,
    optimizer="adam",
    weight_decay=None,
    data=MNIST,
    data_required=False,
    **defaults,
):
    """The options that every script has; `--help` shows each with its default.

    `data` is the help of --data, `defaults` those of further options.
    """
    p = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = p.add_argument
    add("--epochs", type=positive, default=epochs, help="passes over the training set")
    add("--batch-size", type=positive, default=batch_size, help="samples a step")
    add("--optimizer", choices=OPTIMIZERS, default=optimizer, help="from keras.optimizers")
    add("--learning-rate", type=not_negative, default=learning_rate, help="of the optimizer")
    add(
        "--schedule",
        choices=("constant", "cosine"),
        default="constant",
        help="learning rate over all steps: as it is, or down to 0 along half a cosine; after a "
        "collapse the best weights come back, and a constant rate without warm-up is lowered",
    )
    add("--warmup", type=count, default=0, help="steps in which the learning rate rises from 0")
    add("--clip", type=above_0, help="largest norm of a step's gradient")
    add("--weight-decay", type=not_negative, default=weight_decay, help="of the optimizer, if any")
    add("--beta-2", type=below_1, default=0.999, help="decay of the mean squares of gradients")
    add("--ema", type=below_1, help="decay of averages of the weights, which are then what is kept")
    add("--minutes", type=above_0, help="train a model no longer; `--resume` then goes on with it")
    add("--steps-per-epoch", type=positive, help="instead of a pass over the training set")
    add("--seed", type=int, default=0, help="fixes weights, order of samples and noise")
    add("--limit", type=positive, help="use only so many training samples")
    add("--data", type=Path, required=data_required, help=data)
    add("--out", type=Path, default=Path(out), help="folder for pictures, metrics and the model")
    add("--mixed-precision", action="store_true", help="networks in bfloat16, flow in float32")
    add("--devices", type=devices, default="one", help="one, or all of this host for each batch")
    again = p.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with the run in --out")
    again.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    add("--dry-run", action="store_true", help="build, do a step, write nothing to --out")
    p.set_defaults(**defaults)
    return p


def optimizer(args, rows):
    """The optimizer that the options ask for, for so many training samples."""
    steps = args.epochs * (args.steps_per_epoch or -(-rows // args.batch_size))
    rate = args.learning_rate
    if args.warmup or args.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if args.warmup else rate,
            max(1, steps - args.warmup),
            alpha=1.0 if args.schedule == "constant" else 0.0,
            warmup_target=rate if args.warmup else None,
            warmup_steps=args.warmup,
        )
    options = {"beta_2": args.beta_2, "global_clipnorm": args.clip}
    if args.weight_decay is not None:  # AdamW has a decay of its own
        options["weight_decay"] = args.weight_decay
    if args.ema:
        options |= {"use_ema": True, "ema_momentum": args.ema}
    return OPTIMIZERS[args.optimizer](rate, **options)


def start(args):
    """Sets the seed, the devices and the precision that the options ask for."""
    use(args.devices)
    keras.utils.set_random_seed(args.seed)
    if args.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")


@functools.cache
def use(devices):
    """For all that is built from here on."""
    if devices == "all" and keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    elif devices == "all":
        import tensorflow as tf

        tf.distribute.experimental_set_strategy(tf.distribute.MirroredStrategy())


def contents(*arrays, rows=4096):
    """A line that tells data apart, wherever they lie: shapes, and a hash of rows spread over them.

    >>> contents(train, test)
    '(55000, 784) (10000, 784) 1f8b...'
    """
    arrays = [np.asanyarray(x) for x in arrays if x is not None]
    found = hashlib.sha256()
    for x in arrays:
        spread = np.unique(np.linspace(0, len(x) - 1, min(rows, len(x))).astype(int))
        found.update(f"{x.dtype} {x.shape}".encode() + np.ascontiguousarray(x[spread]).tobytes())
    return " ".join([*(str(x.shape) for x in arrays), found.hexdigest()[:16]])


class Run:
    """One training run in one folder.

    Args:
        name: of the script.
        args: the parsed options.
        data: arrays, or None, of which the run depends; other ones cannot
            resume it.
        same: names of the options that a resumed run must share with the
            run that it resumes.
    """

    def __init__(self, name, args, data, same=()):
        start(args)
        names = (*SAME, *same)
        # A cosine ends with the last epoch, so there the length is part of the run.
        names += ("epochs",) * (args.schedule == "cosine")
        values = {name: getattr(args, name) for name in names}
        settings = {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
        about = {"backend": keras.backend.backend(), "contents_of_data": contents(*data)}
        settings = {"script": name, **settings, **about}
        self.name, self.args = name, args
        self.checkpoint = Checkpoint(args.out / STATE, every_seconds=20, settings=settings)
        self.interrupt = StopOnInterrupt(self.checkpoint)
        self.steps_per_epoch = None

    def flow(self, build, rows):
        """The flow to train on so many samples: the resumed one, or `build()`, compiled."""
        flow, self.epochs_done = self.checkpoint.restore() if self.args.resume else (None, 0)
        if flow is not None:
            print(f"Resuming after epoch {self.epochs_done}.")
            return flow
        flow = build()
        flow.compile(optimizer(self.args, rows))
        return flow

    def train(self, flow, x, validation, callbacks=(), *, validation_batch_size=1000, **options):
        """Trains what epochs are left; the flow then has its best epoch's weights.

        `options` are those of `Shuffled`.
        """
        if not self.epochs_done:
            self.checkpoint.clear()
        args = self.args
        data = Shuffled(x, args.batch_size, args.seed, steps=args.steps_per_epoch, **options)
        self.steps_per_epoch = len(data)
        averages = [AveragedWeights(self.epochs_done > 0)] if args.ema else []
        # Last, so that the time of the others counts.
        limits = [self.interrupt, *([StopAfter(args.minutes)] if args.minutes else [])]
        limits.append(TimeLeft(args.epochs, args.minutes))
        flow.fit(
            data,
            shuffle=False,
            epochs=self.args.epochs,
            initial_epoch=self.epochs_done,
            validation_data=(validation,),
            validation_batch_size=validation_batch_size,
            verbose=1 if sys.stdout.isatty() else 2,  # a bar on a terminal, lines in a file
            callbacks=[data.callback(), *averages, *callbacks, self.checkpoint, *limits],
        )
        return self.checkpoint.best_flow(flow)

    def finish(self, flow, metrics):
        """Writes the model and `metrics.json`."""
        out = self.args.out
        with written_whole(out / f"{self.name}.keras") as partial:
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
                "parameters": trainable_parameters(flow),
                "multiply_adds": multiply_adds(flow.encoder),
                "steps_per_epoch": self.steps_per_epoch,
                **metrics,
                "epochs": self.checkpoint.history,
            },
        )
