"""`Flow`: an encoder and a prior as one Keras model with a density."""

import math

import keras
import numpy as np
from keras import ops

from keras_flows import lean
from keras_flows.cost import cost_table
from keras_flows.data import are_arrays, first_batch, with_weights
from keras_flows.devices import batch_mean, build_optimizer, check_batches, predict
from keras_flows.graph import check_bijection, check_inputs, invert
from keras_flows.inputs import check_input, context_tensors, with_context, with_labels
from keras_flows.latents import Latents
from keras_flows.layers.class_vector import ClassVector
from keras_flows.layers.dequantize import Dequantize
from keras_flows.layers.flow_layer import Ledger, adapting, register
from keras_flows.priors import StandardNormal
from keras_flows.state import KeepsState


@register
class Flow(KeepsState, Latents, keras.Model):
    """A normalizing flow: log p(x) = log prior(z) + log|det dz/dx|, z = encoder(x).

    Args:
        encoder: functional `keras.Model` of flow layers from one input (data)
            to one output (latent). Further inputs are conditions: the flow is
            then a density p(x | context).
        prior: density of the latent, `StandardNormal()` if None.
        backprop: what training keeps for its backward pass. None: all
            activations. "reversible": of a `Chain` only its output, from
            which the inputs of its steps are computed again, so that memory does
            not grow with their number. "remat": of a flow layer only its
            input, `keras.remat`. Layers that draw noise or move averages keep
            all. May be set later, before `compile`: `flow.backprop = "remat"`.

    A context is given for each sample, or one for all of them.

    `compile(optimizer)` and `fit(x)`, or `fit([x, context])`, minimise the mean negative
    log-likelihood in nats; no y, no loss argument. Where the encoder starts
    from integers (a `Dequantize` layer) the progress bar shows bits/dim too.
    `decoder` is derived from the encoder and shares its weights. Saved as one
    `.keras` file that holds the encoder and the prior.

    Raises ValueError for an encoder that is not functional, has several
    inputs of data or outputs, or has no inverse, and for flow layers on the
    way to a condition, whose log-determinants are none of the density's.

    >>> flow = Flow(keras.Model(x, z)); flow.compile("adam"); flow.fit(data)
    >>> pictures = flow.sample(16, temperature=0.8)
    """

    def __init__(self, encoder, prior=None, backprop=None, **kwargs):
        # The density is computed in the variable dtype, also under a mixed policy.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        check_inputs(encoder)
        self.encoder, self.backprop = encoder, backprop
        self.prior = StandardNormal() if prior is None else prior
        if self.prior.conditional and not self.conditional:
            raise ValueError(
                "A conditional prior needs an encoder with a context. "
                f"Received: prior={self.prior!r}, encoder of one input."
            )
        if not self.prior.built:
            shapes = [encoder.output_shape, *(tuple(t.shape) for t in encoder.inputs[1:])]
            self.prior.build(shapes if self.prior.conditional else shapes[0])
        self.built = True
        check_bijection(encoder)
        self.decoder  # noqa: B018  (raises where a layer has no inverse)
        inner = self._flatten_layers(include_self=False)
        self.levels = next((v.levels for v in inner if isinstance(v, Dequantize)), None)
        labels = next((v for v in inner if isinstance(v, ClassVector)), None)
        self.classes = labels and labels.classes
        self.labels_optional = bool(labels and labels.drop)
        self.discrete = self.levels is not None
        dtype = keras.backend.standardize_dtype(encoder.inputs[0].dtype)
        if self.discrete and keras.backend.is_float_dtype(dtype):
            raise ValueError(
                "A flow that dequantizes takes integers: begin with keras.Input(shape, "
                f"dtype='uint8'). Received: an input of dtype {dtype}."
            )
        self._bits_tracker = keras.metrics.Mean(name="bits_per_dim") if self.discrete else None

    @property
    def data_shape(self):
        """Shape of a sample."""
        return tuple(self.encoder.inputs[0].shape[1:])

    @property
    def dims(self):
        """Dimensions of a sample."""
        return math.prod(self.data_shape)

    @property
    def backprop(self):
        """What training keeps: see the arguments."""
        return self._backprop

    @backprop.setter
    def backprop(self, mode):
        if mode not in lean.MODES:
            raise ValueError(f"backprop is one of {lean.MODES}. Received: backprop={mode!r}.")
        self._backprop = mode

    @property
    def conditional(self):
        """Whether the density is one given a context."""
        return len(self.encoder.inputs) > 1

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
        check_input(self, inputs)
        with Ledger() as ledger, lean.backprop(self.backprop if training else None):
            z = self.encoder(inputs, training=training)
        # One log-det a sample, also where every sample has the same.
        return z, ops.broadcast_to(ledger.total(), ops.shape(z)[:1])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        z, log_det = y_pred
        nll = -(self._log_prior(z, x) + log_det)
        if sample_weight is not None:
            nll = nll * ops.cast(sample_weight, nll.dtype)
        if self.discrete:
            self._bits_tracker.update_state(nll / (self.dims * math.log(2)))
        return batch_mean(sum((ops.sum(penalty) for penalty in self.losses), nll))

    def _log_prior(self, z, inputs):
        if not self.prior.conditional:
            return self.prior.log_prob(z)
        return self.prior.log_prob(z, *context_tensors(self, inputs))

    def _log_prior_in_batches(self, z, x, size):
        if self.prior.conditional and not are_arrays(x):
            raise ValueError(
                "Where the prior is conditional, data and context come as arrays. "
                f"Received: {type(x).__name__}."
            )
        x = x if self.prior.conditional else [z]
        log_prob = []
        for i in range(0, len(z), size):
            batch = [ops.convert_to_tensor(part[i : i + size]) for part in (z, *x[1:])]
            log_prob.append(_numpy(self._log_prior(batch[0], batch)))
        return np.concatenate(log_prob)

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """As `keras.Model.fit`. Calls `adapt` on the first batch if nobody did.

        A context comes as `fit([x, context])`, as `fit(x, context)`, or in a
        data set of `((x, context),)`; without one `y` is ignored.
        """
        x, y = with_labels(self, x, y)
        check_input(self, x)
        if self.needs_adapt:
            batch, x = first_batch(x, batch_size)
            self.adapt(batch)
        build_optimizer(self)
        if not kwargs.get("validation_split"):
            check_batches(self, x, batch_size)
        held_out = kwargs.get("validation_data")
        if isinstance(held_out, (list, tuple)) and hasattr(held_out[0], "shape"):
            x_held_out, y_held_out, *weights = (*held_out, None)[: max(2, len(held_out))]
            x_held_out, y_held_out = with_labels(self, x_held_out, y_held_out)
            check_batches(self, x_held_out, kwargs.get("validation_batch_size") or batch_size)
            kwargs["validation_data"] = (x_held_out, y_held_out, *weights)
        y = with_weights(y, kwargs.get("sample_weight"))
        return super().fit(x, y, batch_size=batch_size, **kwargs)

    def evaluate(self, x=None, y=None, **kwargs):
        """As `keras.Model.evaluate`; `y` as in `fit`."""
        x, y = with_labels(self, x, y)
        check_input(self, x)
        check_batches(self, x, kwargs.get("batch_size"))
        return super().evaluate(x, with_weights(y, kwargs.get("sample_weight")), **kwargs)

    def predict(self, x, batch_size=None, **kwargs):
        """As `keras.Model.predict`: latents and log-determinants."""
        return predict(self, x, batch_size, flow=self, **kwargs)

    @property
    def needs_adapt(self):
        """Whether a layer still waits for its data-dependent initialisation."""
        inner = self._flatten_layers(include_self=False)
        return any(getattr(layer, "needs_adapt", False) for layer in inner)

    def adapt(self, x):
        """Data-dependent initialisation of all layers, in order, once only.

        From an array as a whole, or from the first batch of any other data.
        """
        if not hasattr(x, "shape") and not are_arrays(x):
            x, _ = first_batch(x)
        check_input(self, x)
        with adapting(), Ledger():
            self.encoder(keras.tree.map_structure(ops.convert_to_tensor, x), training=True)

    def log_prob(self, x, context=None, *, batch_size=None):
        """log p(x), or log p(x | context), in nats, one a sample.

        A tensor of the backend gives a differentiable tensor; arrays and
        whatever `predict` takes give a NumPy array, computed in batches. For
        integers it is the log of the bound on their probability.
        """
        x = with_context(self, x, context)
        if any(ops.is_tensor(part) for part in (x if isinstance(x, list) else [x])):
            z, log_det = self(x)
            return self._log_prior(z, x) + log_det
        check_input(self, x)
        z, log_det = self.predict(x, batch_size=batch_size, verbose=0)
        return self._log_prior_in_batches(z, x, max(batch_size or 0, 1000)) + log_det

    def bits_per_dim(self, x, context=None, *, batch_size=None):
        """-log2 p(x) / dims, one a sample, for integer data.

        Raises ValueError unless the encoder has a `Dequantize` layer: with
        other noise, or none, the figure bounds nothing.
        """
        if not self.discrete:
            inner = self._flatten_layers(include_self=False)
            noise = [f"{v.name} of width {v.high - v.low:g}" for v in inner if hasattr(v, "high")]
            raise ValueError(
                "bits_per_dim is defined for integer data: the encoder needs a Dequantize layer, "
                "whose noise spans exactly one bin. For a density in nats use log_prob. Received: "
                f"encoder '{self.encoder.name}' with {noise or 'no noise'} and bins of no known "
                "width."
            )
        bits = self.log_prob(x, context, batch_size=batch_size)
        return bits / (-self.dims * math.log(2))

    def summary(self, print_fn=print):
        """Prints each layer with its output's shape, parameters and multiply-adds a sample."""
        print_fn(cost_table(self))

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
            "backprop": self.backprop,
            "dtype": serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        load = keras.saving.deserialize_keras_object
        parts = {k: load(v, custom_objects) for k, v in config.items() if isinstance(v, dict)}
        return cls(**{**config, **parts})


def _numpy(x):
    return ops.convert_to_numpy(x)
