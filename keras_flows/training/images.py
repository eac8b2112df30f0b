"""What the scripts for multi-scale picture flows share: the run, its pictures and its metrics."""

import dataclasses
import time

import keras
import numpy as np

from keras_flows import invert
from keras_flows.data import datasets
from keras_flows.data.shuffled import Shuffled
from keras_flows.flow.prediction import predict
from keras_flows.layers import Dequantize
from keras_flows.plots import curves
from keras_flows.plots.grids import grid, reconstruction_rows, temperature_sweep, write_png
from keras_flows.training import arguments, common
from keras_flows.training.callbacks import RollbackOnCollapse, SampleGrid
from keras_flows.training.machine import peak_memory_gib


@dataclasses.dataclass
class Data:
    """Pictures 0..255 `(n, h, w, c)`, for training, to choose an epoch by, and to report.

    `rows` are the training pictures' places in `train`, all if None. Labels
    are those of all three, for a class-conditional flow.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    rows: np.ndarray | None = None
    labels: tuple = (None, None, None)

    @property
    def arrays(self):
        return (self.train, self.rows, self.validation, self.test, *self.labels)

    @property
    def size(self):
        return len(self.train if self.rows is None else self.rows)


def held_out(train, test, args, labels=None):
    """`Data` whose validation set is the last `args.holdout` of the training pictures."""
    if args.holdout >= len(train):
        raise ValueError(
            f"--holdout must leave training pictures. Received: {args.holdout} of {len(train)}."
        )
    cut = len(train) - args.holdout
    parts = (train[:cut][: args.limit], train[cut:], test)
    if labels is None:
        return Data(*parts)
    y_train, y_test = labels
    return Data(*parts, labels=(y_train[:cut][: args.limit], y_train[cut:], y_test))


def cifar10(args):
    """CIFAR-10 as `Data`."""
    (train, _), (test, _) = datasets.cifar10(args.data, labels=False)
    return held_out(train, test, args)


def parser(description, name, *, rows, columns, temperature, holdout, **defaults):
    """The common options, and those of every picture script."""
    p = common.parser(description, out=f"samples/{name}", **defaults)
    add = p.add_argument
    add("--bits", type=int, choices=range(1, 9), default=8, help="a channel; pixels are cut to it")
    few = "" if holdout else "; None: a tenth of them, 1000 at most"
    text = f"pictures to choose an epoch by{few}"
    add("--holdout", type=common.positive, default=holdout, help=text)
    add(
        "--temperature",
        type=arguments.not_negative,
        default=temperature,
        help="of the sample grids",
    )
    add("--rows", type=common.positive, default=rows, help="of the sample grids")
    add("--columns", type=common.positive, default=columns, help="of the sample grids")
    return p


def reproduce(name, args, data, build, same, *, flip=False, more=None, sampling=None):
    """Trains the flow of `build()` on `data`, and writes pictures, metrics and model to --out.

    `more(flow, test, batch_size)` gives metrics that only this paper has;
    `sampling` are options of the flow's `sample` for the grids.
    """
    run = common.Run(name, args, data.arrays, ("bits", "holdout", *same))
    flow = run.flow(build, data.size)
    flow.summary()
    validation, test = (
        with_labels(noisy(flow, datasets.as_input(flow, x), args.seed), y)
        for x, y in zip((data.validation, data.test), data.labels[1:])
    )
    options = {
        "rows": data.rows,
        "context": data.labels[0],
        "flip": flip,
        "transform": lambda batch: datasets.as_input(flow, batch),
    }
    if args.dry_run:
        return dry_run(flow, args, data, options)
    shown = {"rows": args.rows, "columns": args.columns, "context": contexts(flow, data, args)}
    epoch = args.out / "epoch_{epoch:03d}.png"
    sampling = sampling or {}
    callbacks = [SampleGrid(epoch, args.temperature, **shown, **sampling), RollbackOnCollapse()]
    sizes = {"validation_batch_size": args.batch_size}
    flow = run.train(flow, data.train, validation, callbacks, **sizes, **options)
    metrics = measure(flow, {"validation": validation, "test": test}, args.batch_size)
    metrics |= more(flow, test, args.batch_size) if more else {}
    run.finish(flow, {"training_pictures": data.size, **metrics})
    pictures(args, flow, test, shown["context"], sampling)
    plot(args.out, flow, run.checkpoint, name)
    print(f"Test: {metrics['test']}\nPictures, model and metrics are in {args.out}.")


def dry_run(flow, args, data, options):
    """A first and a second training step, nothing written; says what they took."""
    batch = Shuffled(data.train, args.batch_size, args.seed, steps=1, **options)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        history = flow.fit(batch, shuffle=False, verbose=0).history
        seconds.append(round(time.perf_counter() - start, 1))
    print(
        f"Steps of {args.batch_size} pictures done in {seconds} s: {history}; "
        f"peak memory {peak_memory_gib():.2f} GiB."
    )


def noisy(flow, x, seed):
    """Data as the flow is trained on them: with the noise of a flow of noisy data, drawn once."""
    std = getattr(flow, "noise_std", None)
    if not std:
        return x
    return x + np.random.default_rng(seed).normal(scale=std, size=x.shape).astype(x.dtype)


def with_labels(x, labels):
    return x if labels is None else [x, labels]


def contexts(flow, data, args):
    """A class for each sample of the grid, a row a class."""
    if not flow.conditional:
        return None
    return np.repeat(np.arange(args.rows) % (1 + max(data.labels[0])), args.columns)


def measure(flow, sets, batch_size):
    """Likelihoods of each set, and how well pictures come back, before and after rounding."""
    test = sets["test"]
    x, *context = [part[:256] for part in (test if flow.conditional else [test])]
    back = flow.reconstruct(x, *context, batch_size=batch_size)
    return {
        **{name: likelihoods(flow, data, batch_size) for name, data in sets.items()},
        "reconstruction_error": float(np.abs(back.astype("float64") - x).max()),
        "inversion_error": inversion_error(flow, x, context, batch_size),
    }


def inversion_error(flow, x, context, batch_size):
    """Largest error of floats that return through the flow, in grey levels, before rounding."""
    if not flow.discrete:
        return None
    # Of a copy, since Keras cannot save a graph with conditions that it has cut.
    encoder = keras.models.clone_model(flow.encoder)
    encoder.set_weights(flow.encoder.get_weights())
    noise = next(v for v in encoder.layers if isinstance(v, Dequantize))
    inputs = [noise.output, *encoder.inputs[1:]]
    rest = keras.Model(inputs if context else inputs[0], encoder.outputs[0])
    options = {"batch_size": batch_size, "verbose": 0}
    start = (x.astype("float32") + 0.5) / flow.levels
    z = predict(rest, [start, *context] if context else start, **options)
    back = predict(invert(rest), [z, *context] if context else z, **options)
    return float(np.abs(back - start).max() * flow.levels)


def likelihoods(flow, x, batch_size):
    """Mean NLL a picture in nats; bits/dim with their standard error where they are defined."""
    nll = -flow.log_prob(x, batch_size=batch_size)
    found = {"pictures": len(nll), "nll": float(nll.mean())}
    if flow.discrete:
        bits = nll / (flow.dims * np.log(2))
        found["bits_per_dim"] = float(bits.mean())
        found["standard_error"] = float(bits.std() / np.sqrt(len(bits)))
    return found


def pictures(args, flow, test, context, sampling):
    """Samples, sweeps of temperature, of all levels and level by level, lines, reconstructions."""
    rows, columns, t = args.rows, args.columns, args.temperature
    x, labels = test if flow.conditional else (test, None)

    def write(name, samples, rows, columns):
        picture = grid(samples, rows, columns, levels=flow.levels)
        write_png(args.out / f"{name}.png", picture)

    samples = flow.sample(rows * columns, t, seed=0, context=context, **sampling)
    write("grid", samples, rows, columns)
    one = None if context is None else np.resize(context[::columns], columns)
    heats = np.linspace(0, 1, 9)
    write("temperature", temperature_sweep(flow, heats, columns, context=one), 9, columns)
    if len(flow.latent_levels) > 1:
        each = level_temperatures(len(flow.latent_levels), t)
        write("levels", temperature_sweep(flow, each, columns, context=one), len(each), columns)
    pairs = min(rows, len(x) // 2)
    if labels is None and pairs and columns > 1:
        lines = flow.interpolate(x[:pairs], x[pairs : 2 * pairs], columns)
        write("interpolation", lines.reshape(-1, *flow.data_shape), pairs, columns)
    x, labels = x[: 2 * columns], None if labels is None else labels[: 2 * columns]
    both = reconstruction_rows(flow, x, columns, labels)
    write("reconstruction", both, 4, columns)


def level_temperatures(levels, temperature):
    """Each level alone at `temperature`, the coarsest first, then all of them."""
    alone = [[temperature * (i == j) for j in range(levels)] for i in reversed(range(levels))]
    return [*alone, temperature]


def plot(out, flow, checkpoint, name):
    """Loss by epoch, if matplotlib is there."""
    try:
        if checkpoint.history:
            unit = "bits_per_dim" if flow.discrete else "loss"
            history, best = checkpoint.history, checkpoint.best_epoch
            curves.plot_losses(out / "loss.png", history, name, best, unit)
    except ImportError:
        print("No loss.png: it needs matplotlib, in the extra `plot`.")
