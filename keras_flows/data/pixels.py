"""Pixels as integers 0..255, and as the input of a flow."""

import keras
import numpy as np


def as_input(flow, pixels):
    """Converts pixels 0..255 to the shape, dtype and range of the flow's input.

    A flow of integers receives integers: with fewer than 256 levels, the upper bits of each
    pixel. A flow of floats receives float32 numbers in [0, 1].

    Args:
        flow: a `Flow` of pictures.
        pixels: array of integers `(n, ...)`.

    Raises ValueError if the pixels are not integers in this range, or if the number of levels
    is not a power of two.

    >>> flow.log_prob(datasets.as_input(flow, x_test[:10]))
    """
    entry = flow.encoder.inputs[0]  # the conditions follow it
    largest = max(255, flow.levels - 1) if flow.discrete else 255
    pixels = to_uint8(np.asarray(pixels), "Pixels", largest).reshape(-1, *entry.shape[1:])
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(entry.dtype)):
        return (pixels / np.float32(255)).astype("float32")
    if not flow.discrete or flow.levels >= 256:
        return pixels
    if 256 % flow.levels:
        raise ValueError(
            "The 256 values of a pixel can be reduced to a power of two of levels only. "
            f"Received: a flow of levels={flow.levels}."
        )
    return (pixels // (256 // flow.levels)).astype("uint8")


def to_uint8(x, source, largest=255):
    """Integers 0..255 of any integer type as uint8.

    With a larger `largest` the dtype is kept. Raises ValueError with the dtype and range of
    other numbers; `source` begins its message.
    """
    if x.dtype == np.uint8 or not x.size:
        return x
    if x.dtype.kind not in "iu" or x.min() < 0 or x.max() > largest:
        low, high = x.min(), x.max()
        advice = ""
        if x.dtype.kind == "f" and low >= 0 and high <= 1:
            advice = ". If the pixels were divided by 255, use (255 * x).round().astype('uint8')"
        raise ValueError(
            f"{source} must be integers from 0 to {largest}{advice}. "
            f"Received: dtype={x.dtype}, from {low} to {high}."
        )
    return x.astype("uint8") if largest == 255 else x
