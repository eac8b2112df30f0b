"""Between data and latents, as arrays: encode, decode, reconstruct, interpolate."""

import numpy as np
from keras import ops

from keras_flows.flow.batch_size import default_batch_size
from keras_flows.flow.prediction import predict
from keras_flows.flow.reports import Checked, iterates, warn_unless_converged


class Encoding:
    """The part of `Flow` that encodes data and decodes latents."""

    def encode(self, x, context=None, *, batch_size=None):
        """Latents of data, as an array."""
        x = self.inputs_spec.prepare(x, context)
        return predict(self.encoder, x, self._batch_size(x, batch_size), flow=self, verbose=0)

    def decode(self, z, context=None, *, batch_size=None):
        """Data of latents, as an array.

        Where layers decode by iterations, `NotConverged` warns of samples that have not converged.
        """
        z, shape = ops.convert_to_numpy(z), self.prior.latent_shape
        if z.shape[1:] != shape or not len(z):
            raise ValueError(
                f"This flow decodes latents of shape {('n', *shape)}. Received: shape {z.shape}."
            )
        z = self.inputs_spec.prepare(z, context, latent=True)
        batch_size = self._batch_size(z, batch_size, even=True)
        if not iterates(self):
            return predict(self.decoder, z, batch_size, flow=self, verbose=0)
        return warn_unless_converged(*predict(self._checked, z, batch_size, flow=self, verbose=0))

    @property
    def _checked(self):
        """The decoder with the errors of its iterations."""
        if "_checked_decoder" not in vars(self):
            checked = Checked(self.decoder, name=f"{self.name}_checked_decoder")
            object.__setattr__(self, "_checked_decoder", lambda: checked)
        return self._checked_decoder()

    def reconstruct(self, x, context=None, *, batch_size=None):
        """decoder(encoder(x)), equal to x up to rounding."""
        x = self.inputs_spec.prepare(x, context)
        data, *contexts = x if self.conditional else [x]
        z = self.encode(x, batch_size=batch_size)
        return self.decode(z, contexts or None, batch_size=batch_size)

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

    def _batch_size(self, x, batch_size, even=False):
        """`batch_size`, or a default for x where it is None."""
        return batch_size or default_batch_size(x, self.dims, even)
