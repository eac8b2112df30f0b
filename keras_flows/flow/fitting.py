"""Training of a flow: compile without a loss, fit and evaluate with contexts, adapt."""

import keras
import numpy as np

from keras_flows.backend.devices import build_optimizer
from keras_flows.flow import adaptation
from keras_flows.flow.arrays import is_data_set
from keras_flows.flow.batch_size import check_batch_sizes
from keras_flows.flow.batched_data import first_batch
from keras_flows.flow.reports import refresh


class PortableCompile:
    """Mixin for a `keras.Model`: what `compile` was called with can be loaded on any backend."""

    def compile(self, *args, **kwargs):
        self._jit_compile_option = kwargs.get("jit_compile", "auto")
        super().compile(*args, **kwargs)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        config = super().get_compile_config()
        if "jit_compile" in config:
            # Keras saves the meaning of "auto" on this backend: torch would compile files from JAX.
            config["jit_compile"] = self._jit_compile_option
        # On torch Keras saves the name of a subclass that no other backend can load.
        optimizer = config.get("optimizer")
        if isinstance(optimizer, dict) and "backend.torch" in (optimizer["module"] or ""):
            optimizer.update(module="keras.optimizers", registered_name=None)
        return config


class Fitting(PortableCompile):
    """The part of `Flow` that trains and evaluates."""

    def compile(self, optimizer="rmsprop", loss=None, **kwargs):
        """As `keras.Model.compile`, without loss and metrics: the loss is that of the flow."""
        metrics = ("loss_weights", "metrics", "weighted_metrics")
        refused = {"loss": loss, **{name: kwargs.get(name) for name in metrics}}
        refused = {name: value for name, value in refused.items() if value is not None}
        if refused:
            raise ValueError(
                "A flow is trained by its negative log-likelihood: compile takes no loss and no "
                "metrics. Measure others in a callback, with log_prob or sample. "
                f"Received: {refused}."
            )
        super().compile(optimizer, **kwargs)

    def compile_from_config(self, config):
        # Older files may have a loss, which had no effect; compile now refuses it.
        names = ("loss", "loss_weights", "metrics", "weighted_metrics")
        super().compile_from_config({name: v for name, v in config.items() if name not in names})

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """As `keras.Model.fit`. Calls `adapt` on the first batch, unless it was called before.

        `y` is the context, which may also be part of x: `fit([x, context])`.
        Batches of a data set are `x`, `(x,)`, `(x, context)` or
        `((x, context),)`. Raises ValueError for a `y` if the flow has no
        context, for `class_weight`, and for arrays with NaN.
        """
        if kwargs.get("class_weight") is not None:
            raise ValueError(
                "A flow has no class_weight: use sample_weight. "
                f"Received: class_weight={kwargs['class_weight']}."
            )
        checked_size = None if kwargs.get("validation_split") else batch_size or 32
        x = self._prepare(x, y, checked_size)
        if self.needs_adapt:
            batch, x = first_batch(x, batch_size)
            self.adapt(batch)
        refresh(self)
        build_optimizer(self)
        if kwargs.get("validation_data") is not None:
            size = kwargs.get("validation_batch_size") or batch_size or 32
            kwargs["validation_data"] = self._validation_data(kwargs["validation_data"], size)
        y = _placeholder_targets(kwargs.get("sample_weight"))
        return super().fit(x, y, batch_size=batch_size, **kwargs)

    def evaluate(self, x=None, y=None, **kwargs):
        """As `keras.Model.evaluate`; `y` as in `fit`."""
        refresh(self)
        x = self._prepare(x, y, kwargs.get("batch_size") or 32)
        return super().evaluate(x, _placeholder_targets(kwargs.get("sample_weight")), **kwargs)

    def _prepare(self, x, context, batch_size):
        """Data as Keras takes it; ValueError if devices cannot share batches of this size."""
        data = self.inputs_spec.prepare(x, context)
        if batch_size:
            check_batch_sizes(self, x if is_data_set(x) else data, batch_size)
        return data

    def _validation_data(self, data, batch_size):
        if is_data_set(data):
            return self._prepare(data, None, batch_size)
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        return self._prepare(x, y, batch_size), _placeholder_targets(weights), weights

    @property
    def needs_adapt(self):
        """Whether a layer still needs its data-dependent initialisation."""
        return any(map(adaptation.needs_adapt, (self.encoder, self.prior)))

    def adapt(self, x, context=None):
        """Data-dependent initialisation of all layers, in order, once only.

        From arrays, or from the first batch of a data set. Layers that are
        called on the inputs, such as `Standardize`, use all rows; layers
        behind them use up to 50,000 rows, evenly spaced.
        """
        x = self.inputs_spec.prepare(x, context)
        if is_data_set(x):
            x = self.inputs_spec.prepare(first_batch(x)[0])
        if self.needs_adapt:
            adaptation.adapt_flow(self, x if self.conditional else [x])


def _placeholder_targets(sample_weight):
    """Targets, which Keras needs beside sample weights; None where there are no weights."""
    return None if sample_weight is None else np.zeros(len(sample_weight), "float32")
