"""Masses of logistics and their mixtures on integers, and the maps to and from a logistic latent.

Parameters are `means`, `log_scales` and `log_weights`, each `(..., components)`, in the units of
the integers. The bin of an integer z reaches from z - 1/2 to z + 1/2. The last component of a
mixture is broad, of mean 0.
"""

import math

from keras import ops

STEPS = 26  # of a bisection: intervals up to 2^26
LEAST = math.log(1e-3)  # a mass that is certainly resolved, whatever networks round
FAR = 8.0  # in scales: farther out a float does not resolve the broad component


def log_mass(z, means, log_scales, log_weights):
    """log P(z) of each number of z in nats, in log-space on both tails.

    For one logistic with d = z - mean,

        P(z) = sigmoid((d + 1/2) / s) - sigmoid((d - 1/2) / s)
             = sigmoid((1/2 + d) / s) sigmoid((1/2 - d) / s) (1 - exp(-1 / s)).
    """
    d, rate = z[..., None] - means, ops.exp(-log_scales)
    parts = ops.log_sigmoid((0.5 + d) * rate) + ops.log_sigmoid((0.5 - d) * rate)
    parts = parts + ops.log(-ops.expm1(-rate)) + log_weights
    return ops.logsumexp(parts, axis=-1) if parts.shape[-1] > 1 else parts[..., 0]


def to_latent(z, means, log_scales, log_weights):
    """A number u with `to_integer(u, ...)` = z; the parameters as for `to_integer`."""
    if means.shape[-1] == 1:
        return ((z[..., None] - means) * ops.exp(-log_scales))[..., 0]
    learned, (scale, log_share) = _cut_broad(means, log_scales, log_weights)
    log_rest = ops.log1p(-ops.exp(log_share))
    # The middle of the bin by mass: the middle of z - 1/2 and z + 1/2 may be in a gap.
    edges = [_log_cdf(z + edge, *learned) for edge in (-0.5, 0.5)]
    below, above = (ops.logaddexp(a, b) - math.log(2) for a, b in zip(*edges))
    u = ops.logaddexp(log_share, log_rest + below) - log_rest - above
    log_p = log_share + ops.log_sigmoid(z / scale)
    u_broad = log_p - ops.log1p(-ops.exp(log_p))
    in_learned = ops.logical_or(log_mass(z, *learned) > LEAST, ops.abs(z) > FAR * scale)
    return ops.where(in_learned, u, u_broad)


def to_integer(u, means, log_scales, log_weights):
    """The integer of a logistic latent u: a bijection from intervals of u to integers.

    If u has the standard logistic distribution, the integer z has the
    probability P(z). For one logistic it is the rounded quantile. Of a mixture
    the last component, the broad one, has the interval of u below the quantile
    of its weight, the other components the rest. Integers to which the others
    give little mass come from a part of the broad interval that a float
    resolves, and that depends on no network.
    """
    if means.shape[-1] == 1:
        return _whole(ops.round, (means + ops.exp(log_scales) * u[..., None])[..., 0])
    learned, (scale, log_share) = _cut_broad(means, log_scales, log_weights)
    share, p = ops.exp(log_share), ops.sigmoid(u)
    part = ops.clip(p / share, 1e-30, 1 - 2**-23)
    broad = _whole(ops.round, scale * (ops.log(part) - ops.log1p(-part)))
    # p = share + (1 - share) F and 1 - p = (1 - share) (1 - F) for the others' distribution F.
    odds = ops.log(ops.maximum(p - share, 1e-12)) - ops.log_sigmoid(-u)
    return ops.where(p < share, broad, _rounded_quantile(odds, *learned))


def _rounded_quantile(odds, means, log_scales, log_weights):
    """The integer whose bin has the number z with log(F(z) / (1 - F(z))) = odds."""
    each = means + ops.exp(log_scales) * odds[..., None]
    # The quantile of a mixture lies between those of its components.
    low = _whole(ops.floor, ops.min(each, axis=-1)) - 1
    high = _whole(ops.ceil, ops.max(each, axis=-1)) + 1
    for _ in range(STEPS):  # the integer is above low, and at most high
        middle = _whole(ops.floor, (low + high) / 2)
        below, above = _log_cdf(middle + 0.5, means, log_scales, log_weights)
        is_above = below - above < odds
        low, high = ops.where(is_above, middle, low), ops.where(is_above, high, middle)
    return high


def _log_cdf(z, means, log_scales, log_weights):
    """log F(z) and log(1 - F(z)) for the distribution function F."""
    u = (z[..., None] - means) * ops.exp(-log_scales)
    below, above = (ops.log_sigmoid(v) + log_weights for v in (u, -u))
    return ops.logsumexp(below, axis=-1), ops.logsumexp(above, axis=-1)


def _cut_broad(means, log_scales, log_weights):
    """The parameters of the components but the last, and the scale and log weight of the last."""
    broad = ops.exp(log_scales[..., -1]), log_weights[..., -1]
    rest = log_weights[..., :-1] - ops.log1p(-ops.exp(broad[1]))[..., None]
    return (means[..., :-1], log_scales[..., :-1], rest), broad


def _whole(function, x):
    """`function(x)`, which rounds; in float64, where JAX and torch return float32, too."""
    return ops.cast(function(x), x.dtype)
