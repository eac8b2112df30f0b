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
from keras_flows.flow.exactness import prior_and_exactness
from keras_flows.flow.exporting import Exporting
from keras_flows.flow.fitting import Fitting
from keras_flows.flow.inputs_spec import InputsSpec
from keras_flows.flow.prediction import predict
from keras_flows.flow.quantiles import Quantiles
from keras_flows.flow.reports import refresh
from keras_flows.flow.sampling import Sampling
from keras_flows.presets import Preset

FORMAT = 1  # of saved files; those without a number are read as well


@register
class Flow(
    KeepsState, Fitting, Density, Encoding, Sampling, Quantiles, Exporting, Preset, keras.Model
):
    """A normalizing flow: log p(x) = log prior(z) + log|det dz/dx|, z = encoder(x).

    Args:
        encoder: functional `keras.Model` of flow layers from one input (data)
            to one output (latent). Further inputs are contexts: the flow is
            then a density p(x | context).
        prior: density of the latent. If None, `StandardNormal()`, or `StandardLogistic()` for
            a flow of integers that stay integers.
        backprop: what training keeps in memory for the backward pass. None:
            all activations. "reversible": only the output of a `Chain`; the
            inputs of its steps are computed from it again, so that memory does
            not grow with their number. "remat": only the input of each flow
            layer, by `keras.remat`. Layers that draw noise or update moving
            averages always keep all. May be set later, before `compile`:
            `flow.backprop = "remat"`.

    A context is one for each sample, or one for all samples. All methods take
    `(x, context)`, `[x, context]` or a dict with the names of the inputs, as
    NumPy arrays or pandas DataFrames, and all but `sample` take data sets of
    batches (docs/data.md).

    `compile(optimizer)` and `fit(x)`, or `fit(x, context)`, minimise the mean
    negative log-likelihood in nats, without a loss or metrics. If the encoder
    takes integers, as with a `Dequantize` layer, the progress bar also shows
    bits/dim. `decoder` is computed from the encoder and shares its weights. A
    flow is saved as one `.keras` file with the encoder and the prior; `import
    keras_flows` before `keras.saving.load_model`, so that Keras finds the
    classes.

    Attributes, most of them from what layers and prior say (docs/own_layer.md):
        levels: number of levels of integer data, from 0 to `levels - 1`; None
            for other data.
        discrete: whether the data is integers, so that bits/dim are defined.
        exact: whether `log_prob` is the log probability of integers, which stay integers, as in
            `IDF`. With noise, as from `Dequantize`, it is a lower bound.
        classes: number of classes, if a context is a label; otherwise None.
        labels_optional: whether the label -1 means no class.
        inputs_spec: names and shapes of data and contexts, dtype of the data.

    Raises ValueError for an encoder that is not functional, has several
    inputs of data or several outputs, or has no inverse, for flow layers
    between an input and a condition, because their log-determinants do not
    belong to the density, and for integers of which only a part stays integers.

    >>> flow = Flow(keras.Model(x, z)); flow.compile("adam"); flow.fit(data)
    >>> pictures = flow.sample(16, temperature=0.8)
    """

    def __init__(self, encoder, prior=None, backprop=None, **kwargs):
        # The density is computed in the variable dtype, also under a mixed policy.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        check_inputs(encoder)
        self.encoder, self.backprop = encoder, backprop
        self.prior, self.exact = prior_and_exactness(encoder, prior)
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
        self.levels = _first_value(inner, "integer_levels")
        self.classes, self.labels_optional = _first_value(inner, "label_range") or (None, False)
        self.discrete = self.levels is not None
        self.inputs_spec = InputsSpec.from_encoder(encoder, self.prior, self.levels)
        if self.discrete and keras.backend.is_float_dtype(self.inputs_spec.dtype):
            raise ValueError(
                "A flow of integers needs an integer input: begin with keras.Input(shape, "
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
        """What training keeps in memory, see the arguments of the class."""
        return self._backprop

    @backprop.setter
    def backprop(self, mode):
        if mode not in BACKPROP:
            raise ValueError(f"backprop is one of {BACKPROP}. Received: backprop={mode!r}.")
        self._backprop = mode

    @property
    def conditional(self):
        """Whether the flow is a density given a context."""
        return len(self.encoder.inputs) > 1

    @property
    def decoder(self):
        """The model from latents to data, `invert(encoder)`, made at its first use."""
        if getattr(self, "_decoder", None) is None:
            decoder = invert(self.encoder, name=f"{self.name}_decoder")
            object.__setattr__(self, "_decoder", lambda: decoder)
        return self._decoder()

    def __dir__(self):
        # Keras saves what dir() lists. Encoder and decoder have the same weights: save the encoder.
        return [name for name in super().__dir__() if name != "decoder"]

    def call(self, inputs, training=None):
        inputs = self.inputs_spec.arrange(inputs)
        with Ledger() as ledger, scope(backprop=self.backprop if training else None):
            z = self.encoder(inputs, training=training)
        # One log-det for each sample, also where all samples have the same.
        log_det = ops.broadcast_to(ledger.total(), ops.shape(z)[:1])
        in_range = self.inputs_spec.integers_in_range(inputs[0] if self.conditional else inputs)
        return z, log_det if in_range is None else ops.where(in_range, log_det, math.nan)

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
        """Prints inputs and layers with output shapes, parameters and multiply-adds.

        Takes the arguments of `keras.Model.summary` and uses `line_length` and `print_fn`.
        """
        (print_fn or print)(cost_table(self, line_length))

    def export(self, filepath, format="tf_saved_model", *, input_signature=None, **kwargs):
        """As `keras.Model.export`: a model from data to latents and log-determinants.

        The flow need not be called before. To serve densities or samples, use
        `export_log_prob` or `export_decoder`.
        """
        if input_signature is None:
            specs = [keras.InputSpec(t.dtype, t.shape, name=t.name) for t in self.encoder.inputs]
            input_signature = [specs if self.conditional else specs[0]]
        super().export(filepath, format, input_signature=input_signature, **kwargs)

    def save(self, *args, **kwargs):
        """As `keras.Model.save`."""
        refresh(self)
        super().save(*args, **kwargs)

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
                "This flow was saved by a newer keras_flows: update keras_flows. Received: a file "
                f"of format {number}, where this version reads formats up to {FORMAT}."
            )
        load = keras.saving.deserialize_keras_object
        parts = {k: load(v, custom_objects) for k, v in config.items() if isinstance(v, dict)}
        return cls(**{**config, **parts})


def _first_value(layers, name):
    """The value of an attribute in the first layer where it is not None; None if there is none."""
    values = (getattr(layer, name, None) for layer in layers)
    return next((value for value in values if value is not None), None)
