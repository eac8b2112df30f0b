"""Additive coupling of integers with a rounded shift."""

from keras import ops

from keras_flows.core.flow_layer import register
from keras_flows.core.seeds import numpy_generator
from keras_flows.core.shapes import known_size
from keras_flows.layers.base_coupling import BaseCoupling
from keras_flows.layers.split import split_last_axis

SPLITS = {"quarter": 4, "halves": 2}


@register
class IntegerCoupling(BaseCoupling):
    """Coupling of integers: z = join(x1, x2 + round(levels * t)), t = net(x1 / levels), log-det 0.

    Integers stay integers, so the layer is a bijection of integer vectors. The
    gradient of the rounding is taken as 1 (straight-through).

    Args:
        net: Keras layer or model from x1, or from [x1, context], to x2's shape.
        split: "quarter", the last quarter of the channels moves (one of fewer
            than 8), as in IDF; or "halves", the last half moves.
        flip: whether the first channels move instead of the last.
        order: None, the channels in their order; or "random", a random choice
            of channels moves. They keep their places, which is what IDF++
            calls undoing the permutation.
        rezero: whether t is multiplied by a learned scalar that starts at 0,
            so that the layer starts as the identity, as in IDF++.
        levels: number of values of a pixel; the network sees x1 / levels.
        seed: integer seed of the random order.

    Shapes: `(..., d)` to the same, d of 2 or more; with a context, a list
    `[x, context]`. Values are exact up to 2^24. Raises ValueError if the
    network's output does not have the shape of x2, and for unknown options.
    Papers: IDF (1905.07376) section 3.1, IDF++ (2006.12459) section 4.

    >>> z = IntegerCoupling(DenseNet(d // 4, hidden=64, blocks=4))(x)
    """

    def __init__(
        self,
        net,
        split="quarter",
        flip=False,
        order=None,
        rezero=False,
        levels=256,
        seed=None,
        **kwargs,
    ):
        super().__init__(net, "additive", flip, "sigmoid", **kwargs)
        if split not in SPLITS:
            raise ValueError(f"split is one of {tuple(SPLITS)}. Received: split={split!r}.")
        if order not in (None, "random"):
            raise ValueError(f"order is None or 'random'. Received: order={order!r}.")
        if not levels >= 1:
            raise ValueError(f"levels is 1 or more. Received: levels={levels}.")
        self.split, self.order, self.rezero = split, order, bool(rezero)
        self.levels, self.seed = int(levels), seed

    def build(self, input_shape):
        super().build(input_shape)
        if self.rezero:
            self.gain = self.add_weight(name="gain", shape=(), initializer="zeros")

    def _cut_shapes(self, shape):
        size = known_size(self, shape)
        if size < 2:
            raise ValueError(
                "IntegerCoupling needs two positions or more on the last axis. "
                f"Received: input_shape={shape}."
            )
        moves = max(1, size // SPLITS[self.split])
        self.sizes = self._ordered([size - moves, moves])
        if self.order == "random" and not hasattr(self, "places"):
            places = numpy_generator(self.seed).permutation(size)
            self.places = self.add_weight(
                name="places",
                shape=(size,),
                dtype="int32",
                initializer=lambda shape, dtype: ops.convert_to_tensor(places, dtype),
                trainable=False,
            )
        return [(*shape[:-1], part) for part in (size - moves, moves)]

    def _cut(self, x):
        x = ops.take(x, self.places, axis=-1) if self.order else x
        return self._ordered(split_last_axis(self, x, self.sizes))

    def _join(self, x1, x2):
        x = ops.concatenate(self._ordered([x1, x2]), axis=-1)
        return ops.take(x, ops.argsort(self.places), axis=-1) if self.order else x

    def shift(self, x1, context=()):
        """What is added to x2 before it is rounded, in levels."""
        shift = self.levels * super()._params(x1 / self.levels, context)[0]
        return self.gain * shift if self.rezero else shift

    def _params(self, x1, context):
        return -rounded(self.shift(x1, context)), None  # BaseCoupling subtracts

    def get_config(self):
        config = super().get_config()
        for name in ("mode", "scale", "bins", "tail_bound"):
            config.pop(name)
        config |= {"split": self.split, "order": self.order, "rezero": self.rezero}
        return {**config, "levels": self.levels, "seed": self.seed}


def rounded(x):
    """x rounded to integers, half to even; its gradient is that of x."""
    # The difference is exactly 0; x + stop_gradient(round(x) - x) can miss the integer.
    return ops.stop_gradient(ops.cast(ops.round(x), x.dtype)) + (x - ops.stop_gradient(x))
