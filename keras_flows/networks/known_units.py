"""Evaluation of a masked network dimension by dimension: which units become known when."""

import numpy as np
from keras import ops


class KnownUnits:
    """The units of a MADE that become known with each dimension, and their connections.

    At step i the first i dimensions are known. Each layer keeps sums of its
    inputs. A step adds the inputs that have become known to the sums, so that
    the sums of the units of degree i are complete at step i.
    """

    def __init__(self, made, kernels):
        self.kernels, dims = kernels, made.dims
        self.order = ops.convert_to_tensor(made.known)
        before = ops.concatenate([self.order[:1], self.order[:-1]])
        after = self.order[:, None] * made.outputs + ops.arange(made.outputs, dtype="int32")
        blocks = [_blocks(degrees, dims) for degrees in made.units]
        tables = [ops.convert_to_tensor(units, "int32") for units, _ in blocks]
        self.rows, self.columns = [before[:, None], *tables], [*tables, after]
        real = [np.ones((dims, 1)), *(real for _, real in blocks)]
        self.real = [ops.convert_to_tensor(each, kernels[0].dtype) for each in real]

    def step(self, i, k, h, sums):
        """Adds the k-th layer's newly known inputs h; returns the outputs complete with them."""

        def at(table):
            return ops.take(table, i, axis=0)

        rows = ops.take(self.kernels[k], at(self.rows[k]), axis=0)
        sums[k] = sums[k] + (h * at(self.real[k])) @ rows
        return ops.take(sums[k], at(self.columns[k]), axis=1)


def _blocks(degrees, dims):
    """The units of each degree 0..dims-1, `(dims, m)`, and 1 where there is one, 0 where none."""
    members = [np.flatnonzero(degrees == i) for i in range(dims)]
    units = np.zeros((dims, max(map(len, members))), "int32")
    real = np.zeros(units.shape)
    for i, found in enumerate(members):
        units[i, : len(found)] = found
        real[i, : len(found)] = 1
    return units, real
