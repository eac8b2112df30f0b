"""Pictures: arrays of samples to uint8, grids of them, PNG files."""

import math

import imageio.v3 as iio
import numpy as np

from keras_flows.files import written_whole


def to_pictures(samples, image_shape=None):
    """Samples as uint8 pictures `(n, h, w, c)`.

    Integers pass; floats are taken to lie in [0, 1], rounded and clipped,
    non-finite ones become black. Vectors are given `image_shape`, or become
    square and grey where it is None. Raises ValueError where that is
    impossible.
    """
    samples = np.asarray(samples)
    if np.issubdtype(samples.dtype, np.floating):
        finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=0.0)
        samples = np.round(255 * np.clip(finite, 0, 1)).astype("uint8")
    side = math.isqrt(samples.shape[-1])
    if image_shape is None and samples.ndim == 2 and side * side == samples.shape[-1]:
        image_shape = (side, side, 1)
    if image_shape is None:
        image_shape = samples.shape[1:] if samples.ndim > 3 else (*samples.shape[1:], 1)
    if len(image_shape) != 3 or math.prod(image_shape) != math.prod(samples.shape[1:]):
        raise ValueError(
            "Samples need a picture's shape (height, width, channels), or a square number of "
            f"elements. Received: shape={samples.shape}, image_shape={image_shape}."
        )
    return samples.reshape(-1, *image_shape).astype("uint8")


def grid(samples, rows, columns, image_shape=None):
    """One picture of rows x columns samples, filled row by row, black where they end."""
    pictures = to_pictures(samples, image_shape)[: rows * columns]
    n, h, w, c = pictures.shape
    sheet = np.zeros((rows * columns, h, w, c), "uint8")
    sheet[:n] = pictures
    sheet = sheet.reshape(rows, columns, h, w, c).swapaxes(1, 2)
    return sheet.reshape(rows * h, columns * w, c)


def write_png(path, picture):
    """Writes a uint8 picture `(h, w, c)`, c of 1 or 3, as PNG."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] not in (1, 3):
        raise ValueError(
            "A picture is uint8 of shape (height, width, 1 or 3). "
            f"Received: dtype={picture.dtype}, shape={picture.shape}."
        )
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    with written_whole(path) as partial:
        iio.imwrite(partial, picture, extension=".png")


def temperature_sweep(flow, temperatures, columns, seed=0):
    """Samples from the same standard draws at each temperature, a row each, row by row."""
    draws = flow.prior.draw((columns, *flow.prior.latent_shape), seed)
    rows = [flow.decode(flow.prior.transform(draws, t)) for t in temperatures]
    return np.concatenate(rows)
