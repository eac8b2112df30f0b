"""Decoding with guidance: the decoder and its layers, and the strength at each patch."""

import keras
import numpy as np

from keras_flows.core.graph import operations
from keras_flows.layers.transformer import TransformerAutoregressive

SCHEDULES = {"constant": np.ones_like, "linear": lambda t: t}


class Guided(keras.layers.Layer):
    """Guided decoding by an autoregressive layer, as a layer of [z, context, strength]."""

    def __init__(self, layer, **kwargs):
        super().__init__(dtype=layer.variable_dtype, **kwargs)  # that of the flow
        self.layer = layer
        self.built = True

    def call(self, inputs):
        return self.layer.guided(*inputs)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def make_guided_decoder(flow):
    """A model from [latent, label, strength of each patch] to data."""
    vector = next(v for v, _ in operations(flow.encoder) if hasattr(v, "classes"))
    steps = [v for v in flow.chain if isinstance(v, TransformerAutoregressive)]
    z = keras.Input(flow.encoder.output_shape[1:], dtype=flow.variable_dtype)
    label = keras.Input((), dtype="int32")
    strength = keras.Input((len(steps[0].places),), dtype=flow.variable_dtype)
    x, context = z, vector(label)
    for layer in reversed(flow.chain):
        if layer in steps:
            x = Guided(layer)([x, context, strength])
        else:
            x = layer.inverse()(x)
    return in_place(keras.Model([z, label, strength], x, name=f"{flow.name}_guided_decoder"))


def in_place(decoder):
    """The decoder, compiled by XLA on TensorFlow; Keras does not do so on CPUs by default.

    XLA does not copy the caches of keys and values at every step, so that
    decoding 196 patches takes a third of the time or less.
    """
    if keras.backend.backend() == "tensorflow":
        decoder.jit_compile = True
    return decoder


def strength_factors(schedule, patches):
    """The factor of the guidance at each patch, as an array."""
    if not callable(schedule) and schedule not in SCHEDULES:
        raise ValueError(
            f"guidance_schedule is one of {tuple(SCHEDULES)} or a function of numbers from 0 to 1. "
            f"Received: guidance_schedule={schedule!r}."
        )
    progress = np.linspace(0, 1, patches)
    function = schedule if callable(schedule) else SCHEDULES[schedule]
    return np.asarray(function(progress))
