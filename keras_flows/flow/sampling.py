"""Samples of a flow, as arrays or as differentiable tensors with their densities."""

import numpy as np
from keras import ops

from keras_flows.core.graph import joined_sizes
from keras_flows.core.ledger import Ledger
from keras_flows.flow.value_checks import warn_unless_finite
from keras_flows.priors.prior import check_count


class Sampling:
    """The part of `Flow` that draws samples."""

    @property
    def latent_levels(self):
        """Slices of the latent, one for each part that the encoder's last layer joins.

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
        """`n` samples of data: decoded latents of the prior at a `temperature`.

        A list of temperatures has one for each of `latent_levels`. An integer
        `seed` gives the same samples again. `context` is one for all samples,
        or one for each. With `per_context` there are n samples of each of m
        contexts, an array of shape `(m, n, ...)`. Batches have about 100,000
        numbers if `batch_size` is None. `options` are those of a subclass.
        """
        check_count(n)
        m = self.inputs_spec.count_contexts(context)
        if per_context:
            parts = [np.repeat(part, n, axis=0) for part in self._context_arrays(context, m or 1)]
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
        contexts = self._context_arrays(context, n) if self.prior.conditional else []
        contexts = [ops.convert_to_tensor(part) for part in contexts]
        z = self.prior.sample(n, temperature_per_dimension(self, temperature), seed, *contexts)
        x = self.decode(z, context, batch_size=batch_size)
        return warn_unless_finite(self, x, "sample")

    def sample_with_log_prob(self, n=None, context=None, *, seed=None):
        """Samples and their log densities in nats, as differentiable tensors.

        For variational inference with a posterior q(x | context): one pass
        where the decoder is parallel, as that of `IAF`. If `n` is None there
        is one sample for each context. Inside a training step `seed` is a
        `keras.random.SeedGenerator`.
        """
        m = self.inputs_spec.count_contexts(context)
        if n is None and m is None:
            raise ValueError(
                "sample_with_log_prob needs n, or a context for each sample. "
                f"Received: n=None, context={context!r}."
            )
        if n is not None:
            check_count(n)
        u = self.prior.draw((m if n is None else n, *self.prior.latent_shape), seed)
        inputs = self.inputs_spec.prepare(u, context, latent=True)
        contexts = inputs[1:] if self.conditional else []
        z = self.prior.transform(u, 1.0, *(contexts if self.prior.conditional else ()))
        with Ledger() as ledger:
            x = self.decoder([z, *contexts] if contexts else z)
        return x, self._log_prior(z, [z, *contexts]) - ledger.total()

    def _context_arrays(self, context, n):
        """Contexts as arrays, with one row for each of n samples."""
        if not self.conditional:
            raise ValueError(
                "This flow takes no context, so it has no samples per context. "
                f"Received: context={context!r}."
            )
        latents = np.broadcast_to(np.float32(0), (n, *self.prior.latent_shape))
        inputs = self.inputs_spec.prepare(latents, context, latent=True)
        return [ops.convert_to_numpy(part) for part in inputs[1:]]


def temperature_per_dimension(flow, temperature):
    """A number as it is; a list with one temperature a latent level as an array of latent size."""
    if np.ndim(temperature) == 0:
        return temperature
    levels = flow.latent_levels
    if len(temperature) != len(levels):
        raise ValueError(
            f"This flow has {len(levels)} latent_levels; give one temperature, or one for "
            f"each. Received: temperature={temperature}."
        )
    return np.repeat(np.asarray(temperature, "float32"), [s.stop - s.start for s in levels])
