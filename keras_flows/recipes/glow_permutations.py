"""Glow's comparison of permutations (1807.03039, figure 3) on CIFAR-10.

Trains one small flow for each coupling, permutation and seed, all with the same number of steps,
and plots their training bits/dim, averaged over the seeds. The paper found the same order for
additive and affine couplings: the loss is highest for reverse, lower for shuffle and lowest for
the 1x1 convolution. Writes permutations.png and metrics.json to --out. --resume trains only the
flows that are not in metrics.json.
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
from keras_flows.recipes.parts.permutation_figures import PERMUTATIONS, plot, summarize
from keras_flows.training.arguments import positive
from keras_flows.training.optimizers import make_optimizer, set_up
from keras_flows.training.options import CIFAR10, run_parser
from keras_flows.training.progress import time_left
from keras_flows.training.run import METRICS, SETTINGS, contents_hash, provenance
from keras_flows.training.script import script

NAME = "glow_permutations"


def parser():
    p = run_parser(
        __doc__,
        NAME,
        epochs=1,
        batch_size=32,
        learning_rate=1e-3,
        optimizer="adamax",
        warmup=50,
        steps_per_epoch=500,
        data=CIFAR10,
    )
    add = p.add_argument
    add("--seeds", type=positive, default=3, help="flows of each kind")
    add("--couplings", nargs="+", default=["additive", "affine"], choices=("additive", "affine"))
    add("--permutations", nargs="+", default=PERMUTATIONS, choices=PERMUTATIONS)
    add("--level", type=positive, default=3, help="scales")
    add("--depth", type=positive, default=4, help="steps a scale")
    add("--hidden", type=positive, default=64, help="channels of the coupling networks")
    add("--test-limit", type=positive, default=2000, help="test pictures to measure on")
    return p


class Bits(keras.callbacks.Callback):
    """Training bits/dim of every step, and their means over `stretch` steps."""

    def __init__(self, stretch):
        super().__init__()
        self.stretch, self.steps = stretch, []

    def on_epoch_begin(self, epoch, logs=None):
        self.total = 0.0

    def on_train_batch_end(self, batch, logs=None):
        # Keras' logs have the mean since the start of the epoch.
        total = float(logs["bits_per_dim"]) * (batch + 1)
        self.steps.append(total - self.total)
        self.total = total

    def curve(self):
        whole = len(self.steps) // self.stretch * self.stretch
        return np.reshape(self.steps[:whole], (-1, self.stretch)).mean(-1).round(5).tolist()


def train(args, pictures, test, coupling, permutation, seed):
    """Trains one flow; returns its curve and its test bits/dim."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    flow = Glow(
        pictures.shape[1:],
        levels=args.level,
        steps=args.depth,
        variant="paper",
        coupling=coupling,
        permutation=permutation,
        hidden=args.hidden,
        seed=seed,
    )
    flow.compile(make_optimizer(args, len(pictures)))
    data = Shuffled(pictures, args.batch_size, seed, flip=True, steps=args.steps_per_epoch)
    bits, start = Bits(stretch=max(1, args.steps_per_epoch // 50)), time.perf_counter()
    flow.adapt(pictures[:256])
    flow.fit(data, shuffle=False, epochs=args.epochs, verbose=0, callbacks=[data.callback(), bits])
    return {
        "coupling": coupling,
        "permutation": permutation,
        "seed": seed,
        "test_bits_per_dim": float(flow.bits_per_dim(test, batch_size=250).mean()),
        "seconds": round(time.perf_counter() - start, 1),
        "curve": bits.curve(),
    }


def trained_before(args, path, settings):
    """The flows of an earlier run with the same settings, if --resume is there."""
    try:
        state = json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise ValueError(f"{path} is damaged. Received: {error}.") from error
    if not args.resume:
        if not state.get("complete", True) and not args.overwrite:
            raise ValueError(
                "This folder has a run: --resume trains the flows that are left, --overwrite "
                f"trains all of them; or give another --out. Received: {path}."
            )
        return []
    old = state.get("settings", {})
    if any(settings.get(name) != value for name, value in old.items()):
        raise ValueError(
            f"{path} was made with other settings; give the same ones or another --out. "
            f"Received, then and now: {old} and {settings}."
        )
    return state.get("flows", [])


def run_settings(args, *data):
    names = (*SETTINGS, "epochs", "level", "depth", "hidden", "test_limit")
    return {
        **{name: getattr(args, name) for name in names},
        "backend": keras.backend.backend(),
        "data": str(args.data),
        "contents_of_data": contents_hash(*data),
    }


@script(NAME, parser)
def main(args):
    set_up(args)
    (pictures, _), (test, _) = datasets.cifar10(args.data, labels=False)
    pictures, test = pictures[: args.limit], test[: args.test_limit]
    kinds = list(itertools.product(args.couplings, args.permutations))
    todo = [(*kind, args.seed + i) for i in range(args.seeds) for kind in kinds]
    if args.dry_run:
        args.epochs = args.steps_per_epoch = 1
        return print(train(args, pictures, test, *todo[0]))
    path, settings = args.out / METRICS, run_settings(args, pictures, test)
    flows = trained_before(args, path, settings)
    done = {(flow["coupling"], flow["permutation"], flow["seed"]) for flow in flows}
    todo = [kind for kind in todo if kind not in done]
    facts = {**provenance(args), "settings": settings}
    for i, kind in enumerate(todo):
        flows.append(train(args, pictures, test, *kind))
        print(*kind, f"{flows[-1]['test_bits_per_dim']:.4f} bits/dim on test", flush=True)
        left = len(todo) - i - 1
        if i == 0 and left:
            print(time_left("One flow", flows[-1]["seconds"], left), flush=True)
        metrics = {"complete": not left, "summary": summarize(flows), "flows": flows}
        write_json(path, {**facts, **metrics})
    plot(args.out / "permutations.png", args, flows)
    print(json.dumps(summarize(flows), indent=1))
