"""What is measured and drawn of an f-VAE."""

import time

import numpy as np
from keras import ops

from keras_flows.core.cost import multiply_adds
from keras_flows.plots.grids import grid, write_png


def measure(model, test, *, importance=(1, 16), pictures=100, samples=1000):
    """Bounds, reconstruction and speed of sampling.

    Args:
        model: `FVAE`.
        test: pictures as integers.
        importance: numbers of draws of the importance-weighted bounds, which are computed on
            the first `pictures` of them.
        samples: how many are drawn to time it.
    """
    back = model.reconstruct(test).astype("float64")
    error = ((back - test) / (model.levels - 1)) ** 2
    error = np.maximum(error.reshape(len(test), -1).mean(axis=1), 1e-12)  # 120 dB at most
    start = time.perf_counter()
    model.sample(samples, seed=0)
    seconds = time.perf_counter() - start
    return {
        "test": bound(model, test),
        "importance": [
            {"samples": n, **bound(model, test[:pictures], samples=n)} for n in importance
        ],
        "psnr": float(np.mean(-10 * np.log10(error))),
        "posterior_std": float(ops.convert_to_numpy(model.posterior_std)),
        "pixel_std": float(ops.convert_to_numpy(model.pixel_std)),
        "seconds_of_1000_samples": seconds * 1000 / samples,
        "multiply_adds": sum(
            map(multiply_adds, (model.encoder, model.decoder, model.flow.encoder))
        ),
    }


def bound(model, pictures, samples=1):
    """The bound in nats and in bits/dim, with its standard error over pictures."""
    bits = model.bits_per_dim(pictures, samples)
    return {
        "pictures": len(bits),
        "nll": float(bits.mean() * model.dims * np.log(2)),
        "bits_per_dim": float(bits.mean()),
        "standard_error": float(bits.std() / np.sqrt(len(bits))),
    }


def draw(args, model, test):
    """Writes grids of samples, pictures between samples, and reconstructions."""

    def write(name, images, rows, columns):
        picture = grid(images.reshape(-1, *model.data_shape), rows, columns, levels=model.levels)
        write_png(args.out / f"{name}.png", picture)

    rows, columns = args.rows, args.columns
    for name, temperature in (("grid", args.temperature), ("grid_1", 1.0)):
        write(name, model.sample(rows * columns, temperature, seed=0), rows, columns)
    ends = model.sample(2 * rows, args.temperature, seed=1)
    write("lines", model.interpolate(ends[:rows], ends[rows:], columns), rows, columns)
    corners = model.sample(4, args.temperature, seed=2)
    write("corners", model.interpolate_corners(corners, rows, columns), rows, columns)
    x = test[: min(len(test), 2 * columns)]
    parts = [x[:columns], x[columns:]]
    pairs = [image for part in parts for image in (part, model.reconstruct(part)) if len(part)]
    if len(parts[1]) == columns:
        write("reconstruction", np.concatenate(pairs), 4, columns)
