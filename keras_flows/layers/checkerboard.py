"""Checkerboard coupling: the cells of one colour move those of the other."""

import keras
import numpy as np
from keras import ops

from keras_flows.core.flow_layer import register
from keras_flows.layers.base_coupling import BaseCoupling


@register
class CheckerboardCouple(BaseCoupling):
    """Coupling of the two colours of a checkerboard: z2 = (x2 - t) exp(s), [t, s] = net(x1).

    If the width is even, each colour is gathered into a picture of half the
    width, so that the network does half the work that a mask would cost.
    Gathering shifts the cells of every other row by one, so the network gets
    an extra channel that is 1 on even rows and -1 on odd rows. If the width is
    odd, the network gets the whole picture with the moving cells set to 0, and
    the extra channel is 1 or -1 for the colour of a cell.

    Args:
        net: Keras layer or model from `(batch, h, w', c + 1)` to `(batch, h,
            w', c)` (additive), `(batch, h, w', 2c)`, t before s (affine), or
            `(batch, h, w', (3 bins - 1) c)` (spline); w' is half the width if
            that is even, otherwise the whole width. With a context the input
            is a list of both.
        mode, scale, bins, tail_bound: as in `Coupling`.
        flip: whether the other colour moves.

    Shapes: `(batch, height, width, channels)` with known sides, both 1 or
    more and their product 2 or more, to the same; log-det `(batch,)` in nats.
    Raises ValueError otherwise. Paper: RealNVP (1605.08803) section 3.4.

    >>> z = CheckerboardCouple(ResidualNet(2 * 3, hidden=64))(images)
    """

    def __init__(
        self, net, mode="affine", flip=False, scale="tanh", bins=8, tail_bound=3.0, **kwargs
    ):
        super().__init__(net, mode, flip, scale, bins, tail_bound, **kwargs)

    def _cut_shapes(self, shape):
        if len(shape) != 4 or None in shape[1:] or shape[1] * shape[2] < 2:
            raise ValueError(
                "CheckerboardCouple needs (batch, height, width, channels) of known sizes, with "
                f"two pixels or more. Received: input_shape={shape}."
            )
        batch, height, width, channels = shape
        self.gathers = width % 2 == 0
        part = (batch, height, width // 2 if self.gathers else width, channels)
        rows, columns = np.indices((height, 1 if self.gathers else width))
        # 1 where the even colour is first: in even rows, or on the cells of that colour.
        self._sign = 1.0 - 2.0 * ((rows + columns) % 2)[None, ..., None]
        return part, part

    def _data_spec(self, shape):
        return keras.InputSpec(shape=(None, *shape[1:]))

    def _signs(self):
        return ops.convert_to_tensor(self._sign, self.compute_dtype)

    def _net_input(self, x1, *context):
        extra = ops.ones_like(x1[..., :1]) * ops.cast(self._signs(), x1.dtype)
        return super()._net_input(ops.concatenate([x1, extra], axis=-1), *context)

    def _cut(self, x):
        if not self.gathers:
            return self._ordered([x * m for m in self._masks()])
        even = self._signs() > 0
        left, right = x[:, :, 0::2], x[:, :, 1::2]
        return self._ordered([ops.where(even, left, right), ops.where(even, right, left)])

    def _join(self, x1, x2):
        first, second = self._ordered([x1, x2])
        if not self.gathers:
            return first + second
        even = self._signs() > 0
        pairs = ops.stack([ops.where(even, first, second), ops.where(even, second, first)], axis=3)
        return ops.reshape(pairs, (-1, pairs.shape[1], 2 * pairs.shape[2], pairs.shape[4]))

    def _masks(self):
        return [(1 + self._signs()) / 2, (1 - self._signs()) / 2]

    def _params(self, x1, context):
        params = super()._params(x1, context)
        if self.gathers:
            return params
        moving = self._ordered(self._masks())[1]
        if self.spline:  # with parameters 0 it is the identity
            return params * moving[..., None]
        shift, log_scale = params
        return shift * moving, None if log_scale is None else log_scale * moving
