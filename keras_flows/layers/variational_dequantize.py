"""Dequantization by noise whose density is learned."""

import math

import keras
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register, serialize_shared
from keras_flows.core.ledger import Ledger, record
from keras_flows.layers.dequantize import Dequantize
from keras_flows.layers.squeeze import Squeeze

SPREAD = 1.75  # of normal numbers whose sigmoid is nearly uniform


@register
class VariationalDequantize(Dequantize):
    """Integers to [0, 1) by learned noise: z = (x + u) / levels, u of the density q(u | x).

    The log-det is -log q(u | x) - dims * log(levels) for one u of each sample.
    -log_prob / (dims ln 2) of the flow is then an upper bound on the bits/dim
    of the integers, tighter than that of uniform noise, for which log q = 0.
    The noise is u = sigmoid(e): the steps map normal numbers to e, given a
    context that a network computes from x. At the start, with steps that are
    the identity, u is nearly uniform. As in `Dequantize` there is noise in
    training and whenever a density is computed; otherwise u = 1/2. The inverse
    is `Quantize`.

    Noise and pixels are squeezed: 2x2 pixels become channels.

    Args:
        steps: list of flow layers that take [e, c] and return e, such as
            `CondActnorm`, or `Coupling` with a network of two inputs.
        context: Keras layer or model from squeezed pixels in [-1/2, 1/2] to
            the context c.
        levels, seed: as in `Dequantize`.

    Shapes: integers `(batch, h, w, c)` with even sides to floats of the same
    shape; the steps see `(batch, h / 2, w / 2, 4 c)`. Log-dets in nats.
    Raises ValueError for odd sides and for steps that are not flow layers.
    Paper: Flow++ (1902.00275) section 3.1.

    >>> z = VariationalDequantize([CondActnorm()], ConvNet(32, 32))(pixels)
    """

    def __init__(self, steps, context, levels=256, seed=None, **kwargs):
        super().__init__(levels, seed, **kwargs)
        steps = list(steps)
        if not steps or not all(isinstance(step, FlowLayer) for step in steps):
            raise ValueError(f"steps is a list of flow layers. Received: steps={steps!r}.")
        if not isinstance(context, keras.layers.Layer):
            raise ValueError(f"context is a Keras layer or model. Received: context={context!r}.")
        self.steps, self.context = steps, context
        self._squeeze = Squeeze(dtype=self.dtype_policy.name)

    def build(self, input_shape):
        shape = tuple(input_shape)
        if len(shape) != 4 or None in shape[1:] or shape[1] % 2 or shape[2] % 2:
            raise ValueError(
                "VariationalDequantize takes pictures (batch, height, width, channels) with even "
                f"sides. Received: input_shape={shape}."
            )
        self.input_spec = keras.InputSpec(shape=(None, *shape[1:]))
        self._squeeze.build(shape)
        squeezed = self._squeeze.compute_output_shape(shape)
        symbols = [keras.KerasTensor(squeezed, self.compute_dtype)]
        symbols.append(self.context(symbols[0]))
        for step in self.steps:
            if not step.built:
                step.build([tuple(symbol.shape) for symbol in symbols])

    def call(self, inputs, training=None):
        x = ops.cast(inputs, self.compute_dtype)
        if not (training or Ledger.active()):
            return FlowLayer.call(self, x)
        noise, log_q = self.noise(x)
        record(self, -log_q)
        return FlowLayer.call(self, x + noise - 0.5)

    def noise(self, x):
        """Draws u for integers x, and log q(u | x) in nats: `(u, log_q)`."""
        shape = ops.shape(x)
        e = keras.random.normal(shape, dtype=self.compute_dtype, seed=self.seed_generator)
        log_q = -self.sum(0.5 * e * e + (math.log(SPREAD) + 0.5 * math.log(2 * math.pi)))
        e = self._squeeze.encode(SPREAD * e)[0]
        with Ledger(Ledger.active()):
            context = self.context(self._squeeze.encode(x / (self.levels - 1) - 0.5)[0])
        with Ledger(Ledger.active()) as ledger:
            for step in self.steps:
                e = step([e, context])
        e = self._squeeze.decode(e)[0]
        log_slope = self.sum(ops.log_sigmoid(e) + ops.log_sigmoid(-e))
        # Noise just below 1 can round up to the next integer.
        u = ops.minimum(ops.sigmoid(e), 1 - self.levels * 2**-24)
        return u, log_q - ledger.total() - log_slope

    def get_config(self):
        layers = {"steps": [serialize_shared(step) for step in self.steps]}
        layers["context"] = serialize_shared(self.context)
        return {**super().get_config(), **layers}

    @classmethod
    def from_config(cls, config):
        load = keras.saving.deserialize_keras_object
        steps, context = [load(step) for step in config.pop("steps")], load(config.pop("context"))
        return cls(steps, context, **config)
