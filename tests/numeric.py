"""Calling flow layers on lists of arrays, brute-force Jacobians, and training a lone layer."""

import math

import keras
import numpy as np
from keras import ops

from keras_flows import Flow, autodiff, layers


def flat(values):
    return list(values) if isinstance(values, (list, tuple)) else [values]


def pack(values):
    return values[0] if len(values) == 1 else list(values)


def array(x):
    return np.asarray(ops.convert_to_numpy(x))


def arrays(values):
    return [array(v) for v in flat(values)]


def split_conditions(layer, inputs):
    count = len(inputs) - layer.conditions
    return list(inputs[:count]), list(inputs[count:])


def compiled(function, *inputs):
    """`function` of arrays: on JAX in one program, where each operation would else be one."""
    inputs = [ops.convert_to_tensor(x) for x in inputs]
    if keras.backend.backend() != "jax":
        return function(*inputs)
    import jax

    with keras.StatelessScope():  # what the call assigns, seeds of noise, would be no number
        return jax.jit(function)(*inputs)


def encode(layer, inputs):
    """Outputs as a list of arrays, and one log-det a sample."""
    outputs, log_det = compiled(lambda *x: layer.encode(pack(x)), *inputs)
    log_det = 0.0 if log_det is None else array(log_det)
    return arrays(outputs), np.broadcast_to(log_det, len(inputs[0]))


def jacobian_log_det(layer, inputs):
    """log|det| of each sample's Jacobian, row by row in one reverse pass; conditions are fixed."""
    data, conditions = split_conditions(layer, inputs)
    data = [x.astype(keras.config.floatx()) for x in data]
    batch, dims = len(data[0]), sum(x[0].size for x in data)
    edges = np.cumsum([0] + [x[0].size for x in data])
    fixed = [ops.convert_to_tensor(np.repeat(c, dims, axis=0)) for c in conditions]

    def function(x):
        parts = [x[:, a:b] for a, b in zip(edges, edges[1:])]
        parts = [ops.reshape(p, (-1, *d.shape[1:])) for p, d in zip(parts, data)]
        outputs = flat(layer.encode(pack(parts + fixed))[0])
        return ops.concatenate([ops.reshape(o, (batch * dims, -1)) for o in outputs], axis=-1)

    point = np.repeat(np.concatenate([x.reshape(batch, -1) for x in data], axis=-1), dims, axis=0)
    which = ops.convert_to_tensor(np.tile(np.eye(dims, dtype=point.dtype), (batch, 1)))
    rows = gradient(lambda x: function(x) * which, point).reshape(batch, dims, dims)
    return np.linalg.slogdet(rows.astype("float64"))[1]


def outputs_of(model, inputs):
    """What a layer or model makes of arrays, as a list of arrays."""
    return arrays(compiled(lambda *x: model(pack(x)), *inputs))


def built(case):
    """A fresh layer of a case, built by a call."""
    layer = case.make()
    layer(pack([keras.KerasTensor(x.shape, x.dtype.name) for x in case.inputs(batch=2)]))
    return layer


def perturb(layer, scale=0.2, seed=0):
    """Moves every trainable weight away from where it starts, zero above all."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_variables:
        weight.assign(array(weight) + scale * rng.normal(size=weight.shape))
    return layer


def functional(case, layer=None):
    """A functional model of one layer, for any number of inputs and outputs."""
    inputs = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in case.inputs(1)]
    return keras.Model(pack(inputs), (layer or case.make())(pack(inputs)))


def embed(case, layer):
    """A `Flow` of one flat input around the layer; its conditions are kept in the latent."""
    samples = case.inputs(1)
    sizes = [x.size for x in samples]
    x = keras.Input((sum(sizes),), dtype=samples[0].dtype.name)
    parts = layers.Split(sizes)(x) if len(sizes) > 1 else [x]
    inputs = [layers.Reshape(s)(part) for s, part in zip(case.shapes, parts)]
    outputs = flat(layer(pack(inputs))) + split_conditions(layer, inputs)[1]
    z = [layers.Reshape((math.prod(o.shape[1:]),))(o) for o in outputs]
    return Flow(keras.Model(x, layers.Concat()(z) if len(z) > 1 else z[0]))


def train(case, layer, steps=5):
    """Trains the layer alone by maximum likelihood; returns its weights before."""
    flow = embed(case, layer)
    # Tracing on TensorFlow takes longer than these few steps.
    eager = keras.backend.backend() == "tensorflow"
    flow.compile(keras.optimizers.Adam(0.05), run_eagerly=eager)
    x = np.concatenate([v.reshape(16 * steps, -1) for v in case.inputs(16 * steps)], axis=-1)
    flow.adapt(x[:16])
    before = arrays(layer.trainable_variables)
    flow.fit(x, batch_size=16, epochs=1, verbose=0)
    return before


def gradient(function, x):
    """The gradient of the sum of a function, as an array."""
    return array(compiled(lambda v: autodiff.gradient(function, v), x))
