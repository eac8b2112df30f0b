"""IAF (1606.04934) as the posterior of a variational autoencoder on MNIST.

The model is that of section 6.1, the pictures are binarised anew at each pass.

Trains one model whose posterior is a diagonal Gaussian and one whose posterior is IAF, alike in
everything else; the last --holdout training pictures choose each one's epoch. On the test pictures,
each drawn black and white once, the same for both, it reports the variational lower bound (VLB)
and log p(x), from --importance draws of z, in nats with standard errors over pictures. The networks
are dense where the paper's are convolutional, and a step's scale is exp(s) where the paper's is a
gate. Samples from each prior, reconstructions (rows: test pictures, then theirs), loss.png, the
models and metrics.json go to --out.
"""

import argparse
import datetime
import time

import numpy as np

from keras_flows.core.cost import trainable_parameters
from keras_flows.data import datasets
from keras_flows.files import write_json, written_whole
from keras_flows.models.iaf_vae import POSTERIORS, VAE, log_mean_weight
from keras_flows.plots import curves
from keras_flows.plots.grids import grid, write_png
from keras_flows.training import arguments, common
from keras_flows.training.callbacks import Checkpoint, RollbackOnCollapse, StopOnInterrupt
from keras_flows.training.script import script

NAME = "iaf_mnist"
DIMS = 784
PUBLISHED = {
    "diagonal": {"vlb": -84.08, "log_likelihood": -81.08},
    "IAF, depth 2, width 320": {"vlb": -82.02, "log_likelihood": -79.77},
    "IAF, depth 8, width 1920": {"vlb": -80.80, "log_likelihood": -79.10},
}
MODEL = ("latent", "depth", "width", "order", "hidden", "free_bits")


def parser():
    p = common.parser(
        __doc__,
        epochs=16,
        batch_size=128,
        learning_rate=2e-3,
        out=f"samples/{NAME}",
        schedule="cosine",
    )
    add = p.add_argument
    add("--posterior", choices=("both", *POSTERIORS), default="both", help="what is trained")
    add("--latent", type=common.positive, default=32, help="dimensions of z")
    add("--depth", type=common.positive, default=2, help="IAF steps")
    add("--width", type=common.positive, default=320, help="of the two hidden layers of a step")
    add("--order", choices=("alternating", "random"), default="alternating", help="of z in a step")
    add("--hidden", type=common.positive, nargs="+", default=[500, 500], help="encoder's widths")
    add(
        "--free-bits",
        type=arguments.not_negative,
        default=0.0,
        help="nats of KL a dimension that cost nothing",
    )
    add("--holdout", type=common.positive, default=5000, help="training pictures kept to choose by")
    add("--importance", type=common.positive, default=128, help="draws of z a test picture")
    add("--test-limit", type=common.positive, help="measure only so many test pictures")
    return p


def load(args):
    """Training, validation and test pictures, uint8 `(n, 784)`; those to test black and white."""
    (train, _), (test, _) = datasets.mnist(args.data, labels=False)
    train, test = train.reshape(-1, DIMS), test.reshape(-1, DIMS)[: args.test_limit]
    if args.holdout >= len(train):
        raise ValueError(
            f"--holdout must leave training pictures. Received: {args.holdout} of {len(train)}."
        )
    drawn = np.random.default_rng(args.seed).random(test.shape) < test / 255
    cut = len(train) - args.holdout
    return train[:cut][: args.limit], train[cut:], 255 * drawn.astype("uint8")


class Best(Checkpoint):
    """A `Checkpoint` of a `VAE`."""

    def _save_best(self, model):
        save(bare(model, self.best_weights), self.folder / "best.keras")
        self._best_unsaved = False


class Run(common.Run):
    """The run of one posterior, in a folder of its own under --out."""

    def __init__(self, args, posterior, data):
        own = {"posterior": posterior, "out": args.out / posterior}
        own = argparse.Namespace(**{**vars(args), **own})
        super().__init__(NAME, own, data, ("posterior", "holdout", *MODEL))
        folder, settings = self.checkpoint.folder, self.checkpoint.settings
        self.checkpoint = Best(folder, every_seconds=20, settings=settings)
        self.interrupt = StopOnInterrupt(self.checkpoint)


def bare(model, weights):
    """A copy of the model with these weights, without the optimizer and with its noise anew."""
    copy = VAE.from_config(model.get_config())
    copy.set_weights(weights)
    return copy


def save(model, path):
    with written_whole(path) as partial:
        model.save(partial)


def build(args, posterior):
    return VAE(
        DIMS,
        steps=args.depth,
        latent=args.latent,
        posterior=posterior,
        order=args.order,
        hidden=args.hidden,
        posterior_hidden=args.width,
        free_bits=args.free_bits,
        seed=args.seed,
    )


def trained(args, posterior, train, validation):
    """The model of the best epoch and the run that led to it."""
    run = Run(args, posterior, (train, validation))
    model = run.flow(lambda: build(args, posterior), len(train))
    print(f"Posterior {posterior}: {trainable_parameters(model)} parameters.")
    model = run.train(model, train, validation, [RollbackOnCollapse()])
    return bare(model, model.get_weights()), run


def measure(model, test, draws):
    """Figures of the test pictures in nats, and the bound and log p(x) of each."""
    start = time.perf_counter()
    log_likelihood, kl = model.terms(test, draws)
    each = {
        "vlb": (log_likelihood - kl).mean(axis=0),
        "log_likelihood": log_mean_weight(log_likelihood, kl),
    }
    figures = {"pictures": len(test), "importance_samples": draws}
    figures |= {name: mean_and_error(values) for name, values in each.items()}
    figures["reconstruction"], figures["kl"] = float(log_likelihood.mean()), float(kl.mean())
    return {**figures, "seconds_of_measuring": time.perf_counter() - start}, each


def mean_and_error(values):
    error = values.std() / np.sqrt(len(values))
    return {"nats": float(values.mean()), "standard_error": float(error)}


def pictures(out, posterior, model, test):
    """Samples from the prior, and rows of test pictures above their reconstructions."""
    write_png(out / f"grid_{posterior}.png", grid(model.sample(100, seed=0), 10, 10))
    test = test[:50] / np.float32(255)
    back = model.reconstruct(255 * test)
    rows = [part[i : i + 10] for i in range(0, len(test), 10) for part in (test, back)]
    path = out / f"reconstruction_{posterior}.png"
    write_png(path, grid(np.concatenate(rows), len(rows), 10))


def plot(out, runs):
    """Loss by epoch of each posterior, if matplotlib is there."""
    try:
        made, axes = curves.graph("VAE on binarised MNIST", "epoch", "- VLB, nats a picture")
    except ImportError:
        print("No loss.png: it needs matplotlib, in the extra `plot`.")
        return
    for i, (posterior, run) in enumerate(runs.items()):
        history = run.checkpoint.history
        for key, style in (("loss", "--"), ("val_loss", "-")):
            label = f"{posterior}, {'training' if key == 'loss' else 'validation'}"
            values = [row[key] for row in history]
            axes.plot([row["epoch"] for row in history], values, style, color=f"C{i}", label=label)
    last = [run.checkpoint.history[-1]["loss"] for run in runs.values() if run.checkpoint.history]
    axes.set_ylim(min(last) - 3, max(last) + 30) if last else None
    axes.legend()
    curves.write(made, out / "loss.png")


@script(NAME, parser, parts=POSTERIORS)
def main(args):
    train, validation, test = load(args)
    names = POSTERIORS if args.posterior == "both" else (args.posterior,)
    if args.dry_run:
        return dry_run(args, names, train)
    runs, found, each = {}, {}, {}
    for name in names:
        model, run = trained(args, name, train, validation)
        found[name], each[name] = measure(model, test, args.importance)
        found[name] |= described(model, run)
        print(f"Posterior {name}: {found[name]['vlb']}, log p(x) {found[name]['log_likelihood']}")
        pictures(args.out, name, model, test)
        save(model, args.out / f"{NAME}_{name}.keras")
        runs[name] = run
        write(args, found, each)
        plot(args.out, runs)
        if run.interrupt.interrupted:
            break
    print(f"Pictures, models and metrics are in {args.out}.")


def dry_run(args, names, train):
    common.start(args)
    for name in names:
        model = build(args, name)
        model.compile(common.optimizer(args, len(train)))
        done = model.fit(train[: args.batch_size], batch_size=args.batch_size, verbose=0)
        print(f"Posterior {name}: one step done, {done.history}.")


def described(model, run):
    history = run.checkpoint.history
    return {
        "parameters": trainable_parameters(model),
        "best_epoch": run.checkpoint.best_epoch,
        "interrupted": run.interrupt.interrupted,
        "seconds_of_training": sum(row["seconds"] for row in history),
        "settings": run.checkpoint.settings,
        "epochs": history,
    }


def write(args, found, each):
    metrics = {
        "command": args.command,
        "date": datetime.date.today().isoformat(),
        "machine": common.machine(),
        "posteriors": found,
        "published": PUBLISHED,
    }
    if len(each) == 2:
        diagonal, iaf = (each[name] for name in POSTERIORS)
        gains = {name: mean_and_error(iaf[name] - diagonal[name]) for name in iaf}
        metrics["iaf_above_diagonal"] = gains
    write_json(args.out / common.METRICS, metrics)
