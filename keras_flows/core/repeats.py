"""Whether layers repeat, whether their weights can be stacked, and whether a loop pays."""

import inspect
import json
import re
from contextlib import nullcontext

import keras

from keras_flows.backend.devices import on_accelerator
from keras_flows.core.purity import inner_layers, is_pure
from keras_flows.core.scope import current, scope

# From this many blocks on a loop is used. It is traced once, so that training starts sooner (8
# blocks by a second, 16 by about five), but on TensorFlow a step takes 8 to 15% longer.
LOOP_FROM = {"tensorflow": 16, "jax": 8}
NAMES = ("name", "keras_history", "input_layers", "output_layers")  # config keys that hold names
PACKAGES = ("keras_flows.", "keras.")


def repeated(steps):
    """The steps cut into the shortest blocks that are alike, or None if nothing repeats."""
    try:
        kinds = [_kind(step) for step in steps]
    except (NotImplementedError, TypeError, ValueError):
        return None  # a layer without a config cannot be compared
    for period in range(1, len(steps) // 2 + 1):
        if len(steps) % period == 0 and kinds[period:] == kinds[:-period]:
            return [steps[i : i + period] for i in range(0, len(steps), period)]
    return None


def loops(blocks):
    """Whether the blocks run in a loop, rather than being traced one after another."""
    return can_loop(blocks) and len(blocks) >= LOOP_FROM[keras.backend.backend()]


def can_loop(blocks):
    """Whether a loop is possible and not far slower.

    Torch compiles no loop. XLA's convolutions on CPUs are many times slower in one.
    """
    backend = keras.backend.backend()
    slow = backend == "jax" and not on_accelerator() and _convolves(blocks[0])
    return backend != "torch" and not slow


def stacking(choice):
    """A scope in which layers that repeat are stacked or not, whichever is faster.

    For loading: a checkpoint's optimizer has the variables of the model that was saved.
    """
    return scope(stacking=choice)


def pays(blocks):
    """Whether to stack by default. JAX compiles rows of a stack more slowly without a loop."""
    return _chosen(keras.backend.backend() != "jax" or can_loop(blocks))


def pays_in_networks():
    """The same for the layers of a network, which are slower in a loop on JAX."""
    return _chosen(keras.backend.backend() != "jax")


def _chosen(default):
    choice = current().stacking
    return default if choice is None else choice


def can_stack(blocks, trusted=False):
    """Whether the variables of built blocks can be stacked.

    Each block must have variables of its own, of the same shapes, without
    regularizers or constraints; its layers must be pure and must not be
    called by another model.

    Args:
        trusted: whether the configs of layers from other packages are trusted
            to say all that the layers compute.
    """
    rows = [variables_of(block) for block in blocks]
    shapes = [[(tuple(v.shape), v.dtype, v.trainable) for v in row] for row in rows]
    variables = [v for row in rows for v in row]
    layers = inner_layers(step for block in blocks for step in block)
    return (
        bool(variables)
        and all(v.regularizer is None and v.constraint is None for v in variables)
        and len({id(v) for v in variables}) == len(variables)
        and all(shape == shapes[0] for shape in shapes)
        and is_pure(layers)
        and not any(hasattr(step, "output") for block in blocks for step in block)
        and not any(getattr(layer, "_stack", None) for layer in layers)
        and (trusted or _are_known(layers))
    )


def values_later(layers):
    """A scope for building: variables get no values until it ends, and rows of stacks none at all.

    On TensorFlow, where most of the time of building goes into the values of
    variables. Not if there are layers of other packages, which might assign
    to their variables.
    """
    applies = keras.backend.backend() == "tensorflow" and layers
    known = applies and _are_known(inner_layers(layers))
    return keras.StatelessScope() if known else nullcontext()


def _are_known(layers):
    return all(type(layer).__module__.startswith(PACKAGES) for layer in layers)


def variables_of(block):
    return [variable for layer in block for variable in layer.variables]


def _kind(layer):
    """The layer's config as text, without names and seeds: the same for layers that are alike."""
    text = json.dumps(_nameless(_config(layer), {}), sort_keys=True)
    if "__lambda__" in text:
        raise ValueError("The config of a lambda does not show the variables in its closure.")
    return text


def _config(value):
    """All that determines what a layer, or an option of one, computes.

    For layers of this package their options are read directly. Keras'
    serialization imports TensorFlow if it is installed, which takes seconds
    on the other backends.
    """
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple)):
        return [_config(v) for v in value]
    if type(value).__module__.startswith("keras_flows."):
        options = inspect.signature(type(value).__init__).parameters.keys() - {"self", "kwargs"}
        if all(hasattr(value, name) for name in options):
            values = {name: _config(getattr(value, name)) for name in options}
            common = [str(type(value)), value.dtype_policy.name, value.trainable]
            return {"common": common, "options": values}
    return keras.saving.serialize_keras_object(value)


def _nameless(config, names, named=False):
    """The config with each name replaced by its order of appearance, and without seeds."""
    if isinstance(config, dict):
        drop = ("seed", "shared_object_id", "build_config")
        return {k: _nameless(v, names, k in NAMES) for k, v in config.items() if k not in drop}
    if isinstance(config, (list, tuple)):
        return [_nameless(v, names, named) for v in config]
    return names.setdefault(config, len(names)) if named and isinstance(config, str) else config


def _convolves(block):
    return any(
        re.search(r"Conv(\dD|olution)", type(layer).__name__)
        and not getattr(layer, "as_products", False)
        for layer in inner_layers(block)
    )
