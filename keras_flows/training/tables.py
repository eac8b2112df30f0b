"""What the scripts for tables share: the run, its plots and its metrics."""

import time

import keras
import numpy as np

from keras_flows.core.cost import trainable_parameters
from keras_flows.data import tabular
from keras_flows.plots import curves
from keras_flows.training import common
from keras_flows.training.callbacks import RollbackOnCollapse
from keras_flows.training.table_baselines import gaussian, published

SAME = ("data", "file", "columns", "drop", "dequantize")
HELP = "power, gas, hepmass, miniboone or bsds300; or the path of a csv, npz or npy of your own"
MANY = 100  # parameters for each training row


def parser(description, name, **defaults):
    """The common options, and those of every script for tables."""
    defaults |= {"data": HELP, "data_required": True}
    p = common.parser(description, out=f"samples/{name}", **defaults)
    add = p.add_argument
    add("--file", help="the original file of power, gas, hepmass, miniboone or bsds300")
    add("--columns", type=_names, help="A,B,... of a table of your own: only these columns")
    add("--drop", type=_names, default=[], help="A,B,...: all columns but these")
    add(
        "--dequantize",
        type=_names,
        default=[],
        help="A,B,...: columns of few values, such as integers, to which uniform noise is added, "
        "as wide as the smallest gap between values and centred on each",
    )
    add(
        "--patience",
        type=common.positive,
        default=30,
        help="epochs without a better validation loss after which training ends",
    )
    return p


def _names(text):
    return [name.strip() for name in text.split(",")]


def load(args):
    """The `tabular.Data` of the options, with `--limit` training rows."""
    data = tabular.load(str(args.data), args.file, args.seed, args.columns, args.drop)
    data.train = data.train[: args.limit]
    dequantize(data, args.dequantize, args.seed)
    return data


def dequantize(data, names, seed):
    """Adds to columns of few values uniform noise that fills the gaps between them."""
    rng = np.random.default_rng(seed)
    for name in names:
        if name not in data.names:
            raise ValueError(f"{data.title} has the columns {data.names}. Received: {name}.")
        column = data.names.index(name)
        gap = np.diff(np.unique(data.train[:, column])).min()
        for rows in (data.train, data.validation, data.test):
            rows[:, column] += gap * (rng.random(len(rows)) - 0.5)


class Patience(keras.callbacks.Callback):
    """Ends training so many epochs after the checkpoint's best one, also of a resumed run."""

    def __init__(self, checkpoint, patience):
        super().__init__()
        self.checkpoint, self.patience = checkpoint, patience

    @property
    def epochs_without_progress(self):
        return len(self.checkpoint.history) - (self.checkpoint.best_epoch or 0)

    def on_epoch_end(self, epoch, logs=None):
        # The checkpoint hears of this epoch later.
        without = 0 if logs["val_loss"] < self.checkpoint.best else self.epochs_without_progress + 1
        self.model.stop_training |= without >= self.patience


def reproduce(name, args, build, same):
    """Trains the flow of `build(dims)` on the table; plots, metrics and model go to --out."""
    data = load(args)
    print(f"{data.title}: {[x.shape for x in (data.train, data.validation, data.test)]}")
    run = common.Run(name, args, (data.train, data.validation, data.test), (*SAME, *same))
    flow = run.flow(lambda: build(data.train.shape[1]), len(data.train))
    if flow.needs_adapt:
        flow.adapt(data.train[:50_000])
    flow.summary()
    parameters = trainable_parameters(flow)
    if parameters > MANY * len(data.train):
        print(
            f"Hint: {parameters:,} parameters for {len(data.train):,} rows. With more than {MANY} "
            "a row a flow fits noise after a few epochs: the best epoch is kept, but fewer --steps "
            "and a smaller --hidden train faster."
        )
    if args.dry_run:
        history = flow.fit(data.train[: args.batch_size], batch_size=args.batch_size, verbose=0)
        print(f"One step done: {history.history}.")
        return
    stop = Patience(run.checkpoint, args.patience)
    began = time.perf_counter()
    if stop.epochs_without_progress < args.patience:
        flow = run.train(flow, data.train, data.validation, [RollbackOnCollapse(), stop])
    flow = run.checkpoint.best_flow(flow)
    seconds = time.perf_counter() - began
    metrics = {"training_seconds_of_this_run": seconds, **measure(flow, data, str(args.data))}
    run.finish(flow, metrics)
    plot(args.out, flow, data, run.checkpoint)
    print(report(metrics, name), f"Plots, model and metrics are in {args.out}.", sep="\n")


def measure(flow, data, name):
    """Log-likelihoods in nats of the rows held out, of the flow and of a Gaussian."""
    try:
        mean, error = gaussian(data.train, data.test)
        baseline = {"mean": mean, "two_standard_errors": error}
    except ValueError as error:
        baseline = {"none": str(error)}
    return {
        "data": data.title,
        "rows": {"train": len(data.train), "validation": len(data.validation)},
        "validation": likelihood(flow, data.validation),
        "test": likelihood(flow, data.test),
        "gaussian": baseline,
        "published": published(name),
        "inversion_error": inversion_error(flow, data.test[:1000]),
    }


def likelihood(flow, x):
    nats = flow.log_prob(x, batch_size=1000)
    return {
        "rows": len(x),
        "log_likelihood": float(nats.mean()),
        "two_standard_errors": float(2 * nats.std() / np.sqrt(len(nats))),
        "worst": float(nats.min()),
    }


def inversion_error(flow, x):
    """Largest error of rows that return through the flow, in standard deviations of a column."""
    return float(np.abs((flow.reconstruct(x) - x) / np.maximum(x.std(axis=0), 1e-12)).max())


def report(metrics, name):
    """Ours beside the published rows, as text."""
    test, gaussian = metrics["test"], metrics["gaussian"]
    rows = [(f"ours, {name}", f"{test['log_likelihood']:.3f} +- {test['two_standard_errors']:.3f}")]
    if "mean" in gaussian:
        error = gaussian["two_standard_errors"]
        rows.append(("a Gaussian, same rows", f"{gaussian['mean']:.3f} +- {error:.3f}"))
    for model, value in (metrics["published"] or {}).items():
        rows.append((f"{model}, published", f"{value:.2f}"))
    width = max(len(label) for label, _ in rows)
    title = f"{metrics['data']}, test log-likelihood in nats (higher is better)"
    return "\n".join([title, *(f"  {label.ljust(width)}  {value}" for label, value in rows)])


def plot(out, flow, data, checkpoint):
    """Loss by epoch and the columns' histograms, if matplotlib is there."""
    try:
        if checkpoint.history:
            title = f"{flow.name} on {data.title}"
            curves.plot_losses(out / "loss.png", checkpoint.history, title, checkpoint.best_epoch)
        count = min(5000, len(data.test))
        samples = flow.sample(count, seed=0)
        curves.plot_columns(out / "columns.png", data.test[:count], samples, data.names)
    except ImportError:
        print("No loss.png and columns.png: they need matplotlib, in the extra `plot`.")
