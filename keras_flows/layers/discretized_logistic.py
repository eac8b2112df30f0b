"""From integers to a logistic latent, by a discretised logistic or a mixture of them."""

import math

import keras
import numpy as np
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register, serialize_shared
from keras_flows.core.ledger import Ledger
from keras_flows.core.shapes import fixed_last_axis, is_shape, known_size
from keras_flows.layers.logistic_bins import log_mass, to_integer, to_latent

BROAD = 2.0**-10  # weight of the broad logistic of a mixture
CENTER, BOUND = 0.5, 5.0  # log scales are within CENTER +- BOUND
LOG_SCALE = 3.0  # at the start, without data


@register
class DiscretizedLogistic(FlowLayer):
    """Integers to a logistic latent: u = (z - mean) / scale, log-det = log P(z) - log p(u).

    P(z) = F(z + 1/2) - F(z - 1/2) is the mass of the bin of z, F the
    distribution function of a logistic or of a mixture, p the standard
    logistic density. With `StandardLogistic` as the prior, log_prob of a flow
    is then exactly the log probability of its integers. `decode` is the
    rounded quantile, so that samples are integers. For mixtures u is a number
    of the interval that belongs to z, see `logistic_bins.to_integer`.

    Takes one of

    - z: the parameters are weights, for each dimension;
    - [z, parameters], without `net`;
    - [z, kept], with `net`: parameters = net(kept / levels). The conditional
      prior of channels that are factored out, given those that are kept.

    Args:
        components: logistics of the mixture.
        net: Keras layer or model from kept / levels to the parameters.
        levels: number of values of a pixel.

    The parameters are `parameters(channels)` numbers for each position, those
    of one channel side by side: means, log scales and, with 2 components or
    more, logits of the weights. A mixture also has a fixed broad logistic of
    weight 2^-10, so that each bin has a mass that a float resolves, and
    `decode` gives the integer back. `adapt` sets where means and scales start
    from a first batch, once: each component takes an equal share of the sorted
    integers of a channel. Parameters are differences from there, those of a
    mean in units of its scale at the start.

    Shapes: z `(batch, ..., channels)` to the same; the log-det `(batch,)` is
    in nats. Raises ValueError for parameters of another shape. Papers: IDF
    (1905.07376) sections 3.2 and 3.3, PixelCNN++ (1701.05517) section 2.1.

    >>> u = DiscretizedLogistic(net=DenseNet(2 * channels))([out, kept])
    """

    logistic_latent = True

    def __init__(self, components=1, net=None, levels=256, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(components, int) or components < 1:
            raise ValueError(f"components is 1 or more. Received: components={components}.")
        if net is not None and not isinstance(net, keras.layers.Layer):
            raise ValueError(f"net is a Keras layer or model, or None. Received: net={net!r}.")
        if not levels >= 1:
            raise ValueError(f"levels is 1 or more. Received: levels={levels}.")
        self.components, self.net, self.levels = components, net, int(levels)

    @property
    def kinds(self):
        """Numbers for each component: mean, log scale and weight."""
        return 2 if self.components == 1 else 3

    def parameters(self, channels):
        """How many parameters `channels` channels have at each position."""
        return channels * self.kinds * self.components

    def build(self, input_shape):
        shape, *condition = [input_shape] if is_shape(input_shape) else input_shape
        if len(condition) > 1 or self.net is not None and not condition:
            raise ValueError(
                "DiscretizedLogistic takes z, [z, parameters] or, with a network, [z, kept]. "
                f"Received: shapes {input_shape}, net={self.net!r}."
            )
        self.conditions = len(condition)
        self.size = known_size(self, shape)
        self.latent_dims = math.prod(shape[1:]) if None not in shape[1:] else None
        self._add_start()
        expected = (*shape[1:-1], self.parameters(self.size))
        self.input_spec = fixed_last_axis(self.size)
        if not condition:
            self.table = self.add_weight(name="table", shape=expected, initializer="zeros")
            return
        self.input_spec = [self.input_spec, fixed_last_axis(known_size(self, condition[0]))]
        self.net_shape = self._params_shape(tuple(condition[0]))
        if tuple(self.net_shape[1:]) != expected:
            raise ValueError(
                f"The parameters of '{self.name}' must have the shape {(None, *expected)}. "
                f"Received: shape {self.net_shape}."
            )

    def _add_start(self):
        """Means, and log scales before they are bounded, at which all components start."""
        spread = self.levels * ((np.arange(self.components) + 0.5) / self.components - 0.5)
        start = _start(spread, np.full(self.components, LOG_SCALE))
        self.start = self.add_weight(
            name="start",
            shape=(2, self.size, self.components),
            initializer=lambda shape, dtype: ops.convert_to_tensor(
                np.broadcast_to(start[:, None], shape), dtype
            ),
            trainable=False,
        )
        self.adapted = self.add_weight(
            name="adapted", shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    @property
    def needs_adapt(self):
        return not self.built or not ops.convert_to_numpy(self.adapted)

    def adapt(self, inputs):
        """Sets where the components start, from one batch, once."""
        if not self.built:
            self.build(keras.tree.map_structure(lambda t: tuple(t.shape), inputs))
        if not self.needs_adapt:
            return
        z = inputs[0] if self.conditions else inputs
        z = np.sort(np.reshape(ops.convert_to_numpy(z), (-1, self.size)).astype("float64"), axis=0)
        if len(z) >= self.components:
            shares = np.array_split(z, self.components)
            means, stds = (np.stack([f(v, axis=0) for v in shares], -1) for f in (np.mean, np.std))
            # Components that begin alike would stay alike.
            apart = 0.25 * np.arange(self.components)
            self.start.assign(_start(means, np.log(np.maximum(0.8 * stds, 0.1)) + apart))
        self.adapted.assign(1)

    def _params_shape(self, condition):
        if self.net is None:
            return condition
        symbol = keras.KerasTensor(condition, self.compute_dtype)
        try:
            return tuple(self.net(symbol).shape)
        except ValueError as error:
            raise ValueError(
                f"The network of '{self.name}' must take the kept part. "
                f"Received: shape {condition} and the error: {error}"
            ) from error

    def distribution(self, *condition):
        """`means, log_scales, log_weights`, each `(batch, ..., channels, components)`.

        A mixture has one more component than `components`, the broad one. Without a condition
        the size of the batch axis is 1.
        """
        params = self._raw_params(*condition)
        shape = (*ops.shape(params)[:-1], self.size, self.kinds, self.components)
        mean, raw, *logits = ops.unstack(ops.reshape(params, shape), axis=-2)
        start = ops.convert_to_tensor(self.start)
        # A step of the optimizer moves a mean by a part of its scale: a narrow one stays in place.
        means = start[0] + ops.exp(_bounded(start[1])) * mean
        log_scales = _bounded(start[1] + raw / BOUND)
        if not logits:
            return means, log_scales, ops.zeros_like(means)
        weights = ops.log_softmax(logits[0], axis=-1) + math.log1p(-BROAD)
        one, scale = ops.zeros_like(means[..., :1]), math.log(self.levels / 2)
        pairs = (means, 0.0), (log_scales, scale), (weights, math.log(BROAD))
        return tuple(ops.concatenate([part, one + value], axis=-1) for part, value in pairs)

    def _raw_params(self, *condition):
        if not condition:
            return ops.convert_to_tensor(self.table)[None]
        if self.net is None:
            return ops.cast(condition[0], self.compute_dtype)
        # A ledger, because log-determinants of layers in the network do not belong to the map.
        with Ledger(Ledger.active()):
            return ops.cast(self.net(condition[0] / self.levels), self.compute_dtype)

    def encode(self, x):
        z, *condition = x if self.conditions else [x]
        distribution = self.distribution(*condition)
        # Prior and log-det cancel in the gradient, too.
        u = ops.stop_gradient(to_latent(z, *distribution))
        return u, self.sum(log_mass(z, *distribution)) - _log_prior(u)

    def decode(self, u):
        u, *condition = u if self.conditions else [u]
        distribution = self.distribution(*condition)
        z = to_integer(u, *distribution)
        return z, _log_prior(u) - self.sum(log_mass(z, *distribution))

    def get_config(self):
        net = self.net and serialize_shared(self.net)
        config = {"components": self.components, "net": net, "levels": self.levels}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        net = config.pop("net")
        return cls(net=net and keras.saving.deserialize_keras_object(net), **config)


def _log_prior(u):
    return -FlowLayer.sum(ops.softplus(u) + ops.softplus(-u))


def _bounded(raw):
    """CENTER + BOUND tanh(raw); by a sigmoid, since `ops.tanh` of float64 is float32 on JAX."""
    return CENTER - BOUND + 2 * BOUND * ops.sigmoid(2 * raw)


def _start(means, log_scales):
    """The value of `start` for these means and log scales, as float32."""
    inner = np.clip((log_scales - CENTER) / BOUND, -0.95, 0.95)
    return np.stack([means, np.arctanh(inner)]).astype("float32")
