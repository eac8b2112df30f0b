"""Columns with limits, such as positive numbers, shares and angles."""

import numpy as np
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.shapes import fixed_last_axis, known_size


@register
class Constrained(FlowLayer):
    """Maps columns with limits to the whole line: z = log(x - low) - log(high - x).

    A column with a lower limit only has the first term, with an upper limit
    only the second, and a column without limits is unchanged. log|det dz/dx|
    is the sum of log(high - low) - log(x - low) - log(high - x) for columns
    with both limits, and of -log(x - low) or -log(high - x) for those with
    one; shape `(batch,)`, in nats. Put the layer first, before `Standardize`:
    samples then lie strictly within the limits, and the density is that of
    the data.

    Args:
        support: for each column None, "positive", or a pair (low, high), one
            of which may be None. "positive" means (0, None). ValueError for
            anything else.

    Shapes: `(..., columns)` to the same. Data on a limit or beyond it has the
    density 0, a log-determinant of -inf; `adapt` raises a ValueError that
    names the row and the column. For a column that reaches its limit, such as
    counts with zeros, choose wider limits.

    >>> z = Constrained([None, "positive", (0, 1)])(x)
    >>> flow = MAF(3, support=[None, "positive", (0, 1)]); flow.adapt(x); flow.fit(x)
    """

    def __init__(self, support, **kwargs):
        super().__init__(**kwargs)
        self.support = tuple(tuple(v) if isinstance(v, list) else v for v in support)
        limits = np.array([_limits(kind) for kind in self.support], "float64").reshape(-1, 2)
        self.low, self.high = limits.T
        if not len(limits) or not np.all(self.low < self.high):
            raise ValueError(f"Constrained needs low < high. Received: support={self.support}.")

    def build(self, input_shape):
        if known_size(self, input_shape) != len(self.support):
            raise ValueError(
                f"'{self.name}' has a support of {len(self.support)} columns. "
                f"Received: input_shape={tuple(input_shape)}."
            )
        self.input_spec = fixed_last_axis(len(self.support))

    def adapt(self, inputs):
        """Raises a ValueError if data is not within the limits; there is nothing to initialise."""
        x = np.asarray(ops.convert_to_numpy(inputs)).reshape(-1, len(self.support))
        low, high = (limit.astype(x.dtype) for limit in (self.low, self.high))
        outside = (x <= low) | (x >= high)
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise ValueError(
                f"Column {column} of the data must lie above {low[column]:g} and below "
                f"{high[column]:g}, as the support of '{self.name}' says, in all rows. "
                f"Received: {x[row, column]:g} in row {row}."
            )

    def _has_limits(self):
        """Which columns have a lower limit, and which an upper one."""
        return [ops.convert_to_tensor(np.isfinite(v)) for v in (self.low, self.high)]

    def _constants(self, *values):
        """The values as tensors, with 0 for infinity."""
        finite = [np.nan_to_num(v, posinf=0, neginf=0) for v in values]
        return [ops.convert_to_tensor(v, self.compute_dtype) for v in finite]

    def _middle(self):
        """A number within the limits of each column."""
        low = np.where(np.isfinite(self.high), self.high - 2, -1)
        low = np.where(np.isfinite(self.low), self.low, low)
        return (low + np.where(np.isfinite(self.high), self.high, low + 2)) / 2

    def _log_width(self):
        width = self.high - self.low
        return np.log(np.where(np.isfinite(width), width, 1))

    def encode(self, x):
        above, below = self._has_limits()
        low, high, middle, log_width = self._constants(
            self.low, self.high, self._middle(), self._log_width()
        )
        outside = (above & (x <= low)) | (below & (x >= high))
        inside, one = ops.where(outside, middle, x), ops.ones_like(x)
        over = ops.log(ops.where(above, inside - low, one))
        under = ops.log(ops.where(below, high - inside, one))
        log_slope = ops.where(outside, -np.inf * one, log_width - over - under)
        return ops.where(above | below, over - under, x), self.sum(log_slope)

    def decode(self, z):
        above, below = self._has_limits()
        low, high, width, log_width = self._constants(
            self.low, self.high, self.high - self.low, self._log_width()
        )
        zero = ops.zeros_like(z)
        grown = ops.exp(ops.where(above ^ below, ops.where(above, z, -z), zero))
        between = low + width * ops.sigmoid(ops.where(above & below, z, zero))
        x = ops.where(above, low + grown, ops.where(below, high - grown, z))
        x = ops.where(above & below, between, x)
        log_slope = ops.where(above, z, ops.where(below, -z, zero))
        both = log_width - ops.softplus(z) - ops.softplus(-z)
        log_slope = ops.where(above & below, both, log_slope)
        return self._within(x), self.sum(log_slope)

    def _within(self, x):
        """x, moved strictly inside where rounding has put it on a limit."""
        low, high = (limit.astype(self.compute_dtype) for limit in (self.low, self.high))
        tiny = np.finfo(low.dtype).tiny  # smaller numbers count as 0 in compiled code
        least = np.where(low == 0, tiny, np.nextafter(low, high))
        most = np.where(high == 0, -tiny, np.nextafter(high, low))
        least, most = (ops.convert_to_tensor(v, self.compute_dtype) for v in (least, most))
        # `ops.maximum` turns float64 into float32 on torch.
        x = ops.where(x < least, least, x)
        return ops.where(x > most, most, x)

    def get_config(self):
        return {**super().get_config(), "support": self.support}


def _limits(kind):
    """(low, high) for one entry of a support; infinite where there is no limit."""
    low, high = {None: (None, None), "positive": (0, None)}.get(kind) or _pair(kind)
    return -np.inf if low is None else low, np.inf if high is None else high


def _pair(kind):
    pair = isinstance(kind, (list, tuple)) and len(kind) == 2
    if not pair or not all(end is None or isinstance(end, (int, float)) for end in kind):
        raise ValueError(
            "An entry of a support is None, 'positive' or a pair (low, high) of numbers or None. "
            f"Received: {kind!r}."
        )
    return kind
