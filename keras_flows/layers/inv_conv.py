"""Invertible 1x1 convolutions and dense layers in PLU form."""

import numpy as np
from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.prepared import prepared
from keras_flows.core.seeds import numpy_generator
from keras_flows.core.shapes import fixed_last_axis, known_size, positions
from keras_flows.core.signatures import ByName


def plu(matrix):
    """P, L and U with matrix = P L U, by Gaussian elimination with partial pivoting."""
    n = len(matrix)
    u, lower, order = matrix.astype("float64"), np.eye(n), np.arange(n)
    for k in range(n - 1):
        pivot = k + np.argmax(np.abs(u[k:, k]))
        u[[k, pivot]], order[[k, pivot]] = u[[pivot, k]], order[[pivot, k]]
        lower[[k, pivot], :k] = lower[[pivot, k], :k]
        lower[k + 1 :, k] = u[k + 1 :, k] / u[k, k]
        u[k + 1 :] -= np.outer(lower[k + 1 :, k], u[k])
    return np.eye(n)[order].T, lower, np.triu(u)


def _inverse(lower):
    """The inverse of a lower triangular matrix, from inverses of larger and larger diagonal blocks.

    By matrix products, because threads of triangular solvers wait for each other on JAX.
    """
    n = int(lower.shape[-1])  # a tensor where torch traces for an export
    if n > 64:
        half = n // 2
        first, last = _inverse(lower[..., :half, :half]), _inverse(lower[..., half:, half:])
        beside = -last @ lower[..., half:, :half] @ first
        above = ops.concatenate([first, ops.zeros_like(_transposed(beside))], axis=-1)
        return ops.concatenate([above, ops.concatenate([beside, last], axis=-1)], axis=-2)
    inverse = ops.eye(n, dtype=lower.dtype) / ops.diagonal(lower, axis1=-2, axis2=-1)[..., None, :]
    for size in (2**i for i in range((n - 1).bit_length())):
        block = np.arange(n) // size
        beside = (block[:, None] % 2 == 1) & (block[:, None] == block + 1)
        inverse = inverse - inverse @ (lower * ops.convert_to_tensor(beside, lower.dtype)) @ inverse
    return inverse


def _transposed(matrices):
    return ops.swapaxes(matrices, -1, -2)


@register
class InvConv(FlowLayer):
    """Invertible 1x1 convolution: z = x W on the last axis, log|det dz/dx| = positions * sum(s).

    W = P (L + I) (U + diag(sign exp(s))): the permutation P and the signs are
    fixed, the strictly triangular L and U and the log-diagonal s are trained.
    W starts as a random rotation or permutation. Both triangles are inverted
    by matrix products, and the log-det needs no determinant.

    Args:
        seed: integer seed of the initial W.
        start: "rotation", or "permutation" to keep columns separate at first,
            as for tables.

    Shapes: `(..., channels)` of any rank to the same; the log-det is a scalar
    in nats. Raises ValueError for another start. Paper: Glow (1807.03039)
    section 3.2.

    >>> z = InvConv(seed=0)(x)
    """

    def __init__(self, seed=None, start="rotation", **kwargs):
        super().__init__(**kwargs)
        if start not in ("rotation", "permutation"):
            raise ValueError(f"start is 'rotation' or 'permutation'. Received: start={start!r}.")
        self.seed, self.start = seed, start

    def build(self, input_shape):
        size = known_size(self, input_shape)
        self.input_spec = fixed_last_axis(size)
        generator = np.random.default_rng(numpy_generator(self.seed))
        if self.start == "rotation":
            matrix = np.linalg.qr(generator.normal(size=(size, size)))[0]
        else:
            matrix = np.eye(size)[generator.permutation(size)]
        p, lower, u = plu(matrix)
        diagonal = np.diag(u)
        self.p = self._weight("p", p, trainable=False)
        self.sign = self._weight("sign", np.sign(diagonal), trainable=False)
        self.lower = self._weight("lower", np.tril(lower, -1))
        self.upper = self._weight("upper", np.triu(u, 1))
        self.log_diagonal = self._weight("log_diagonal", np.log(np.abs(diagonal)))
        self._mask, self._eye = np.tril(np.ones((size, size)), -1), np.eye(size)

    def _weight(self, name, value, trainable=True):
        return self.add_weight(
            name=name,
            shape=value.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(value, dtype),
            trainable=trainable,
        )

    def prepare(self, method, *, p, sign, lower, upper, log_diagonal, **_):
        """The kernel of a direction, and its log-determinant at one position."""
        mask, eye = (ops.convert_to_tensor(m, self.compute_dtype) for m in (self._mask, self._eye))
        diagonal = (sign * ops.exp(log_diagonal))[..., None, :]
        lower, upper = lower * mask + eye, upper * _transposed(mask) + eye * diagonal
        # `@` between tensors keeps float64, which ops.matmul drops on torch.
        kernel, log_det = p @ (lower @ upper), ops.sum(log_diagonal, axis=-1)
        if method == "encode":
            return kernel, log_det
        first, last = _inverse(_transposed(upper)), _inverse(lower)
        inverse = _transposed(p @ _transposed(last) @ first)
        # A Newton step towards the inverse of the kernel as rounded for encoding.
        return inverse + inverse @ (eye - kernel @ inverse), -log_det

    def encode(self, x):
        kernel, log_det = prepared(self, "encode")
        return self._mix(x, kernel), positions(x) * log_det

    def decode(self, z):
        kernel, log_det = prepared(self, "decode")
        return self._mix(z, kernel), positions(z) * log_det

    @staticmethod
    def _mix(x, kernel):
        # One product of matrices: for more axes some backends broadcast the kernel.
        return ops.reshape(ops.reshape(x, (-1, x.shape[-1])) @ kernel, (-1, *ops.shape(x)[1:]))

    def get_config(self):
        return {**super().get_config(), "seed": self.seed, "start": self.start}


@register
class InvDense(ByName, InvConv):
    """Invertible dense layer without a bias: z = x W, log|det dz/dx| = positions * sum(s).

    This is `InvConv` under its name in the blog series, where it mixes vectors
    and the channels of pictures. Arguments are passed by name: by position the
    first one means `isinverse` in the blog series.

    Args:
        seed: integer seed of the initial W.
        start: "rotation" or "permutation".

    Shapes: `(..., d)` to the same; the log-det is a scalar in nats. Paper: Glow
    (1807.03039) section 3.2.

    >>> dense = InvDense(); z = dense(x); x = dense.inverse()(z)
    """

    def __init__(self, *, seed=None, start="rotation", **kwargs):
        super().__init__(seed, start, **kwargs)
