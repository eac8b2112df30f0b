"""f-VAE: a variational autoencoder whose prior is a flow (1809.05861)."""

import math

import keras
import numpy as np
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.flow.batch_size import default_batch_size
from keras_flows.flow.prediction import predict
from keras_flows.models.latent_glow import latent_glow
from keras_flows.models.pictures import check_sides
from keras_flows.models.sizes import check_sizes
from keras_flows.models.variational import VariationalModel
from keras_flows.networks import autoencoder

LOG_2PI = math.log(2 * math.pi)


@register
class FVAE(VariationalModel):
    """Variational autoencoder with a flow as prior: f-VAE (1809.05861) section 3.

    q(z|x) = N(E(x), s^2 I), p(z) by a flow of the latents, p(x|z) = N(G(z), t^2 I), where E and G
    are convolutional networks and s and t are one number each. Pixels are dequantized and scaled
    to [-1, 1], so that the bound is one of bits/dim. E and G start as rearrangements of the
    pixels: at the start the model is a flow of noisy pictures.

    Args:
        image_shape: (height, width, channels), sides divisible by 2**levels.
        levels: how often the autoencoder halves the sides.
        steps: steps of the default flow at each of its scales.
        norm: "group"; "batch", as in the blog series, whose bound differs between training and
            evaluation; or None.
        output_activation: of G; the blog series has "tanh".
        posterior_std, pixel_std: s and t, if fixed; None learns them, from 1 on. t is never below
            half the width of a pixel value.
        hidden: channels of the default flow's networks.
        blocks: residual blocks of E and of G at each size.
        levels_per_channel: values of a pixel: 256, or 32 for 5 bits.
        flow: the `Flow` of latents, real numbers of shape (height / 2**levels, width /
            2**levels, channels * 4**levels), such as `Glow(shape, noise=None)` or `TarFlow(shape,
            patch=1, noise=None)`. None makes the blog's Glow, of up to 4 scales without the first
            squeeze.
        seed: integer that fixes permutations and noise.

    Shapes: integers `(batch, *image_shape)` to two terms in nats, see `VariationalModel`. Raises
    ValueError for sides that cannot be halved so often, a flow of another shape and unknown
    options.

    >>> vae = FVAE((64, 64, 3), blocks=4); vae.compile("adam"); vae.fit(pictures)
    >>> faces = vae.sample(16, temperature=0.8)
    """

    rows = 100
    discrete, conditional = True, False

    def __init__(
        self,
        image_shape,
        *,
        levels=3,
        steps=12,
        norm="group",
        output_activation=None,
        posterior_std=None,
        pixel_std=None,
        hidden=256,
        blocks=12,
        levels_per_channel=256,
        flow=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sides("FVAE", image_shape, levels, squeezes=levels)
        check_sizes("FVAE", blocks=blocks, steps=steps, hidden=hidden)
        _check_options(norm, posterior_std=posterior_std, pixel_std=pixel_std)
        self.options = {
            **{"image_shape": tuple(image_shape), "levels": levels, "blocks": blocks},
            **{"norm": norm, "output_activation": output_activation},
            **{"posterior_std": posterior_std, "pixel_std": pixel_std},
            **{"steps": steps, "hidden": hidden},
            **{"levels_per_channel": levels_per_channel, "seed": seed},
        }
        self.data_shape, self.levels = tuple(image_shape), levels_per_channel
        shape = autoencoder.latent_shape(image_shape, levels)
        self.flow = flow or latent_glow(shape, steps=steps, hidden=hidden, seed=seed, name="prior")
        if self.flow.data_shape != shape or self.flow.conditional or self.flow.discrete:
            raise ValueError(
                f"The flow of an FVAE takes real numbers of shape {shape} and no context. Received:"
                f" flow '{self.flow.name}' of shape {self.flow.data_shape}, "
                f"conditional={self.flow.conditional}, discrete={self.flow.discrete}."
            )
        self.encoder = autoencoder.picture_encoder(image_shape, levels, blocks, norm)
        self.decoder = autoencoder.picture_decoder(
            image_shape, levels, blocks, norm, output_activation
        )
        self.log_stds = [
            self.add_weight(name=name, shape=(), initializer="zeros") if std is None else None
            for name, std in (("log_posterior_std", posterior_std), ("log_pixel_std", pixel_std))
        ]
        self.noise = keras.random.SeedGenerator(seed)
        self.trackers = [*self.trackers, keras.metrics.Mean(name="bits_per_dim")]
        self.built = True

    @property
    def dims(self):
        """Dimensions of a picture."""
        return math.prod(self.data_shape)

    @property
    def latent_levels(self):
        """Slices of the flow's latent, see `Flow.latent_levels`."""
        return self.flow.latent_levels

    @property
    def posterior_std(self):
        """The standard deviation s of q(z|x)."""
        return self._std(0, self.options["posterior_std"])

    @property
    def pixel_std(self):
        """The standard deviation t of p(x|z), for pixels in [-1, 1]."""
        least = 1 / self.levels  # half a bin of width 2 / levels
        return ops.maximum(self._std(1, self.options["pixel_std"]), least)

    def _std(self, place, fixed):
        weight = self.log_stds[place]
        return ops.exp(ops.convert_to_tensor(weight)) if fixed is None else float(fixed)

    def prepare(self, pixels):
        """Pictures in [-1, 1] with uniform noise of one bin."""
        x = ops.cast(pixels, self.variable_dtype)
        u = keras.random.uniform(ops.shape(x), dtype=x.dtype, seed=self.noise)
        return (x + u) * (2 / self.levels) - 1

    def context(self, x):
        """E(x), the means of the latents."""
        return ops.cast(self.encoder(x), self.variable_dtype)

    def draw_terms(self, x, context):
        u = keras.random.normal(ops.shape(context), dtype=context.dtype, seed=self.noise)
        z = context + self.posterior_std * u
        log_q = _log_normal(u, self.posterior_std)
        return self.likelihood(x, z), log_q - self.flow.log_prob(z)

    def likelihood(self, x, z):
        """log p(x|z) in nats for integer pixels, `(batch,)`: of the bin of width 2 / levels."""
        mean = ops.cast(self.decoder(z), self.variable_dtype)
        log_p = _log_normal((x - mean) / self.pixel_std, self.pixel_std)
        return log_p - self.dims * math.log(self.levels / 2)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        log_likelihood, kl = y_pred
        self.trackers[2].update_state((kl - log_likelihood) / (self.dims * math.log(2)))
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def fit(self, x=None, *args, **kwargs):
        """As `keras.Model.fit`; if needed, `adapt` first initialises the flow from a batch."""
        if self.flow.needs_adapt:
            self.adapt(x[:256] if isinstance(x, np.ndarray) else x[0])
        return super().fit(x, *args, **kwargs)

    def adapt(self, pixels):
        """Data-dependent initialisation of the flow from latents of pictures, once only."""
        pixels = pixels[0] if isinstance(pixels, (list, tuple)) else pixels
        mean = self.context(self.prepare(ops.convert_to_tensor(pixels)))
        u = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.noise)
        self.flow.adapt(ops.convert_to_numpy(mean + self.posterior_std * u))

    def bits_per_dim(self, pixels, samples=1, batch_size=None):
        """-log2 p(x) / dims of each picture: from the variational bound, or with more `samples`
        from the importance-weighted one, which is tighter."""
        return self.log_prob(pixels, samples, batch_size) / (-self.dims * math.log(2))

    def encode(self, pixels, *, batch_size=None):
        """The flow's latents `(n, dims)` of E(x), without noise."""
        return self.flow.encode(self._means(pixels, batch_size), batch_size=batch_size)

    def decode(self, w, *, batch_size=None):
        """Pictures of the flow's latents, as integers."""
        return self._pictures(self.flow.decode(w, batch_size=batch_size), batch_size)

    def sample(self, n, temperature=1.0, seed=None, batch_size=None):
        """`n` pictures: means of p(x|z) for latents of the flow at a `temperature`, as integers."""
        return self._pictures(self.flow.sample(n, temperature, seed, batch_size), batch_size)

    def reconstruct(self, pixels, *, batch_size=None):
        """G(E(x)) as integers; what differs from x is what the latents do not keep."""
        return self._pictures(self._means(pixels, batch_size), batch_size)

    def interpolate(self, a, b, steps=8):
        """Pictures on the line between the flow's latents of a and b, `(n, steps, ...)`."""
        corners = np.stack([self.encode(np.asarray(v)) for v in (a, b)], axis=1)
        t = np.linspace(0, 1, steps, dtype="float32")
        return self._mixtures(corners, np.stack([1 - t, t], axis=1))

    def interpolate_corners(self, corners, rows=8, columns=8):
        """Pictures between four pictures, `(rows, columns, ...)`, bilinear in the flow's latents.

        `corners` are those of the top left, top right, bottom left and bottom right.
        """
        corners = np.asarray(corners)
        if corners.shape != (4, *self.data_shape):
            raise ValueError(
                f"interpolate_corners takes 4 pictures of shape {self.data_shape}. "
                f"Received: shape {corners.shape}."
            )
        s, t = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
        weights = [(1 - s) * (1 - t), (1 - s) * t, s * (1 - t), s * t]
        weights = np.stack(weights, axis=-1).reshape(-1, 4).astype("float32")
        pictures = self._mixtures(self.encode(corners)[None], weights)
        return pictures.reshape(rows, columns, *self.data_shape)

    def _mixtures(self, latents, weights):
        """Pictures of sums of latents `(n, k, dims)` with weights `(m, k)`: `(n, m, ...)`."""
        w = np.einsum("mk,nkd->nmd", weights, latents)
        x = self.decode(w.reshape(-1, w.shape[-1]))
        return x.reshape(len(latents), len(weights), *self.data_shape)

    def _means(self, pixels, batch_size):
        x = (np.asarray(pixels, "float32") + 0.5) * np.float32(2 / self.levels) - 1
        return self._predict(self.encoder, x, batch_size)

    def _pictures(self, z, batch_size):
        x = self._predict(self.decoder, z, batch_size).astype("float32")
        x = np.clip((x + 1) * (self.levels / 2), 0, self.levels - 1)
        return x.astype("uint8" if self.levels <= 256 else "int32")

    def _predict(self, model, x, batch_size):
        size = batch_size or default_batch_size(x, self.dims)
        return predict(model, x, size, flow=self, verbose=0)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        parts = {"dtype": serialize(self.dtype_policy), "flow": serialize(self.flow)}
        return {"name": self.name, **self.options, **parts}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        load = keras.saving.deserialize_keras_object
        parts = {k: load(config[k], custom_objects) for k in ("flow", "dtype")}
        return cls(**{**config, **parts})


def _log_normal(u, std):
    """log N(std u; 0, std^2 I) in nats."""
    count = math.prod(u.shape[1:])
    return -0.5 * FlowLayer.sum(ops.square(u)) - count * (ops.log(std) + 0.5 * LOG_2PI)


def _check_options(norm, **stds):
    wrong = {k: v for k, v in stds.items() if v is not None and not (0 < v < math.inf)}
    if norm not in autoencoder.NORMS or wrong:
        raise ValueError(
            f"norm is one of {autoencoder.NORMS}, standard deviations are numbers above 0 or None. "
            f"Received: norm={norm!r}, {wrong}."
        )
