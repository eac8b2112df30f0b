"""Types of the scripts' options: what argparse refuses with one line."""

import argparse
import math

import keras


def positive(text):
    return _whole(text, 1)


def count(text):
    return _whole(text, 0)


def finite(text):
    return _number(text, math.isfinite, "finite")


def not_negative(text):
    return _number(text, lambda x: 0 <= x < math.inf, "finite and 0 or more")


def above_0(text):
    return _number(text, lambda x: 0 < x < math.inf, "finite and above 0")


def share(text):
    return _number(text, lambda x: 0 <= x <= 1, "from 0 to 1")


def below_1(text):
    return _number(text, lambda x: 0 <= x < 1, "0 or more and below 1")


def devices(text):
    if text not in ("one", "all"):
        raise argparse.ArgumentTypeError(f"must be one or all, got {text}")
    if text == "all" and keras.backend.backend() == "torch":
        raise argparse.ArgumentTypeError("all needs KERAS_BACKEND jax or tensorflow, got torch")
    return text


def _whole(text, least):
    value = int(text)
    if value < least:
        raise argparse.ArgumentTypeError(f"must be {least} or more, got {text}")
    return value


def _number(text, accepted, what):
    value = float(text)
    if not accepted(value):
        raise argparse.ArgumentTypeError(f"must be {what}, got {text}")
    return value
