"""The pictures that a run on pictures leaves."""

import numpy as np

from keras_flows.plots.curves import plot_losses
from keras_flows.plots.grids import grid, reconstruction_rows, temperature_sweep, write_png


def draw_images(args, flow, test, labels, sampling):
    """Writes grids of samples, temperatures, levels, interpolations and reconstructions."""
    rows, columns, temperature = args.rows, args.columns, args.temperature

    def write(name, images, rows, columns):
        write_png(args.out / f"{name}.png", grid(images, rows, columns, levels=flow.levels))

    samples = flow.sample(rows * columns, temperature, seed=0, context=labels, **sampling)
    write("grid", samples, rows, columns)
    one_each = None if labels is None else np.resize(labels[::columns], columns)
    sweep = temperature_sweep(flow, np.linspace(0, 1, 9), columns, context=one_each)
    write("temperature", sweep, 9, columns)
    if len(flow.latent_levels) > 1:
        each = level_temperatures(len(flow.latent_levels), temperature)
        sweep = temperature_sweep(flow, each, columns, context=one_each)
        write("levels", sweep, len(each), columns)
    x, y = test if flow.conditional else (test, None)
    pairs = min(rows, len(x) // 2)
    if not flow.conditional and pairs and columns > 1:
        lines = flow.interpolate(x[:pairs], x[pairs : 2 * pairs], columns)
        write("interpolation", lines.reshape(-1, *flow.data_shape), pairs, columns)
    x, y = x[: 2 * columns], None if y is None else y[: 2 * columns]
    write("reconstruction", reconstruction_rows(flow, x, columns, y), 4, columns)


def level_temperatures(levels, temperature):
    """`temperature` for one level at a time, the coarsest first, then for all of them."""
    one = [[temperature * (i == j) for j in range(levels)] for i in reversed(range(levels))]
    return [*one, temperature]


def plot_loss(out, flow, checkpoint, name):
    """Loss by epoch, if matplotlib is there."""
    try:
        if checkpoint.history:
            unit = "bits_per_dim" if flow.discrete else "loss"
            history, best = checkpoint.history, checkpoint.best_epoch
            plot_losses(out / "loss.png", history, name, best, unit)
    except ImportError:
        print("No loss.png: it needs matplotlib, in the extra `plot`.")
