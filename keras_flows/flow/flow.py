"""`Flow`: an encoder and a prior as one Keras model with a density."""

import math

import keras
from keras import ops

from keras_flows.backend.devices import batch_mean
from keras_flows.backend.state import KeepsState
from keras_flows.core.cost import cost_table
from keras_flows.core.flow_layer import register
from keras_flows.core.graph import check_bijection, check_inputs
from keras_flows.core.inversion import invert
from keras_flows.core.ledger import Ledger
from keras_flows.core.scope import BACKPROP, scope
from keras_flows.flow.density import Density
from keras_flows.flow.encoding import Encoding
from keras_flows.flow.fitting import Fitting
from keras_flows.flow.inputs_spec import InputsSpec
from keras_flows.flow.prediction import predict
from keras_flows.flow.quantiles import Quantiles
from keras_flows.flow.sampling import Sampling
from keras_flows.priors import StandardNormal

FORMAT = 1  # of saved files; those without a number are read as well


@register
class Flow(KeepsState, Fitting, Density, Encoding, Sampling, Quantiles, keras.Model):
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

    A context is one for each sample, or one for all of them. All methods take
    `(x, context)`, `[x, context]` or a dict by the names of the inputs; NumPy
    arrays, pandas DataFrames and, but for `sample`, data sets of batches
    (docs/data.md).

    `compile(optimizer)` and `fit(x)`, or `fit(x, context)`, minimise the mean negative
    log-likelihood in nats; no loss, no metrics. Where the encoder starts
    from integers (a `Dequantize` layer) the progress bar shows bits/dim too.
    `decoder` is derived from the encoder and shares its weights. Saved as one
    `.keras` file that holds the encoder and the prior; `import keras_flows`
    before `keras.saving.load_model`, which finds the classes by that.

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
        self.levels = first_value(inner, "integer_levels")
        self.classes, self.labels_optional = first_value(inner, "label_range") or (None, False)
        self.discrete = self.levels is not None
        self.inputs_spec = InputsSpec.from_encoder(encoder, self.prior, self.levels)
        if self.discrete and keras.backend.is_float_dtype(self.inputs_spec.dtype):
            raise ValueError(
                "A flow that dequantizes takes integers: begin with keras.Input(shape, "
                f"dtype='uint8'). Received: an input of dtype {self.inputs_spec.dtype}."
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
        if mode not in BACKPROP:
            raise ValueError(f"backprop is one of {BACKPROP}. Received: backprop={mode!r}.")
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
        inputs = self.inputs_spec.arrange(inputs)
        with Ledger() as ledger, scope(backprop=self.backprop if training else None):
            z = self.encoder(inputs, training=training)
        # One log-det a sample, also where every sample has the same.
        log_det = ops.broadcast_to(ledger.total(), ops.shape(z)[:1])
        right = self.inputs_spec.integers_in_range(inputs[0] if self.conditional else inputs)
        return z, log_det if right is None else ops.where(right, log_det, math.nan)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        z, log_det = y_pred
        nll = -(self._log_prior(z, x) + log_det)
        if sample_weight is not None:
            nll = nll * ops.cast(sample_weight, nll.dtype)
        if self.discrete:
            self._bits_tracker.update_state(nll / (self.dims * math.log(2)))
        return batch_mean(sum((ops.sum(penalty) for penalty in self.losses), nll))

    def predict(self, x, batch_size=None, **kwargs):
        """As `keras.Model.predict`: latents and log-determinants."""
        x = self.inputs_spec.prepare(x)
        return predict(self, x, self._batch_size(x, batch_size), flow=self, **kwargs)

    def summary(self, line_length=None, positions=None, print_fn=None, **kwargs):
        """Prints inputs and layers with their outputs' shapes, parameters and multiply-adds.

        Arguments as `keras.Model.summary`'s; of these `line_length` and `print_fn` count.
        """
        (print_fn or print)(cost_table(self, line_length))

    def export(self, filepath, format="tf_saved_model", *, input_signature=None, **kwargs):
        """As `keras.Model.export`, without a call first: latents and log-determinants.

        To serve densities or samples, export `density_model()` or `decoder`.
        """
        if input_signature is None:
            specs = [keras.InputSpec(t.dtype, t.shape, name=t.name) for t in self.encoder.inputs]
            input_signature = [specs if self.conditional else specs[0]]
        super().export(filepath, format, input_signature=input_signature, **kwargs)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "encoder": serialize(self.encoder),
            "prior": serialize(self.prior),
            "backprop": self.backprop,
            "dtype": serialize(self.dtype_policy),
            "format": FORMAT,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        number = config.pop("format", 0)
        if number > FORMAT:
            raise ValueError(
                f"This flow was saved by a newer keras_flows; update it. Received: a file of "
                f"format {number}, where this version reads formats up to {FORMAT}."
            )
        load = keras.saving.deserialize_keras_object
        parts = {k: load(v, custom_objects) for k, v in config.items() if isinstance(v, dict)}
        return cls(**{**config, **parts})


def first_value(layers, name):
    """The first value that is not None of an attribute that some of the layers have."""
    values = (getattr(layer, name, None) for layer in layers)
    return next((value for value in values if value is not None), None)
