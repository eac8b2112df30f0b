"""Layers that repeat: their weights are stacked, and a loop over them is compiled once."""

import copy
import functools

import keras
from keras import ops

from keras_flows.backend import native
from keras_flows.backend.state import unique_paths
from keras_flows.core.prepared import prepare_stack
from keras_flows.core.remat import remat
from keras_flows.core.repeats import can_loop, loops, variables_of
from keras_flows.core.rows import make_row, stacked_variable, unstack
from keras_flows.core.scope import current, scope


class Stack:
    """Blocks of layers that differ only in their weights, which are stacked on a new first axis.

    The layers remain as they are: their variables become rows of the stacked
    ones, and can be read, assigned, saved and loaded as before. Training and
    optimizers use the stacked `variables`.

    Args:
        blocks: lists of built layers.
        add_weight: the method of the layer that owns the stacked variables.
    """

    def __init__(self, blocks, add_weight):
        rows = [variables_of(block) for block in blocks]
        self.block, self.block_variables, self.length = blocks[0], rows[0], len(blocks)
        self.loops, self._can_loop = loops(blocks), can_loop(blocks)
        self.variables = [stacked_variable(column, add_weight) for column in zip(*rows)]
        for i, row in enumerate(rows):
            for variable, stacked in zip(row, self.variables):
                make_row(variable, add_weight.__self__, stacked, i)

    def in_loop(self):
        """The same stack, in a loop wherever a loop is possible.

        For training in less memory: outside a loop a backend may run several
        blocks at once, and keeps the activations of each.
        """
        stack = copy.copy(self)
        stack.loops = self._can_loop
        return stack

    def values(self):
        """The stacked weights as tensors."""
        return [ops.cast(variable.value, variable.dtype) for variable in self.variables]

    def trainable(self, index):
        """Whether each weight of block `index` is trainable."""
        return [variable.trainable for variable in self.variables]

    def layers(self, index):
        """The layers of block `index`."""
        return self.block

    def rows(self, values):
        """The weights of each block, from the stacked ones."""
        return list(zip(*[unstack(value, self.length) for value in values]))

    def join(self, rows):
        """The inverse of `rows`."""
        return [ops.stack(column) for column in zip(*rows)]

    def call(self, index, weights, function, *args):
        """`function(layers, *args)` of block `index`, while its layers have these weights."""
        with keras.StatelessScope(state_mapping=list(zip(self.block_variables, weights))):
            return function(self.block, *args)

    def fold(self, function, carry, values, reverse=False):
        """Applies carry = function(index, weights, carry) to each block in turn.

        Args:
            function: takes and returns `carry`, a list of tensors.
            values: tensors with one row for each block.
            reverse: whether to go from the last block to the first.
        """
        if self.loops:
            step = functools.partial(function, None)
            return native.fold(self.length, step, carry, values, reverse)
        rows = list(enumerate(self.rows(values)))
        for index, weights in reversed(rows) if reverse else rows:
            carry = function(index, weights, carry)
        return carry

    def unfold(self, function, carry, values, like):
        """Applies carry, output = function(index, weights, carry) from the last block to the first.

        Returns the carry, and the outputs joined to tensors shaped as `like`.
        """
        if not self.loops:
            outputs = []
            for index, weights in reversed(list(enumerate(self.rows(values)))):
                carry, row = function(index, weights, carry)
                outputs.insert(0, row)
            return carry, self.join(outputs)

        def body(i, carry, out):
            carry, row = function(None, [ops.take(v, i, axis=0) for v in values], carry)
            at = ops.reshape(i, (1, 1))
            out = [ops.scatter_update(o, at, r[None]) for o, r in zip(out, row)]
            # Zero, but known only after the row: TensorFlow would start several blocks at once.
            wait = 0 * sum(ops.cast(ops.reshape(r, (-1,))[0] == 0, "int32") for r in row)
            return i - 1 + wait, carry, out

        out = [ops.zeros_like(value) for value in like]
        start = ops.convert_to_tensor(self.length - 1, "int32")
        return ops.while_loop(lambda i, *_: i >= 0, body, (start, carry, out))[1:]


class Series(Stack):
    """The interface of `Stack` for blocks that differ and keep variables of their own."""

    loops = _can_loop = False

    def __init__(self, blocks):
        self.blocks, self.length = blocks, len(blocks)
        self.block_variables = [variables_of(block) for block in blocks]
        self.variables = [variable for row in self.block_variables for variable in row]

    def layers(self, index):
        return self.blocks[index]

    def rows(self, values):
        values = iter(values)
        return [[next(values) for _ in row] for row in self.block_variables]

    def trainable(self, index):
        return [variable.trainable for variable in self.block_variables[index]]

    def join(self, rows):
        return [value for row in rows for value in row]

    def call(self, index, weights, function, *args):
        mapping = list(zip(self.block_variables[index], weights))
        with keras.StatelessScope(state_mapping=mapping):
            return function(self.blocks[index], *args)


def run_stack(stack, method, function, x, dtype):
    """x through all blocks of a stack, and the sum of their log-determinants, `(batch,)`.

    Around each block stand, from outside to inside: `remat`, if the training
    step asks for it; the scope with what was prepared from the weights; the
    weights themselves. All tensors that depend on weights are arguments of
    the block, so that `remat` and loops see them.

    Args:
        method: "encode" or, from the last block to the first, "decode".
        function: takes `(layers, x)` and returns `(x, log_det)`.
        dtype: of the log-determinants.
    """
    backprop = current().backprop
    stack = stack.in_loop() if backprop else stack
    weights = stack.values()
    prepared = prepare_stack(stack, weights, method)

    def block(x, *row):
        row_weights, row_prepared = row[: len(weights)], row[len(weights) :]
        with scope(prepared=keras.tree.pack_sequence_as(prepared, row_prepared)):
            return stack.call(None, row_weights, function, x)

    def step(index, row, carry):
        x, total = carry
        x, log_det = remat(block, x, *row) if backprop == "remat" else block(x, *row)
        return [x, total if log_det is None else total + ops.convert_to_tensor(log_det, dtype)]

    total = ops.zeros(ops.shape(x)[:1], dtype)
    values = [*weights, *keras.tree.flatten(prepared)]
    return stack.fold(step, [x, total], values, reverse=method == "decode")


class Stacked:
    """Mixin of a layer whose inner layers may be stacked, in `_stack`: its variables and files."""

    _stack = None

    @property
    def variables(self):
        """The stacked variables, if the inner layers are stacked; otherwise theirs."""
        return list(self._stack.variables) if self._stack else super().variables

    @property
    def weights(self):
        return list(self._stack.variables) if self._stack else super().weights

    def _track_variables(self):  # called by Keras on torch
        unique_paths(self.variables)
        super()._track_variables()

    def save_own_variables(self, store):
        """Saves nothing: the inner layers save their rows."""

    def load_own_variables(self, store):
        """Loads nothing: the inner layers load their rows."""

    def _check_frozen(self, layers, otherwise=""):
        if self._stack and len({layer.trainable for layer in layers}) > 1:
            frozen = [layer.name for layer in layers if not layer.trainable]
            raise ValueError(
                f"The stacked layers of '{self.name}' are trained or frozen together{otherwise}. "
                f"Received: frozen {frozen}."
            )
