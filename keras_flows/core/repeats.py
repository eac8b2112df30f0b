"""Whether steps repeat, and whether their weights are stacked and a loop runs them."""

import contextvars
import inspect
import json
import re
from contextlib import nullcontext

import keras

from keras_flows.backend.devices import on_accelerator
from keras_flows.core.memory import inner_layers, is_pure
from keras_flows.core.scopes import holding

_stacked = contextvars.ContextVar("stacked", default=None)

# Repetitions from which a loop, traced once, is worth what it adds to a training step: on
# TensorFlow 8 to 15%, for which 8 steps start a second sooner and 16 some five.
LOOP_FROM = {"tensorflow": 16, "jax": 8}
NAMES = ("name", "keras_history", "input_layers", "output_layers")  # where configs name layers
PACKAGES = ("keras_flows.", "keras.")


def repeated(steps):
    """The steps cut into the shortest blocks that are alike, or None if nothing repeats."""
    try:
        kinds = [_kind(step) for step in steps]
    except (NotImplementedError, TypeError, ValueError):
        return None  # a layer without a config says nothing of whether it is like another
    for period in range(1, len(steps) // 2 + 1):
        if len(steps) % period == 0 and kinds[period:] == kinds[:-period]:
            return [steps[i : i + period] for i in range(0, len(steps), period)]
    return None


def loops(blocks):
    """Whether a loop runs the blocks, or they are traced one after another."""
    return can_loop(blocks) and len(blocks) >= LOOP_FROM[keras.backend.backend()]


def can_loop(blocks):
    """Torch compiles no loop, and XLA's convolutions on CPUs are many times slower inside one."""
    backend = keras.backend.backend()
    slow = backend == "jax" and not on_accelerator() and _convolves(blocks[0])
    return backend != "torch" and not slow


def stacking(choice):
    """A scope in which steps are stacked, or not, as where a model was saved and not as it pays."""
    return holding(_stacked, choice)


def pays(blocks):
    """Whether to stack unasked: JAX compiles what is only ever cut from a stack more slowly."""
    return _chosen(keras.backend.backend() != "jax" or can_loop(blocks))


def pays_in_networks():
    """The same for layers of a network, which on JAX are slower in a loop."""
    return _chosen(keras.backend.backend() != "jax")


def _chosen(default):
    return default if _stacked.get() is None else _stacked.get()


def can_stack(blocks, trusted=False):
    """Whether built blocks can share variables: each with weights of its own, of the same shapes,
    that no other model uses, and, unless they are trusted, layers whose config is known to say
    what they are."""
    rows = [variables_of(block) for block in blocks]
    shapes = [[(tuple(v.shape), v.dtype, v.trainable) for v in row] for row in rows]
    own = [v for row in rows for v in row]
    layers = inner_layers(step for block in blocks for step in block)
    return (
        bool(own)
        and all(v.regularizer is None and v.constraint is None for v in own)
        and len({id(v) for v in own}) == len(own)
        and all(shape == shapes[0] for shape in shapes)
        and is_pure(layers)
        and not any(hasattr(step, "output") for block in blocks for step in block)
        and not any(getattr(layer, "_stack", None) for layer in layers)
        and (trusted or _are_known(layers))
    )


def values_later(layers):
    """A scope in which the variables of layers that are built get no values until it ends, and
    those that have become rows of stacked ones none at all.

    On TensorFlow, where making variables is most of what building costs. Not where other layers
    are among them, which might assign to theirs.
    """
    worth = keras.backend.backend() == "tensorflow" and layers
    return keras.StatelessScope() if worth and _are_known(inner_layers(layers)) else nullcontext()


def _are_known(layers):
    return all(type(layer).__module__.startswith(PACKAGES) for layer in layers)


def variables_of(block):
    return [variable for layer in block for variable in layer.variables]


def _kind(layer):
    """The layer's config without names and seeds, which make no difference to what it computes."""
    text = json.dumps(_nameless(_config(layer), {}), sort_keys=True)
    if "__lambda__" in text:
        raise ValueError("The config of a lambda does not say what it has closed over.")
    return text


def _config(value):
    """Of layers of this package, or of their options, all that says what they compute.

    Without Keras' serialization where it can be: wherever TensorFlow is installed, that imports
    it, which takes seconds that JAX and torch need not wait for.
    """
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple)):
        return [_config(v) for v in value]
    if type(value).__module__.startswith("keras_flows."):
        options = inspect.signature(type(value).__init__).parameters.keys() - {"self", "kwargs"}
        if all(hasattr(value, name) for name in options):
            own = {name: _config(getattr(value, name)) for name in options}
            common = [str(type(value)), value.dtype_policy.name, value.trainable]
            return {"common": common, "options": own}
    return keras.saving.serialize_keras_object(value)


def _nameless(config, names, named=False):
    """Configs with each name, and no other string, replaced by how many came before it."""
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
