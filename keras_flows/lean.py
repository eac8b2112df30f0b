"""Training in less memory: what the backward pass computes again instead of what is kept."""

import contextlib
import contextvars

import keras
from keras import ops

from keras_flows.autodiff import vjp

MODES = (None, "reversible", "remat")

_mode = contextvars.ContextVar("keras_flows_backprop", default=None)


def mode():
    """The `backprop` of the flow that is being trained."""
    return _mode.get()


@contextlib.contextmanager
def backprop(mode):
    """Flow layers called inside are trained in this mode."""
    token = _mode.set(mode)
    try:
        yield
    finally:
        _mode.reset(token)


def reversible(stack, x, encode, decode):
    """z and log-det of all blocks of a stack, of which nothing is kept but z.

    Going back, x = decode(z) is computed for each block, and from x its
    gradients: z = encode(x), whose log-det is of shape (batch,).
    """
    values, trains = stack.values(), [variable.trainable for variable in stack.variables]
    sides = x.shape[1:]

    def block(index, weights, x):
        z, log_det = stack.within(index, weights, encode, x)
        return z, ops.broadcast_to(0.0 if log_det is None else log_det, ops.shape(z)[:1])

    @ops.custom_gradient
    def run(x, *weights):
        merged = _merged(trains, weights, values)

        def forth(index, weights, carry):
            z, log_det = block(index, weights, carry[0])
            return [z, carry[1] + log_det]

        def back(index, weights, carry):
            z, dz, d_log_det = carry
            x = stack.within(index, weights, decode, z)[0]
            moves = stack.trains(index)

            def packed(x, *own):
                return _packed(*block(index, _merged(moves, own, weights), x))

            own = [w for w, trained in zip(weights, moves) if trained]
            dx, *d_own = vjp(packed, [x, *own], _packed(dz, d_log_det))
            return [x, dx, d_log_det], d_own

        def gradient(*args, upstream=None):
            cotangents = _unpacked(args[0] if upstream is None else upstream, sides)
            carry, d_weights = stack.unfold(back, [z, *cotangents], merged, weights)
            return (carry[1], *d_weights)

        z, log_det = stack.fold(forth, [x, ops.zeros(ops.shape(x)[:1], x.dtype)], merged)
        return _packed(z, log_det), gradient

    return _unpacked(run(x, *[v for v, trained in zip(values, trains) if trained]), sides)


def _merged(trains, trained, values):
    """`values` with the trained ones of them replaced."""
    trained = iter(trained)
    return [next(trained) if trains_it else v for trains_it, v in zip(trains, values)]


def _packed(z, log_det):
    """One tensor of both: Keras' custom gradients on torch have one output."""
    flat = ops.reshape(z, (ops.shape(z)[0], -1))
    return ops.concatenate([flat, log_det[:, None]], axis=-1)


def _unpacked(packed, sides):
    return ops.reshape(packed[:, :-1], (-1, *sides)), packed[:, -1]


def remat(function, *args):
    """`function(*args)`, z and a log-det, of which nothing is kept but `args`."""

    def again(*args):
        with backprop(None):
            z, log_det = function(*args)
        return (z,) if log_det is None else (z, log_det)

    z, *log_det = keras.remat(again)(*args)
    return z, log_det[0] if log_det else None


def encode(layer, inputs):
    """`layer.encode(inputs)`, where it is asked for with nothing kept but its arguments."""
    if mode() == "remat" and layer.has_networks and is_pure(inner_layers([layer])):
        return _remat_layer(layer, inputs)
    return layer.encode(inputs)


def _remat_layer(layer, inputs):
    """Weights are arguments, whatever scope gives them: going back, it is left."""
    several = isinstance(inputs, (list, tuple))
    data, variables = list(inputs) if several else [inputs], layer.variables

    def encode(*args):
        x, weights = args[: len(data)], args[len(data) :]
        with keras.StatelessScope(state_mapping=list(zip(variables, weights))):
            return layer.encode(list(x) if several else x[0])

    return remat(encode, *data, *(ops.cast(v.value, v.dtype) for v in variables))


def is_pure(layers):
    """Whether calls of these layers change nothing and draw nothing."""
    return not any(
        getattr(layer, "updates_in_call", False)
        or layer._seed_generators
        or layer.activity_regularizer is not None
        or (
            layer._non_trainable_variables and not type(layer).__module__.startswith("keras_flows.")
        )
        for layer in layers
    )


def inner_layers(steps):
    return [layer for step in steps for layer in step._flatten_layers()]
