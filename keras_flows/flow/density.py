"""Densities of a flow, as arrays or tensors, and as a model for serving."""

import math

import keras
import numpy as np
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.graph import operations
from keras_flows.flow.arrays import is_list_of_arrays
from keras_flows.flow.prediction import predict
from keras_flows.flow.reports import LogProbWithError
from keras_flows.flow.value_checks import warn_unless_finite


class Density:
    """The part of `Flow` that computes densities."""

    def log_prob(self, x, context=None, *, batch_size=None):
        """log p(x), or log p(x | context), in nats, one number for each sample.

        For a tensor of the backend the result is a differentiable tensor. For
        arrays and all other data that `predict` takes it is a NumPy array,
        computed in batches; if `batch_size` is None they have about 100,000
        numbers. For integers it is the log of their probability if `exact`,
        otherwise a lower bound on it.
        """
        x = self.inputs_spec.prepare(x, context)
        if ops.is_tensor(x[0] if isinstance(x, list) else x):
            z, log_det = self(x)
            return self._log_prior(z, x) + log_det
        z, log_det = predict(self, x, self._batch_size(x, batch_size), verbose=0)
        log_prob = self._log_prior_in_batches(z, x, max(batch_size or 0, 1000)) + log_det
        return warn_unless_finite(self, log_prob, "log_prob")

    def log_prob_error(self, x, context=None, *, batch_size=None):
        """log p(x) in nats and its standard error, two arrays with one number for each sample.

        The error comes from log-determinants that are estimated, such as those
        of `Residual` in many dimensions. It is 0 if none is.

        It is measured between probes, so it needs `eval_probes` of 2 or more. It
        includes the random length of a roulette, which each probe has for
        itself. It does not include the bias of a truncated series. All samples
        of a batch share the lengths, so that their errors are not independent:
        the standard error of the mean over n samples lies between
        `sqrt(sum(error**2)) / n` and `sum(error) / n`.
        """
        x = self.inputs_spec.prepare(x, context)
        if "_log_prob_with_error" not in vars(self):
            made = LogProbWithError(self, name=f"{self.name}_with_error")
            object.__setattr__(self, "_log_prob_with_error", lambda: made)
        model, size = self._log_prob_with_error(), self._batch_size(x, batch_size)
        log_prob, variance = predict(model, x, size, flow=self, verbose=0)
        return warn_unless_finite(self, log_prob, "log_prob_error"), np.sqrt(variance)

    def bits_per_dim(self, x, context=None, *, batch_size=None):
        """-log2 p(x) / dims for integer data, one number for each sample.

        Exact if `flow.exact`, as for `IDF`; with the noise of `Dequantize` an
        upper bound. Raises ValueError unless the encoder has a layer with
        `integer_levels`, such as these flows begin with.
        """
        if not self.discrete:
            raise ValueError(
                "bits_per_dim is defined for integer data: the encoder must begin with a layer "
                "that takes integers, such as Dequantize, whose noise spans exactly one bin, or "
                "IntegerInput. For "
                f"a density in nats use log_prob. Received: encoder '{self.encoder.name}' that "
                f"begins with {self._first_layer()}."
            )
        bits = self.log_prob(x, context, batch_size=batch_size)
        return bits / (-self.dims * math.log(2))

    def _first_layer(self):
        layers = (v for v, _ in operations(self.encoder) if isinstance(v, (FlowLayer, keras.Model)))
        first = next(layers, None)
        return "no layer" if first is None else f"'{first.name}' ({type(first).__name__})"

    def density_model(self, name="density"):
        """A `keras.Model` from data, or data and contexts, to log_prob, over the same weights.

        For serving: `flow.density_model().export(path)`.
        """
        inputs = [
            keras.Input(tuple(t.shape[1:]), dtype=t.dtype, name=t.name) for t in self.encoder.inputs
        ]
        inputs = inputs if self.conditional else inputs[0]
        return keras.Model(inputs, LogProb(self)(inputs), name=name)

    def _log_prior(self, z, inputs):
        if not self.prior.conditional:
            return self.prior.log_prob(z)
        return self.prior.log_prob(z, *self.inputs_spec.arrange(inputs)[1:])

    def _log_prior_in_batches(self, z, x, size):
        if self.prior.conditional and not is_list_of_arrays(x):
            raise ValueError(
                "A flow with a conditional prior takes data and context as arrays, not as a data "
                f"set. Received: {type(x).__name__}."
            )
        x = x if self.prior.conditional else [z]
        log_prob = []
        for i in range(0, len(z), size):
            batch = [ops.convert_to_tensor(part[i : i + size]) for part in (z, *x[1:])]
            log_prob.append(ops.convert_to_numpy(self._log_prior(batch[0], batch)))
        return np.concatenate(log_prob)


@register
class LogProb(keras.layers.Layer):
    """A flow's log p(x), or log p(x | context), in nats, as a layer: `(batch, ...)` to `(batch,)`.

    >>> log_prob = LogProb(flow)(keras.Input((6,)))
    """

    def __init__(self, flow, **kwargs):
        super().__init__(**kwargs)
        self.flow = flow
        self.built = True

    def call(self, inputs):
        return self.flow.log_prob(inputs)

    def compute_output_spec(self, inputs):
        batch = (inputs[0] if isinstance(inputs, (list, tuple)) else inputs).shape[0]
        return keras.KerasTensor((batch,), self.flow.variable_dtype)

    def get_config(self):
        return {**super().get_config(), "flow": keras.saving.serialize_keras_object(self.flow)}

    @classmethod
    def from_config(cls, config):
        flow = keras.saving.deserialize_keras_object(config.pop("flow"))
        return cls(flow, **config)
