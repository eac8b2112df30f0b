"""The run of a recipe for a flow of pictures."""

import time

import numpy as np

from keras_flows.data import datasets
from keras_flows.data.shuffled import Shuffled
from keras_flows.training.arguments import not_negative, positive
from keras_flows.training.callbacks import RollbackOnCollapse, SampleGrid
from keras_flows.training.image_metrics import measure_images
from keras_flows.training.image_plots import draw_images, plot_loss
from keras_flows.training.machine import peak_memory_gib
from keras_flows.training.options import run_parser
from keras_flows.training.run import Run


def image_parser(description, name, *, rows, columns, temperature, holdout, **defaults):
    """A parser with the options of every run and of every flow of pictures."""
    p = run_parser(description, name, **defaults)
    add = p.add_argument
    add("--bits", type=int, choices=range(1, 9), default=8, help="bits a channel that are kept")
    add_holdout(p, holdout)
    add("--temperature", type=not_negative, default=temperature, help="of the sample grids")
    add("--rows", type=positive, default=rows, help="of the sample grids")
    add("--columns", type=positive, default=columns, help="of the sample grids")
    return p


def add_holdout(p, default):
    """Adds --holdout; None stands for the default of a folder of pictures."""
    few = "" if default else "; None: a tenth of them, 1000 at most"
    text = f"training pictures that only choose the best epoch{few}"
    p.add_argument("--holdout", type=positive, default=default, help=text)


def train_on_images(
    name, args, data, build, settings, *, flip=False, more_metrics=None, sampling=None
):
    """Trains the flow of `build()` and writes pictures, metrics and the model to --out.

    Args:
        name: of the recipe.
        args: the parsed options.
        data: `ImageData`.
        build: function that returns the flow.
        settings: names of options that cannot change when the run is resumed.
        flip: whether training pictures are mirrored at random.
        more_metrics: function of (flow, test, batch_size) that returns
            further metrics, a dictionary.
        sampling: options of the flow's `sample` for the grids.
    """
    run = Run(name, args, data.arrays, ("bits", "holdout", *settings))
    flow = run.flow(build, data.size)
    flow.summary()
    loading = {
        "rows": data.rows,
        "context": data.labels[0],
        "flip": flip,
        "transform": lambda batch: datasets.as_input(flow, batch),
    }
    if args.dry_run:
        return dry_run(flow, args, data, loading)
    validation, test = evaluation_sets(flow, data, args.seed)
    sampling, labels = sampling or {}, grid_labels(flow, data, args)
    grids = SampleGrid(
        args.out / "epoch_{epoch:03d}.png",
        args.temperature,
        args.rows,
        args.columns,
        context=labels,
        **sampling,
    )
    sizes = {"validation_batch_size": args.batch_size}
    callbacks = [grids, RollbackOnCollapse()]
    flow = run.train(flow, data.train, validation, callbacks, **sizes, **loading)
    metrics = measure_images(flow, {"validation": validation, "test": test}, args.batch_size)
    metrics |= more_metrics(flow, test, args.batch_size) if more_metrics else {}
    run.finish(flow, {"training_pictures": data.size, **metrics})
    draw_images(args, flow, test, labels, sampling)
    plot_loss(args.out, flow, run.checkpoint, name)
    print(f"Test: {metrics['test']}\nPictures, model and metrics are in {args.out}.")


def dry_run(flow, args, data, loading):
    """Two training steps that write nothing; prints their time and memory."""
    batch = Shuffled(data.train, args.batch_size, args.seed, steps=1, **loading)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        history = flow.fit(batch, shuffle=False, verbose=0).history
        seconds.append(round(time.perf_counter() - start, 1))
    print(
        f"Steps of {args.batch_size} pictures done in {seconds} s: {history}; "
        f"peak memory {peak_memory_gib():.2f} GiB."
    )


def evaluation_sets(flow, data, seed):
    """Validation and test pictures as the flow takes them, `[x, labels]` if it is conditional."""
    sets = []
    for x, labels in zip((data.validation, data.test), data.labels[1:]):
        x = with_noise(flow, datasets.as_input(flow, x), seed)
        sets.append(x if labels is None else [x, labels])
    return sets


def with_noise(flow, x, seed):
    """Pictures with the Gaussian noise that the flow is trained with, if any, drawn once."""
    std = getattr(flow, "noise_std", None)
    if not std:
        return x
    return x + np.random.default_rng(seed).normal(scale=std, size=x.shape).astype(x.dtype)


def grid_labels(flow, data, args):
    """Labels of the sample grid, one class a row; None for an unconditional flow."""
    if not flow.conditional:
        return None
    return np.repeat(np.arange(args.rows) % (1 + max(data.labels[0])), args.columns)
