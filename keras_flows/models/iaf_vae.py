"""A variational autoencoder with a flow as its posterior: IAF (1606.04934) section 6.1."""

import keras
import numpy as np
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.flow.prediction import predict
from keras_flows.models.posterior import POSTERIORS, make_posterior
from keras_flows.models.sizes import check_dims, check_sizes, widths
from keras_flows.models.variational import VariationalModel
from keras_flows.priors import StandardNormal

# Names that two arguments have in the configs of files saved by earlier versions.
RENAMED = {"depth": "steps", "width": "posterior_hidden"}


@register
class VAE(VariationalModel):
    """Variational autoencoder of pictures whose pixels are binarized at random in every pass.

    p(z) = N(0, I), p(x|z) = Bernoulli(decoder(z)), q(z|x) = posterior(z | encoder(x)). The
    posterior is a `Flow` from z to normal draws: "diagonal" is z = mean + std * eps; "iaf" adds
    inverse autoregressive steps, which take one pass from eps to z. Pixels are 0..255, and x ~
    Bernoulli(pixel / 255) in training and in evaluation, so that 0 and 255 do not change.

    Args:
        dims: pixels of a picture.
        steps: inverse autoregressive steps of the posterior "iaf".
        latent: dimensions of z.
        posterior: "diagonal" or "iaf".
        order: order of the dimensions in successive steps, "alternating" or "random".
        hidden: widths of the hidden layers of the encoder; the decoder has them in
            reverse. An integer is the width of both layers. The last hidden layer of
            the encoder is the context of the posterior.
        posterior_hidden: widths of the hidden layers of each `MADE`; an integer is the
            width of both.
        activation: activation of all hidden layers.
        free_bits: nats of KL for each latent dimension that cost nothing in training;
            applied to the sum over dimensions, averaged over the batch.
        seed: integer that fixes random orders and the noise.

    A call and `predict` return log p(x|z) and log q(z|x) - log p(z) for one draw of z, in nats,
    `(batch,)` each. Their difference is the variational lower bound; the loss is minus its mean.
    Raises ValueError for unknown options and sizes below 1.

    >>> vae = VAE(784, posterior="iaf"); vae.compile("adam"); vae.fit(pixels)
    >>> vae.log_prob(pixels, samples=128).mean()
    """

    def __init__(
        self,
        dims,
        *,
        steps=2,
        latent=32,
        posterior="iaf",
        order="alternating",
        hidden=(500, 500),
        posterior_hidden=(320, 320),
        activation="elu",
        free_bits=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_dims("VAE", dims)
        check_sizes("VAE", steps=steps, latent=latent)
        hidden = widths("VAE", hidden, layers=2)
        posterior_hidden = widths("VAE", posterior_hidden, layers=2, name="posterior_hidden")
        if not hidden or free_bits < 0:
            raise ValueError(
                "VAE needs one hidden layer or more and free_bits of 0 or more. "
                f"Received: hidden={hidden}, free_bits={free_bits}."
            )
        if posterior not in POSTERIORS:
            raise ValueError(f"posterior is one of {POSTERIORS}. Received: {posterior!r}.")
        self.options = {
            **{"dims": dims, "steps": steps, "latent": latent, "posterior": posterior},
            **{"order": order, "hidden": hidden, "posterior_hidden": posterior_hidden},
            **{"activation": activation, "free_bits": free_bits, "seed": seed},
        }
        self.free_nats = free_bits * latent
        self.encoder = _dense(dims, hidden, activation, name="encoder")
        self.decoder = _dense(latent, hidden[::-1], activation, dims, name="decoder")
        self.posterior = make_posterior(self.options)
        self.prior = StandardNormal()
        self.prior.build((None, latent))
        self.noise = keras.random.SeedGenerator(seed)
        self.built = True

    def prepare(self, pixels):
        return self.binarize(pixels)

    def binarize(self, pixels):
        """Pixels 0..255 binarized at random: 1 with probability pixel / 255, else 0."""
        p = ops.cast(pixels, self.variable_dtype) / 255
        u = keras.random.uniform(ops.shape(p), dtype=self.variable_dtype, seed=self.noise)
        return ops.cast(u < p, self.variable_dtype)

    def context(self, x):
        """The context of the posterior, encoded from pictures of 0 and 1."""
        return ops.cast(self.encoder(x), self.variable_dtype)

    def likelihood(self, x, z):
        """log p(x|z) in nats, `(batch,)`."""
        logits = ops.cast(self.decoder(z), self.variable_dtype)
        return FlowLayer.sum(x * logits - ops.softplus(logits))

    def draw_terms(self, x, context):
        z, log_q = self.posterior.sample_with_log_prob(context=context, seed=self.noise)
        return self.likelihood(x, z), log_q - self.prior.log_prob(z)

    def sample(self, n, temperature=1.0, seed=None, batch_size=None):
        """`n` samples from the prior, as the probability of each pixel to be white."""
        return self.decode(self.prior.sample(n, temperature, seed), batch_size)

    def reconstruct(self, pixels, batch_size=None):
        """Reconstructions from one draw of z each, as probabilities like those of `sample`."""
        x = self.binarize(ops.convert_to_tensor(pixels))
        draws = self.posterior.sample_with_log_prob(context=self.context(x), seed=self.noise)
        return self.decode(draws[0], batch_size)

    def decode(self, z, batch_size=None):
        """The probability of each pixel to be white."""
        logits = predict(self.decoder, _numpy(z), batch_size, flow=self, verbose=0)
        return 1 / (1 + np.exp(-logits.astype("float32")))

    def get_config(self):
        dtype = keras.saving.serialize_keras_object(self.dtype_policy)
        return {"name": self.name, "dtype": dtype, **self.options}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = {RENAMED.get(name, name): value for name, value in config.items()}
        return super().from_config(config, custom_objects)


def _dense(inputs, hidden, activation, outputs=None, name=None):
    layers = [keras.layers.Dense(width, activation) for width in hidden]
    layers += [keras.layers.Dense(outputs)] if outputs else []
    return keras.Sequential([keras.Input((inputs,)), *layers], name=name)


def _numpy(x):
    return ops.convert_to_numpy(x)
