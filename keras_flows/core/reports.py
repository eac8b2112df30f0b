"""What layers say of their numbers while they are called: errors of iterations, variances."""

import math

from keras import ops

from keras_flows.core.scope import current, scope


class Reports:
    """Collects what layers called inside report, for each sample of the batch.

    Args:
        log_det: whether log-determinants are needed; a decoder that samples needs none.
    """

    def __init__(self, log_det=True):
        self.log_det, self.errors, self.converged, self.variances = log_det, [], [], []

    def __enter__(self):
        self._scope = scope(reports=self)
        self._scope.__enter__()
        return self

    def __exit__(self, *error):
        self._scope.__exit__(*error)

    @staticmethod
    def needs_log_det():
        """Whether whoever called wants log-determinants."""
        reports = current().reports
        return reports is None or reports.log_det

    def largest_error(self, like):
        """The largest error that a layer reported, `(batch,)`; 0 where none iterated."""
        zeros = ops.zeros(ops.shape(like)[:1], "float32")
        errors = [ops.cast(error, "float32") for error in self.errors]
        return ops.max(ops.stack(errors), axis=0) if errors else zeros

    def all_converged(self, like):
        """Whether all iterations of a sample converged, `(batch,)`."""
        if not self.converged:
            return ops.ones(ops.shape(like)[:1], "bool")
        return ops.all(ops.stack(self.converged), axis=0)

    def variance(self, like):
        """The sum of the variances of all log-determinants, `(batch,)`."""
        zeros = ops.zeros(ops.shape(like)[:1], "float32")
        return sum((ops.cast(v, "float32") for v in self.variances), zeros)


def settled(solution):
    """The value of a `Solution`, and its error reported.

    Where nobody listens a sample that has not converged becomes NaN, except in training.
    """
    reports = current().reports
    if reports is not None:
        reports.errors.append(solution.error)
        reports.converged.append(solution.converged)
    if reports is not None or current().training:
        return solution.value
    shape = (-1, *[1] * (len(solution.value.shape) - 1))
    return ops.where(ops.reshape(solution.converged, shape), solution.value, math.nan)


def report_variance(variance):
    """The variance of an estimated log-determinant, `(batch,)`."""
    if current().reports is not None:
        current().reports.variances.append(variance)
