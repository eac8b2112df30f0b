"""An autoregressive mixture of Gaussians as a prior: MADE MoG, the prior of MAF MoG."""

import math

import keras
import numpy as np
from keras import ops

from keras_flows.core.flow_layer import register
from keras_flows.layers.class_vector import ClassVector
from keras_flows.layers.standardize_context import StandardizeContext
from keras_flows.networks.made import MADE
from keras_flows.priors.prior import Prior


@register
class AutoregressiveMixture(Prior):
    """Mixture of Gaussians for each dimension, given the dimensions before: MADE MoG.

    log p(z) = sum_i log sum_c w_ic N(z_i; m_ic, s_ic^2) nats. The weights,
    means and standard deviations come from a `MADE` of z_1, ..., z_(i-1).
    `log_prob` evaluates the network once; `sample` goes dimension by dimension.
    `temperature` scales the standard deviations of the components.

    Args:
        components: number of Gaussians for each dimension.
        hidden, order, activation, seed: see `MADE`.
        classes: number of labels, if the context of the flow is a label.
        conditional: whether the prior depends on the context of the flow, a
            vector. Always so with classes.
        standardize_context: whether to apply `StandardizeContext` to the context.

    Shapes: latents `(batch, dims)`. Paper: MAF (1705.07057) sections 4 and 5.

    >>> flow = Flow(encoder, prior=AutoregressiveMixture(10, hidden=(512, 512)))
    """

    def __init__(
        self,
        components=10,
        hidden=(64, 64),
        order="natural",
        activation="relu",
        classes=None,
        conditional=False,
        standardize_context=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if components < 1 or classes is not None and classes < 1:
            raise ValueError(
                "components and classes are 1 or more. "
                f"Received: components={components}, classes={classes}."
            )
        self.components, self.classes = int(components), classes
        self.conditional = bool(conditional or classes)
        self.options = {"hidden": hidden, "order": order, "activation": activation, "seed": seed}
        # With zeros all components would stay the same in training.
        more = {"last_initializer": "glorot_uniform", "dtype": self.dtype_policy}
        self.net = MADE(3 * self.components, name="net", **self.options, **more)
        self.one_hot = ClassVector(classes) if classes else None
        self.scaler = StandardizeContext(name="scaler") if standardize_context else None

    @property
    def label_range(self):
        return self.one_hot and self.one_hot.label_range

    def build(self, latent_shape):
        shape, *context = latent_shape if self.conditional else [latent_shape]
        super().build(shape)
        if self.classes:
            context = [(None, self.classes)]
        if self.scaler:
            self.scaler.build(context[0])
        self.net.build([shape, *context] if context else shape)

    def _context(self, context):
        if self.conditional != bool(context):
            raise ValueError(
                f"'{self.name}' is {'' if self.conditional else 'not '}conditional. "
                f"Received: {len(context)} contexts."
            )
        if not context:
            return None
        layer = self.one_hot or self.scaler
        return layer(context[0]) if layer else context[0]

    def adapt(self, *context):
        if self.scaler:
            self.scaler.adapt(context[0])

    def _components(self, params):
        """Log weights, means and log standard deviations, bounded as log scales are in a flow."""
        weights, means, raw = ops.split(params, 3, axis=-1)
        return ops.log_softmax(weights, axis=-1), means, raw / (1 + ops.abs(raw) / 5.0)

    def log_prob(self, z, *context):
        context = self._context(context)
        params = self.net(z if context is None else [z, context])
        weights, means, log_stds = self._components(params)
        u = (z[..., None] - means) * ops.exp(-log_stds)
        terms = weights - 0.5 * u * u - log_stds - 0.5 * math.log(2 * math.pi)
        return ops.sum(ops.logsumexp(terms, axis=-1), axis=-1)

    def draw(self, shape, seed):
        """A normal draw and, to choose the component, Gumbel draws for each dimension."""
        if not isinstance(seed, keras.random.SeedGenerator):
            seed = keras.random.SeedGenerator(seed)
        dtype = self.variable_dtype
        normal = keras.random.normal((*shape, 1), dtype=dtype, seed=seed)
        size = (*shape, self.components)
        uniform = keras.random.uniform(size, 1e-7, 1 - 1e-7, dtype=dtype, seed=seed)
        return ops.concatenate([normal, -ops.log(-ops.log(uniform))], axis=-1)

    def transform(self, u, temperature, *context):
        temperature = temperature[:, None] if np.ndim(temperature) else temperature
        u = ops.concatenate([temperature * u[..., :1], u[..., 1:]], axis=-1)
        return self.net.sequential(u, self._sample_dimension, self._context(context))[0]

    def _sample_dimension(self, u, params):
        weights, means, log_stds = self._components(params)
        component = ops.argmax(weights + u[:, 1:], axis=-1)
        one_hot = ops.one_hot(component, self.components, dtype=params.dtype)
        value = ops.sum(one_hot * (means + ops.exp(log_stds) * u[:, :1]), axis=-1)
        return value, ops.zeros_like(value)

    def get_config(self):
        config = {"components": self.components, "classes": self.classes}
        config |= {"conditional": self.conditional, "standardize_context": bool(self.scaler)}
        return {**super().get_config(), **config, **self.options}
