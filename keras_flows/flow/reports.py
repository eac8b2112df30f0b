"""What a flow says of numbers that iterate or are estimated: convergence and standard errors."""

import warnings

import keras
import numpy as np

from keras_flows.backend.access import access
from keras_flows.core import lipschitz
from keras_flows.core.reports import Reports


class NotConverged(RuntimeWarning):
    """Iterations of a flow's decoder that did not converge for some samples.

    `warnings.filterwarnings("error", category=keras_flows.NotConverged)` makes it an error.
    """


class Checked(keras.Model):
    """A decoder that gives data, the largest error of an iteration, and whether all converged."""

    def __init__(self, decoder, **kwargs):
        super().__init__(**kwargs)
        self.decoder = decoder
        self.built = True

    def call(self, inputs):
        with Reports(log_det=False) as reports:
            x = self.decoder(inputs)
        return x, reports.largest_error(x), reports.all_converged(x)


class LogProbWithError(keras.Model):
    """A flow that gives log_prob, and its variance where log-determinants are estimated."""

    def __init__(self, flow, **kwargs):
        super().__init__(**kwargs)
        self.flow = flow
        self.built = True

    def call(self, inputs):
        with Reports() as reports:
            z, log_det = self.flow(inputs)
        log_prob = self.flow._log_prior(z, inputs) + log_det
        return log_prob, reports.variance(log_prob)


def iterates(flow):
    """Whether a layer of the flow decodes by an iteration."""
    return any(getattr(v, "iterates", False) for v in flow._flatten_layers(include_self=False))


def warn_unless_converged(x, error, converged):
    """x, with a warning where iterations did not converge."""
    count = np.sum(~converged)
    if count:
        far = np.max(error[~converged])
        warnings.warn(
            f"{count} of {len(x)} samples have not converged: the largest estimated error of a "
            f"layer's input is {far:.2g}"
            f"{', it need not be the right one at all' if np.isinf(far) else ''}. Bounds of the "
            "layers may be 1 or more (`layer.bounds()`), or max_iterations is too small.",
            NotConverged,
            stacklevel=4,
        )
    return x


def refresh(flow, model=None):
    """Brings the norms of Lipschitz layers up to date, if the weights have changed."""
    model = flow if model is None else model
    with access(flow):
        stale = lipschitz.is_stale(model)
    if stale:
        with access(flow, exclusive=True):
            lipschitz.refresh(model)
