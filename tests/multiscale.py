"""Small multi-scale picture flows, for the tests of the builders."""

import dataclasses
import functools

import keras
import numpy as np

from keras_flows import invert
from keras_flows.core.ledger import Ledger
from keras_flows.layers import Dequantize
from keras_flows.models import Glow, RealNVP
from tests.numeric import array

SIZES = {"image_shape": (8, 8, 1), "levels": 2, "hidden": 4, "seed": 0}
VARIANTS = {
    "blog": lambda **options: Glow(**{**SIZES, "steps": 1, **options}),
    "paper": lambda **options: Glow(**{**SIZES, "variant": "paper", "steps": 1, **options}),
    "realnvp": lambda **options: RealNVP(**{**SIZES, "blocks": 1, **options}),
}


def smooth_pictures(n=32, shape=(8, 8, 1), levels=256, seed=0):
    """Pictures of integers in which neighbouring pixels are similar."""
    rng = np.random.default_rng(seed)
    height, width, channels = shape
    rows, columns = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[:, None]
    a, b, c = (rng.normal(size=(n, 1, 1, channels)) for _ in range(3))
    x = 0.5 + 0.15 * (a * rows + b * columns + c) + 0.02 * rng.normal(size=(n, *shape))
    return np.clip(levels * x, 0, levels - 1).astype("uint8")


def eager(flow):
    """The flow, eager on TensorFlow, where tracing takes longer than a few steps."""
    if keras.backend.backend() == "tensorflow":
        for model in (flow, flow.encoder, flow.decoder):
            model.run_eagerly = True
    return flow


def train_briefly(flow, *data, steps=3, rate=0.01):
    run_eagerly = keras.backend.backend() == "tensorflow"
    eager(flow).compile(keras.optimizers.Adam(rate), run_eagerly=run_eagerly)
    flow.fit(*data, batch_size=16, epochs=steps, verbose=0, shuffle=False)
    return flow


@dataclasses.dataclass
class Trained:
    """A flow after a few training steps, its weights before them, and their losses."""

    flow: keras.Model
    before: list
    losses: list

    @property
    def unchanged(self):
        """Paths of the weights that training has not changed."""
        pairs = zip(self.flow.trainable_variables, self.before)
        return [v.path for v, old in pairs if np.all(array(v) == old)]


@functools.cache
def trained(name):
    flow, x = VARIANTS[name](), smooth_pictures(16)
    flow.adapt(x)
    before = [array(v) for v in flow.trainable_variables]
    return Trained(flow, before, train_briefly(flow, x, steps=3, rate=0.02).history.history["loss"])


class Whole:
    """The encoder of a flow behind its `Dequantize` layer, with the methods of one layer."""

    def __init__(self, flow):
        encoder = flow.encoder
        start = next(v.output for v in encoder.layers if isinstance(v, Dequantize))
        self.model = keras.Model([start, *encoder.inputs[1:]], encoder.output)
        self.conditions = len(encoder.inputs) - 1
        self.inverse = invert(self.model)

    def encode(self, x):
        with Ledger() as ledger:
            z = self.model(x)
        return z, ledger.total()
