"""The options that all recipes share."""

import argparse
from pathlib import Path

from keras_flows.training.arguments import above_0, below_1, count, devices, not_negative, positive
from keras_flows.training.optimizers import OPTIMIZERS

MNIST = "MNIST: an npz in Keras' layout or a folder of the idx files; None: the bundled one"
CIFAR10 = "CIFAR-10: an npz in Keras' layout; None: Keras' own"


def run_parser(
    description,
    name,
    *,
    epochs,
    batch_size,
    learning_rate,
    data=MNIST,
    data_required=False,
    **defaults,
):
    """A parser with the options of every run; `--help` shows each with its default.

    Args:
        description: of the recipe, its module's docstring.
        name: of the recipe; --out is `samples/NAME` by default.
        epochs, batch_size, learning_rate: defaults of these options.
        data, data_required: help of --data, and whether it has to be there.
        defaults: of further options.
    """
    p = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = p.add_argument
    add("--epochs", type=positive, default=epochs, help="passes over the training set")
    add("--batch-size", type=positive, default=batch_size, help="samples in a step")
    _add_optimizer(p, learning_rate)
    add("--minutes", type=above_0, help="stop after so many minutes; --resume then continues")
    add(
        "--steps-per-epoch",
        type=positive,
        help="length of an epoch; None: a pass over the training set",
    )
    add("--seed", type=int, default=0, help="fixes weights, order of samples and noise")
    add("--limit", type=positive, help="use only so many training samples")
    add("--data", type=Path, required=data_required, help=data)
    out = Path("samples", name)
    add("--out", type=Path, default=out, help="folder for pictures, metrics and the model")
    add("--mixed-precision", action="store_true", help="networks in bfloat16, flow in float32")
    add(
        "--devices",
        type=devices,
        default="one",
        help="one, or all: each batch is split over the devices of this host",
    )
    again = p.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="continue the run in --out")
    again.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    add("--dry-run", action="store_true", help="build the model, do a step, write nothing to --out")
    p.set_defaults(**defaults)
    return p


def _add_optimizer(p, learning_rate):
    add = p.add_argument
    add("--optimizer", choices=OPTIMIZERS, default="adam", help="from keras.optimizers")
    add("--learning-rate", type=not_negative, default=learning_rate, help="of the optimizer")
    add(
        "--schedule",
        choices=("constant", "cosine"),
        default="constant",
        help="of the learning rate over all steps: constant, or half a cosine down to 0; after a "
        "collapse of the loss the best weights come back, and a constant rate without warm-up is "
        "lowered",
    )
    add("--warmup", type=count, default=0, help="steps in which the learning rate rises from 0")
    add("--clip", type=above_0, help="largest norm of a step's gradient")
    add("--weight-decay", type=not_negative, help="of the optimizer, if any")
    add("--beta-2", type=below_1, default=0.999, help="decay of the mean squares of gradients")
    add("--ema", type=below_1, help="decay of averages of the weights; the averages are saved")
