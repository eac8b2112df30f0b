"""What a `Flow` does with latents: draws them, decodes them, walks between them."""

import numpy as np
from keras import ops

from keras_flows.core.graph import joined_sizes
from keras_flows.core.ledger import Ledger
from keras_flows.flow.batches import rows_a_batch
from keras_flows.flow.inputs import spread
from keras_flows.flow.prediction import predict
from keras_flows.flow.values import warn_unless_finite
from keras_flows.priors.prior import check_count


class Latents:
    """The part of `Flow` that goes from data to latents and back, and from the prior to data."""

    @property
    def latent_levels(self):
        """Slices of the latent, one for each part that the encoder joins at its end.

        For multi-scale flows from the finest scale to the coarsest.
        """
        sizes = joined_sizes(self.encoder) or [self.encoder.output_shape[-1]]
        ends = np.cumsum([0, *sizes]).tolist()
        return [slice(a, b) for a, b in zip(ends, ends[1:])]

    def sample(
        self,
        n,
        temperature=1.0,
        seed=None,
        batch_size=None,
        context=None,
        *,
        per_context=False,
        **options,
    ):
        """`n` samples of data: the decoder's image of latents drawn at `temperature`.

        A list of temperatures has one for each of `latent_levels`. An integer
        `seed` gives the same samples again. `context` is one for all samples,
        or one for each. With `per_context` there are n samples of each of m
        contexts, an array of shape `(m, n, ...)`. Batches have about 100,000
        numbers unless `batch_size` says otherwise. `options` are a subclass's.
        """
        check_count(n)
        m = self.takes.contexts(context)
        if per_context:
            parts = [np.repeat(part, n, axis=0) for part in self._contexts(context, m or 1)]
            x = self._sample((m or 1) * n, temperature, seed, batch_size, parts, **options)
            return x.reshape(m or 1, n, *self.data_shape)
        if m not in (None, 1, n):
            raise ValueError(
                "A context is one for all samples, or one for each; sample(n, context=..., "
                "per_context=True) gives n samples of each, of shape (contexts, n, ...). "
                f"Received: n={n}, {m} contexts."
            )
        return self._sample(n, temperature, seed, batch_size, context, **options)

    def _sample(self, n, temperature, seed, batch_size, context):
        given = self._contexts(context, n) if self.prior.conditional else []
        given = [ops.convert_to_tensor(part) for part in given]
        z = self.prior.sample(n, spread(self, temperature), seed, *given)
        x = self.decode(z, context, batch_size=batch_size)
        return warn_unless_finite(self, x, "sample")

    def sample_with_log_prob(self, n=None, context=None, *, seed=None):
        """Samples and their own log densities in nats, as differentiable tensors.

        What a variational posterior q(x | context) needs: one pass where the
        decoder is parallel, as `IAF`'s. `n` is the context's length if None.
        Inside a training step `seed` is a `keras.random.SeedGenerator`.
        """
        m = self.takes.contexts(context)
        if n is None and m is None:
            raise ValueError(
                "sample_with_log_prob needs n, or a context for each sample. "
                f"Received: n=None, context={context!r}."
            )
        if n is not None:
            check_count(n)
        u = self.prior.draw((m if n is None else n, *self.prior.latent_shape), seed)
        inputs = self.takes.gather(u, context, latent=True)
        given = inputs[1:] if self.conditional else []
        z = self.prior.transform(u, 1.0, *(given if self.prior.conditional else ()))
        with Ledger() as ledger:
            x = self.decoder([z, *given] if given else z)
        return x, self._log_prior(z, [z, *given]) - ledger.total()

    def _contexts(self, context, n):
        """Arrays of contexts, one for each of n samples."""
        if not self.conditional:
            raise ValueError(
                "This flow takes no context, so that there are no samples of each. "
                f"Received: context={context!r}."
            )
        none = np.broadcast_to(np.float32(0), (n, *self.prior.latent_shape))
        inputs = self.takes.gather(none, context, latent=True)
        return [ops.convert_to_numpy(part) for part in inputs[1:]]

    def encode(self, x, context=None, *, batch_size=None):
        """Latents of data, as an array."""
        x = self.takes.gather(x, context)
        return predict(self.encoder, x, self._size(x, batch_size), flow=self, verbose=0)

    def decode(self, z, context=None, *, batch_size=None):
        """Data of latents, as an array."""
        z, shape = ops.convert_to_numpy(z), self.prior.latent_shape
        if z.shape[1:] != shape or not len(z):
            raise ValueError(
                f"This flow decodes latents of shape {('n', *shape)}. Received: shape {z.shape}."
            )
        z = self.takes.gather(z, context, latent=True)
        return predict(self.decoder, z, self._size(z, batch_size, even=True), flow=self, verbose=0)

    def _size(self, x, batch_size, even=False):
        """Rows a batch, where the caller leaves that open."""
        return batch_size or rows_a_batch(x, self.dims, even)

    def reconstruct(self, x, context=None, *, batch_size=None):
        """decoder(encoder(x)), which is x up to rounding."""
        x = self.takes.gather(x, context)
        data, *given = x if self.conditional else [x]
        z = self.encode(x, batch_size=batch_size)
        return self.decode(z, given or None, batch_size=batch_size)

    def quantiles(self, q, context=None, *, samples=1000, seed=None):
        """Quantiles of each dimension by itself, given each context: `low, high` of an interval.

        `q` is a number between 0 and 1, or several. Data of one dimension has
        exact quantiles, as its decoder is monotone; of more dimensions, or
        under a prior without `quantile`, they are those of `samples` draws.

        Shapes as `numpy.quantile` has them: `(*q.shape, m, dims)` of m
        contexts, `(*q.shape, dims)` of one for all, or of none.

        >>> low, high = flow.quantiles([0.05, 0.95], context)  # intervals of 90%
        """
        q, m = np.asarray(q, "float64"), self.takes.contexts(context)
        if q.ndim > 1 or not q.size or not np.all((q > 0) & (q < 1)):
            raise ValueError(f"quantiles needs q between 0 and 1. Received: q={q}.")
        given = self._contexts(context, m or 1) if self.conditional or context is not None else []
        if self.dims == 1 and self.prior.quantile is not None:
            found = self._exact_quantiles(q.ravel(), given, m or 1)
        else:
            check_count(samples)
            found = self._drawn_quantiles(q.ravel(), given, samples, seed)
        found = found if m else found[:, 0]
        return found if q.ndim else found[0]

    def _exact_quantiles(self, q, given, m):
        """The decoder's images of the prior's quantiles; where it falls, those of 1 - q."""
        u = np.float64([[self.prior.quantile(v) for v in p] for p in (q, 1 - q)])
        u = np.repeat(u.reshape(-1, *[1] * len(self.prior.latent_shape)), m, axis=0)
        given = [np.concatenate([part] * (2 * len(q))) for part in given]
        tensors = map(ops.convert_to_tensor, given if self.prior.conditional else [])
        u = ops.convert_to_tensor(u, self.prior.variable_dtype)
        x = self.decode(self.prior.transform(u, 1.0, *tensors), given or None)
        a, b = x.reshape(2, len(q), m, *self.data_shape)
        low = (q < 0.5).reshape(-1, *[1] * (a.ndim - 1))
        return np.where(low, np.minimum(a, b), np.maximum(a, b))

    def _drawn_quantiles(self, q, given, samples, seed):
        if not given:
            return np.quantile(self.sample(samples, seed=seed), q, axis=0)[:, None]
        at_once = max(1, 2**22 // (samples * self.dims))
        found = []
        for i in range(0, len(given[0]), at_once):
            some = [part[i : i + at_once] for part in given]
            x = self.sample(samples, seed=seed, context=some, per_context=True)
            found.append(np.quantile(x, q, axis=1))
        return np.concatenate(found, axis=1)

    def interpolate(self, a, b, steps=8, context=None):
        """Data on the straight line between the latents of a and b, ends included.

        For single samples the shape is `(steps, ...)`, for batches of n
        `(n, steps, ...)`; `context` is one for all. Raises ValueError for
        shapes that differ or fewer than 2 steps.
        """
        a, b = np.asarray(a), np.asarray(b)
        shape = self.data_shape
        if a.shape != b.shape or a.shape[-len(shape) :] != shape or steps < 2:
            raise ValueError(
                f"interpolate needs two samples, or two batches, of shape {shape} and 2 steps or "
                f"more. Received: shapes {a.shape} and {b.shape}, steps={steps}."
            )
        za, zb = (self.encode(v.reshape(-1, *shape), context) for v in (a, b))
        t = np.linspace(0, 1, steps).reshape(-1, *[1] * (za.ndim - 1))
        line = (1 - t) * za[:, None] + t * zb[:, None]
        x = self.decode(line.reshape(-1, *za.shape[1:]).astype(za.dtype), context)
        return x.reshape(*a.shape[: a.ndim - len(shape)], steps, *shape)
