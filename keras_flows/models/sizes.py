"""Checks of the sizes that builders take: of the data, of the flow, of its networks."""

from numbers import Integral


def is_size(value, least=1):
    """Whether the value is an integer of `least` or more."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= least


def check_sizes(builder, optional=None, **sizes):
    """Raises a ValueError unless each size is an integer of 1 or more; `optional` ones may be None.

    `optional` is a dict of further sizes.
    """
    sizes |= {name: size for name, size in (optional or {}).items() if size is not None}
    wrong = {name: size for name, size in sizes.items() if not is_size(size)}
    if wrong:
        names = " and ".join(wrong)
        received = ", ".join(f"{name}={size!r}" for name, size in wrong.items())
        raise ValueError(
            f"{builder} needs integers of 1 or more for {names}. Received: {received}."
        )


def check_dims(builder, dims, least=1):
    """Raises a ValueError unless `dims` is a number of dimensions."""
    if not is_size(dims, least):
        raise ValueError(
            f"{builder} needs dims, the number of dimensions of a sample: an integer of {least} "
            f"or more, as in {builder}(784). Received: dims={dims!r}."
        )


def is_image_shape(shape):
    """Whether the value is (height, width, channels)."""
    return isinstance(shape, (list, tuple)) and len(shape) == 3 and all(map(is_size, shape))


def check_image_shape(builder, image_shape):
    """Raises a ValueError unless the value is (height, width, channels)."""
    if not is_image_shape(image_shape):
        raise ValueError(
            f"{builder} needs image_shape as (height, width, channels), as in "
            f"{builder}((32, 32, 3)). Received: image_shape={image_shape!r}."
        )


def widths(builder, hidden, layers, name="hidden"):
    """Widths of hidden layers as a tuple; an integer is the width of each of `layers` layers."""
    result = (hidden,) * layers if isinstance(hidden, Integral) else hidden
    if not isinstance(result, (list, tuple)) or not all(map(is_size, result)):
        raise ValueError(
            f"{builder} needs {name} as an integer of 1 or more, or one for each hidden layer, "
            f"as in {name}=(64, 64). Received: {name}={hidden!r}."
        )
    return tuple(result)
