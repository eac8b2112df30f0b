"""Argument types of all commands: a text that is refused gives argparse's one-line error."""

import argparse
import math

MOST_CELLS = 10_000  # of a grid of pictures


def positive(text):
    return _whole(text, 1)


def count(text):
    return _whole(text, 0)


def finite(text):
    return _number(text, math.isfinite, "a finite number")


def not_negative(text):
    return _number(text, lambda x: 0 <= x < math.inf, "finite and 0 or more")


def above_0(text):
    return _number(text, lambda x: 0 < x < math.inf, "finite and above 0")


def share(text):
    return _number(text, lambda x: 0 <= x <= 1, "from 0 to 1")


def below_1(text):
    return _number(text, lambda x: 0 <= x < 1, "0 or more and below 1")


def names(text):
    """A,B,..."""
    return [name.strip() for name in text.split(",")]


def cells(text):
    """Rows and columns of a grid of pictures."""
    rows, columns = _sizes(text, 2, "ROWSxCOLUMNS, such as 15x15")
    if rows * columns > MOST_CELLS:
        raise argparse.ArgumentTypeError(f"must be {MOST_CELLS} pictures at most, got {text}")
    return rows, columns


def image_shape(text):
    """Height, width and channels."""
    return _sizes(text, 3, "HxWxC, such as 28x28x1")


def devices(text):
    import keras

    if text not in ("one", "all"):
        raise argparse.ArgumentTypeError(f"must be one or all, got {text}")
    if text == "all" and keras.backend.backend() == "torch":
        raise argparse.ArgumentTypeError("all needs KERAS_BACKEND jax or tensorflow, got torch")
    return text


def _whole(text, least):
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of {least} or more, got {text}")
    return int(text)


def _number(text, accepted, description):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not accepted(value):
        raise argparse.ArgumentTypeError(f"must be {description}, got {text}")
    return value


def _sizes(text, length, description):
    sizes = text.lower().split("x")
    if len(sizes) != length or not all(size.isdecimal() and int(size) for size in sizes):
        raise argparse.ArgumentTypeError(f"must be {description}, got {text}")
    return tuple(map(int, sizes))
