"""What needs a backend's own functions: derivatives, loops, compilation, facts on devices.

`keras.ops` has no function for these: this is the only file that imports a backend.
"""

import keras
from keras import ops


def vjp(function, inputs, cotangent):
    """The output of `function(*inputs)`, and the vector-Jacobian product for each input.

    Args:
        function: function of tensors that returns one tensor.
        inputs: list of tensors.
        cotangent: tensor in the shape of the output.

    Returns the output and a list with the gradients of <cotangent, output>; the gradient of an
    unused input is zeros.
    """
    return _BACKENDS[keras.backend.backend()](function, inputs, cotangent)


def _jax(function, inputs, cotangent):
    import jax

    output, pullback = jax.vjp(function, *inputs)
    return output, list(pullback(cotangent))


def _tensorflow(function, inputs, cotangent):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = function(*inputs)
    return output, tape.gradient(output, inputs, cotangent, tf.UnconnectedGradients.ZERO)


def _torch(function, inputs, cotangent):
    import torch

    with torch.enable_grad():
        inputs = [v.detach().requires_grad_() for v in inputs]
        output = function(*inputs)
        gradients = torch.autograd.grad(output, inputs, cotangent, materialize_grads=True)
    return output.detach(), list(gradients)


def pullback(function, x):
    """`function(x)`, and the map from its cotangents to those of x, which may be called often.

    Everything is constant to whatever differentiates outside. The map may be called in a loop.
    """
    return _PULLBACKS[keras.backend.backend()](function, ops.stop_gradient(x))


def _jax_pullback(function, x):
    import jax

    output, back = jax.vjp(function, x)
    return ops.stop_gradient(output), lambda cotangent: ops.stop_gradient(back(cotangent)[0])


def _tensorflow_pullback(function, x):
    import tensorflow as tf

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        output = function(x)

    def back(cotangent):
        result = tape.gradient(output, x, cotangent, tf.UnconnectedGradients.ZERO)
        return tf.stop_gradient(result)

    return tf.stop_gradient(output), back


def _torch_pullback(function, x):
    import torch

    with torch.enable_grad():
        x = x.detach().requires_grad_()
        output = function(x)

    def back(cotangent):
        options = {"retain_graph": True, "materialize_grads": True}
        return torch.autograd.grad(output, [x], cotangent, **options)[0].detach()

    return output.detach(), back


def differentiable_vjp(function, x, cotangent):
    """`function(x)`, and the gradient for x of <cotangent, function(x)>.

    Both can be differentiated once more: by x, and by all that the function uses.
    """
    return _DIFFERENTIABLE[keras.backend.backend()](function, x, cotangent)


def _jax_twice(function, x, cotangent):
    output, (gradient,) = _jax(function, [x], cotangent)
    return output, gradient


def _tensorflow_twice(function, x, cotangent):
    output, (gradient,) = _tensorflow(function, [x], cotangent)
    return output, gradient


def _torch_twice(function, x, cotangent):
    import torch

    keep = torch.is_grad_enabled()
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_()
        output = function(x)
        options = {"create_graph": keep, "retain_graph": keep, "materialize_grads": True}
        gradient = torch.autograd.grad(output, [x], cotangent, **options)[0]
    return (output, gradient) if keep else (output.detach(), gradient.detach())


def repeat_while(condition, body, carry):
    """`carry = body(*carry)` while `condition(*carry)`: tensors that keep their shapes."""
    if keras.backend.backend() != "tensorflow":
        return ops.while_loop(condition, body, carry)
    import tensorflow as tf

    def step(*carry):
        after = tuple(body(*carry))
        for new, old in zip(after, carry):
            new.set_shape(old.shape)
        return after

    return tf.while_loop(condition, step, tuple(map(tf.convert_to_tensor, carry)))


def loop(n, body, carry):
    """The result of carry = body(i, carry) for i = 0 ... n - 1.

    `carry` is a tuple of tensors, n an integer. On TensorFlow the loop has a bound, because XLA
    compiles the gradient of bounded loops only.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.fori_loop(0, n, body, carry)
    import tensorflow as tf

    return tf.while_loop(
        lambda i, carry: i < n,
        lambda i, carry: (i + 1, body(i, carry)),
        (0, carry),
        maximum_iterations=n,
    )[1]


def fold(n, function, carry, values, reverse=False):
    """The result of carry = function(rows, carry) for the n rows of the tensors `values`.

    `carry` is a list of tensors. With `reverse` the last rows come first.
    """
    if keras.backend.backend() != "tensorflow":
        each = lambda carry, rows: (function(rows, carry), None)  # noqa: E731
        return ops.scan(each, carry, values, reverse=reverse)[0]
    import tensorflow as tf

    rows = [tf.TensorArray(v.dtype, n, element_shape=v.shape[1:]).unstack(v) for v in values]

    def body(i, carry):
        i = n - 1 - i if reverse else i
        after = function([row.read(i) for row in rows], carry)
        for a, b in zip(after, carry):
            a.set_shape(b.shape)
        return after

    return loop(n, body, [tf.convert_to_tensor(v) for v in carry])


def jit(function):
    """The function compiled by JAX, without donation of its arguments."""
    import jax

    return jax.jit(function)


_BACKENDS = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
_PULLBACKS = {"jax": _jax_pullback, "tensorflow": _tensorflow_pullback, "torch": _torch_pullback}
_DIFFERENTIABLE = {"jax": _jax_twice, "tensorflow": _tensorflow_twice, "torch": _torch_twice}


def jax_x64():
    """A context in which JAX computes in float64."""
    import jax

    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    return enable(True)


def tensorflow_program(function):
    """The function as a graph for any batch size."""
    import tensorflow as tf

    run = tf.function(function, autograph=False)
    signatures = {}

    def call(*tensors):
        key = tuple((t.dtype, tuple(t.shape[1:])) for t in tensors)
        if key not in signatures:
            specs = [tf.TensorSpec([None, *t.shape[1:]], t.dtype) for t in tensors]
            signatures[key] = run.get_concrete_function(*specs)
        return signatures[key](*tensors)

    return call


def torch_program(function):
    """The function without gradients."""
    import torch

    return torch.no_grad()(function)


def device_kind_and_peak():
    """The kind of the device and, for a GPU, the peak memory of this process in bytes."""
    return _DEVICES[keras.backend.backend()]()


def _jax_device():
    import jax

    first = jax.devices()[0]
    return first.device_kind, (first.memory_stats() or {}).get("peak_bytes_in_use")


def _tensorflow_device():
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "cpu", None
    kind = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu")
    return kind, tf.config.experimental.get_memory_info("GPU:0")["peak"]


def _torch_device():
    import torch

    if not torch.cuda.is_available():
        return "cpu", None
    return torch.cuda.get_device_name(), torch.cuda.max_memory_allocated()


_DEVICES = {"jax": _jax_device, "tensorflow": _tensorflow_device, "torch": _torch_device}


def mirror_on_all_devices():
    """Makes all later models train on all devices of this host, on TensorFlow."""
    import tensorflow as tf

    tf.distribute.experimental_set_strategy(tf.distribute.MirroredStrategy())
