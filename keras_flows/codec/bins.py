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

    def slice(self, span):
        """The `Bins` of consecutive symbols, without copies."""
        result = object.__new__(Bins)
        for name, array in vars(self).items():
            setattr(result, name, array[..., span])
        return result

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
            some = Cumulative(self.slice(piece))
            starts[piece], ends[piece] = some.below(index[piece]), some.below(index[piece] + 1)
        return starts, ends - starts


class Cumulative:
    """Sums of probabilities of `Bins`, with all that they need from the tables."""

    def __init__(self, bins):
        table, levels = tables(), bins.levels
        self.means, self.weights = bins.means, bins.weights.astype("int64")
        self.shifts = SHIFT[levels] - 1
        self.reach, self.base = table.reach[levels], table.base[levels]
        self.first, self.count = 2 * bins.low.astype("int64") - 3, bins.size + 2

    def below(self, index, which=slice(None)):
        """The probability of all indices smaller than those of `(..., symbols)`, out of 2^24."""
        shape = (len(self.means), *[1] * (index.ndim - 1), index.shape[-1])
        shifts, means, reach, base, weights = (
            array[:, which].reshape(shape)
            for array in (self.shifts, self.means, self.reach, self.base, self.weights)
        )
        place = (self.first[which] + 2 * index) << shifts  # the lower edge of a bin
        place -= means
        np.minimum(place, reach, out=place)
        np.maximum(place, -reach, out=place)
        place += base
        mass = tables().values.take(place) * weights
        mass, count = mass.sum(axis=0) >> WEIGHT_BITS, self.count[which]
        mass = np.where(index <= 0, 0, np.where(index >= count, 1 << TABLE_BITS, mass))
        return (mass * (TOTAL - count) >> TABLE_BITS) + np.minimum(index, count)


class Search:
    """Finds symbols by their slots.

    Sums at edges around the middles are computed for all symbols at once. What lies between two of
    these edges is divided again, by several edges at a time: few calls of NumPy count more than
    few operations.
    """

    EDGES = 4  # on each side of the middle
    PARTS = 16  # of what is divided again

    def __init__(self, bins):
        self.cumulative = Cumulative(bins)
        count = self.cumulative.count
        stride = np.maximum(-(-bins.spread // self.EDGES), 1)
        steps = np.arange(-self.EDGES, self.EDGES + 1)[:, None]
        inner = np.clip(bins.guess + steps * stride, 0, count)
        self.edges = np.concatenate([np.zeros_like(inner[:1]), inner, count[None]])
        self.sums = self.cumulative.below(self.edges)
        self.columns = np.arange(len(bins))

    def find(self, span, slots):
        """Index, start and frequency of each symbol of a slice, whose interval has the slot."""
        result = low, first, high, last = _around(self.edges[:, span], self.sums[:, span], slots)
        fractions = np.arange(self.PARTS + 1)[:, None]
        columns = self.columns[span]
        wide = np.flatnonzero(high - low > 1)
        while len(wide):
            begin = low[wide]
            edges = begin + fractions * (high[wide] - begin) // self.PARTS
            sums = self.cumulative.below(edges, columns[wide])
            for array, values in zip(result, _around(edges, sums, slots[wide])):
                array[wide] = values
            wide = wide[high[wide] - low[wide] > 1]
        return low, first, last - first


def _around(edges, sums, slots):
    """The edges next to each slot, and their sums: lower edge, its sum, upper edge, its sum."""
    place, columns = (sums[1:-1] <= slots).sum(axis=0), np.arange(len(slots))
    below, above = (place, columns), (place + 1, columns)
    return edges[below], sums[below], edges[above], sums[above]


def _heaviest(values, heaviest):
    return np.take_along_axis(values, heaviest, axis=0)[0]
