"""Layers of bounded Lipschitz constant: their norms, once a step, and what they certify.

A layer takes part by methods that it has:
- `iterate()`: one step of power iteration, in a training step, outside of the data path;
- `refresh()`: vectors of the norm that are exact for the weights as they are, in NumPy;
- `prepare("call", **weights)`: the normalised kernel, from weights by their names;
- `bound()`: a number that its Lipschitz constant does not exceed, certified;
- `certify()`: of a layer of layers, which keeps the bound of its network.
"""

import keras

from keras_flows.core.prepared import prepared
from keras_flows.core.purity import inner_layers
from keras_flows.core.scope import current, scope


def iterate(net):
    """One step of power iteration in each layer of a network."""
    for layer in _with(net, "iterate"):
        layer.iterate()


def normalized_kernels(net):
    """The normalised kernels of a network, for `with_kernels`."""
    return {(id(layer), "call"): prepared(layer, "call") for layer in _with(net, "iterate")}


def normalized_once(net):
    """A scope in which the kernels of a network are normalised once, and not in each call."""
    return with_kernels(normalized_kernels(net))


def with_kernels(kernels):
    """A scope in which layers have these normalised kernels."""
    return scope(prepared={**current().prepared, **kernels})


def refresh(model):
    """Brings norms and certificates of all layers up to date with the weights."""
    for layer in _with(model, "iterate"):
        layer.refresh()
    for layer in _with(model, "certify"):
        layer.certify()


def is_stale(model):
    """Whether weights have changed since the last `refresh`."""
    return any(layer.is_stale() for layer in _with(model, "iterate"))


def bound(net):
    """A certified bound on a network's Lipschitz constant; None where it has none.

    Of a `keras.Sequential` the product of those of its layers.
    """
    if hasattr(net, "bound"):
        return net.bound()
    if not isinstance(net, keras.Sequential):
        return None
    product = 1.0
    for layer in net.layers:
        factor = bound(layer)
        if factor is None:
            return None
        product *= factor
    return product


def _with(model, method):
    return [layer for layer in inner_layers([model]) if hasattr(layer, method)]
