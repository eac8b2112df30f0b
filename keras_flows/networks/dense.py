"""Coupling networks for vectors."""

from keras import layers, ops

from keras_flows.core.flow_layer import register
from keras_flows.core.shapes import is_shape


@register
class ResidualDense(layers.Layer):
    """Residual network for vectors, h <- h + W2 relu(W1 relu(h)), as in neural spline flows.

    Args:
        outputs: size of the output, which starts at 0.
        hidden: width of the hidden layers.
        blocks: residual blocks of two layers.
        dropout: share of the units dropped in training, before each W2.

    Shapes: `(batch, d)`, or a list of vectors that are concatenated, such as
    [x, context], to `(batch, outputs)`. Raises ValueError for sizes below 1. Paper: Neural
    Spline Flows (1906.04032) appendix B.1.

    >>> z = Coupling(ResidualDense(3 * 23), "spline", split="halves")(x)  # x has 6 dimensions
    """

    def __init__(self, outputs, hidden=256, blocks=2, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if min(outputs, hidden, blocks) < 1 or not 0 <= dropout < 1:
            raise ValueError(
                "ResidualDense needs outputs, hidden and blocks of 1 or more and dropout in "
                f"[0, 1). Received: outputs={outputs}, hidden={hidden}, blocks={blocks}, "
                f"dropout={dropout}."
            )
        self.outputs, self.hidden = int(outputs), int(hidden)
        self.blocks, self.dropout = int(blocks), float(dropout)

    def build(self, input_shape):
        shapes = [input_shape] if is_shape(input_shape) else input_shape
        sizes = [self.hidden] * (2 * self.blocks + 1) + [self.outputs]
        shape = (None, sum(shape[-1] for shape in shapes))
        self.dense = []
        for i, size in enumerate(sizes):
            initializer = "zeros" if i == len(sizes) - 1 else "glorot_uniform"
            layer = layers.Dense(size, kernel_initializer=initializer, dtype=self.dtype_policy)
            layer.build(shape)
            self.dense.append(layer)
            shape = (None, size)
        self.drop = layers.Dropout(self.dropout, dtype=self.dtype_policy) if self.dropout else None

    def call(self, x, training=None):
        h = ops.concatenate(x, axis=-1) if isinstance(x, (list, tuple)) else x
        first, *inner, last = self.dense
        h = first(h)
        for dense1, dense2 in zip(inner[::2], inner[1::2]):
            u = ops.relu(dense1(ops.relu(h)))
            h = h + dense2(self.drop(u, training=training) if self.drop else u)
        return last(ops.relu(h))

    def compute_output_shape(self, input_shape):
        shape = input_shape if is_shape(input_shape) else input_shape[0]
        return (*shape[:-1], self.outputs)

    def get_config(self):
        config = {"hidden": self.hidden, "blocks": self.blocks, "dropout": self.dropout}
        return {**super().get_config(), "outputs": self.outputs, **config}
