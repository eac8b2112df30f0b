"""Elementwise transforms with parameters, for couplings and autoregressive layers."""

import math

import numpy as np
from keras import ops


class AffineTransform:
    """z = (x - t) exp(s) with s = r / (1 + |r| / bound), for two parameters t and r.

    The bound keeps data unlike the training set from exploding. Both
    directions take numbers `(...)` and parameters `(..., 2)`, and return
    numbers and the logarithms of the slopes.
    """

    outputs = 2

    def __init__(self, bound):
        if not bound > 0:
            raise ValueError(f"log_scale_bound must be above 0. Received: log_scale_bound={bound}.")
        self.bound = float(bound)

    def _shift_and_log_scale(self, params):
        shift, raw = ops.unstack(params, 2, axis=-1)
        return shift, raw / (1 + ops.abs(raw) / self.bound)

    def encode(self, x, params):
        shift, log_scale = self._shift_and_log_scale(params)
        return (x - shift) * ops.exp(log_scale), log_scale

    def decode(self, z, params):
        shift, log_scale = self._shift_and_log_scale(params)
        return z * ops.exp(-log_scale) + shift, -log_scale


class SplineTransform:
    """Monotonic rational-quadratic spline on [-tail_bound, tail_bound], identity outside.

    It has 3 bins - 1 parameters: widths and heights of the bins (softmax) and
    the slopes at the inner knots (softplus); the slope at the outer knots is
    1. With parameters 0 it is the identity. Paper: Neural Spline Flows
    (1906.04032) section 3.1, appendix A.1.
    """

    smallest = 1e-3  # the least share of the interval for a bin, and the least slope at a knot

    def __init__(self, bins, tail_bound):
        if int(bins) != bins or not 2 <= bins < 1 / self.smallest or not tail_bound > 0:
            raise ValueError(
                "A spline needs a whole number of bins from 2 to 999 and a tail_bound above 0. "
                f"Received: bins={bins}, tail_bound={tail_bound}."
            )
        self.bins, self.tail_bound = int(bins), float(tail_bound)
        self.outputs = 3 * self.bins - 1

    def _shares(self, raw):
        """The share of the interval for each bin."""
        return self.smallest + (1 - self.smallest * self.bins) * ops.softmax(raw, axis=-1)

    def _inner_knots(self, shares):
        # A product, since ops.cumsum drops float64 to float32 on torch.
        sums = ops.convert_to_tensor(np.triu(np.ones((self.bins, self.bins - 1))), shares.dtype)
        return 2 * self.tail_bound * (shares @ sums) - self.tail_bound

    def _slope(self, raw):
        """The slope at a knot; 1 for raw = 0, as at the outer knots."""
        return self.smallest + ops.softplus(raw + math.log(math.expm1(1 - self.smallest)))

    def _bin(self, value, params, decode):
        """The number, and its bin: left, width, bottom, height, and the slopes at both ends.

        Numbers outside the interval are replaced by 0, so that all formulas stay finite.
        """
        value = ops.where(self._inside(value), value, ops.zeros_like(value))
        *raw, raw_slopes = ops.split(params, [self.bins, 2 * self.bins], axis=-1)
        shares = [self._shares(each) for each in raw]  # for widths and for heights
        knots = self._inner_knots(shares[int(decode)])
        reached = ops.cast(value[..., None] >= knots, params.dtype)
        one = ops.ones_like(value[..., None])
        before = ops.concatenate([reached, 0 * one], -1)  # 1 in each bin before the right one
        here = ops.concatenate([one, reached], -1) - before  # 1 in the right bin
        length = 2 * self.tail_bound
        left, bottom = (length * ops.sum(before * s, -1) - self.tail_bound for s in shares)
        width, height = (length * ops.sum(here * s, -1) for s in shares)
        ends = here[..., 1:], here[..., :-1]
        first, last = (self._slope(ops.sum(end * raw_slopes, -1)) for end in ends)
        return value, left, width, bottom, height, first, last

    def _inside(self, value):
        return (value >= -self.tail_bound) & (value <= self.tail_bound)

    def _result(self, raw, inside_value, inside_log):
        inside = self._inside(raw)
        zero = ops.zeros_like(inside_log)
        return ops.where(inside, inside_value, raw), ops.where(inside, inside_log, zero)

    def encode(self, x, params):
        inner, left, width, bottom, height, first, last = self._bin(x, params, decode=False)
        t = _share((inner - left) / width)
        z, log_slope = self._rise(t, width, height, first, last)
        return self._result(x, bottom + z, log_slope)

    def _rise(self, t, width, height, first, last):
        """The rise of the spline from the left end of a bin to its share t, and the log slope."""
        slope, between = height / width, t * (1 - t)
        bend = slope + (first + last - 2 * slope) * between
        rise = height * (slope * t * t + first * between) / bend
        top = last * t * t + 2 * slope * between + first * (1 - t) * (1 - t)
        return rise, 2 * ops.log(slope / bend) + ops.log(top)

    def decode(self, z, params):
        inner, left, width, bottom, height, first, last = self._bin(z, params, decode=True)
        slope, share = height / width, (inner - bottom) / height
        curve = share * (first + last - 2 * slope)
        a, b, c = slope - first + curve, first - curve, -slope * share
        square = b * b - 4 * a * c
        root = ops.sqrt(ops.where(square > 1e-12, square, 1e-12))
        t = _share(-2 * c / (b + root))
        log_slope = self._rise(t, width, height, first, last)[1]
        return self._result(z, left + t * width, -log_slope)


def _share(t):
    """t, clipped to [0, 1] against rounding, with the gradient 1 also at both ends."""
    return t + ops.stop_gradient(ops.clip(t, 0, 1) - t)


def make_transform(kind, log_scale_bound, bins, tail_bound):
    """The transform for a layer's options."""
    if kind not in ("affine", "spline"):
        raise ValueError(f"transform is 'affine' or 'spline'. Received: transform={kind!r}.")
    if kind == "affine":
        return AffineTransform(log_scale_bound)
    return SplineTransform(bins, tail_bound)
