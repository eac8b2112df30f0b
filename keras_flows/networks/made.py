"""MADE: a masked network whose outputs for a dimension depend only on the dimensions before."""

import keras
from keras import ops

from keras_flows.backend.native import loop
from keras_flows.core.flow_layer import register
from keras_flows.core.shapes import is_shape
from keras_flows.networks.known_units import KnownUnits
from keras_flows.networks.masks import MaskedDense, dimension_order, layer_masks, unit_degrees


@register
class MADE(keras.layers.Layer):
    """Masked autoencoder: outputs for a dimension depend only on the dimensions before it.

    Args:
        outputs: number of outputs for each dimension, 2 for shift and scale.
        hidden: widths of the hidden layers.
        order: "natural", "reversed", "random", or a list of all dimensions in
            the order in which they become known.
        residual: whether the hidden layers after the first form residual blocks
            of two layers. There must then be an odd number of hidden layers,
            all of the same width. The activation precedes each layer but the
            first, including the last one; nflows' residual MADE has no
            activation there, so that its weights give other outputs here.
        activation: an elementwise Keras activation.
        last_initializer: initializer of the last kernel; with "zeros" a flow
            starts as the identity.
        seed: integer that fixes a random order.

    Shapes: `(batch, dims)`, or `[x, context]` with a context `(batch, c)` that
    all outputs depend on, to `(batch, dims, outputs)`. The order and the masks
    are weights: they are saved with the model. Computes in the variable dtype
    also under a mixed policy, because `sequential`, which inverts a flow, sums
    in another order than a call. Raises ValueError for inconsistent options.
    Papers: MADE (1502.03509) section 4; residual, Neural Spline Flows
    (1906.04032) appendix B.1.

    >>> net = MADE(2, hidden=(512, 512), order="reversed")
    >>> params = net(x)
    """

    def __init__(
        self,
        outputs=2,
        hidden=(64, 64),
        order="natural",
        residual=False,
        activation="relu",
        last_initializer="zeros",
        seed=None,
        *,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)
        self.outputs, self.hidden, self.residual = int(outputs), tuple(hidden), bool(residual)
        self.order = order if isinstance(order, str) else [int(i) for i in order]
        self.activation = keras.activations.get(activation)
        self.last_initializer = keras.initializers.get(last_initializer)
        self.seed = seed
        if min((self.outputs, *self.hidden), default=0) < 1 or not self.hidden:
            raise ValueError(
                "MADE needs outputs of 1 or more and one hidden layer or more of positive width. "
                f"Received: outputs={outputs}, hidden={hidden}."
            )
        if isinstance(order, str) and order not in ("natural", "reversed", "random"):
            raise ValueError(
                "order is 'natural', 'reversed', 'random' or a list of dimensions. "
                f"Received: order={order!r}."
            )
        if residual and (len(self.hidden) % 2 == 0 or len(set(self.hidden)) > 1):
            raise ValueError(
                "A residual MADE needs an odd number of hidden layers of one width, such as "
                f"(256,) * 5 for two blocks. Received: hidden={self.hidden}."
            )

    def build(self, input_shape):
        shape, *context = [input_shape] if is_shape(input_shape) else input_shape
        if len(shape) != 2 or shape[-1] is None or len(context) > 1:
            raise ValueError(
                "MADE takes vectors (batch, dims) of known size, or [vectors, context]. "
                f"Received: input_shape={input_shape}."
            )
        self.dims = shape[-1]
        order = dimension_order(self.order, self.dims, self.seed)
        self.known = self.add_weight(
            name="order",
            shape=(self.dims,),
            dtype="int32",
            initializer=lambda shape, dtype: ops.convert_to_tensor(order, dtype),
            trainable=False,
        )
        self.units = [unit_degrees(width, self.dims, bool(context)) for width in self.hidden]
        masks = layer_masks(order, self.units, self.outputs)
        self.dense = [self._masked(mask, last=mask is masks[-1]) for mask in masks]
        self.given = None
        if context:
            self.given = keras.layers.Dense(
                self.hidden[0], use_bias=False, dtype=self.dtype_policy, name="given"
            )
            self.given.build(context[0])

    def _masked(self, mask, last):
        initializer = self.last_initializer if last else "glorot_uniform"
        layer = MaskedDense(mask, initializer, dtype=self.dtype_policy)
        layer.build(None)
        return layer

    def _network(self, x, dense):
        """The outputs for x, where `dense(k, h)` applies the k-th masked layer to h."""
        act, last = self.activation, len(self.hidden)
        h = dense(0, x)
        if not self.residual:
            for k in range(1, last + 1):
                h = dense(k, act(h))
            return h
        for k in range(1, last, 2):
            h = h + dense(k + 1, act(dense(k, act(h))))
        return dense(last, act(h))

    def call(self, inputs):
        x, context = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        self._check_context(context)

        def dense(k, h):
            h = self.dense[k](h)
            return h + self.given(context) if k == 0 and context is not None else h

        y = self._network(x, dense)
        return ops.reshape(y, (-1, self.dims, self.outputs))

    def sequential(self, sources, solve, context=None):
        """Solves for one dimension after the other, given the outputs for the values before.

        Args:
            sources: `(batch, dims, ...)`.
            solve: function from the source of a dimension `(batch, ...)` and its
                outputs `(batch, outputs)` to its value and a term, `(batch,)` each.
            context: as in a call.

        Returns the values, `(batch, dims)`, and the sums of the terms,
        `(batch,)`. It is one loop over the dimensions that computes each unit of
        the network once, and so costs the arithmetic of one call.
        Differentiable.
        """
        self._check_context(context)
        kernels = [layer.masked() for layer in self.dense]
        known_units = KnownUnits(self, kernels)
        batch = ops.shape(sources)[0]
        sums = [ops.broadcast_to(v.bias, (batch, v.bias.shape[0])) for v in self.dense]
        if context is not None:
            sums[0] = sums[0] + self.given(context)
        zeros = ops.zeros((batch, self.dims), kernels[0].dtype)
        carry = (*sums, zeros[:, :1], zeros, zeros[:, 0])

        def body(i, carry):
            *sums, previous, values, total = carry
            y = self._network(previous, lambda k, h: known_units.step(i, k, h, sums))
            dim = ops.take(known_units.order, i, axis=0)
            value, term = solve(ops.take(sources, dim, axis=1), y)
            one_hot = ops.cast(ops.arange(self.dims, dtype="int32") == dim, values.dtype)
            values = values + value[:, None] * one_hot
            return (*sums, value[:, None], values, total + term)

        carry = loop(self.dims, body, carry)
        return carry[-2], carry[-1]

    def _check_context(self, context):
        if (context is None) != (self.given is None):
            raise ValueError(
                f"'{self.name}' was built {'without' if self.given is None else 'with'} a context. "
                f"Received: context={context}."
            )

    def compute_output_shape(self, input_shape):
        shape = input_shape if is_shape(input_shape) else input_shape[0]
        return (*shape, self.outputs)

    def get_config(self):
        return {
            **super().get_config(),
            "outputs": self.outputs,
            "hidden": self.hidden,
            "order": self.order,
            "residual": self.residual,
            "activation": keras.activations.serialize(self.activation),
            "last_initializer": keras.initializers.serialize(self.last_initializer),
            "seed": self.seed,
        }
