"""log det(I + s J) of a branch g with Jacobian J and s = 1 or -1: exact, or by a power series."""

import collections
import math

import keras
from keras import ops

from keras_flows.backend.native import differentiable_vjp, pullback, repeat_while

Estimate = collections.namedtuple("Estimate", "value, variance, noise, cotangent")
Estimate.__doc__ = """An estimated log-determinant, all of it constant.

value, variance: `(batch,)`; the variance is 0 for one probe, which does not show it.
noise, cotangent: e and w of the surrogate w^T J e, whose gradient is the log-determinant's.
"""


def exact(branch, x, sign=1.0):
    """log det(I + s J) at x, `(batch,)`, from the whole Jacobian: as many rows as dimensions.

    NaN where the determinant is negative, which it is for no branch of a bound below 1.
    """
    shape, size = x.shape[1:], math.prod(x.shape[1:])
    rows = ops.repeat(x, size, axis=0)
    unit = ops.eye(size, dtype=x.dtype)
    units = ops.reshape(ops.tile(unit, (ops.shape(x)[0], 1)), (-1, *shape))
    _, jacobian = differentiable_vjp(lambda v: branch(v, size), rows, units)
    matrix = unit + sign * ops.reshape(jacobian, (-1, size, size))
    if size == 1:
        return ops.log(matrix[:, 0, 0])
    if size == 2:
        a, b, c, d = (matrix[:, i, j] for i in (0, 1) for j in (0, 1))
        return ops.log(a * d - b * c)
    positive, log_det = ops.slogdet(matrix)
    return ops.where(positive > 0, log_det, math.nan)


def estimate(branch, x, noise, probes, terms, extra=0, stop=None, sign=1.0):
    """The series sum of a_k c_k / k tr(J^k), a_k = (-1)^(k+1) s^k, each trace as e^T J^k e.

    Args:
        branch: a `Branch`.
        x: `(batch, ...)`.
        noise: e, of independent entries of mean 0 and variance 1: `(batch * probes, ...)`.
        probes: how many e there are for each sample.
        terms: terms that are always computed, with c_k = 1.
        extra: further ones, an integer tensor, or one for each probe; geometric with probability
            `stop` from 1 on, so that c_k = 1 / P(as many), and the estimate is unbiased.
        stop: that probability, or None: the series ends after `terms`.

    Vector-Jacobian products one after the other, of which nothing is kept.
    """
    x, axes = ops.stop_gradient(x), tuple(range(1, len(x.shape)))
    rows = ops.repeat(x, probes, axis=0) if probes > 1 else x
    _, back = pullback(lambda v: branch.constant(v, probes), rows)
    last = ops.cast(terms + extra, "int32")
    longest = ops.max(last)
    rows_last = ops.tile(last, ops.shape(x)[:1]) if len(last.shape) else last
    one_for_each = (-1, *[1] * len(axes)) if len(last.shape) else ()

    def weight(k):
        beyond = ops.cast(ops.maximum(k - terms - 1, 0), x.dtype)
        return ops.ones_like(beyond) if stop is None else ops.exp(-beyond * ops.log1p(-stop))

    def body(k, factor, power, total, cotangent):
        power = back(power)
        trace = ops.sum(power * noise, axis=axes)
        there = ops.cast(k <= rows_last, x.dtype)
        total = total + there * factor * weight(k) / ops.cast(k, x.dtype) * trace
        factor = -sign * factor
        more = ops.cast(k < rows_last, x.dtype) * factor * weight(k + 1)
        return k + 1, factor, power, total, cotangent + ops.reshape(more, one_for_each) * power

    zeros = ops.zeros_like(ops.sum(noise, axis=axes))
    first = (ops.ones((), "int32"), sign * ops.ones((), x.dtype), noise, zeros, sign * noise)
    _, _, _, total, cotangent = repeat_while(lambda k, *_: k <= longest, body, first)
    total = ops.reshape(total, (-1, probes))
    variance = ops.zeros_like(total[:, 0])
    if probes > 1:
        spread = ops.square(total - ops.mean(total, axis=1, keepdims=True))
        variance = ops.sum(spread, axis=1) / (probes * (probes - 1))
    values = (ops.mean(total, axis=1), variance, noise, cotangent)
    return Estimate(*(ops.stop_gradient(v) for v in values))


def with_gradient(branch, x, estimate, probes):
    """g(x), and the estimate's value with the gradient of the log-determinant.

    The gradient is that of w^T J e with constant w and e, which takes one product that is
    differentiated, whatever the number of terms.
    """
    rows = ops.repeat(x, probes, axis=0) if probes > 1 else x
    y, product = differentiable_vjp(lambda v: branch(v, probes), rows, estimate.cotangent)
    axes = tuple(range(1, len(x.shape)))
    surrogate = ops.sum(product * estimate.noise, axis=axes)
    if probes > 1:
        y = ops.reshape(y, (-1, probes, *x.shape[1:]))[:, 0]
        surrogate = ops.mean(ops.reshape(surrogate, (-1, probes)), axis=1)
    return y, estimate.value + (surrogate - ops.stop_gradient(surrogate))


def rademacher(x, probes, seed):
    """Signs, as many rows for each of x."""
    shape = (ops.shape(x)[0] * probes, *x.shape[1:])
    return ops.where(keras.random.uniform(shape, seed=seed) < 0.5, ops.ones((), x.dtype), -1.0)


def geometric(stop, seed, shape=()):
    """Whole numbers from 1 on: n with probability stop (1 - stop)^(n - 1)."""
    uniform = ops.cast(keras.random.uniform(shape, seed=seed), stop.dtype)
    return 1 + ops.cast(ops.log1p(-uniform) / ops.log1p(-stop), "int32")


def stopping(bound):
    """The probability of ending a roulette after a term, (1 - bound^2) / 2.

    The variance of the estimate is finite where bound^2 < 1 - stop.
    """
    return ops.clip((1 - bound * bound) / 2, 0.005, 0.5)
