"""Training in less memory: what the backward pass computes again instead of what is kept."""

import contextvars

import keras
from keras import ops

from keras_flows.backend.autodiff import vjp
from keras_flows.core.scopes import holding

MODES = (None, "reversible", "remat")

_mode = contextvars.ContextVar("keras_flows_backprop", default=None)


def mode():
    """The `backprop` of the flow that is being trained."""
    return _mode.get()


def backprop(mode):
    """Flow layers called inside are trained in this mode."""
    return holding(_mode, mode)


def reversible(stack, x, encode, decode):
    """z and log-det of all blocks of a stack, of which nothing is kept but z.

    Going back, the input of each layer is computed again from its output.
    """
    values, trains = stack.values(), [variable.trainable for variable in stack.variables]
    sides = x.shape[1:]

    @ops.custom_gradient
    def run(x, *weights):
        merged = _merged(trains, weights, values)

        def forth(index, weights, carry):
            z, log_det = stack.within(index, weights, encode, carry[0])
            return [z, carry[1] if log_det is None else carry[1] + log_det]

        def back(index, weights, carry):
            weights, moves, gradients = iter(weights), iter(stack.trains(index)), []
            parts = [(v, *_first(len(v.variables), weights, moves)) for v in stack.layers(index)]
            for layer, own, trains in reversed(parts):
                carry, d_own = _back_through(layer, own, trains, carry, encode, decode)
                gradients = d_own + gradients
            return carry, gradients

        def gradient(*args, upstream=None):
            cotangents = _unpacked(args[0] if upstream is None else upstream, sides)
            carry, d_weights = stack.unfold(back, [z, *cotangents], merged, weights)
            return (carry[1], *d_weights)

        z, log_det = stack.fold(forth, [x, ops.zeros(ops.shape(x)[:1], x.dtype)], merged)
        return _packed(z, log_det), gradient

    return _unpacked(run(x, *[v for v, trained in zip(values, trains) if trained]), sides)


def _first(n, *iterators):
    """A list of the next n of each."""
    return [[next(iterator) for _ in range(n)] for iterator in iterators]


def _back_through(layer, weights, trains, carry, encode, decode):
    """The carry of x, from that of z: tensor, its gradient, the log-det's; and of each weight.

    A layer that can `reencode` computes what both directions need once.
    """
    z, dz, d_log_det = carry
    x = None if hasattr(layer, "reencode") else _within(layer, weights, decode, [layer], z)[0]

    def again(moved, *own):
        own = _merged(trains, own, weights)
        if x is None:
            known, (z_again, log_det) = _within(layer, own, layer.reencode, z, moved)
        else:
            known, (z_again, log_det) = x, _within(layer, own, encode, [layer], x + moved)
        log_det = ops.broadcast_to(0.0 if log_det is None else log_det, ops.shape(z)[:1])
        return _packed(ops.stack([z_again, known], axis=1), log_det)

    own = [w for w, trained in zip(weights, trains) if trained]
    cotangent = _packed(ops.stack([dz, ops.zeros_like(dz)], axis=1), d_log_det)
    output, (dx, *d_own) = vjp(again, [ops.zeros_like(z), *own], cotangent)
    return [_unpacked(output, (2, *z.shape[1:]))[0][:, 1], dx, d_log_det], d_own


def _within(layer, weights, function, *args):
    """`function(*args)` where the layer has these weights."""
    with keras.StatelessScope(state_mapping=list(zip(layer.variables, weights))):
        return function(*args)


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
        # TensorFlow takes no numbers from what is computed again.
        return (z,) if log_det is None else (z, ops.convert_to_tensor(log_det))

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
