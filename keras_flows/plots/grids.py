"""Samples as uint8 pictures, grids of pictures, and PNG files."""

import math

import imageio.v3 as iio
import numpy as np

from keras_flows.files import written_whole

PIXELS = 100_000_000  # of the largest grid


def to_pictures(samples, image_shape=None, levels=None):
    """Samples as uint8 pictures `(n, h, w, c)`.

    Integers stay as they are, or are scaled to 0..255 if `levels` is not 256. Floats are expected
    in [0, 1]; they are clipped and rounded, and NaN becomes black. Vectors are reshaped to
    `image_shape`, or to grey squares if it is None. Raises ValueError if that is impossible.
    """
    samples = np.asarray(samples)
    if np.issubdtype(samples.dtype, np.floating):
        finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=0.0)
        samples = np.round(255 * np.clip(finite, 0, 1)).astype("uint8")
    elif levels not in (None, 256):
        samples = np.round(samples * (255 / (levels - 1))).astype("uint8")
    side = math.isqrt(samples.shape[-1])
    if image_shape is None and samples.ndim == 2 and side * side == samples.shape[-1]:
        image_shape = (side, side, 1)
    if image_shape is None:
        image_shape = samples.shape[1:] if samples.ndim > 3 else (*samples.shape[1:], 1)
    if len(image_shape) != 3 or math.prod(image_shape) != math.prod(samples.shape[1:]):
        raise ValueError(
            "Samples must have the shape of a picture, (height, width, channels), or a square "
            f"number of elements. Received: shape={samples.shape}, image_shape={image_shape}."
        )
    return samples.reshape(-1, *image_shape).astype("uint8")


def grid(samples, rows, columns, image_shape=None, levels=None):
    """One picture of rows x columns samples, filled row by row; empty cells are black."""
    pictures = to_pictures(samples, image_shape, levels)[: rows * columns]
    n, h, w, c = pictures.shape
    check_size(rows, columns, (h, w, c))
    sheet = np.zeros((rows * columns, h, w, c), "uint8")
    sheet[:n] = pictures
    sheet = sheet.reshape(rows, columns, h, w, c).swapaxes(1, 2)
    return sheet.reshape(rows * h, columns * w, c)


def check_size(rows, columns, shape):
    """ValueError if a grid of rows x columns samples has more than `PIXELS` pixels.

    `shape` is that of a sample: a picture `(h, w, c)`, or a vector that is drawn as a square. Call
    it before drawing the samples from a flow.
    """
    height, width = shape[:2] if len(shape) > 1 else 2 * (math.isqrt(shape[0]),)
    if rows * columns * height * width > PIXELS:
        side = max(1, math.isqrt(PIXELS // (height * width)))
        raise ValueError(
            f"A grid has no more than {PIXELS:,} pixels. Take {side}x{side} or less. "
            f"Received: {rows}x{columns} pictures of {height}x{width}."
        )


def write_png(path, picture):
    """Writes a uint8 picture `(h, w, c)` with 1 or 3 channels as PNG."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] not in (1, 3):
        raise ValueError(
            "A picture must be uint8 with shape (height, width, 1 or 3). "
            f"Received: dtype={picture.dtype}, shape={picture.shape}."
        )
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    with written_whole(path) as partial:
        iio.imwrite(partial, picture, extension=".png")


def temperature_sweep(flow, temperatures, columns, seed=0, context=None):
    """`columns` samples at each temperature, all from the same random draws, row by row.

    A temperature may be a list with one number for each of `flow.latent_levels`.
    """
    rows = [flow.sample(columns, t, seed, context=context) for t in temperatures]
    return np.concatenate(rows)


def reconstruction_rows(flow, x, columns, context=None):
    """Rows of data, each above the row of its reconstructions; without an incomplete last row."""
    count = max(1, len(x) // columns) * columns
    x, context = x[:count], None if context is None else context[:count]
    reconstructed = flow.reconstruct(x, context)
    starts = range(0, len(x), columns)
    return np.concatenate([part[i : i + columns] for i in starts for part in (x, reconstructed)])
