"""Networks whose Lipschitz constant is below 1: the branches g of residual flows, x + g(x)."""

import keras
from keras import layers, ops

from keras_flows.core.flow_layer import register
from keras_flows.core.shapes import is_shape, known_size
from keras_flows.networks.lipschitz import LipschitzConv2D, LipschitzDense
from keras_flows.networks.lipswish import LipSwish

ACTIVATIONS = {
    "lipswish": lambda dtype: LipSwish(dtype=dtype),
    "sin": lambda dtype: layers.Activation(ops.sin, dtype=dtype),
    "elu": lambda dtype: layers.Activation(ops.elu, dtype=dtype),
}


class LipschitzNet(layers.Layer):
    """What the networks share: layers of bounded norm with activations of slopes of at most 1.

    The bounds of the layers multiply to `lipschitz`. With `concatenate` each layer but the last
    appends its outputs to its inputs, [a h, b act(W h)] with learned a^2 + b^2 = 1.
    """

    def __init__(
        self, hidden, lipschitz, activation, concatenate, first_activation, *, dtype=None, **kwargs
    ):
        super().__init__(dtype=dtype or keras.config.dtype_policy().variable_dtype, **kwargs)
        self.hidden, self.lipschitz = tuple(hidden), float(lipschitz)
        self.activation, self.concatenate = activation, bool(concatenate)
        self.first_activation = bool(first_activation)
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(
                f"hidden holds one width or more, of 1 or more. Received: hidden={hidden}."
            )
        if not 0 < self.lipschitz < 1:
            raise ValueError(f"lipschitz lies between 0 and 1. Received: lipschitz={lipschitz}.")
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation is one of {tuple(ACTIVATIONS)}. Received: activation={activation!r}."
            )

    def build(self, input_shape):
        shape, *context = [input_shape] if is_shape(input_shape) else input_shape
        count = len(self.hidden) + 1
        each = 1.0 if self.concatenate else self.lipschitz ** (1 / count)
        bounds = [each] * (count - 1) + [self.lipschitz if self.concatenate else each]
        self.affine, self.activations, self.mixes = [], [], []
        if self.first_activation:
            self.activations.append(ACTIVATIONS[self.activation](self.dtype_policy))
        h = tuple(shape)
        for i, width in enumerate((*self.hidden, known_size(self, shape))):
            layer = self._layer(i, width, bounds[i], last=i == count - 1)
            layer.build(h)
            self.affine.append(layer)
            if i < count - 1:
                self.activations.append(ACTIVATIONS[self.activation](self.dtype_policy))
                h = (*h[:-1], width + (h[-1] if self.concatenate else 0))
                if self.concatenate:
                    mix = self.add_weight(name=f"mix_{i}", shape=(2,), initializer="ones")
                    self.mixes.append(mix)
        for activation in self.activations:
            activation.build(h)
        self.from_context = None
        if context:
            self.from_context = layers.Dense(
                self.hidden[0], use_bias=False, dtype=self.dtype_policy, name="from_context"
            )
            self.from_context.build(context[0])

    def call(self, inputs):
        x, context = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        activations = iter(self.activations)
        h = next(activations)(x) if self.first_activation else x
        for i, layer in enumerate(self.affine[:-1]):
            u = layer(h)
            if i == 0 and self.from_context is not None:
                shift = self.from_context(context)
                u = u + ops.reshape(shift, (-1, *[1] * (len(u.shape) - 2), shift.shape[-1]))
            u = next(activations)(u)
            h = ops.concatenate(self._mixed(i, h, u), axis=-1) if self.concatenate else u
        return self.affine[-1](h)

    def _mixed(self, i, h, u):
        mix = ops.convert_to_tensor(self.mixes[i])
        mix = mix / ops.sqrt(ops.sum(ops.square(mix)))
        return [mix[0] * h, mix[1] * u]

    def bound(self):
        """A certified bound on the Lipschitz constant, in x."""
        total = 1.0
        for i, layer in enumerate(self.affine[:-1]):
            after = layer.bound() * total
            if self.concatenate:
                a, b = ops.convert_to_numpy(self.mixes[i]).astype("float64")
                after = ((a * total) ** 2 + (b * after) ** 2) ** 0.5 / (a * a + b * b) ** 0.5
            total = after
        return total * self.affine[-1].bound()

    def compute_output_shape(self, input_shape):
        return tuple(input_shape if is_shape(input_shape) else input_shape[0])

    def get_config(self):
        return {
            **super().get_config(),
            "hidden": self.hidden,
            "lipschitz": self.lipschitz,
            "activation": self.activation,
            "concatenate": self.concatenate,
            "first_activation": self.first_activation,
        }


@register
class LipschitzMLP(LipschitzNet):
    """A network of dense layers from vectors to vectors of the same size, Lipschitz below 1.

    Args:
        hidden: widths of the hidden layers.
        lipschitz: bound on the Lipschitz constant of the whole, in (0, 1).
        activation: "lipswish", "sin" or "elu"; see `LipSwish` for why that is the default.
        concatenate: whether layers append their outputs to their inputs, as in i-DenseNets.
        first_activation: whether an activation comes before the first layer too.
        scale: of the last kernel at the start, relative to Glorot's; small ones start the flow
            near the identity.

    Shapes: `(batch, dims)`, or `[x, context]` with a context `(batch, c)` on which there is no
    bound, to `(batch, dims)`. `bound()` certifies the constant in x. Raises ValueError for
    options that cannot work. Papers: Residual Flows (1906.02735) section 3, i-DenseNets
    (2102.02694) section 3.

    >>> z = Residual(LipschitzMLP((64, 64), lipschitz=0.9))(x)
    """

    def __init__(
        self,
        hidden=(64, 64),
        lipschitz=0.9,
        activation="lipswish",
        concatenate=False,
        first_activation=False,
        scale=0.1,
        **kwargs,
    ):
        super().__init__(hidden, lipschitz, activation, concatenate, first_activation, **kwargs)
        self.scale = float(scale)

    def _layer(self, i, width, coefficient, last):
        return LipschitzDense(
            width,
            coefficient=coefficient,
            kernel_initializer=_start(self.scale if last else 1.0),
            dtype=self.dtype_policy,
            name=f"dense_{i}",
        )

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@register
class LipschitzConvNet(LipschitzNet):
    """A network of convolutions from pictures to pictures of the same shape, Lipschitz below 1.

    Args:
        hidden: channels of the hidden layers.
        kernels: sides of the kernels, one more than there are hidden layers.
        lipschitz, activation, concatenate, first_activation, scale: as in `LipschitzMLP`.

    Shapes: `(batch, height, width, channels)`, or `[x, context]` with a context `(batch, c)`, to
    the same; sides and channels must be known. `bound()` certifies the constant in x. Raises
    ValueError for options that cannot work. Papers: i-ResNet (1811.00995), Residual Flows
    (1906.02735) section 3.

    >>> z = Residual(LipschitzConvNet((64, 64), kernels=(3, 1, 3)))(pictures)
    """

    def __init__(
        self,
        hidden=(64, 64),
        kernels=(3, 1, 3),
        lipschitz=0.9,
        activation="lipswish",
        concatenate=False,
        first_activation=True,
        scale=0.1,
        **kwargs,
    ):
        super().__init__(hidden, lipschitz, activation, concatenate, first_activation, **kwargs)
        self.kernels, self.scale = tuple(kernels), float(scale)
        if len(self.kernels) != len(self.hidden) + 1 or min(self.kernels) < 1:
            raise ValueError(
                "kernels holds a side for each layer, one more than hidden. "
                f"Received: hidden={hidden}, kernels={kernels}."
            )

    def _layer(self, i, width, coefficient, last):
        return LipschitzConv2D(
            width,
            self.kernels[i],
            coefficient=coefficient,
            kernel_initializer=_start(self.scale if last else 1.0),
            dtype=self.dtype_policy,
            name=f"conv_{i}",
        )

    def get_config(self):
        return {**super().get_config(), "kernels": self.kernels, "scale": self.scale}


def _start(scale):
    return keras.initializers.VarianceScaling(scale * scale, "fan_avg", "uniform")
