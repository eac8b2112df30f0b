"""Densely connected convolutional networks, for integer discrete flows."""

from keras import layers, ops

from keras_flows.core.flow_layer import register
from keras_flows.networks.convolution import Convolution
from keras_flows.networks.convolutional import _Network

ACTIVATIONS = ("relu", "swish")
GROUPS = 8  # the most groups of a group normalisation


@register
class DenseNet(_Network):
    """Dense blocks: each adds channels that are computed from all channels before it.

    A block is a 1x1 convolution to as many channels as there are, and a 3x3
    convolution to `hidden // blocks` new channels, each followed by the
    activation, as in IDF. With `norm` group normalisation and activation come
    before each convolution, as in IDF++. A 3x3 convolution gives the output.

    Args:
        outputs: output channels.
        hidden: channels that all blocks add together, `blocks` or more.
        blocks: dense blocks.
        norm: None or "group".
        activation: "relu" or "swish".
        zeros: whether the output starts at 0.

    Shapes: `(batch, h, w, c)` to `(batch, h, w, outputs)`. Papers: IDF
    (1905.07376) appendix, IDF++ (2006.12459) section 4, DenseNet (1608.06993).

    >>> z = IntegerCoupling(DenseNet(3, hidden=512, blocks=12))(x)
    """

    def __init__(
        self,
        outputs,
        hidden=512,
        blocks=12,
        norm=None,
        activation="relu",
        zeros=True,
        **kwargs,
    ):
        super().__init__(outputs, hidden, **kwargs)
        if blocks < 1 or hidden < blocks:
            raise ValueError(
                "DenseNet needs 1 block or more, and hidden channels for each of them. "
                f"Received: hidden={hidden}, blocks={blocks}."
            )
        if norm not in (None, "group") or activation not in ACTIVATIONS:
            raise ValueError(
                f"norm is None or 'group', activation is one of {ACTIVATIONS}. "
                f"Received: norm={norm!r}, activation={activation!r}."
            )
        self.blocks, self.norm, self.activation = int(blocks), norm, activation
        self.zeros = bool(zeros)

    def build(self, input_shape):
        *around, channels = input_shape
        self.stages = []
        for i in range(self.blocks):
            growth = self.hidden // self.blocks + (i < self.hidden % self.blocks)
            parts = [
                *self._stage(f"block_{i}_1x1", channels, 1),
                *self._stage(f"block_{i}_3x3", growth, 3),
            ]
            self.stages.append(self._build_in_turn(parts, (*around, channels)))
            channels += growth
        start = {"kernel_initializer": "zeros"} if self.zeros else {}
        self.last = self._conv("last", self.outputs, 3, **start)
        self.last.build((*around, channels))

    def _stage(self, name, filters, size):
        """A convolution with its activation and, before it, its normalisation."""
        if not self.norm:
            return [self._conv(name, filters, size, activation=self.activation)]
        options = {"dtype": self.dtype_policy}
        return [
            GroupNorm(GROUPS, name=f"{name}_norm", **options),
            layers.Activation(self.activation, name=f"{name}_activation", **options),
            self._conv(name, filters, size),
        ]

    def _conv(self, name, filters, size, **options):
        options = {"padding": "same", "name": name, "dtype": self.dtype_policy, **options}
        return Convolution(filters, size, **options)

    def call(self, x):
        for parts in self.stages:
            y = x
            for part in parts:
                y = part(y)
            x = ops.concatenate([x, y], axis=-1)
        return self.last(x)

    def get_config(self):
        config = {"blocks": self.blocks, "norm": self.norm, "activation": self.activation}
        return {**super().get_config(), **config, "zeros": self.zeros}


@register
class GroupNorm(layers.GroupNormalization):
    """`keras.layers.GroupNormalization`; the most groups, up to `groups`, that divide the channels.

    >>> y = GroupNorm(8)(x)
    """

    def build(self, input_shape):
        channels = input_shape[-1]
        self.groups = max(n for n in range(1, self.groups + 1) if channels % n == 0)
        super().build(input_shape)
