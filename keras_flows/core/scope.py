"""The scope in which flow layers are called: what a caller sets for all layers inside.

Everything that a layer needs to know of its surroundings, and that is not one of its inputs, is a
field of `Scope`. There is one context variable; code sets fields with `scope(field=value)` and
reads them with `current().field`.
"""

import contextlib
import contextvars
import dataclasses
import typing

BACKPROP = (None, "reversible", "remat")


@dataclasses.dataclass(frozen=True)
class Scope:
    """What holds while flow layers are called.

    Args:
        ledger: the `Ledger` that collects log-determinants. None in a plain
            `keras.Model`: layers then use `add_loss`.
        adapting: whether layers initialise themselves from their inputs.
        backprop: what a training step keeps for its backward pass, see
            `Flow`: None, "reversible" or "remat".
        prepared: tensors that a stack of layers computed from its weights,
            `{(id(layer), method): tensors}`, see `core/prepared.py`.
        training: whether an estimating layer is called in training.
        reports: the `Reports` that collect errors and variances, if any.
        stacking: whether layers that repeat share stacked weights when they
            are built. None: where it is faster.
    """

    ledger: typing.Any = None
    adapting: bool = False
    backprop: str | None = None
    prepared: dict = dataclasses.field(default_factory=dict)
    stacking: bool | None = None
    training: bool = False
    reports: typing.Any = None


DEFAULT = Scope()
_scope = contextvars.ContextVar("keras_flows_scope", default=DEFAULT)


def current():
    """The scope of the running call."""
    return _scope.get()


@contextlib.contextmanager
def scope(**fields):
    """Sets fields of the scope inside the `with` block and restores them after it.

    >>> with scope(backprop="remat"): z = encoder(x, training=True)
    """
    token = _scope.set(dataclasses.replace(current(), **fields))
    try:
        yield
    finally:
        _scope.reset(token)


def adapting():
    """Inside, flow layers that are called eagerly initialise themselves from their inputs."""
    return scope(adapting=True)


def is_adapting():
    return current().adapting
