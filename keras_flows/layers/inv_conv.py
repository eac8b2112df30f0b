"""Invertible 1x1 convolution in PLU form."""

import numpy as np
from keras import ops

from keras_flows.layers.flow_layer import (
    FlowLayer,
    fixed_last_axis,
    known_size,
    numpy_generator,
    positions,
    register,
)


def plu(matrix):
    """P, L, U with matrix = P L U, by Gaussian elimination with partial pivoting."""
    n = len(matrix)
    u, lower, order = matrix.astype("float64"), np.eye(n), np.arange(n)
    for k in range(n - 1):
        pivot = k + np.argmax(np.abs(u[k:, k]))
        u[[k, pivot]], order[[k, pivot]] = u[[pivot, k]], order[[pivot, k]]
        lower[[k, pivot], :k] = lower[[pivot, k], :k]
        lower[k + 1 :, k] = u[k + 1 :, k] / u[k, k]
        u[k + 1 :] -= np.outer(lower[k + 1 :, k], u[k])
    return np.eye(n)[order].T, lower, np.triu(u)


@register
class InvConv(FlowLayer):
    """Invertible 1x1 convolution: z = x W on the last axis, log|det dz/dx| = positions * sum(s).

    W = P (L + I) (U + diag(sign exp(s))): the permutation P and the signs are
    fixed, the strictly triangular L and U and the log-diagonal s are trained.
    W starts as a random rotation or permutation. The inverse solves two triangular systems;
    no determinant is ever taken.

    Args:
        seed: integer that fixes the start.
        start: "rotation" or, for columns that mean something by themselves,
            "permutation".

    Shapes: `(..., channels)` of any rank to the same; a log-det is a scalar
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
        self._mask = np.tril(np.ones((size, size)), -1)

    def _weight(self, name, value, trainable=True):
        return self.add_weight(
            name=name,
            shape=value.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(value, dtype),
            trainable=trainable,
        )

    def _triangles(self):
        mask = ops.convert_to_tensor(self._mask, self.compute_dtype)
        eye = ops.eye(len(self._mask), dtype=self.compute_dtype)
        diagonal = self.sign * ops.exp(self.log_diagonal)
        lower = self.lower * mask + eye
        return lower, self.upper * ops.transpose(mask) + eye * diagonal

    def encode(self, x):
        # `@` between tensors keeps float64, which ops.matmul drops on torch.
        lower, upper = self._triangles()
        kernel = ops.convert_to_tensor(self.p) @ (lower @ upper)
        return self._mix(x, kernel), positions(x) * ops.sum(self.log_diagonal)

    def decode(self, z):
        lower, upper = self._triangles()
        kernel = ops.solve_triangular(lower, ops.transpose(self.p), lower=True)
        kernel = ops.solve_triangular(upper, kernel, lower=False)
        return self._mix(z, kernel), -positions(z) * ops.sum(self.log_diagonal)

    @staticmethod
    def _mix(x, kernel):
        # One matrix product: with more axes some backends broadcast the kernel.
        return ops.reshape(ops.reshape(x, (-1, x.shape[-1])) @ kernel, ops.shape(x))

    def get_config(self):
        return {**super().get_config(), "seed": self.seed, "start": self.start}
