"""How a `Flow` is trained: compiled without a loss, fed with contexts, adapted first."""

import keras
import numpy as np

from keras_flows.backend.devices import build_optimizer
from keras_flows.flow import adaptation
from keras_flows.flow.arrays import is_data_set
from keras_flows.flow.batch_size import check_batch_sizes
from keras_flows.flow.batched_data import first_batch


class Fitting:
    """The part of `Flow` that trains and evaluates."""

    def compile(self, optimizer="rmsprop", loss=None, **kwargs):
        """As `keras.Model.compile`; the loss is the flow's, so that it takes none, nor metrics."""
        metrics = ("loss_weights", "metrics", "weighted_metrics")
        wrong = {"loss": loss, **{name: kwargs.get(name) for name in metrics}}
        wrong = {name: value for name, value in wrong.items() if value is not None}
        if wrong:
            raise ValueError(
                "A flow is trained by its negative log-likelihood: compile takes no loss and no "
                f"metrics. Measure others in a callback, by log_prob or sample. Received: {wrong}."
            )
        self._jit_compile_option = kwargs.get("jit_compile", "auto")
        super().compile(optimizer, **kwargs)

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(config)
        # Flows saved before compile refused them may have a loss, which had no effect.
        names = ("loss", "loss_weights", "metrics", "weighted_metrics")
        self.compile(**{name: v for name, v in config.items() if name not in names})
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        config = super().get_compile_config()
        if "jit_compile" in config:
            # Keras saves what "auto" is on this backend: files from JAX would be compiled on torch.
            config["jit_compile"] = self._jit_compile_option
        # On torch Keras names its own subclass of the optimizer, which no other backend can load.
        optimizer = config.get("optimizer")
        if isinstance(optimizer, dict) and "backend.torch" in (optimizer["module"] or ""):
            optimizer.update(module="keras.optimizers", registered_name=None)
        return config

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """As `keras.Model.fit`. Calls `adapt` on the first batch if nobody did.

        `y` is the context, which may also come with x: `fit([x, context])`.
        Batches of a data set are `x`, `(x,)`, `(x, context)` or
        `((x, context),)`. Raises ValueError for a `y` without a context to
        take it, for `class_weight`, and for arrays with NaN.
        """
        if kwargs.get("class_weight") is not None:
            raise ValueError(
                "A flow has no class_weight; weigh samples with sample_weight. Received: "
                f"class_weight={kwargs['class_weight']}."
            )
        x = self._fed(x, y, None if kwargs.get("validation_split") else batch_size or 32)
        if self.needs_adapt:
            batch, x = first_batch(x, batch_size)
            self.adapt(batch)
        build_optimizer(self)
        if kwargs.get("validation_data") is not None:
            size = kwargs.get("validation_batch_size") or batch_size or 32
            kwargs["validation_data"] = self._held_out(kwargs["validation_data"], size)
        y = _placeholder_targets(kwargs.get("sample_weight"))
        return super().fit(x, y, batch_size=batch_size, **kwargs)

    def evaluate(self, x=None, y=None, **kwargs):
        """As `keras.Model.evaluate`; `y` as in `fit`."""
        x = self._fed(x, y, kwargs.get("batch_size") or 32)
        return super().evaluate(x, _placeholder_targets(kwargs.get("sample_weight")), **kwargs)

    def _fed(self, x, context, batch_size):
        """Data as Keras takes it, where devices can share its batches of that size."""
        data = self.inputs_spec.prepare(x, context)
        if batch_size:
            check_batch_sizes(self, x if is_data_set(x) else data, batch_size)
        return data

    def _held_out(self, data, batch_size):
        if is_data_set(data):
            return self._fed(data, None, batch_size)
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        return self._fed(x, y, batch_size), _placeholder_targets(weights), weights

    @property
    def needs_adapt(self):
        """Whether a layer still waits for its data-dependent initialisation."""
        return any(map(adaptation.needs_adapt, (self.encoder, self.prior)))

    def adapt(self, x, context=None):
        """Data-dependent initialisation of all layers, in order, once only.

        From arrays, or from the first batch of a data set. Layers on the
        inputs, as `Standardize`, see all rows; where later ones wait, they see
        50,000 rows, evenly spaced, of more.
        """
        x = self.inputs_spec.prepare(x, context)
        if is_data_set(x):
            x = self.inputs_spec.prepare(first_batch(x)[0])
        if self.needs_adapt:
            adaptation.adapt_flow(self, x if self.conditional else [x])


def _placeholder_targets(sample_weight):
    """Targets, which Keras needs beside sample weights; None where there are no weights."""
    return None if sample_weight is None else np.zeros(len(sample_weight), "float32")
