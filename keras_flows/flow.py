"""`Flow`: an encoder and a prior as one Keras model with a density."""

import math

import keras
import numpy as np
from keras import ops

from keras_flows.cost import cost_table
from keras_flows.data import first_batch, with_weights
from keras_flows.graph import check_bijection, invert
from keras_flows.layers.dequantize import Dequantize
from keras_flows.layers.flow_layer import Ledger, adapting, register
from keras_flows.priors import StandardNormal


@register
class Flow(keras.Model):
    """A normalizing flow: log p(x) = log prior(z) + log|det dz/dx|, z = encoder(x).

    Args:
        encoder: functional `keras.Model` of flow layers, one input (data) to
            one output (latent).
        prior: density of the latent, `StandardNormal()` if None.

    `compile(optimizer)` and `fit(x)` minimise the mean negative
    log-likelihood in nats; no y, no loss argument. Where the encoder starts
    from integers (a `Dequantize` layer) the progress bar shows bits/dim too.
    `decoder` is derived from the encoder and shares its weights. Saved as one
    `.keras` file that holds the encoder and the prior.

    Raises ValueError for an encoder that is not functional, has several
    inputs or outputs, or has no inverse, and for flow layers on the way to a
    condition, whose log-determinants are none of the density's.

    >>> flow = Flow(keras.Model(x, z)); flow.compile("adam"); flow.fit(data)
    >>> pictures = flow.sample(16, temperature=0.8)
    """

    def __init__(self, encoder, prior=None, **kwargs):
        # The density is computed in the variable dtype, also under a mixed policy.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        if len(getattr(encoder, "inputs", None) or ()) != 1 or len(encoder.outputs) != 1:
            raise ValueError(
                "Flow needs a functional encoder with one input and one output; for more, see "
                f"keras_flows.invert. Received: encoder={encoder!r}."
            )
        self.encoder = encoder
        self.prior = StandardNormal() if prior is None else prior
        if not self.prior.built:
            self.prior.build(encoder.output_shape)
        self.built = True
        check_bijection(encoder)
        self.decoder  # noqa: B018  (raises where a layer has no inverse)
        inner = self._flatten_layers(include_self=False)
        self.levels = next((v.levels for v in inner if isinstance(v, Dequantize)), None)
        self.discrete = self.levels is not None
        if self.discrete and keras.backend.is_float_dtype(self._input_dtype):
            raise ValueError(
                "A flow that dequantizes takes integers: begin with keras.Input(shape, "
                f"dtype='uint8'). Received: an input of dtype {self._input_dtype}."
            )
        self._bits_tracker = keras.metrics.Mean(name="bits_per_dim") if self.discrete else None

    @property
    def _input_dtype(self):
        return keras.backend.standardize_dtype(self.encoder.inputs[0].dtype)

    @property
    def dims(self):
        """Dimensions of a sample."""
        return math.prod(self.encoder.input_shape[1:])

    @property
    def decoder(self):
        """Latent to data: `invert(encoder)`, made when first asked for."""
        if getattr(self, "_decoder", None) is None:
            decoder = invert(self.encoder, name=f"{self.name}_decoder")
            object.__setattr__(self, "_decoder", lambda: decoder)
        return self._decoder()

    def __dir__(self):
        # Keras saves what dir() shows: of two models over the same weights only the encoder.
        return [name for name in super().__dir__() if name != "decoder"]

    def call(self, inputs, training=None):
        self._check_input(inputs)
        with Ledger() as ledger:
            z = self.encoder(inputs, training=training)
        # One log-det a sample, also where every sample has the same.
        return z, ops.broadcast_to(ledger.total(), ops.shape(z)[:1])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        z, log_det = y_pred
        nll = -(self.prior.log_prob(z) + log_det)
        if sample_weight is not None:
            nll = nll * ops.cast(sample_weight, nll.dtype)
        loss = ops.mean(nll)
        if self.discrete:
            self._bits_tracker.update_state(loss / (self.dims * math.log(2)), ops.shape(nll)[0])
        return sum((ops.sum(penalty) for penalty in self.losses), loss)

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """As `keras.Model.fit`; `y` is ignored. Calls `adapt` on the first batch if nobody did."""
        self._check_input(x)
        if self.needs_adapt:
            batch, x = first_batch(x, batch_size)
            self.adapt(batch)
        y = with_weights(x, y, kwargs.get("sample_weight"))
        return super().fit(x, y, batch_size=batch_size, **kwargs)

    def evaluate(self, x=None, y=None, **kwargs):
        """As `keras.Model.evaluate`; `y` is ignored."""
        self._check_input(x)
        return super().evaluate(x, with_weights(x, y, kwargs.get("sample_weight")), **kwargs)

    @property
    def needs_adapt(self):
        """Whether a layer still waits for its data-dependent initialisation."""
        inner = self._flatten_layers(include_self=False)
        return any(getattr(layer, "needs_adapt", False) for layer in inner)

    def adapt(self, x):
        """Data-dependent initialisation of all layers, in order, once only.

        From an array as a whole, or from the first batch of any other data.
        """
        if not hasattr(x, "shape"):
            x, _ = first_batch(x)
        self._check_input(x)
        with adapting(), Ledger():
            self.encoder(ops.convert_to_tensor(x), training=True)

    def log_prob(self, x, batch_size=None):
        """log p(x) in nats, one a sample.

        A tensor of the backend gives a differentiable tensor; arrays and
        whatever `predict` takes give a NumPy array, computed in batches. For
        integers it is the log of the bound on their probability.
        """
        if ops.is_tensor(x):
            z, log_det = self(x)
            return self.prior.log_prob(z) + log_det
        self._check_input(x)
        z, log_det = self.predict(x, batch_size=batch_size, verbose=0)
        return _numpy(self.prior.log_prob(ops.convert_to_tensor(z))) + log_det

    def bits_per_dim(self, x, batch_size=None):
        """-log2 p(x) / dims, one a sample, for integer data.

        Raises ValueError unless the encoder has a `Dequantize` layer: with
        other noise, or none, the figure bounds nothing.
        """
        if not self.discrete:
            raise ValueError(
                "bits_per_dim is defined for integer data: the encoder needs a Dequantize layer, "
                "whose noise spans one bin. For a density in nats use log_prob. "
                f"Received: encoder '{self.encoder.name}' without one."
            )
        return self.log_prob(x, batch_size) / (-self.dims * math.log(2))

    def sample(self, n, temperature=1.0, seed=None, batch_size=None):
        """`n` samples of data: the decoder's image of latents drawn at `temperature`.

        An integer `seed` gives the same samples again. All are decoded in one
        batch unless `batch_size` says otherwise.
        """
        z = self.prior.sample(n, temperature, seed)
        return self.decode(z, batch_size or n)

    def encode(self, x, batch_size=None):
        """Latents of data, as an array."""
        self._check_input(x)
        return self.encoder.predict(x, batch_size=batch_size, verbose=0)

    def decode(self, z, batch_size=None):
        """Data of latents, as an array."""
        return self.decoder.predict(_numpy(z), batch_size=batch_size, verbose=0)

    def reconstruct(self, x, batch_size=None):
        """decoder(encoder(x)), which is x up to rounding."""
        return self.decode(self.encode(x, batch_size), batch_size)

    def interpolate(self, a, b, steps=8):
        """Data on the straight line between the latents of a and b, ends included.

        For single samples the shape is `(steps, ...)`, for batches of n
        `(n, steps, ...)`. Raises ValueError for shapes that differ or fewer than 2 steps.
        """
        a, b = np.asarray(a), np.asarray(b)
        shape = tuple(self.encoder.input_shape[1:])
        if a.shape != b.shape or a.shape[-len(shape) :] != shape or steps < 2:
            raise ValueError(
                f"interpolate needs two samples, or two batches, of shape {shape} and 2 steps or "
                f"more. Received: shapes {a.shape} and {b.shape}, steps={steps}."
            )
        za, zb = (self.encode(v.reshape(-1, *shape)) for v in (a, b))
        t = np.linspace(0, 1, steps).reshape(-1, *[1] * (za.ndim - 1))
        line = (1 - t) * za[:, None] + t * zb[:, None]
        x = self.decode(line.reshape(-1, *za.shape[1:]).astype(za.dtype))
        return x.reshape(*a.shape[: a.ndim - len(shape)], steps, *shape)

    def summary(self, print_fn=print):
        """Prints each layer with its output's shape, parameters and multiply-adds a sample."""
        print_fn(cost_table(self))

    def _check_input(self, x):
        wanted = self._input_dtype
        if not hasattr(x, "dtype") or keras.backend.is_float_dtype(wanted):
            return
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            raise ValueError(
                f"This flow takes integers ({wanted}), such as pixels from 0 to 255, and "
                f"dequantizes them itself. Received: dtype={x.dtype}."
            )
        if self.discrete and isinstance(x, np.ndarray) and x.size:
            low, high = x.min(), x.max()
            if low < 0 or high >= self.levels:
                raise ValueError(
                    f"This flow takes integers from 0 to {self.levels - 1}. "
                    f"Received: values from {low} to {high}."
                )

    def get_compile_config(self):
        # On torch Keras names its own subclass of the optimizer, which no other backend can load.
        config = super().get_compile_config()
        optimizer = config.get("optimizer")
        if isinstance(optimizer, dict) and "backend.torch" in (optimizer["module"] or ""):
            optimizer.update(module="keras.optimizers", registered_name=None)
        return config

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "encoder": serialize(self.encoder),
            "prior": serialize(self.prior),
            "dtype": serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        load = keras.saving.deserialize_keras_object
        parts = {k: load(v, custom_objects) for k, v in config.items() if isinstance(v, dict)}
        return cls(**{**config, **parts})


def _numpy(x):
    return ops.convert_to_numpy(x)
