"""A progress bar of pictures, on a terminal only."""

import sys

import keras


def bar(total):
    """A function of the number of finished pictures, or None if the output is no terminal."""
    if not sys.stdout.isatty():
        return None
    return keras.utils.Progbar(total, unit_name="picture").update
