"""An implicit flow (2103.09527) beside a residual flow of as many networks, on a checkerboard.

4 implicit blocks have as many networks as 8 residual blocks. All have the activation of the paper's
code, sin(2 pi x) / (2 pi), and exact log-determinants. The density is uniform on squares with an
area of 32, so that no model is below log2(32) = 5 bits. Writes to --out: the negative
log-likelihood of both flows on new points in bits, the certified bounds of their blocks and how
well samples come back, in metrics.json; their densities and samples, implicit_2d.png; and both
flows. It takes minutes and has no --resume.
"""

import argparse
import math
import time
from pathlib import Path

import keras
import numpy as np

from keras_flows import Flow, layers
from keras_flows.core.cost import trainable_parameters
from keras_flows.data import toys
from keras_flows.files import write_json, written_whole
from keras_flows.networks import LipschitzMLP
from keras_flows.recipes.parts.certified import report_bounds
from keras_flows.recipes.parts.toy_figures import plot_pairs
from keras_flows.recipes.toy_2d import CELLS, SIDE, cells, histogram, truth
from keras_flows.training.arguments import below_1, not_negative, positive
from keras_flows.training.run import METRICS, provenance
from keras_flows.training.script import script

NAME = "implicit_2d"
FLOWS = ("implicit", "residual")
DATA = "checkerboard"
ENTROPY = 5.0  # bits
# sin(2 pi x) / (2 pi) for points x is sin for points 2 pi x: a map that keeps slopes.
UNITS = 2 * math.pi
CHUNK = 10_000


def parser():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = p.add_argument
    add("--flows", nargs="+", choices=FLOWS, default=[*FLOWS], help="which flows")
    add("--blocks", type=positive, default=4, help="implicit blocks; twice as many residual ones")
    add("--hidden", type=positive, nargs="+", default=[64, 64], help="widths of each network")
    add("--lipschitz", type=below_1, default=0.99, help="bound on the slope of each network")
    add("--steps", type=positive, default=1000, help="of Adam, each on new points")
    add("--batch-size", type=positive, default=512, help="points a step")
    add(
        "--learning-rate",
        type=not_negative,
        default=8e-3,
        help="at the start; it falls to 0 along half a cosine",
    )
    add("--points", type=positive, default=20_000, help="new points for the likelihood")
    add("--seed", type=int, default=0, help="fixes weights and points")
    add("--out", type=Path, default=Path(f"samples/{NAME}"), help="folder for what it writes")
    add("--overwrite", action="store_true", help="replace the run in --out")
    add("--dry-run", action="store_true", help="build each flow, do a step, write nothing to --out")
    return p


def build(args, name):
    """A flow of `args.blocks` implicit blocks, or of twice as many residual ones."""

    def net():
        return LipschitzMLP(args.hidden, lipschitz=args.lipschitz, activation="sin")

    x = keras.Input((2,))
    h = layers.Rescale(UNITS)(x)
    for _ in range(args.blocks if name == "implicit" else 2 * args.blocks):
        h = (layers.Implicit(net(), net()) if name == "implicit" else layers.Residual(net()))(h)
    return Flow(keras.Model(x, layers.Actnorm()(h)), name=name)


def train(args, name):
    """The trained flow, and the seconds that it took."""
    keras.utils.set_random_seed(args.seed)
    flow = build(args, name)
    rate = keras.optimizers.schedules.CosineDecay(args.learning_rate, args.steps)
    flow.compile(keras.optimizers.Adam(rate))
    x = toys.draw(DATA, args.batch_size * args.steps, seed=args.seed)
    began = time.perf_counter()
    flow.adapt(x[:CHUNK])
    flow.fit(x, batch_size=args.batch_size, shuffle=False, verbose=2)
    return flow, time.perf_counter() - began


def measure(args, flow, seconds):
    """The metrics of a flow, and the histogram of its samples with its density."""
    test = toys.draw(DATA, args.points, seed=args.seed + 1)
    bits = -flow.log_prob(test, batch_size=CHUNK) / math.log(2)
    density = np.exp(flow.log_prob(cells(), batch_size=CHUNK))
    samples = flow.sample(4 * CHUNK, seed=args.seed, batch_size=CHUNK)
    back = flow.reconstruct(test[:CHUNK], batch_size=CHUNK)
    metrics = {
        "bits": float(bits.mean()),
        "standard_error": float(bits.std() / math.sqrt(len(bits))),
        "mass_in_the_picture": float(density.sum() * (2 * SIDE / CELLS) ** 2),
        "reconstruction_error": float(np.abs(back - test[:CHUNK]).max()),
        "parameters": trainable_parameters(flow),
        "seconds_of_training": round(seconds, 1),
        **report_bounds(flow),
    }
    return metrics, (histogram(samples), density.reshape(CELLS, CELLS))


@script(NAME, parser)
def main(args):
    if args.dry_run:
        args.steps = 1
        return [train(args, name) for name in args.flows]
    results, pictures = {}, {"data": truth(DATA, args.seed)}
    for name in args.flows:
        flow, seconds = train(args, name)
        results[name], pictures[name] = measure(args, flow, seconds)
        print(f"{name}: {results[name]['bits']:.3f} bits, {seconds:.0f} s", flush=True)
        with written_whole(args.out / f"{NAME}_{name}.keras") as partial:
            flow.save(partial)
    names = ("blocks", "hidden", "lipschitz", "steps", "batch_size", "learning_rate", "points")
    settings = {name: getattr(args, name) for name in (*names, "seed")}
    metrics = {**provenance(args), "settings": settings, "entropy": ENTROPY, "flows": results}
    write_json(args.out / METRICS, metrics)
    try:
        titles = {name: f"{name}: {row['bits']:.3f} bits" for name, row in results.items()}
        path = args.out / f"{NAME}.png"
        plot_pairs(path, pictures, {"data": f"data: {ENTROPY:.3f} bits", **titles})
    except ImportError:
        print("No picture: it needs matplotlib, in the extra `plot`.")
