"""Variables that are rows of a stacked variable."""

import functools

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.global_state import get_global_attribute

from keras_flows.core.scope import current


def stacked_variable(variables, add_weight):
    """A new variable that stacks these on a new first axis, and takes over their values."""
    first = variables[0]
    rows = [v._initializer if v._value is None else ops.convert_to_numpy(v) for v in variables]

    def initializer(shape, dtype):
        if any(map(callable, rows)):
            return ops.stack([r(shape[1:], dtype=dtype) if callable(r) else r for r in rows])
        # NumPy, because on JAX `ops.stack` compiles a program.
        return ops.convert_to_tensor(np.stack(rows), dtype)

    return add_weight(
        name="_".join(first.path.split("/")[-2:]),
        shape=(len(rows), *first.shape),
        dtype=first.dtype,
        trainable=first.trainable,
        initializer=initializer,
    )


def make_row(variable, owner, stacked, index):
    """Turns a variable into row `index` of `stacked`, a variable of the layer `owner`."""
    del variable.__dict__["_value"]
    variable._initializer = None
    variable.__class__ = _row_class(type(variable))
    variable._owner, variable._stacked, variable._index = owner, stacked, index


def unstack(value, n):
    """The n rows of a tensor.

    On JAX by `ops.split`: the gradient of `ops.unstack` there adds up n padded tensors.
    """
    if keras.backend.backend() != "jax":
        return ops.unstack(value, n)
    return [ops.squeeze(row, 0) for row in ops.split(value, n)]


class _Row:
    """Mixin of a backend's variable class: its value is a row of a stacked variable."""

    @property
    def _value(self):
        call = get_global_attribute("current_call_ctx")  # of the Keras layer that is being called
        if call and call.training and self._trainable and not current().adapting:
            raise ValueError(
                f"The weights of stacked steps are trained by their layer, '{self._owner.name}': "
                "train a model that calls it as a whole, freeze the steps, or make it with "
                f"Chain(steps, stack=False). Received: a step that trains alone, '{self.path}'."
            )
        return self._stacked.value[self._index]

    @_value.setter
    def _value(self, value):
        if value is not None:  # Keras on JAX assigns None while it predicts
            self._direct_assign(value)

    @property
    def trainable(self):
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        # Keras' setter on torch would set requires_grad of the row, which is no leaf.
        self._trainable = bool(value)

    def _deferred_initialize(self):
        """Does nothing: the stacked variable holds the value."""

    def _direct_assign(self, value):
        stacked = ops.convert_to_tensor(self._stacked.value)
        start = [self._index] + [0] * len(self.shape)
        self._stacked.assign(ops.slice_update(stacked, start, ops.expand_dims(value, 0)))


@functools.cache
def _row_class(base):
    return type(f"{base.__name__}Row", (_Row, base), {})
