"""Steps that repeat: their weights in one variable each, traced and compiled once."""

import copy
import functools

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.global_state import get_global_attribute

from keras_flows.backend import autodiff
from keras_flows.backend.state import unique_paths
from keras_flows.core.ledger import is_adapting
from keras_flows.core.repeats import can_loop, loops, variables_of


class Stack:
    """Blocks of layers that are alike but for their weights, which are stacked on a new first axis.

    The layers stay what they are: their variables become rows of the stacked
    ones and are read, assigned, saved and loaded as before. What trains, and
    what an optimizer sees, are the stacked `variables`.

    Args:
        blocks: lists of built layers.
        add_weight: the method of the layer that owns the stacked variables.
    """

    def __init__(self, blocks, add_weight):
        rows = [variables_of(block) for block in blocks]
        self.block, self.own, self.length = blocks[0], rows[0], len(blocks)
        self.loops, self._can_loop = loops(blocks), can_loop(blocks)
        self.variables = [_stacked(column, add_weight) for column in zip(*rows)]
        for i, row in enumerate(rows):
            for variable, whole in zip(row, self.variables):
                _make_row(variable, add_weight.__self__, whole, i)

    @property
    def lean(self):
        """The same in a loop wherever it can be: of blocks outside of one, several are under way
        at once, each with activations of its own."""
        stack = copy.copy(self)
        stack.loops = self._can_loop
        return stack

    def values(self):
        """The weights as tensors."""
        return [ops.cast(variable.value, variable.dtype) for variable in self.variables]

    def trains(self, index):
        """Whether each weight of a block trains."""
        return [variable.trainable for variable in self.variables]

    def layers(self, index):
        """Those of a block."""
        return self.block

    def rows(self, values):
        """The weights of each block, from those of all."""
        return list(zip(*[_rows(value, self.length) for value in values]))

    def joined(self, rows):
        """The inverse of `rows`."""
        return [ops.stack(column) for column in zip(*rows)]

    def within(self, index, weights, function, *args):
        """`function(block, *args)` where the block has these weights."""
        with keras.StatelessScope(state_mapping=list(zip(self.own, weights))):
            return function(self.block, *args)

    def fold(self, function, carry, values, reverse=False):
        """carry = function(index, weights, carry), for all blocks in their order; a list."""
        if self.loops:
            each = functools.partial(function, None)
            return autodiff.fold(self.length, each, carry, values, reverse)
        rows = list(enumerate(self.rows(values)))
        for index, weights in reversed(rows) if reverse else rows:
            carry = function(index, weights, carry)
        return carry

    def unfold(self, function, carry, values, like):
        """carry, emitted = function(index, weights, carry), from the last block to the first.

        Returns the carry, and what was emitted, joined into tensors `like` these.
        """
        if not self.loops:
            emitted = []
            for index, weights in reversed(list(enumerate(self.rows(values)))):
                carry, row = function(index, weights, carry)
                emitted.insert(0, row)
            return carry, self.joined(emitted)

        def body(i, carry, out):
            carry, row = function(None, [ops.take(v, i, axis=0) for v in values], carry)
            at = ops.reshape(i, (1, 1))
            out = [ops.scatter_update(o, at, r[None]) for o, r in zip(out, row)]
            # 0, when all of the row is there: TensorFlow else begins with several blocks at once.
            wait = 0 * sum(ops.cast(ops.reshape(r, (-1,))[0] == 0, "int32") for r in row)
            return i - 1 + wait, carry, out

        out = [ops.zeros_like(value) for value in like]
        start = ops.convert_to_tensor(self.length - 1, "int32")
        return ops.while_loop(lambda i, *_: i >= 0, body, (start, carry, out))[1:]


class Series(Stack):
    """The same for blocks that differ, each with variables of its own."""

    loops = _can_loop = False

    def __init__(self, blocks):
        self.blocks, self.length = blocks, len(blocks)
        self.own = [variables_of(block) for block in blocks]
        self.variables = [variable for row in self.own for variable in row]

    def layers(self, index):
        return self.blocks[index]

    def rows(self, values):
        values = iter(values)
        return [[next(values) for _ in row] for row in self.own]

    def trains(self, index):
        return [variable.trainable for variable in self.own[index]]

    def joined(self, rows):
        return [value for row in rows for value in row]

    def within(self, index, weights, function, *args):
        with keras.StatelessScope(state_mapping=list(zip(self.own[index], weights))):
            return function(self.blocks[index], *args)


class Stacked:
    """Mixed into a layer of layers that may be stacked, `_stack`: what it trains, and its files."""

    _stack = None

    @property
    def variables(self):
        """Stacked where the inner layers are; otherwise theirs."""
        return list(self._stack.variables) if self._stack else super().variables

    @property
    def weights(self):
        return list(self._stack.variables) if self._stack else super().weights

    def _track_variables(self):  # of torch
        unique_paths(self.variables)
        super()._track_variables()

    def save_own_variables(self, store):
        """The inner layers save theirs."""

    def load_own_variables(self, store):
        """The inner layers load theirs."""

    def _check_frozen(self, layers, otherwise=""):
        if self._stack and len({layer.trainable for layer in layers}) > 1:
            frozen = [layer.name for layer in layers if not layer.trainable]
            raise ValueError(
                f"The stacked layers of '{self.name}' are trained or frozen together{otherwise}. "
                f"Received: frozen {frozen}."
            )


def _rows(value, n):
    """`ops.unstack`, whose gradient on JAX would be n tensors padded and added up."""
    if keras.backend.backend() != "jax":
        return ops.unstack(value, n)
    return [ops.squeeze(row, 0) for row in ops.split(value, n)]


def _stacked(column, add_weight):
    first = column[0]
    rows = [v._initializer if v._value is None else ops.convert_to_numpy(v) for v in column]

    def start(shape, dtype):
        if any(map(callable, rows)):
            return ops.stack([r(shape[1:], dtype=dtype) if callable(r) else r for r in rows])
        return ops.convert_to_tensor(np.stack(rows), dtype)  # on JAX `ops.stack` is a program

    return add_weight(
        name="_".join(first.path.split("/")[-2:]),
        shape=(len(rows), *first.shape),
        dtype=first.dtype,
        trainable=first.trainable,
        initializer=start,
    )


class _Row:
    """Mixed into a step's variable: its value is a row of a stacked one."""

    @property
    def _value(self):
        call = get_global_attribute("current_call_ctx")  # of the Keras layer that is being called
        if call and call.training and self._trainable and not is_adapting():
            raise ValueError(
                f"The weights of stacked steps are trained by their layer, '{self._owner.name}': "
                "train a model that calls it as a whole, freeze the steps, or make it with "
                f"Chain(steps, stack=False). Received: a step that trains alone, '{self.path}'."
            )
        return self._whole.value[self._index]

    @_value.setter
    def _value(self, value):
        if value is not None:  # which Keras assigns on JAX while it predicts
            self._direct_assign(value)

    @property
    def trainable(self):
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        self._trainable = bool(value)  # on torch Keras' own would tell the row, a part of a graph

    def _deferred_initialize(self):
        """It has the value of its row."""

    def _direct_assign(self, value):
        whole = ops.convert_to_tensor(self._whole.value)
        start = [self._index] + [0] * len(self.shape)
        self._whole.assign(ops.slice_update(whole, start, ops.expand_dims(value, 0)))


@functools.cache
def _row_class(base):
    return type(f"{base.__name__}Row", (_Row, base), {})


def _make_row(variable, owner, whole, index):
    del variable.__dict__["_value"]
    variable._initializer = None
    variable.__class__ = _row_class(type(variable))
    variable._owner, variable._whole, variable._index = owner, whole, index
