"""Repeated layers of a network."""

import keras

from keras_flows.core.repeats import can_stack, pays_in_networks
from keras_flows.core.stack import Stack, Stacked


class Repeat(Stacked, keras.layers.Layer):
    """Several built layers of the same kind, one after another, `(..., c)` to the same.

    Their weights are stacked, which leaves few variables to the optimizer and
    lets a loop over the layers be traced and compiled once, where this is
    faster. Not on JAX, where steps of attention take a fifth longer in a loop.
    """

    def __init__(self, blocks, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.blocks = list(blocks)

    def build(self, shape):
        steps = [[block] for block in self.blocks]
        if len(steps) > 1 and can_stack(steps) and pays_in_networks():
            self._stack = Stack(steps, self.add_weight)

    def call(self, h):
        self._check_frozen(self.blocks)
        if self._stack is None:
            for block in self.blocks:
                h = block(h)
            return h

        def step(index, weights, carry):
            return [self._stack.call(index, weights, lambda block, h: block[0](h), carry[0])]

        return self._stack.fold(step, [h], self._stack.values())[0]

    def each(self):
        """The weights of each layer, cut from the stacked ones, for `within`."""
        return self._stack.rows(self._stack.values()) if self._stack else [None] * len(self.blocks)

    def within(self, index, weights, function, *args):
        """`function(layer, *args)` of one layer, with these weights."""
        if self._stack is None:
            return function(self.blocks[index], *args)
        return self._stack.call(index, weights, lambda block, *a: function(block[0], *a), *args)
