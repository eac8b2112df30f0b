"""Quantiles of each dimension, exact for data of one dimension and from samples otherwise."""

import numpy as np
from keras import ops

from keras_flows.priors.prior import check_count

VALUES = 2**22  # the most sampled values in memory at once


class Quantiles:
    """The part of `Flow` that computes quantiles."""

    def quantiles(self, q, context=None, *, samples=1000, seed=None):
        """Quantiles of each dimension by itself, given each context: `low, high` of an interval.

        `q` is a number between 0 and 1, or several. For data of one dimension
        the quantiles are exact, since the decoder is monotone. In more
        dimensions, or with a prior without `quantile`, they are those of
        `samples` draws.

        Shapes are those of `numpy.quantile`: `(*q.shape, m, dims)` for m
        contexts, `(*q.shape, dims)` for one context for all, or for none.

        >>> low, high = flow.quantiles([0.05, 0.95], context)  # intervals of 90%
        """
        q, m = np.asarray(q, "float64"), self.inputs_spec.count_contexts(context)
        if q.ndim > 1 or not q.size or not np.all((q > 0) & (q < 1)):
            raise ValueError(f"quantiles needs q between 0 and 1. Received: q={q}.")
        contexts = []
        if self.conditional or context is not None:
            contexts = self._context_arrays(context, m or 1)
        if self.dims == 1 and self.prior.quantile is not None:
            result = self._exact_quantiles(q.ravel(), contexts, m or 1)
        else:
            check_count(samples)
            result = self._sampled_quantiles(q.ravel(), contexts, samples, seed)
        result = result if m else result[:, 0]
        return result if q.ndim else result[0]

    def _exact_quantiles(self, q, contexts, m):
        """The prior's quantiles, decoded; those of 1 - q where the decoder is decreasing."""
        u = np.float64([[self.prior.quantile(v) for v in p] for p in (q, 1 - q)])
        u = np.repeat(u.reshape(-1, *[1] * len(self.prior.latent_shape)), m, axis=0)
        contexts = [np.concatenate([part] * (2 * len(q))) for part in contexts]
        tensors = map(ops.convert_to_tensor, contexts if self.prior.conditional else [])
        u = ops.convert_to_tensor(u, self.prior.variable_dtype)
        x = self.decode(self.prior.transform(u, 1.0, *tensors), contexts or None)
        a, b = x.reshape(2, len(q), m, *self.data_shape)
        low = (q < 0.5).reshape(-1, *[1] * (a.ndim - 1))
        return np.where(low, np.minimum(a, b), np.maximum(a, b))

    def _sampled_quantiles(self, q, contexts, samples, seed):
        if not contexts:
            return np.quantile(self.sample(samples, seed=seed), q, axis=0)[:, None]
        at_once = max(1, VALUES // (samples * self.dims))
        results = []
        for i in range(0, len(contexts[0]), at_once):
            chunk = [part[i : i + at_once] for part in contexts]
            x = self.sample(samples, seed=seed, context=chunk, per_context=True)
            results.append(np.quantile(x, q, axis=1))
        return np.concatenate(results, axis=1)
