"""What holds inside of a `with`."""

import contextlib


@contextlib.contextmanager
def holding(variable, value):
    """A context variable has this value inside, and afterwards the one before."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
