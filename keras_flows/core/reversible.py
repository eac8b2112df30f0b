"""`backprop="reversible"`: the backward pass computes each layer's input from its output."""

import keras
from keras import ops

from keras_flows.backend.native import vjp


def reversible(stack, x, encode, decode):
    """`(z, log_det)` of all blocks of a stack; only z is kept for the backward pass.

    Args:
        stack: a `Stack` or `Series`.
        x: input of the first block.
        encode, decode: functions of `(layers, tensor)` that return a tensor of
            the same shape and a log-determinant.
    """
    values, trainable = stack.values(), [variable.trainable for variable in stack.variables]
    shape = x.shape[1:]

    @ops.custom_gradient
    def run(x, *weights):
        weights_of_all = _merged(trainable, weights, values)

        def encode_block(index, weights, carry):
            z, log_det = stack.call(index, weights, encode, carry[0])
            return [z, carry[1] if log_det is None else carry[1] + log_det]

        def block_gradient(index, weights, carry):
            return _block_gradient(stack, index, weights, carry, encode, decode)

        def gradient(*args, upstream=None):
            cotangents = _unpacked(args[0] if upstream is None else upstream, shape)
            start = [z, *cotangents]
            carry, d_weights = stack.unfold(block_gradient, start, weights_of_all, weights)
            return (carry[1], *d_weights)

        start = [x, ops.zeros(ops.shape(x)[:1], x.dtype)]
        z, log_det = stack.fold(encode_block, start, weights_of_all)
        return _packed(z, log_det), gradient

    trained = [value for value, trains in zip(values, trainable) if trains]
    return _unpacked(run(x, *trained), shape)


def _block_gradient(stack, index, weights, carry, encode, decode):
    """The carry one block further back, and the gradients of the block's trainable weights."""
    weights, trainable, gradients = iter(weights), iter(stack.trainable(index)), []
    layers = []
    for layer in stack.layers(index):
        count = len(layer.variables)
        layers.append((layer, _next(count, weights), _next(count, trainable)))
    for layer, layer_weights, layer_trainable in reversed(layers):
        carry, d_layer = _layer_gradient(
            layer, layer_weights, layer_trainable, carry, encode, decode
        )
        gradients = d_layer + gradients
    return carry, gradients


def _next(count, iterator):
    return [next(iterator) for _ in range(count)]


def _layer_gradient(layer, weights, trainable, carry, encode, decode):
    """From (z, dz, d_log_det) to (x, dx, d_log_det), and the gradients of the weights.

    `encode` is evaluated at x + 0, so that its vjp gives dx. A layer with
    `reencode` computes what both directions share once.
    """
    z, dz, d_log_det = carry
    has_reencode = hasattr(layer, "reencode")
    x = None if has_reencode else _call(layer, weights, decode, [layer], z)[0]

    def recomputed(zeros, *trained):
        all_weights = _merged(trainable, trained, weights)
        if has_reencode:
            x_again, (z_again, log_det) = _call(layer, all_weights, layer.reencode, z, zeros)
        else:
            x_again = x
            z_again, log_det = _call(layer, all_weights, encode, [layer], x + zeros)
        log_det = ops.broadcast_to(0.0 if log_det is None else log_det, ops.shape(z)[:1])
        return _packed(ops.stack([z_again, x_again], axis=1), log_det)

    trained = [weight for weight, trains in zip(weights, trainable) if trains]
    cotangent = _packed(ops.stack([dz, ops.zeros_like(dz)], axis=1), d_log_det)
    output, (dx, *d_trained) = vjp(recomputed, [ops.zeros_like(z), *trained], cotangent)
    x = _unpacked(output, (2, *z.shape[1:]))[0][:, 1]
    return [x, dx, d_log_det], d_trained


def _call(layer, weights, function, *args):
    """`function(*args)` while the layer has these weights."""
    with keras.StatelessScope(state_mapping=list(zip(layer.variables, weights))):
        return function(*args)


def _merged(trainable, trained, values):
    """`values`, with the trainable ones replaced by `trained`."""
    trained = iter(trained)
    return [next(trained) if trains else value for trains, value in zip(trainable, values)]


def _packed(z, log_det):
    """Both in one tensor: a custom gradient of Keras has one output on torch."""
    flat = ops.reshape(z, (ops.shape(z)[0], -1))
    return ops.concatenate([flat, log_det[:, None]], axis=-1)


def _unpacked(packed, shape):
    return ops.reshape(packed[:, :-1], (-1, *shape)), packed[:, -1]
