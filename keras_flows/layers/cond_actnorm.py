"""An elementwise affine map whose scale and shift come from a condition."""

import keras
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.shapes import check_list, fixed_last_axis, known_size, positions
from keras_flows.core.signatures import ByName


@register
class CondActnorm(ByName, FlowLayer):
    """Affine map that depends on a condition: z = exp(k(c)) x + b(c), log|det dz/dx| = sum(k(c)).

    Takes [x, c]. If c is a picture, a 3x3 convolution computes k and b. If c
    is a vector, such as a class, a dense layer does, and k and b are the same
    at every position of x. The network starts at zero, so that the layer
    starts as the identity. The layer is the conditional prior of a split in
    the blog series' Glow and in Glow (1807.03039) section 3.6.

    Shapes: x `(batch, ..., channels)`; c `(batch, size)`, or a picture with
    the height and width of x; the output has x's shape, the log-det `(batch,)`
    is in nats. Raises ValueError for ranks other than 2 and 4, and for
    pictures of different sides.

    >>> z = CondActnorm()([x, condition])
    """

    conditions = 1

    def __init__(self, *, use_shift=True, **kwargs):
        super().__init__(**kwargs)
        self.use_shift = bool(use_shift)

    def build(self, input_shape):
        check_list(self, input_shape, 2)
        x, condition = (tuple(shape) for shape in input_shape)
        sides_differ = len(condition) != 2 and x[1:-1] != condition[1:-1]
        if {len(x), len(condition)} - {2, 4} or sides_differ:
            raise ValueError(
                "CondActnorm takes [x, condition], two vectors, two images of the same sides, or "
                f"an image and a vector. Received: shapes {input_shape}."
            )
        self.size = known_size(self, x)
        self.input_spec = [fixed_last_axis(self.size), fixed_last_axis(known_size(self, condition))]
        outputs = self.size * (2 if self.use_shift else 1)
        options = {"kernel_initializer": "zeros", "dtype": self.dtype_policy, "name": "net"}
        self.net = (
            keras.layers.Conv2D(outputs, 3, padding="same", **options)
            if len(condition) == 4
            else keras.layers.Dense(outputs, **options)
        )
        self.net.build(condition)
        self.net_shape = self.net.compute_output_shape(condition)

    def _params(self, x, condition):
        params = self.net(condition)
        if len(params.shape) < len(x.shape):
            params = params[:, None, None]
        return ops.split(params, 2, axis=-1) if self.use_shift else (params, 0.0)

    def _log_det(self, x, k):
        return self.sum(k) * (positions(x) if len(self.net.kernel.shape) < len(x.shape) else 1)

    def encode(self, x):
        x, condition = x
        k, b = self._params(x, condition)
        return x * ops.exp(k) + b, self._log_det(x, k)

    def decode(self, z):
        z, condition = z
        k, b = self._params(z, condition)
        return (z - b) * ops.exp(-k), -self._log_det(z, k)

    def get_config(self):
        return {**super().get_config(), "use_shift": self.use_shift}
