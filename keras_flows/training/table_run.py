"""The run of a recipe for a flow of tables."""

import time

import keras
import numpy as np

from keras_flows.core.cost import trainable_parameters
from keras_flows.data import table_splits
from keras_flows.training.arguments import names, positive
from keras_flows.training.callbacks import RollbackOnCollapse
from keras_flows.training.options import run_parser
from keras_flows.training.run import Run
from keras_flows.training.table_metrics import measure_table, plot_table, report

SETTINGS = ("data", "file", "columns", "drop", "dequantize")
DATA = "power, gas, hepmass, miniboone or bsds300; or the path of your own csv, npz, npy or parquet"
MANY = 100  # parameters for each training row


def table_parser(description, name, **defaults):
    """A parser with the options of every run and of every flow of tables."""
    p = run_parser(description, name, data=DATA, data_required=True, **defaults)
    add = p.add_argument
    add("--file", help="the original file of power, gas, hepmass, miniboone or bsds300")
    add("--columns", type=names, help="A,B,... of your own table: only these columns")
    add("--drop", type=names, default=[], help="A,B,...: all columns but these")
    add(
        "--dequantize",
        type=names,
        default=[],
        help="A,B,...: columns of few values, such as integers; uniform noise is added to them, "
        "centred on each value, as wide as the smallest gap between values",
    )
    add(
        "--patience",
        type=positive,
        default=30,
        help="training ends after so many epochs without a lower validation loss",
    )
    return p


def load_table(args):
    """The `table_splits.SplitTable` of the options."""
    data = table_splits.load(str(args.data), args.file, args.seed, args.columns, args.drop)
    data.train = data.train[: args.limit]
    dequantize(data, args.dequantize, args.seed)
    return data


def dequantize(data, columns, seed):
    """Adds uniform noise to columns of few values; it fills the smallest gap between them."""
    rng = np.random.default_rng(seed)
    for name in columns:
        if name not in data.names:
            raise ValueError(f"{data.title} has the columns {data.names}. Received: {name}.")
        column = data.names.index(name)
        gap = np.diff(np.unique(data.train[:, column])).min()
        for rows in (data.train, data.validation, data.test):
            rows[:, column] += gap * (rng.random(len(rows)) - 0.5)


class Patience(keras.callbacks.Callback):
    """Ends training `patience` epochs after the checkpoint's best one, also in a resumed run."""

    def __init__(self, checkpoint, patience):
        super().__init__()
        self.checkpoint, self.patience = checkpoint, patience

    @property
    def epochs_without_progress(self):
        return len(self.checkpoint.history) - (self.checkpoint.best_epoch or 0)

    def on_epoch_end(self, epoch, logs=None):
        # This callback runs before the checkpoint, which does not know this epoch yet.
        without = 0 if logs["val_loss"] < self.checkpoint.best else self.epochs_without_progress + 1
        self.model.stop_training |= without >= self.patience


def train_on_table(name, args, build, settings):
    """Trains the flow of `build(dims)`, and writes plots, metrics and the model to --out.

    `settings` are names of options that cannot change when the run is resumed.
    """
    data = load_table(args)
    parts = (data.train, data.validation, data.test)
    print(f"{data.title}: {[x.shape for x in parts]}")
    run = Run(name, args, parts, (*SETTINGS, *settings))
    flow = run.flow(lambda: build(data.train.shape[1]), len(data.train))
    if flow.needs_adapt:
        flow.adapt(data.train[:50_000])
    flow.summary()
    hint_at_size(flow, len(data.train))
    if args.dry_run:
        history = flow.fit(data.train[: args.batch_size], batch_size=args.batch_size, verbose=0)
        print(f"One step done: {history.history}.")
        return
    stop = Patience(run.checkpoint, args.patience)
    start = time.perf_counter()
    if stop.epochs_without_progress < args.patience:
        flow = run.train(flow, data.train, data.validation, [RollbackOnCollapse(), stop])
    flow = run.checkpoint.best_flow(flow)
    seconds = time.perf_counter() - start
    metrics = {"training_seconds_of_this_run": seconds}
    metrics |= measure_table(flow, data, str(args.data))
    run.finish(flow, metrics)
    plot_table(args.out, flow, data, run.checkpoint)
    print(report(metrics, name), f"Plots, model and metrics are in {args.out}.", sep="\n")


def hint_at_size(flow, rows):
    """Prints a hint if the flow has many parameters for its training rows."""
    parameters = trainable_parameters(flow)
    if parameters > MANY * rows:
        print(
            f"Hint: {parameters:,} parameters for {rows:,} rows. With more than {MANY} a row a "
            "flow fits noise after a few epochs: the best epoch is kept, but fewer --steps and a "
            "smaller --hidden train faster."
        )
