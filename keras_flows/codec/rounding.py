"""Rounding that comes out the same where networks differ in the last bits of their results.

The encoder finds the values so near to the border between two integers that another machine could
round them to the other side. It lists them in the file, each with its side, and the decoder
obeys the list. Anything else rounds alike as long as both sides differ by less than `NEAR`.
"""

import numpy as np

NEAR, RELATIVE = 1e-7, 1e-12  # distance to a border, and as a part of the value
LARGEST = 2.0**40  # values beyond it, and those that are not finite, cannot be coded
KINDS = SHIFT, SCALE, MEAN, WEIGHT = range(4)


def event(kind, index):
    """The number of a rounding: each network's outputs, in the order that the flow gives them."""
    return index * len(KINDS) + kind


class Recorder:
    """Rounds in the encoder, and keeps the list of values near a border.

    `guards` is a list of (event, sample, position, side) arrays, `failed` a set of samples with
    values that cannot be rounded. Samples are counted from `first`.
    """

    def __init__(self, first=0):
        self.first, self.guards, self.failed = first, [], set()

    def round(self, number, values):
        """Integers nearest to an array of (samples, ...); those that cannot be rounded give 0."""
        low, fraction = split(values)
        bad = ~np.isfinite(fraction)
        if bad.any():
            rows = np.flatnonzero(bad.reshape(len(values), -1).any(axis=1))
            self.failed.update((rows + self.first).tolist())
            low, fraction = np.where(bad, 0, low), np.where(bad, 0, fraction)
        up = fraction >= 0.5
        near = np.abs(fraction - 0.5) < NEAR + RELATIVE * np.abs(low)
        if near.any():
            rows, places = np.nonzero(near.reshape(len(values), -1))
            sides = up.reshape(len(values), -1)[rows, places]
            self.guards.append((np.full(len(rows), number), rows + self.first, places, sides))
        return low.astype("int64") + up


class Replay:
    """Rounds in the decoder, by the encoder's list. `guards` is {event: (samples, places, sides)}.

    The samples of a batch are counted from `first`.
    """

    def __init__(self, guards, first=0):
        self.guards, self.first = guards, first

    def round(self, number, values):
        """Integers nearest to an array of (samples, ...), or those of the list."""
        low, fraction = split(values)
        bad = ~np.isfinite(fraction)
        low = np.where(bad, 0, low).astype("int64")
        up = np.where(bad, False, fraction >= 0.5)
        if number in self.guards:
            rows, places, sides = self.guards[number]
            rows = rows - self.first
            up = up.reshape(len(values), -1)
            inside = (rows >= 0) & (rows < len(values)) & (places < up.shape[1])
            up[rows[inside], places[inside]] = sides[inside]
        return low + up.reshape(low.shape)


def split(values):
    """Floors and fractions in float64; NaN where a value is not finite or too large."""
    values = np.asarray(values, "float64")
    with np.errstate(invalid="ignore"):
        values = np.where(np.abs(values) < LARGEST, values, np.nan)
        low = np.floor(values)
        return low, values - low
