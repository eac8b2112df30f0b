"""What a flow layer makes of weights alone: once for all steps whose weights are stacked.

A layer that makes something of its weights writes `prepare(method, **weights)`: the tensors that
its `encode` or its `decode`, as `method` says, needs, from weights by their names. It gets them by
`prepared(self, method)`. Stacked weights have one more axis in front, and so has what is made of
them. Not for what a backend computes as fast again in each step, such as an exponential: rows of
it would only be in the way of XLA's fusing.
"""

import contextvars

from keras_flows.core.scopes import holding

_rows = contextvars.ContextVar("keras_flows_prepared", default=None)


def prepared(layer, method):
    """`layer.prepare(method, ...)`, or the layer's row of what a stack has prepared."""
    rows = (_rows.get() or {}).get((id(layer), method))
    return _prepare(layer, method, lambda v: v.value) if rows is None else rows


def rows_of_prepared(rows):
    """Layers called inside have prepared these: `{(id(layer), method): tensors}`."""
    return holding(_rows, rows)


def prepare_stack(stack, values, method):
    """What a stack's steps that will be called by `method` make of its weights."""
    own = {id(v): value for v, value in zip(stack.own, values)}
    return {
        (id(step), method): _prepare(step, method, lambda v: own[id(v)])
        for step in stack.block
        if hasattr(step, "prepare")
    }


def _prepare(layer, method, value):
    return layer.prepare(method, **{v.name: value(v) for v in layer.variables})
