"""A flow as the codec computes with it: in float64, and with a hash of its weights.

Two backends, machines or batch sizes differ by 1e-5 of a bin in float32, which rounds some shift of
every third picture to another integer. In float64 they differ by 1e-11.
"""

import contextlib
import hashlib

import keras
import numpy as np

from keras_flows.backend import programs
from keras_flows.flow.integer_codes import IntegerCodes


def in_float64(flow):
    """A copy of the flow that computes in float64; call it inside `programs.float64()`."""
    config = _as_float64(keras.saving.serialize_keras_object(flow))
    config.pop("compile_config", None)
    copy = keras.saving.deserialize_keras_object(config)
    for layer, twin in zip(flow._flatten_layers(), copy._flatten_layers()):
        twin.load_own_variables({k: _widened(v) for k, v in _arrays(layer).items()})
    return copy


def _widened(array):
    return array.astype("float64") if array.dtype.kind == "f" else array


def _arrays(layer):
    """The weights of a layer without those of inner layers, as they are in a saved file.

    `weights` would differ between backends: some stack the weights of steps that repeat.
    """
    store = {}
    layer.save_own_variables(store)
    return {key: np.asarray(value) for key, value in store.items()}


def _as_float64(config):
    """The config with float64 in place of every other dtype of floats."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {**config["config"], "name": "float64"}}
        floats = ("float16", "bfloat16", "float32", "mixed_float16", "mixed_bfloat16")
        return {
            key: "float64" if key == "dtype" and value in floats else _as_float64(value)
            for key, value in config.items()
        }
    return [_as_float64(v) for v in config] if isinstance(config, (list, tuple)) else config


def model_hash(flow):
    """SHA-256 of the flow's weights, shapes and levels, 32 bytes.

    It does not depend on the file, the backend, the date or the names of layers.
    """
    weights = []
    for layer in flow._flatten_layers():
        for array in _arrays(layer).values():
            kind = "<f4" if array.dtype.kind == "f" else "<i4"
            data = repr(array.shape).encode() + np.ascontiguousarray(array, kind).tobytes()
            weights.append(hashlib.sha256(data).digest())
    text = repr((tuple(map(int, flow.data_shape)), int(flow.levels))).encode()
    return hashlib.sha256(text + b"".join(sorted(weights))).digest()


@contextlib.contextmanager
def codes_of(flow, identity):
    """Yields the `IntegerCodes` of the flow in float64, inside the context that they need.

    They are kept with the flow until its weights change, because networks take long to compile.
    `identity` is the flow's `model_hash`.
    """
    with programs.float64():
        known, codes = getattr(flow, "_precise_codes", lambda: (None, None))()
        if known != identity:
            codes = IntegerCodes(in_float64(flow))
            object.__setattr__(flow, "_precise_codes", lambda: (identity, codes))
        yield codes
