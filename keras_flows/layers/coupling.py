"""Coupling layer: one part of the last axis moves the other part."""

from keras_flows.core.flow_layer import register
from keras_flows.core.shapes import known_size
from keras_flows.layers.base_coupling import BaseCoupling
from keras_flows.layers.split import Split
from keras_flows.layers.split_vector import SplitVector


@register
class Coupling(BaseCoupling):
    """Coupling layer with its network: z = join(x1, (x2 - t) exp(s)), [t, s] = net(x1).

    Args:
        net: Keras layer or model from x1, or from [x1, context], to x2's
            shape (additive), to twice its channels, t before s (affine), or
            to 3 bins - 1 times its channels, those of one channel side by
            side (spline).
        mode: "additive" (s = 0, log-det 0), "affine" (log-det sum(s), in
            nats) or "spline" (z2 is a monotonic rational-quadratic spline of
            x2, the log-det is the sum of its log slopes).
        split: "interleaved" (even and odd positions of the last axis) or
            "halves" (first and second half).
        flip: whether the roles of the two parts are exchanged.
        scale: how s is computed from the network's output r. "sigmoid":
            exp(s) = sigmoid(r + 2), as in Glow. "double_sigmoid": exp(s) =
            2 sigmoid(r), as in Jet. "tanh": s = a tanh(r) with a learned a for
            each channel, as in RealNVP. "exp": s = r. If the network starts at
            zero the layer starts as the identity, or with "sigmoid" as
            z2 = sigmoid(2) x2, which is 0.88 x2.
        bins, tail_bound: for the spline, the number of bins in [-tail_bound,
            tail_bound]; outside it is the identity.

    Shapes: `(..., d)` to the same, d of 2 or more; with a context, a list
    `[x, context]`. Both directions cost one evaluation of the network. Raises
    ValueError if the network's output does not have the shape above. Papers:
    NICE (1410.8516) section 3.2, RealNVP (1605.08803) section 3.2, Neural
    Spline Flows (1906.04032) section 3.

    >>> net = keras.Sequential([Dense(64, "relu"), Dense(d, kernel_initializer="zeros")])
    >>> z = Coupling(net, mode="affine")(x)
    """

    def __init__(
        self,
        net,
        mode="additive",
        split="interleaved",
        flip=False,
        scale="sigmoid",
        bins=8,
        tail_bound=3.0,
        **kwargs,
    ):
        super().__init__(net, mode, flip, scale, bins, tail_bound, **kwargs)
        if split not in ("interleaved", "halves"):
            raise ValueError(f"split is 'interleaved' or 'halves'. Received: split={split!r}.")
        self.split = split
        self._parts = (SplitVector if split == "interleaved" else Split)(
            dtype=self.dtype_policy.name
        )

    def _cut_shapes(self, shape):
        if known_size(self, shape) < 2:
            raise ValueError(
                "Coupling needs two positions or more on the last axis. "
                f"Received: input_shape={shape}."
            )
        self._parts.build(shape)
        return self._ordered(self._parts.compute_output_shape(shape))

    def _cut(self, x):
        return self._ordered(self._parts.encode(x)[0])

    def _join(self, x1, x2):
        return self._parts.decode(self._ordered([x1, x2]))[0]

    def get_config(self):
        return {**super().get_config(), "split": self.split}
