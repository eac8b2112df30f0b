"""Glow's comparison of permutations (1807.03039, figure 3) on CIFAR-10.

Trains one small flow after another on CIFAR-10, for each coupling, permutation and seed, all with
the same budget of steps, and plots the training bits/dim of each, averaged over seeds. The paper
found, for additive and affine couplings alike, reverse > shuffle > 1x1 convolution. Writes
permutations.png and metrics.json to --out; --resume leaves out the flows that are there already.
"""

import itertools
import json
import time

import keras
import numpy as np

from keras_flows.data import datasets
from keras_flows.data.shuffled import Shuffled
from keras_flows.files import write_json
from keras_flows.models import Glow
from keras_flows.plots import curves
from keras_flows.training import common
from keras_flows.training.progress import time_left
from keras_flows.training.script import script

NAME = "glow_permutations"
PERMUTATIONS = ("reverse", "shuffle", "inv_conv")


def parser():
    p = common.parser(
        __doc__,
        epochs=1,
        batch_size=32,
        learning_rate=1e-3,
        optimizer="adamax",
        warmup=50,
        steps_per_epoch=500,
        out=f"samples/{NAME}",
        data=common.CIFAR10,
    )
    add = p.add_argument
    add("--seeds", type=common.positive, default=3, help="flows of each kind")
    add("--couplings", nargs="+", default=["additive", "affine"], choices=("additive", "affine"))
    add("--permutations", nargs="+", default=PERMUTATIONS, choices=PERMUTATIONS)
    add("--level", type=common.positive, default=3, help="scales")
    add("--depth", type=common.positive, default=4, help="steps a scale")
    add("--hidden", type=common.positive, default=64, help="channels of the coupling networks")
    add("--test-limit", type=common.positive, default=2000, help="test pictures to measure on")
    return p


class Bits(keras.callbacks.Callback):
    """Training bits/dim of every step, and its mean over stretches of steps."""

    def __init__(self, stretch):
        super().__init__()
        self.stretch, self.steps = stretch, []

    def on_epoch_begin(self, epoch, logs=None):
        self.total = 0.0

    def on_train_batch_end(self, batch, logs=None):
        # Keras tells the mean since the epoch's start.
        total = float(logs["bits_per_dim"]) * (batch + 1)
        self.steps.append(total - self.total)
        self.total = total

    def curve(self):
        whole = len(self.steps) // self.stretch * self.stretch
        return np.reshape(self.steps[:whole], (-1, self.stretch)).mean(-1).round(5).tolist()


def train(args, train, test, coupling, permutation, seed):
    """One flow from scratch: its curve and its test bits/dim."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    flow = Glow(
        train.shape[1:],
        levels=args.level,
        steps=args.depth,
        variant="paper",
        coupling=coupling,
        permutation=permutation,
        hidden=args.hidden,
        seed=seed,
    )
    flow.compile(common.optimizer(args, len(train)))
    data = Shuffled(train, args.batch_size, seed, flip=True, steps=args.steps_per_epoch)
    bits, start = Bits(stretch=max(1, args.steps_per_epoch // 50)), time.perf_counter()
    flow.adapt(train[:256])
    flow.fit(data, shuffle=False, epochs=args.epochs, verbose=0, callbacks=[data.callback(), bits])
    return {
        "coupling": coupling,
        "permutation": permutation,
        "seed": seed,
        "test_bits_per_dim": float(flow.bits_per_dim(test, batch_size=250).mean()),
        "seconds": round(time.perf_counter() - start, 1),
        "curve": bits.curve(),
    }


def finished(args, path, settings):
    """Flows of an earlier run of the same settings, if --resume is given."""
    try:
        state = json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise ValueError(f"{path} is damaged. Received: {error}.") from error
    if not args.resume:
        if not state.get("complete", True) and not args.overwrite:
            raise ValueError(
                "There is a run in this folder: --resume trains the flows that are left, "
                f"--overwrite all of them; or give another --out. Received: {path}."
            )
        return []
    old = state.get("settings", {})
    if any(settings.get(name) != value for name, value in old.items()):
        raise ValueError(
            f"{path} was made with other settings; give the same ones or another --out. "
            f"Received, then and now: {old} and {settings}."
        )
    return state.get("flows", [])


def settings(args, *data):
    names = (*common.SAME, "epochs", "level", "depth", "hidden", "test_limit")
    about = {"backend": keras.backend.backend(), "data": str(args.data)}
    about["contents_of_data"] = common.contents(*data)
    return {**{name: getattr(args, name) for name in names}, **about}


def summary(flows):
    """Means and ranges of bits/dim of each kind, and whether the paper's order came out."""
    table = {}
    for flow in flows:
        kinds = table.setdefault(flow["coupling"], {})
        kinds.setdefault(flow["permutation"], []).append(flow)
    found = {}
    for coupling, kinds in table.items():
        found[coupling] = {
            kind: {
                "seeds": [flow["seed"] for flow in same],
                "end_of_training": spread([flow["curve"][-1] for flow in same]),
                "test": spread([flow["test_bits_per_dim"] for flow in same]),
            }
            for kind, same in kinds.items()
        }
        found[coupling]["order_of_the_paper"] = order_of_the_paper(found[coupling])
    return found


def spread(values):
    return {"mean": float(np.mean(values)), "lowest": min(values), "highest": max(values)}


def order_of_the_paper(kinds):
    """Whether reverse > shuffle > 1x1 convolution in loss; None without the same seeds of all."""
    if not all(kind in kinds for kind in PERMUTATIONS):
        return None
    if len({tuple(sorted(kinds[kind]["seeds"])) for kind in PERMUTATIONS}) > 1:
        return None
    means = [kinds[kind]["end_of_training"]["mean"] for kind in PERMUTATIONS]
    return means[0] > means[1] > means[2]


def plot(path, args, flows):
    """Mean curves over the seeds, one for each kind, if matplotlib is there."""
    kinds = {}
    for flow in flows:
        kinds.setdefault((flow["coupling"], flow["permutation"]), []).append(flow["curve"])
    steps = np.arange(1, 1 + min(len(c) for curves in kinds.values() for c in curves))
    steps = steps * max(1, args.steps_per_epoch // 50)
    try:
        curves.plot_curves(path, steps, kinds, "Permutations in Glow on CIFAR-10")
    except ImportError:
        print("No permutations.png: it needs matplotlib, in the extra `plot`.")


@script(NAME, parser)
def main(args):
    common.start(args)
    (train_set, _), (test, _) = datasets.cifar10(args.data, labels=False)
    train_set, test = train_set[: args.limit], test[: args.test_limit]
    kinds = list(itertools.product(args.couplings, args.permutations))
    todo = [(*kind, args.seed + i) for i in range(args.seeds) for kind in kinds]
    if args.dry_run:
        args.epochs = args.steps_per_epoch = 1
        return print(train(args, train_set, test, *todo[0]))
    path, about = args.out / common.METRICS, settings(args, train_set, test)
    flows = finished(args, path, about)
    done = {(flow["coupling"], flow["permutation"], flow["seed"]) for flow in flows}
    todo = [kind for kind in todo if kind not in done]
    about = {"command": args.command, "machine": common.machine(), "settings": about}
    for i, kind in enumerate(todo):
        flows.append(train(args, train_set, test, *kind))
        print(*kind, f"{flows[-1]['test_bits_per_dim']:.4f} bits/dim on test", flush=True)
        left = len(todo) - i - 1
        if i == 0 and left:
            print(time_left("One flow", flows[-1]["seconds"], left), flush=True)
        found = {"complete": not left, "summary": summary(flows), "flows": flows}
        write_json(path, {**about, **found})
    plot(args.out / "permutations.png", args, flows)
    print(json.dumps(summary(flows), indent=1))
