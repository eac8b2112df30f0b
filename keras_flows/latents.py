"""What a `Flow` does with latents: draws them, decodes them, walks between them."""

import numpy as np
from keras import ops

from keras_flows.devices import predict
from keras_flows.graph import joined_sizes
from keras_flows.inputs import (
    check_context,
    check_input,
    context_length,
    context_tensors,
    spread,
    with_context,
)
from keras_flows.layers.flow_layer import Ledger


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

    def sample(self, n, temperature=1.0, seed=None, batch_size=None, context=None):
        """`n` samples of data: the decoder's image of latents drawn at `temperature`.

        A list of temperatures has one for each of `latent_levels`. An integer
        `seed` gives the same samples again. `context` is one for all samples,
        or one each. All are decoded in one batch unless `batch_size` says
        otherwise.
        """
        given = self._given(np.empty(max(n, 0)), context) if self.prior.conditional else []
        z = self.prior.sample(n, spread(self, temperature), seed, *given)
        return self.decode(z, context, batch_size=batch_size or n)

    def sample_with_log_prob(self, n=None, context=None, *, seed=None):
        """Samples and their own log densities in nats, as differentiable tensors.

        What a variational posterior q(x | context) needs: one pass where the
        decoder is parallel, as `IAF`'s. `n` is the context's length if None.
        Inside a training step `seed` is a `keras.random.SeedGenerator`.
        """
        shape = (context_length(self, context) if n is None else n, *self.prior.latent_shape)
        if n is not None and n < 1:
            raise ValueError(f"sample_with_log_prob needs n of 1 or more. Received: n={n}.")
        u = self.prior.draw(shape, seed)
        given = self._given(u, context)
        z = self.prior.transform(u, 1.0, *(given if self.prior.conditional else ()))
        with Ledger() as ledger:
            x = self.decoder([z, *given] if given else z)
        return x, self._log_prior(z, [z, *given]) - ledger.total()

    def _given(self, x, context):
        """The contexts as tensors, one for each sample of x."""
        inputs = with_context(self, x, context)
        return context_tensors(self, inputs) if self.conditional else []

    def encode(self, x, context=None, *, batch_size=None):
        """Latents of data, as an array."""
        x = with_context(self, x, context)
        check_input(self, x)
        return predict(self.encoder, x, batch_size, flow=self, verbose=0)

    def decode(self, z, context=None, *, batch_size=None):
        """Data of latents, as an array."""
        z = with_context(self, ops.convert_to_numpy(z), context)
        if self.conditional:
            check_context(self, z)
        return predict(self.decoder, z, batch_size, flow=self, verbose=0)

    def reconstruct(self, x, context=None, *, batch_size=None):
        """decoder(encoder(x)), which is x up to rounding."""
        z = self.encode(x, context, batch_size=batch_size)
        return self.decode(z, context, batch_size=batch_size)

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
