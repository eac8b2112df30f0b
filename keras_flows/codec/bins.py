"""Mixtures of logistics with integer parameters: the interval of each symbol, and back.

P(z) = sum_k w_k [F((z + 1/2 - m_k) / s_k) - F((z - 1/2 - m_k) / s_k)] out of 2^24, by integers
alone. Each dimension has a window of symbols. The first index is all that is below the window, the
last one all that is above it, and each index has a probability of 1 / 2^24 at least.
"""

import math

import numpy as np

from keras_flows.codec import rounding
from keras_flows.codec.rans import TOTAL
from keras_flows.codec.tables import LEVELS, LOWEST, PER_OCTAVE, SHIFT, tables
from keras_flows.codec.tables import PRECISION as TABLE_BITS

WEIGHT_BITS = 16
LARGEST_MEAN = 2**15
HALF_WINDOW = 1536  # the most symbols on each side of the heaviest component
CHUNK = 2**15  # symbols whose intervals are computed at once


def quantised(index, part, rounder):
    """The `Bins` of a `Part`: its parameters as integers, of shape (samples, dimensions).

    `rounder.round(event, values)` rounds; see `rounding`.
    """
    n, k = len(part.means), part.means.shape[-1]
    means, scales, weights = (
        np.asarray(v, "float64").reshape(n, -1, k)
        for v in (part.means, part.log_scales, part.log_weights)
    )
    scales = scales * (PER_OCTAVE / math.log(2)) - LOWEST * PER_OCTAVE
    levels = rounder.round(rounding.event(rounding.SCALE, index), np.clip(scales, 0, LEVELS - 1))
    means = np.clip(means, -LARGEST_MEAN, LARGEST_MEAN) * (1 << SHIFT[levels])
    means = rounder.round(rounding.event(rounding.MEAN, index), means)
    weights = _softmax(weights) * 2**WEIGHT_BITS
    weights = rounder.round(rounding.event(rounding.WEIGHT, index), weights)
    return Bins(*(np.ascontiguousarray(v.reshape(-1, k).T) for v in (levels, means, weights)))


def _softmax(logits):
    with np.errstate(invalid="ignore", over="ignore"):
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True)


class Bins:
    """Distributions of many symbols; arrays of shape (components, symbols)."""

    def __init__(self, levels, means, weights):
        weights = np.maximum(weights, 0)
        heaviest = weights.argmax(axis=0)[None]
        rest = 2**WEIGHT_BITS - weights.sum(axis=0) + _heaviest(weights, heaviest)
        np.put_along_axis(weights, heaviest, rest[None], 0)
        self.levels, self.means = levels.astype("int16"), means.astype("int32")
        self.weights = weights.astype("int32")
        shifts, reach, used = SHIFT[levels], tables().reach[levels], weights > 0
        center = _heaviest(means >> shifts, heaviest)
        low = np.where(used, (means - reach) >> shifts, center).min(axis=0)
        high = np.where(used, ((means + reach) >> shifts) + 1, center).max(axis=0)
        self.low = np.maximum(low, center - HALF_WINDOW).astype("int32")
        high = np.minimum(high, center + HALF_WINDOW).astype("int32")
        self.size = high - self.low + 1  # symbols in the window
        self.guess = (center - self.low + 1).astype("int32")  # the index to search from
        self.spread = np.maximum(_heaviest(reach >> (shifts + 2), heaviest), 1).astype("int32")

    def __len__(self):
        return self.low.shape[0]

    @staticmethod
    def joined(parts):
        """The `Bins` of several batches, one after another."""
        result = object.__new__(Bins)
        for name in vars(parts[0]):
            arrays = [getattr(part, name) for part in parts]
            setattr(result, name, np.concatenate(arrays, axis=-1))
        return result

    def take(self, positions):
        """The `Bins` of some symbols."""
        result = object.__new__(Bins)
        for name, array in vars(self).items():
            setattr(result, name, array.take(positions, axis=-1))
        return result

    def cumulative(self):
        """A function of an index of each symbol: the probability of all smaller indices."""
        table = tables()
        shifts = SHIFT[self.levels] - 1
        reach, base = table.reach[self.levels], table.base[self.levels]
        count, values = self.size + 2, table.values
        first = 2 * self.low.astype("int64") - 3

        def below(index):
            place = (first + 2 * index) << shifts  # the lower edge of the bin
            place -= self.means
            np.minimum(place, reach, out=place)
            np.maximum(place, -reach, out=place)
            place += base
            mass = (values.take(place) * self.weights.astype("int64")).sum(axis=0) >> WEIGHT_BITS
            mass = np.where(index <= 0, 0, np.where(index >= count, 1 << TABLE_BITS, mass))
            return (mass * (TOTAL - count) >> TABLE_BITS) + np.minimum(index, count)

        return below

    def indices(self, symbols):
        """The index of each symbol, and how far it is outside of the window (0 if inside)."""
        index = np.clip(symbols - self.low + 1, 0, self.size + 1)
        below, above = self.low - 1 - symbols, symbols - self.low - self.size
        return index, np.maximum(np.maximum(below, above), 0)

    def symbols(self, index):
        """The symbol of each index; for the first and last one the nearest outside the window."""
        return self.low + index - 1

    def intervals(self, index):
        """Start and frequency of each index."""
        starts, ends = np.empty(len(self), "uint32"), np.empty(len(self), "uint32")
        for begin in range(0, len(self), CHUNK):
            piece = slice(begin, begin + CHUNK)
            below = self.take(np.arange(len(self))[piece]).cumulative()
            starts[piece], ends[piece] = below(index[piece]), below(index[piece] + 1)
        return starts, ends - starts

    def find(self, slots):
        """Index, start and frequency of the symbols whose intervals contain the slots.

        A bisection, of the window's middle first.
        """
        below, count = self.cumulative(), self.size + 2
        low = np.maximum(self.guess - self.spread, 0)
        high = np.minimum(self.guess + self.spread + 1, count)
        first, last = below(low), below(high)
        left, right = slots < first, slots >= last
        low, high = _choose(left, right, (0, low), (low, high), (high, count))
        first, last = _choose(left, right, (0, first), (first, last), (last, TOTAL))
        while (wide := high - low > 1).any():
            middle = (low + high) >> 1
            start = below(middle)
            up = (slots >= start) & wide
            down = wide & ~up
            low, first = np.where(up, middle, low), np.where(up, start, first)
            high, last = np.where(down, middle, high), np.where(down, start, last)
        return low, first, last - first


def _choose(left, right, if_left, otherwise, if_right):
    cases = zip(if_left, otherwise, if_right)
    return [np.where(left, a, np.where(right, c, b)) for a, b, c in cases]


def _heaviest(values, heaviest):
    return np.take_along_axis(values, heaviest, axis=0)[0]
