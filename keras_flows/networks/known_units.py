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
        weights = [np.ones((dims, 1)), *(weights for _, weights in blocks)]
        self.weights = [ops.convert_to_tensor(table, kernels[0].dtype) for table in weights]

    def step(self, i, k, h, sums):
        """Adds the new inputs h of the k-th layer to its sums; returns the sums now complete."""

        def at(table):
            return ops.take(table, i, axis=0)

        rows = ops.take(self.kernels[k], at(self.rows[k]), axis=0)
        sums[k] = sums[k] + (h * at(self.weights[k])) @ rows
        return ops.take(sums[k], at(self.columns[k]), axis=1)


def _blocks(degrees, dims):
    """The units of each degree 0..dims-1, padded, and weights: 1 for units and 0 for padding.

    Both are `(dims, m)`, where m is the largest number of units of one degree.
    """
    members = [np.flatnonzero(degrees == i) for i in range(dims)]
    units = np.zeros((dims, max(map(len, members))), "int32")
    weights = np.zeros(units.shape)
    for i, group in enumerate(members):
        units[i, : len(group)] = group
        weights[i, : len(group)] = 1
    return units, weights
