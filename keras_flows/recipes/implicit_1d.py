"""A function with a step in its slope: one implicit block fits it, three residual blocks do not.

The function is 10 x for x >= 0 and x / 10 below, on [-1, 1], as in 2103.09527. A residual block
of a Lipschitz constant below 1 has slopes below 2, three of them below 8: over the 10 that the
function rises they are off by 1 or more somewhere, whatever their networks. The slopes of an
implicit block have no such limit. Trains one implicit block, and 1, 2 and 3 residual blocks, by
least squares. Writes the largest error of each, the least error that its bound allows and its
certified bounds to metrics.json, and a picture of all of them to --out.
"""

import argparse
import math
import time
from pathlib import Path

import keras
import numpy as np

from keras_flows import layers
from keras_flows.core import lipschitz
from keras_flows.core.cost import trainable_parameters
from keras_flows.core.ledger import Ledger
from keras_flows.core.reports import Reports
from keras_flows.files import write_json
from keras_flows.flow.prediction import predict
from keras_flows.networks import LipschitzMLP
from keras_flows.networks.lipschitz_nets import ACTIVATIONS
from keras_flows.plots import figures
from keras_flows.recipes.parts.certified import report_bounds
from keras_flows.training.arguments import above_0, below_1, count, not_negative, positive
from keras_flows.training.run import METRICS, provenance
from keras_flows.training.script import script

NAME = "implicit_1d"
STEEP, FLAT = 10.0, 0.1


def parser():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = p.add_argument
    add("--residual", type=count, nargs="*", default=[1, 2, 3], help="numbers of residual blocks")
    add("--hidden", type=positive, nargs="+", default=[64, 64], help="widths of each network")
    add("--lipschitz", type=below_1, default=0.999, help="bound on the slope of each network")
    add("--activation", choices=ACTIVATIONS, default="elu", help="of the networks")
    add("--units", type=above_0, default=100.0, help="blocks see x in these units: sharper bends")
    add("--steps", type=positive, default=1500, help="of Adam, each on new points")
    add("--batch-size", type=positive, default=256, help="points a step")
    add(
        "--learning-rate",
        type=not_negative,
        default=1e-2,
        help="at the start; it falls to 0 along half a cosine",
    )
    add("--seed", type=int, default=0, help="fixes weights and points")
    add("--out", type=Path, default=Path(f"samples/{NAME}"), help="folder for picture and metrics")
    add("--dry-run", action="store_true", help="build each model, do a step, write nothing")
    return p


def target(x):
    return np.where(x >= 0, STEEP * x, FLAT * x)


class Regression(keras.Model):
    """A chain of flow layers as a function to be fitted: no log-determinants are computed."""

    def __init__(self, chain, **kwargs):
        super().__init__(**kwargs)
        self.chain = chain
        self.built = True

    def call(self, x, training=None):
        with Ledger(density=False), Reports(log_det=False):
            return self.chain(x, training=training)


def build(args, blocks):
    """A chain of so many residual blocks, or of one implicit block where `blocks` is 0."""

    def net():
        options = {"lipschitz": args.lipschitz, "activation": args.activation, "scale": 1.0}
        return LipschitzMLP(args.hidden, **options)

    x = keras.Input((1,))
    h = layers.Rescale(args.units)(x)
    for _ in range(blocks):
        h = layers.Residual(net())(h)
    if not blocks:
        h = layers.Implicit(net(), net())(h)
    return Regression(keras.Model(x, layers.Rescale(1 / args.units)(h)))


def train(args, blocks):
    keras.utils.set_random_seed(args.seed)
    model = build(args, blocks)
    rate = keras.optimizers.schedules.CosineDecay(args.learning_rate, args.steps)
    model.compile(keras.optimizers.Adam(rate), "mse")
    generator = np.random.default_rng(args.seed)
    # Cubes are denser around the step, which least squares of uniform points would round off.
    x = (generator.uniform(-1, 1, (args.steps * args.batch_size, 1)) ** 3).astype("float32")
    model.fit(x, target(x), batch_size=args.batch_size, shuffle=False, verbose=0)
    lipschitz.refresh(model)
    return model


def least_error(args, blocks):
    """Below this no chain of so many residual blocks can be everywhere, by its slopes alone."""
    return max(0.0, (STEEP - (1 + args.lipschitz) ** blocks) / 2)


@script(NAME, parser)
def main(args):
    if args.dry_run:
        args.steps = 1
        return [train(args, blocks) for blocks in (0, *args.residual)]
    x = np.linspace(-1, 1, 4001, dtype="float32")[:, None]
    rows, curves = [], {}
    for blocks in (0, *args.residual):
        began = time.perf_counter()
        model = train(args, blocks)
        seconds = time.perf_counter() - began
        y = predict(model, x, batch_size=len(x), verbose=0)
        name = f"{blocks} residual" if blocks else "1 implicit"
        curves[name] = y[:, 0]
        row = {
            "blocks": name,
            "largest_error": float(np.abs(y - target(x)).max()),
            "least_possible_error": least_error(args, blocks) if blocks else 0.0,
            "largest_slope": float((np.diff(y[:, 0]) / np.diff(x[:, 0])).max()),
            "parameters": trainable_parameters(model),
            "seconds": round(seconds, 1),
            **report_bounds(model),
        }
        rows.append(row)
        print(f"{name}: largest error {row['largest_error']:.3f}", flush=True)
    names = ("hidden", "lipschitz", "activation", "units", "steps", "batch_size", "learning_rate")
    settings = {name: getattr(args, name) for name in (*names, "seed")}
    write_json(args.out / METRICS, {**provenance(args), "settings": settings, "models": rows})
    try:
        plot(args.out / f"{NAME}.png", x[:, 0], curves, rows)
    except ImportError:
        print("No picture: it needs matplotlib, in the extra `plot`.")


def plot(path, x, curves, rows):
    """Writes a picture of the function and of all fits."""
    figure, axes = figures.graph("A step in the slope: 10 x, x / 10", "x", "y")
    axes.plot(x, target(x), color="black", lw=5, alpha=0.25, label="the function")
    for (name, y), row in zip(curves.items(), rows):
        error = row["largest_error"]
        digits = max(1, 1 - math.floor(math.log10(error))) if error > 0 else 1
        style = "-" if "implicit" in name else "--"
        axes.plot(x, y, style, label=f"{name}: off by {error:.{digits}f}")
    axes.legend()
    figures.write(figure, path)
