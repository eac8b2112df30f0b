"""Every flow on two-dimensional densities, with pictures of all of them.

Trains each flow on moons, rings, a checkerboard, spirals and a pinwheel, on new points in every
step. Writes to --out: a picture of each density with all flows, NAME.png; one of all densities,
toy_2d.png; and metrics.json. It has the mean negative log-likelihood of each flow on 10,000 new
points in nats, that of the true density on the same points, which is the lowest that is possible,
and the probability mass of the flow inside the picture. It takes minutes and has no --resume.
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
from keras_flows.files import write_json
from keras_flows.models import IAF, MAF, NSF, ImplicitFlow, ResidualFlow
from keras_flows.recipes.parts.toy_figures import plot_pairs, plot_table
from keras_flows.training.arguments import not_negative, positive
from keras_flows.training.run import METRICS, provenance
from keras_flows.training.script import script

NAME = "toy_2d"
TEST, CHUNK = 10_000, 10_000
SIDE, CELLS = 4.5, 200  # the picture is [-SIDE, SIDE]^2, of CELLS x CELLS cells


def couplings(mode, count, *, before=(), last=None, scale="sigmoid", hidden=64, name):
    """A flow of couplings that change the first and the second coordinate alternately.

    `before` are functions of the step's number that return the layers before each coupling.
    """
    x = h = keras.Input((2,))
    for i in range(count):
        for make in before:
            h = make(i)(h)
        net = keras.Sequential(
            [
                *(keras.layers.Dense(hidden, "relu") for _ in range(2)),
                keras.layers.Dense(1 if mode == "additive" else 2),
            ]
        )
        h = layers.Coupling(net, mode, flip=i % 2 == 1, scale=scale)(h)
    return Flow(keras.Model(x, last(h) if last else h), name=name)


def actnorm(i):
    return layers.Actnorm()


HIDDEN = (64, 64)
# Name: function from a seed to a Flow of vectors of two numbers.
FLOWS = {
    "NICE": lambda seed: couplings("additive", 8, last=layers.Scale(data_init=True), name="nice"),
    "RealNVP": lambda seed: couplings("affine", 8, before=[actnorm], scale="tanh", name="realnvp"),
    "Glow": lambda seed: couplings(
        "affine", 8, before=[actnorm, lambda i: layers.InvConv(seed + i)], name="glow"
    ),
    "MAF": lambda seed: MAF(2, steps=8, hidden=HIDDEN, norm="actnorm", seed=seed),
    "MAF MoG": lambda seed: MAF(
        2, steps=3, hidden=HIDDEN, norm="actnorm", mixture=10, seed=seed, name="maf_mog"
    ),
    "IAF": lambda seed: IAF(2, steps=4, hidden=HIDDEN, standardize=True, seed=seed),
    "NSF coupling": lambda seed: NSF(2, steps=4, hidden=64, seed=seed),
    "NSF autoregr.": lambda seed: NSF(2, steps=2, kind="autoregressive", hidden=64, seed=seed),
    "Implicit": lambda seed: ImplicitFlow(2, steps=4, activation="sin", lipschitz=0.97, seed=seed),
    "Residual": lambda seed: ResidualFlow(2, steps=8, activation="sin", lipschitz=0.97, seed=seed),
}


def parser():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = p.add_argument
    add("--data", nargs="+", choices=toys.TOYS, default=[*toys.TOYS], help="densities")
    add("--flows", nargs="+", choices=FLOWS, default=[*FLOWS], help="which flows")
    add("--steps", type=positive, default=1000, help="of Adam, each on new points")
    add("--batch-size", type=positive, default=512, help="points a step")
    add(
        "--learning-rate",
        type=not_negative,
        default=5e-3,
        help="at the start; it falls to 0 along half a cosine",
    )
    add("--seed", type=int, default=0, help="fixes weights and points")
    add("--out", type=Path, default=Path(f"samples/{NAME}"), help="folder for pictures and metrics")
    add("--dry-run", action="store_true", help="build each flow, do a step, write nothing to --out")
    return p


class Trainer:
    """A flow that is built and compiled once and trained on one density after another."""

    def __init__(self, args, name):
        self.args, self.name = args, name
        keras.utils.set_random_seed(args.seed)
        began = time.perf_counter()
        self.flow = FLOWS[name](args.seed)
        rate = keras.optimizers.schedules.CosineDecay(args.learning_rate, args.steps)
        # Keras on torch takes one step at a time.
        steps = 1 if keras.backend.backend() == "torch" else math.gcd(10, args.steps)
        self.flow.compile(keras.optimizers.Adam(rate), steps_per_execution=steps)
        self.flow.optimizer.build(self.flow.trainable_variables)
        self.start = [keras.ops.convert_to_numpy(v) for v in self._variables()]
        self.train(args.data[0], steps)
        self.build_seconds = time.perf_counter() - began

    def _variables(self):
        return [*self.flow.variables, *self.flow.optimizer.variables]

    def train(self, data, steps):
        """Trains from the initial weights; returns the seconds, those of `adapt` included."""
        for variable, value in zip(self._variables(), self.start):
            variable.assign(value)
        size = self.args.batch_size
        x = toys.draw(data, size * steps, seed=self.args.seed)
        began = time.perf_counter()
        self.flow.adapt(x[:CHUNK])
        self.flow.fit(x, batch_size=size, shuffle=False, verbose=0)
        return time.perf_counter() - began

    def run(self, data):
        """Trains on one density; returns its metrics, and the histogram and density to draw."""
        seconds = self.train(data, self.args.steps)
        test = toys.draw(data, TEST, seed=self.args.seed + 1)
        density = np.exp(self.flow.log_prob(cells(), batch_size=CHUNK))
        row = {
            "flow": self.name,
            "data": data,
            "nll": float(-self.flow.log_prob(test, batch_size=CHUNK).mean()),
            "nll_of_the_true_density": float(-toys.log_prob(data, test).mean()),
            "mass_in_the_picture": float(density.sum() * (2 * SIDE / CELLS) ** 2),
            "seconds": round(seconds, 1),
            "seconds_to_build": round(self.build_seconds, 1),
            "parameters": trainable_parameters(self.flow),
        }
        samples = self.flow.sample(4 * CHUNK, seed=self.args.seed, batch_size=CHUNK)
        return row, (histogram(samples), density.reshape(CELLS, CELLS))


def cells():
    """Centres of the cells of the picture, from the lowest row up: float32 `(CELLS**2, 2)`."""
    edge = (np.arange(CELLS) + 0.5) * (2 * SIDE / CELLS) - SIDE
    return np.stack(np.meshgrid(edge, edge), axis=-1).reshape(-1, 2).astype("float32")


def histogram(points):
    """The density of points, counted in cells of twice the width."""
    edges = np.linspace(-SIDE, SIDE, CELLS // 2 + 1)
    counts, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=(edges, edges))
    return counts / (len(points) * (edges[1] - edges[0]) ** 2)


def truth(data, seed):
    density = np.exp(toys.log_prob(data, cells())).reshape(CELLS, CELLS)
    return histogram(toys.draw(data, 4 * CHUNK, seed)), density


@script(NAME, parser)
def main(args):
    if args.dry_run:
        args.steps = 1
        return [print(name, Trainer(args, name).run(args.data[0])[0]) for name in args.flows]
    began, rows = time.perf_counter(), []
    pictures = {data: {"data": truth(data, args.seed)} for data in args.data}
    for name in args.flows:
        trainer = Trainer(args, name)
        for data in args.data:
            row, pictures[data][name] = trainer.run(data)
            rows.append(row)
            print(f"{name}, {data}: {row['nll']:.3f} nats", flush=True)
    names = ("data", "flows", "steps", "batch_size", "learning_rate", "seed")
    metrics = {
        **provenance(args),
        "settings": {name: getattr(args, name) for name in names},
        "seconds": round(time.perf_counter() - began, 1),
        "flows": rows,
    }
    write_json(args.out / METRICS, metrics)
    plot(args.out, pictures, rows)


def plot(out, pictures, rows):
    """Writes all pictures, if matplotlib is there."""
    try:
        for data, shown in pictures.items():
            same = [row for row in rows if row["data"] == data]
            nll = {"data": same[0]["nll_of_the_true_density"]}
            nll.update({row["flow"]: row["nll"] for row in same})
            titles = {name: f"{name}: {value:.3f} nats" for name, value in nll.items()}
            plot_pairs(out / f"{data}.png", shown, titles)
        plot_table(out / f"{NAME}.png", pictures)
    except ImportError:
        print("No pictures: they need matplotlib, in the extra `plot`.")
