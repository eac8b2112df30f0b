"""The invertible ResNet (1811.00995): it classifies MNIST, and rebuilds digits from features.

Trains two classifiers of the same size. The blocks of the first have certified Lipschitz bounds
below 1, so that each has an inverse, which an iteration finds. Those of the second are ordinary
residual blocks, on which the same iteration need not converge. Reports the accuracy of both on the
10,000 test pictures, the certified bounds of all blocks, and for test digits that are rebuilt from
their features the largest error, on pixels of 0 to 1, beside the estimate of the iteration. Writes
to --out: rows of test digits and of the same, rebuilt by each model, iresnet_mnist.png; both models
and metrics.json. It has no --resume.
"""

import argparse
import time
from pathlib import Path

import keras
import numpy as np

from keras_flows.core.cost import trainable_parameters
from keras_flows.data import datasets
from keras_flows.files import write_json, written_whole
from keras_flows.models import IResNet
from keras_flows.networks.lipschitz_nets import ACTIVATIONS
from keras_flows.plots.grids import grid, write_png
from keras_flows.recipes.parts.certified import report_bounds
from keras_flows.training.arguments import below_1, count, not_negative, positive
from keras_flows.training.options import MNIST
from keras_flows.training.run import METRICS, provenance
from keras_flows.training.script import script

NAME = "iresnet_mnist"
MODELS = ("invertible", "ordinary")
PIXELS = 255.0
COLUMNS = 10


def parser():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = p.add_argument
    add("--models", nargs="+", choices=MODELS, default=[*MODELS], help="which classifiers")
    add("--epochs", type=positive, default=8, help="passes over the training set")
    add("--batch-size", type=positive, default=100, help="pictures in a step")
    add(
        "--learning-rate",
        type=not_negative,
        default=4e-3,
        help="of Adam at the start; it falls to 0 along half a cosine",
    )
    add("--levels", type=positive, default=2, help="resolutions")
    add("--steps", type=positive, default=3, help="residual blocks of each level")
    add("--hidden", type=positive, default=32, help="channels of the networks")
    add("--padding", type=count, default=0, help="channels of zeros added to the pictures")
    add("--lipschitz", type=below_1, default=0.8, help="bound that each block is held at")
    add("--activation", choices=ACTIVATIONS, default="elu", help="of the networks")
    add("--rebuild", type=positive, default=1000, help="test digits to rebuild from features")
    add("--limit", type=positive, help="use only so many training pictures")
    add("--data", type=Path, help=MNIST)
    add("--seed", type=int, default=0, help="fixes weights and the order of pictures")
    add("--out", type=Path, default=Path(f"samples/{NAME}"), help="folder for what it writes")
    add("--overwrite", action="store_true", help="replace the run in --out")
    add("--dry-run", action="store_true", help="build the models, do a step, write nothing")
    return p


def load(args):
    """Training and test pictures `(n, 28, 28, 1)` of uint8, each with labels."""
    train, test = datasets.mnist(args.data)
    return [
        (x[:limit, ..., None], y[:limit]) for (x, y), limit in ((train, args.limit), (test, None))
    ]


def build(args, name):
    return IResNet(
        (28, 28, 1),
        levels=args.levels,
        steps=args.steps,
        hidden=args.hidden,
        lipschitz=args.lipschitz if name == "invertible" else None,
        activation=args.activation,
        padding=args.padding,
        name=name,
    )


def train(args, name, x, y):
    """The trained classifier, its history, and the seconds of training."""
    keras.utils.set_random_seed(args.seed)
    model = build(args, name)
    steps = args.epochs * -(-len(x) // args.batch_size)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(args.learning_rate, steps))
    )
    began = time.perf_counter()
    history = model.fit(x, y, batch_size=args.batch_size, epochs=args.epochs, verbose=2).history
    return model, history, time.perf_counter() - began


def measure(args, model, x, y):
    """The metrics of a classifier on test pictures, and the pictures rebuilt from features."""
    loss, accuracy = model.evaluate(x, y, batch_size=args.batch_size, verbose=0)
    few = x[: args.rebuild]
    features = model.features(few)
    began = time.perf_counter()
    back, estimate, converged = model.invert(features, with_errors=True)
    seconds = time.perf_counter() - began
    errors = np.abs(back - few.astype("float64")).reshape(len(few), -1).max(axis=1) / PIXELS
    # An iteration that diverged leaves infinities.
    errors = np.nan_to_num(errors, nan=np.inf)
    metrics = {
        "test_accuracy": float(accuracy),
        "test_loss": float(loss),
        "parameters": trainable_parameters(model),
        "rebuilt": {
            "digits": len(few),
            "largest_error": _number(errors.max()),
            "median_error": _number(np.median(errors)),
            "converged": int(converged.sum()),
            "errors_above_1e-4": int((errors > 1e-4).sum()),
            "largest_estimate_of_a_block": _number(estimate.max()),
            "seconds": round(seconds, 1),
        },
        **report_bounds(model),
    }
    rebuilt = metrics["rebuilt"]
    print(
        f"{model.name}: accuracy {accuracy:.2%}; rebuilt digits are off by "
        f"{errors.max():.2g} at most, {rebuilt['converged']} of {len(few)} converged.",
        flush=True,
    )
    return metrics, back / PIXELS


def _number(value):
    """A float as JSON can hold it: None where it is not finite."""
    return float(value) if np.isfinite(value) else None


@script(NAME, parser)
def main(args):
    (x, y), (x_test, y_test) = load(args)
    if args.dry_run:
        args.epochs, size = 1, args.batch_size
        return [print(train(args, name, x[:size], y[:size])[1]) for name in args.models]
    results, rows = {}, [x_test / np.float32(PIXELS)]
    for name in args.models:
        model, history, seconds = train(args, name, x, y)
        results[name], back = measure(args, model, x_test, y_test)
        results[name] |= {"seconds_of_training": round(seconds, 1), "history": history}
        rows.append(back)
        with written_whole(args.out / f"{NAME}_{name}.keras") as partial:
            model.save(partial)
    names = ("epochs", "batch_size", "learning_rate", "levels", "steps", "hidden", "padding")
    settings = {k: getattr(args, k) for k in (*names, "lipschitz", "activation", "limit", "seed")}
    write_json(args.out / METRICS, {**provenance(args), "settings": settings, "models": results})
    draw(args.out / f"{NAME}.png", rows)


def draw(path, rows):
    """Three times a row of test digits above the rows of the same, rebuilt by each model."""
    blocks = range(0, min(3 * COLUMNS, len(rows[-1])), COLUMNS)
    pictures = [row[i : i + COLUMNS] for i in blocks for row in rows]
    write_png(path, grid(np.concatenate(pictures), len(pictures), COLUMNS))
