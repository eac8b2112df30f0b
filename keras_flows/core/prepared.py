"""Tensors that a layer computes from its weights alone, once for all layers of a stack.

An example is the kernel of `InvConv`, which is a product of triangular factors. Such a layer
defines `prepare(method, **weights)`. It returns the tensors that `method`, "encode" or "decode",
needs; its arguments are the layer's weights by name. `encode` and `decode` get these tensors from
`prepared(self, method)`.

In a stack of layers that repeat, `prepare` is called once with the stacked weights, which have one
more axis in front. The result has that axis too.

Do not use it for cheap functions of the weights, such as an exponential. XLA fuses these into the
step, and stacked rows of them prevent that.
"""

from keras_flows.core.scope import current


def prepared(layer, method):
    """`layer.prepare(method, ...)`, or the row of it that the stack has computed already."""
    rows = current().prepared.get((id(layer), method))
    return _prepare(layer, method, lambda v: v.value) if rows is None else rows


def prepare_stack(stack, weights, method):
    """The tensors of all layers of a stack, from its stacked weights: see `Scope.prepared`."""
    stacked = {id(v): weight for v, weight in zip(stack.block_variables, weights)}
    return {
        (id(layer), method): _prepare(layer, method, lambda v: stacked[id(v)])
        for layer in stack.block
        if hasattr(layer, "prepare")
    }


def _prepare(layer, method, value):
    return layer.prepare(method, **{v.name: value(v) for v in layer.variables})
