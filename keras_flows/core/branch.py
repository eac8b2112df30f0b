"""The network g of a residual or implicit layer as a function of x, trained or constant."""

import keras
from keras import ops

from keras_flows.backend.native import pullback
from keras_flows.core.fixed_point import fixed_point
from keras_flows.core.lipschitz import normalized_kernels, normalized_once, with_kernels


class Branch:
    """g(x) = net(x), or net([x, context]), whose kernels are normalised once.

    `branch(x)` is differentiable by all that it uses; `branch.constant(x)` is the same with
    weights and context as constants, for series and iterations that nothing differentiates.
    With `repeats` x has so many rows, one after the other, for each sample.
    """

    def __init__(self, net, context=None):
        self.net, self.context = net, context
        self.variables = net.variables
        self.values = [ops.stop_gradient(ops.cast(v.value, v.dtype)) for v in self.variables]
        self.fixed_context = None if context is None else ops.stop_gradient(context)
        with with_weights(self.variables, self.values):
            self.kernels = normalized_kernels(net)

    def __call__(self, x, repeats=1):
        with normalized_once(self.net):
            return self._net(x, self.context, repeats)

    def constant(self, x, repeats=1):
        """g(x) with constant weights and context."""
        with with_weights(self.variables, self.values), with_kernels(self.kernels):
            return self._net(x, self.fixed_context, repeats)

    def _net(self, x, context, repeats):
        if context is None:
            y = self.net(x)
        else:
            y = self.net([x, ops.repeat(context, repeats, axis=0) if repeats > 1 else context])
        return ops.cast(y, x.dtype)


def with_weights(variables, values):
    """A scope in which variables have these values."""
    return keras.StatelessScope(state_mapping=list(zip(variables, values)))


def implicit_gradient(x, point, branch, rate=None, sign=1.0, options=None):
    """x, whose gradient goes through the equation x + sign g(x) = y that it solves.

    Args:
        x: the solution once more as y - sign g(point), differentiable by y and g's weights.
        point: the solution, constant.
        branch: g.
        rate: as of `fixed_point`.
        options: further ones of `fixed_point`.

    A cotangent v of x becomes the solution w of w = v - sign J_g(point)^T w: one more iteration
    of the same rate, in which nothing is kept.
    """

    @ops.custom_gradient
    def attached(x, point):
        def gradient(*args, upstream=None):
            cotangent = ops.stop_gradient(args[0] if upstream is None else upstream)
            _, back = pullback(branch.constant, point)
            solution = fixed_point(
                lambda w: cotangent - sign * back(w), cotangent, rate=rate, **(options or {})
            )
            return solution.value, ops.zeros_like(point)

        return x, gradient

    return attached(x, ops.stop_gradient(point))
