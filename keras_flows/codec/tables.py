"""Integer tables of the logistic distribution function, the same on every platform.

A table is computed with integers alone: `math.exp` differs in its last bits between machines, and
an encoder and a decoder whose tables differ in one bit cannot read each other's files.

A scale s is one of `LEVELS` values, 2^(level / 8 - 8): from 1/256 of a bin to 235 bins. A mean is
a multiple of 2^-shift, where `shift` depends on the level: the grid is s / 8 or finer.
"""

import decimal
import functools

import numpy as np

PER_OCTAVE = 8  # scales in an octave
LOWEST = -8  # octave of the smallest scale
LEVELS = 128
PRECISION = 30  # bits of a distribution function
REACH = 21  # a table ends at REACH scales, where 2^PRECISION exp(-REACH) < 1
WORK = 128  # bits of the computation
FINEST = 8  # bits of the finest grid, in units of the smallest scale of an octave

_OCTAVE = np.arange(LEVELS) // PER_OCTAVE + LOWEST
SHIFT = np.maximum(3 - _OCTAVE, 1)  # of each level: means are multiples of 2^-SHIFT
_STEP_BITS = SHIFT + _OCTAVE  # a step of the grid is 2^-_STEP_BITS of the octave's smallest scale


class Tables:
    """All tables in one array.

    `values[base[level] + k]` is 2^PRECISION / (1 + exp(-k 2^-shift / s)) for k from
    `-reach[level]` to `reach[level]`.
    """

    def __init__(self):
        halves = [_half(fraction) for fraction in range(PER_OCTAVE)]
        parts, base, reach, size = [], [], [], 0
        for level in range(LEVELS):
            part = halves[level % PER_OCTAVE][:: 2 ** (FINEST - _STEP_BITS[level])]
            parts += [2**PRECISION - part[:0:-1], part]
            reach.append(len(part) - 1)
            base.append(size + reach[-1])
            size += 2 * reach[-1] + 1
        self.values = np.concatenate(parts).astype("int32")
        self.base, self.reach = np.int32(base), np.int32(reach)


@functools.cache
def tables():
    """The tables; they are computed once."""
    return Tables()


def _half(fraction):
    """The distribution function at 0 and above for the scale 2^(fraction / 8), on the finest grid.

    exp(-k step) is the k-th power of exp(-step), by repeated multiplication of integers.
    """
    with decimal.localcontext() as context:
        context.prec = 60
        scale = decimal.Decimal(2) ** (decimal.Decimal(fraction) / PER_OCTAVE)
        power = (-1 / (scale * 2**FINEST)).exp()
        factor = int(power * 2**WORK)
        count = int(REACH * scale) * 2**FINEST + 1
    one, half, tail = 1 << WORK, [], 1 << WORK
    for _ in range(count):
        total = one + tail
        half.append(((one << PRECISION) + total // 2) // total)
        tail = tail * factor >> WORK
    return np.int64(half)
