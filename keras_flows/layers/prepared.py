"""What flow layers make of weights alone: once for all steps whose weights are stacked.

A layer that has some writes `prepare(method, **weights)`: tensors that its `encode` or its
`decode`, as `method` says, makes of weights, which come by their names. It gets them by
`prepared(self, method)`. Stacked weights have one more axis in front, and so has what is made
of them.
"""

import contextlib
import contextvars

from keras_flows.lean import inner_layers

_rows = contextvars.ContextVar("keras_flows_prepared", default=None)


def prepared(layer, method):
    """`layer.prepare(method, ...)`, or the layer's row of what a stack has prepared."""
    rows = (_rows.get() or {}).get((id(layer), method))
    return _prepare(layer, method, lambda v: v.value) if rows is None else rows


@contextlib.contextmanager
def rows_of_prepared(rows):
    """Layers called inside have prepared these: `{(id(layer), method): tensors}`."""
    token = _rows.set(rows)
    try:
        yield
    finally:
        _rows.reset(token)


def prepare_stack(stack, values, method):
    """What steps called by `method`, and flow layers in their networks, make of stacked weights."""
    own = {id(v): value for v, value in zip(stack.own, values)}
    methods = {id(step): method for step in stack.block}
    keys = [(v, methods.get(id(v), "encode")) for v in inner_layers(stack.block)]
    return {
        (id(layer), method): _prepare(layer, method, lambda v: own[id(v)])
        for layer, method in keys
        if hasattr(layer, "prepare")
    }


def _prepare(layer, method, value):
    return layer.prepare(method, **{v.name: value(v) for v in layer.variables})
