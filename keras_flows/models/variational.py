"""What variational autoencoders share: the bound, its terms, importance sampling."""

import keras
import numpy as np
from keras import ops

from keras_flows.backend.devices import batch_mean, build_optimizer
from keras_flows.backend.state import KeepsState


class VariationalModel(KeepsState, keras.Model):
    """Base of models of x with a latent z: log p(x) >= E[log p(x|z) + log p(z) - log q(z|x)].

    A call and `predict` return log p(x|z) and log q(z|x) - log p(z) for one draw of z, in nats,
    `(batch,)` each. Their difference is the variational lower bound; the loss is minus its mean.

    A subclass has `prepare(pixels)`, the random x of a picture; `context(x)`, what q depends on;
    and `draw_terms(x, context)`, the two terms for one draw of z.
    """

    free_nats = 0.0  # of KL that cost nothing in training
    rows = 1000  # pictures whose terms are computed at once

    def __init__(self, **kwargs):
        # Densities in the variable dtype, also under a mixed policy.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        self.trackers = [keras.metrics.Mean(name=name) for name in ("log_likelihood", "kl")]

    def call(self, pixels):
        x = self.prepare(pixels)
        return self.draw_terms(x, self.context(x))

    def fit(self, *args, **kwargs):
        """As `keras.Model.fit`."""
        build_optimizer(self)
        return super().fit(*args, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        weight = 1.0 if sample_weight is None else ops.cast(sample_weight, self.variable_dtype)
        log_likelihood, kl = (weight * term for term in y_pred)
        for tracker, term in zip(self.trackers, (log_likelihood, kl)):
            tracker.update_state(term)
        if training and self.free_nats:
            kl = ops.maximum(ops.mean(kl), self.free_nats)
        return batch_mean(kl - log_likelihood)

    def terms(self, pixels, samples, batch_size=None):
        """The two terms of a call for `samples` draws of z of each picture, `(samples, n)` each.

        Each picture is prepared once, for all its draws of z.
        """
        batches, size = [], batch_size or self.rows
        for i in range(0, len(pixels), size):
            x = self.prepare(ops.convert_to_tensor(pixels[i : i + size]))
            context = self.context(x)
            draws = [self._numpy_terms(x, context) for _ in range(samples)]
            batches.append([np.stack(terms) for terms in zip(*draws)])
        return tuple(np.concatenate(terms, axis=1) for terms in zip(*batches))

    def _numpy_terms(self, x, context):
        return [ops.convert_to_numpy(term) for term in self.draw_terms(x, context)]

    def log_prob(self, pixels, samples=128, batch_size=None):
        """log p(x) of each picture in nats, by importance sampling from the posterior.

        On average this is a lower bound, which rises to the true value with `samples`. Paper:
        importance weighted autoencoders (1509.00519) section 3.
        """
        return log_mean_weight(*self.terms(pixels, samples, batch_size))


def log_mean_weight(log_likelihood, kl):
    """log of the mean over draws of p(x|z) p(z) / q(z|x), from terms of shape `(samples, n)`."""
    weights = log_likelihood.astype("float64") - kl
    highest = weights.max(axis=0)
    return highest + np.log(np.mean(np.exp(weights - highest), axis=0))
