"""Convolutional coupling networks of the papers."""

from keras import layers, ops

from keras_flows.core.flow_layer import register
from keras_flows.layers.actnorm import Actnorm
from keras_flows.layers.scale import Scale
from keras_flows.networks.convolution import Convolution, EdgePad, WeightNormConv2D


class _Network(layers.Layer):
    """Base of networks with `outputs` output channels and `hidden` channels inside."""

    def __init__(self, outputs, hidden, **kwargs):
        super().__init__(**kwargs)
        if outputs < 1 or hidden < 1:
            raise ValueError(
                f"{type(self).__name__} needs outputs and hidden of 1 or more. "
                f"Received: outputs={outputs}, hidden={hidden}."
            )
        self.outputs, self.hidden = int(outputs), int(hidden)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.outputs)

    def get_config(self):
        return {**super().get_config(), "outputs": self.outputs, "hidden": self.hidden}

    def _build_in_turn(self, parts, shape):
        """Builds each layer for the output shape of the one before."""
        for part in parts:
            part.build(shape)
            shape = part.compute_output_shape(shape)
        return parts


@register
class ConvNet(_Network):
    """Glow's coupling network: convolutions of 3x3, 1x1 and 3x3 with ReLU; its output starts at 0.

    Args:
        outputs: output channels.
        hidden: channels of the hidden layers.
        actnorm: as in the paper's code, replace the biases of the first two
            convolutions by `Actnorm` and multiply the output by exp(3 k).
        edges: replace zero padding by `EdgePad`.

    Shapes: `(batch, h, w, c)` to `(batch, h, w, outputs)`. Paper: Glow
    (1807.03039) section 3.3 and 5.

    >>> z = Coupling(ConvNet(2 * 6, hidden=512), "affine", split="halves")(images)
    """

    def __init__(self, outputs, hidden=512, actnorm=False, edges=False, **kwargs):
        super().__init__(outputs, hidden, **kwargs)
        self.actnorm, self.edges = bool(actnorm), bool(edges)

    def build(self, input_shape):
        # The policy of this layer, which may differ from the global one when it is loaded.
        options, dtype = {"dtype": self.dtype_policy}, self.variable_dtype

        def conv(filters, size, name, **more):
            pad = [EdgePad(size // 2, name=f"{name}_pad", **options)] if self.edges else []
            padding = "valid" if self.edges else "same"
            more = {"padding": padding, "name": name, **options, **more}
            return [*(pad if size > 1 else []), Convolution(filters, size, **more)]

        def hidden(size, name):
            act = layers.Activation("relu", name=f"{name}_relu", **options)
            if not self.actnorm:
                return [*conv(self.hidden, size, name, activation="relu")]
            return [*conv(self.hidden, size, name, use_bias=False), Actnorm(dtype=dtype), act]

        last = conv(self.outputs, 3, "last", kernel_initializer="zeros")
        scale = [Scale("zeros", factor=3.0, dtype=dtype)] if self.actnorm else []
        parts = [*hidden(3, "first"), *hidden(1, "middle"), *last, *scale]
        self.parts = self._build_in_turn(parts, input_shape)

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def get_config(self):
        return {**super().get_config(), "actnorm": self.actnorm, "edges": self.edges}


@register
class ResidualNet(_Network):
    """RealNVP's coupling network: residual blocks with skip connections; its output starts at 0.

    The normalised input and its negative go through a 3x3 convolution and
    then through residual blocks of two 3x3 convolutions, each after batch
    normalisation and ReLU. 1x1 convolutions of the first convolution and of
    each block are summed and normalised; a plain 1x1 convolution gives the
    output. All other convolutions are weight-normalised, with an L2 penalty
    on their gains.

    Args:
        outputs: output channels.
        hidden: channels of the hidden layers.
        blocks: residual blocks.
        l2: penalty on the gains.

    Shapes: `(batch, h, w, c)` to `(batch, h, w, outputs)`. Paper: RealNVP
    (1605.08803) section 4.1 and appendix.

    >>> z = CheckerboardCouple(ResidualNet(2 * 3, hidden=64, blocks=8))(images)
    """

    def __init__(self, outputs, hidden=64, blocks=8, l2=5e-5, **kwargs):
        super().__init__(outputs, hidden, **kwargs)
        if blocks < 0:
            raise ValueError(f"ResidualNet needs blocks of 0 or more. Received: blocks={blocks}.")
        self.blocks, self.l2 = int(blocks), float(l2)

    def build(self, input_shape):
        batch, *sides, channels = input_shape
        inner = (batch, *sides, self.hidden)
        self.enter_norm = self._norm("enter_norm", input_shape)
        self.enter = self._conv(3, "enter", (batch, *sides, 2 * channels))
        self.stages = []
        for i in range(self.blocks):
            parts = []
            for j in range(2):
                name = f"block_{i}_{j}"
                parts.append(self._norm(f"{name}_norm", inner))
                parts.append(self._conv(3, name, inner, use_bias=j == 1))
            self.stages.append(parts)
        self.skips = [self._conv(1, f"skip_{i}", inner) for i in range(self.blocks + 1)]
        self.leave_norm = self._norm("leave_norm", inner)
        self.leave = layers.Conv2D(
            self.outputs, 1, kernel_initializer="zeros", name="leave", dtype=self.dtype_policy
        )
        self.leave.build(inner)

    def _norm(self, name, shape):
        norm = layers.BatchNormalization(momentum=0.9, name=name, dtype=self.dtype_policy)
        norm.build(shape)
        return norm

    def _conv(self, size, name, shape, **options):
        options = {"name": name, "dtype": self.dtype_policy, "l2": self.l2, **options}
        conv = WeightNormConv2D(self.hidden, size, **options)
        conv.build(shape)
        return conv

    def call(self, x):
        x = self.enter_norm(x)
        h = self.enter(ops.relu(ops.concatenate([x, -x], axis=-1)))
        out = self.skips[0](h)
        for (norm_a, conv_a, norm_b, conv_b), skip in zip(self.stages, self.skips[1:]):
            h = h + conv_b(ops.relu(norm_b(conv_a(ops.relu(norm_a(h))))))
            out = out + skip(h)
        return self.leave(ops.relu(self.leave_norm(out)))

    def get_config(self):
        return {**super().get_config(), "blocks": self.blocks, "l2": self.l2}
