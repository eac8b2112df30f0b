"""Flow layers called on lists of arrays, brute-force Jacobians, and training of a single layer."""

import math

import keras
import numpy as np

from keras_flows import Flow, layers
from keras_flows.backend import native
from keras_flows.backend.programs import compiled
from keras_flows.testing.arrays import (
    array,
    arrays,
    encode,
    flat,
    outputs_of,
    pack,
    split_conditions,
)
from keras_flows.testing.arrays import functional as functional_of_arrays
from keras_flows.testing.jacobian import gradient, jacobian_log_det
from keras_flows.testing.perturbation import perturb

__all__ = [
    "array",
    "arrays",
    "built",
    "compiled",
    "embed",
    "encode",
    "flat",
    "functional",
    "gradient",
    "jacobian_log_det",
    "outputs_of",
    "pack",
    "perturb",
    "program",
    "split_conditions",
    "train",
]


def built(case):
    """A new layer of a case, built by a call."""
    layer = case.make()
    layer(pack([keras.KerasTensor(x.shape, x.dtype.name) for x in case.inputs(batch=2)]))
    return layer


def functional(case, layer=None):
    """A functional model of one layer, for any number of inputs and outputs."""
    return functional_of_arrays(layer or case.make(), case.inputs(1))


def embed(case, layer):
    """A `Flow` with one flat input around the layer; conditions become part of the latent."""
    samples = case.inputs(1)
    sizes = [x.size for x in samples]
    x = keras.Input((sum(sizes),), dtype=samples[0].dtype.name)
    parts = layers.Split(sizes)(x) if len(sizes) > 1 else [x]
    inputs = [layers.Reshape(s)(part) for s, part in zip(case.shapes, parts)]
    outputs = flat(layer(pack(inputs))) + split_conditions(layer, inputs)[1]
    z = [layers.Reshape((math.prod(o.shape[1:]),))(o) for o in outputs]
    return Flow(keras.Model(x, layers.Concat()(z) if len(z) > 1 else z[0]))


def program(function):
    """The function of tensors, compiled by the backend; on torch as it is."""
    if keras.backend.backend() == "jax":
        return native.jit(function)
    if keras.backend.backend() == "torch":
        return function
    import tensorflow as tf

    return tf.function(function, autograph=False)


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
