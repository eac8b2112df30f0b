"""Masses, distribution functions and quantiles of (mixtures of) logistics on integers.

Parameters are `means`, `log_scales` and `log_weights`, each `(..., components)`, in the units of
the integers. The bin of an integer z reaches from z - 1/2 to z + 1/2.
"""

from keras import ops

STEPS = 26  # of a bisection: intervals up to 2^26


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


def logit_cdf(z, means, log_scales, log_weights):
    """log(F(z) / (1 - F(z))) for the distribution function F."""
    u = (z[..., None] - means) * ops.exp(-log_scales)
    if u.shape[-1] == 1:
        return u[..., 0]
    below = ops.logsumexp(ops.log_sigmoid(u) + log_weights, axis=-1)
    return below - ops.logsumexp(ops.log_sigmoid(-u) + log_weights, axis=-1)


def rounded_quantile(u, means, log_scales, log_weights):
    """The integer whose bin has the number z with logit_cdf(z) = u."""
    each = means + ops.exp(log_scales) * u[..., None]
    if each.shape[-1] == 1:
        return _whole(ops.round, each[..., 0])
    # The quantile of a mixture lies between those of its components.
    low = _whole(ops.floor, ops.min(each, axis=-1)) - 1
    high = _whole(ops.ceil, ops.max(each, axis=-1)) + 1
    for _ in range(STEPS):  # the integer is above low, and at most high
        middle = _whole(ops.floor, (low + high) / 2)
        above = logit_cdf(middle + 0.5, means, log_scales, log_weights) < u
        low, high = ops.where(above, middle, low), ops.where(above, high, middle)
    return high


def _whole(function, x):
    """`function(x)`, which rounds; in float64, where JAX and torch return float32, too."""
    return ops.cast(function(x), x.dtype)
