"""Every layer of the library and its main options, for the battery of test_layers.py."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

import keras_flows
from keras_flows import layers


def normal(rng, shape):
    return (0.3 + 1.5 * rng.normal(size=shape)).astype(keras.config.floatx())


def unit(rng, shape):
    return rng.uniform(0.05, 0.95, size=shape).astype(keras.config.floatx())


def pixels(rng, shape):
    return rng.integers(0, 256, size=shape).astype("uint8")


def bin_middles(rng, shape):
    return ((pixels(rng, shape) + 0.5) / 256).astype(keras.config.floatx())


@dataclasses.dataclass(frozen=True)
class Case:
    """How to make a layer, the shape of one sample of each input, and inputs it is meant for."""

    make: Callable
    shapes: tuple
    draw: Callable = normal
    bad: tuple = ()  # lists of whole input shapes, each of which must be refused

    def inputs(self, batch=3, seed=0):
        rng = np.random.default_rng(seed)
        return [self.draw(rng, (batch, *shape)) for shape in self.shapes]

    @property
    def lossy(self):
        """Whether one direction rounds, so that it has no Jacobian."""
        return self.draw in (pixels, bin_middles)


def case(make, *shapes, draw=normal, bad=()):
    return Case(make, shapes, draw, tuple(bad))


@keras.saving.register_keras_serializable("my_flows")
class Sinh(keras_flows.layers.FlowLayer):
    """The example of FlowLayer's docstring, word for word (a test compares them)."""

    def encode(self, x):
        return ops.arcsinh(x), -self.sum(0.5 * ops.log1p(x * x))

    def decode(self, z):
        return ops.sinh(z), self.sum(ops.log(ops.cosh(z)))


def net(outputs):
    return keras.Sequential([keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(outputs)])


VECTOR, IMAGE = (5,), (4, 4, 3)

CASES = {
    "Shuffle-reverse": case(lambda: layers.Shuffle("reverse"), VECTOR, bad=[[(5,)], [(2, None)]]),
    "Shuffle-random": case(lambda: layers.Shuffle("random"), VECTOR, bad=[[(2, None)]]),
    "Shuffle-idxs": case(lambda: layers.Shuffle(idxs=[2, 0, 1]), (3,), bad=[[(2, 4)], [(2, 2)]]),
    "Permute-reverse": case(lambda: layers.Permute(), IMAGE),
    "Permute-random": case(lambda: layers.Permute("random"), IMAGE),
    "SplitVector-even": case(lambda: layers.SplitVector(), (6,), bad=[[(2, 1)], [(2, None)]]),
    "SplitVector-odd": case(lambda: layers.SplitVector(), VECTOR),
    "SplitVector-image": case(lambda: layers.SplitVector(), IMAGE),
    "ConcatVector-even": case(
        lambda: layers.ConcatVector(), (3,), (3,), bad=[[(2, 3), (2, 5)], [(2, 2), (2, 3)]]
    ),
    "ConcatVector-odd": case(
        lambda: layers.ConcatVector(),
        (3,),
        (2,),
        bad=[[(2, 4)], [(2, 3), (2, 3), (2, 3)], [(2, 4, 3), (2, 5, 3)], [(2, 4, 3), (2, 3)]],
    ),
    "Split-halves": case(lambda: layers.Split(), VECTOR, bad=[[(2, 1)], [(2, None)], [(2,)]]),
    "Split-pattern": case(lambda: layers.Split([1, 3, 2]), (6,), bad=[[(2, 5)], [(2, 7)]]),
    "Split-image": case(lambda: layers.Split([1, 2]), IMAGE, bad=[[(2, 4, 4, 4)]]),
    "Concat-vectors": case(
        lambda: layers.Concat(),
        (2,),
        (3,),
        (1,),
        bad=[[(2, 4)], [(2, 4, 3), (2, 5, 3)], [(2, 4, 3), (2, 3)], [(2, 3), (2, None)]],
    ),
    "Concat-pattern": case(lambda: layers.Concat([1, 2]), (1,), (2,), bad=[[(2, 2), (2, 1)]]),
    "Concat-image": case(lambda: layers.Concat(), (4, 4, 1), IMAGE),
    "Reshape-flat": case(lambda: layers.Reshape((48,)), IMAGE, bad=[[(2, 4, 4, 2)], [(2, None)]]),
    "Reshape-source": case(lambda: layers.Reshape((2, 3), (6,)), (6,), bad=[[(2, 3, 2)]]),
    "AddCouple-vectors": case(
        lambda: layers.AddCouple(),
        (3,),
        (2,),
        (2,),
        bad=[[(2, 3)], [(2, 4, 4)], [(2, 3), (2, 3)], [(2, 3), (2, 2), (2, 1)]],
    ),
    "AddCouple-images": case(lambda: layers.AddCouple(), IMAGE, (4, 4, 2), (4, 4, 2)),
    "Coupling-interleaved": case(lambda: layers.Coupling(net(2)), VECTOR, bad=[[(2, 1)], [(2, 8)]]),
    "Coupling-halves": case(lambda: layers.Coupling(net(2), split="halves"), VECTOR),
    "Coupling-flip": case(lambda: layers.Coupling(net(3), flip=True), VECTOR, bad=[[(2, 4)]]),
    "Coupling-image": case(lambda: layers.Coupling(net(1), split="halves"), IMAGE),
    "Scale-vector": case(lambda: layers.Scale(), VECTOR, bad=[[(2, None)], [(2,)]]),
    "Scale-image": case(lambda: layers.Scale("zeros"), IMAGE),
    "Scale-data": case(lambda: layers.Scale("zeros", data_init=True), VECTOR),
    "Scale-factor": case(lambda: layers.Scale("zeros", factor=3.0, data_init=True), VECTOR),
    "Actnorm-vector": case(lambda: layers.Actnorm(), VECTOR, bad=[[(2, None)], [(2,)]]),
    "Actnorm-image": case(lambda: layers.Actnorm(), IMAGE),
    "Actnorm-scale": case(lambda: layers.Actnorm(use_shift=False), IMAGE),
    "Actnorm-identity": case(lambda: layers.Actnorm(data_init=False), VECTOR),
    "CondActnorm-vector": case(
        lambda: layers.CondActnorm(), (3,), (2,), bad=[[(2, 3)], [(2, 3), (2, 4, 4, 2)]]
    ),
    "CondActnorm-vector-scale": case(lambda: layers.CondActnorm(use_shift=False), (3,), (2,)),
    "CondActnorm-image": case(
        lambda: layers.CondActnorm(),
        IMAGE,
        (4, 4, 2),
        bad=[[(2, 4, 4, 3), (2, 4, 2, 3)], [(2, 4, 3), (2, 4, 3)], [(2, 4, 4, 3)]],
    ),
    "CondActnorm-image-scale": case(lambda: layers.CondActnorm(use_shift=False), IMAGE, (4, 4, 2)),
    "InvConv-vector": case(lambda: layers.InvConv(seed=3), VECTOR, bad=[[(2, None)], [(2,)]]),
    "InvConv-image": case(lambda: layers.InvConv(), IMAGE),
    "Squeeze-2": case(lambda: layers.Squeeze(), IMAGE, bad=[[(2, 3, 4, 3)], [(2, 4, 4)]]),
    "Squeeze-oblong": case(lambda: layers.Squeeze(3), (3, 6, 2), bad=[[(2, 3, 4, 3)]]),
    "UnSqueeze-2": case(lambda: layers.UnSqueeze(), (2, 3, 8), bad=[[(2, 2, 2, 6)], [(2, 4)]]),
    "UniformNoise-blog": case(lambda: layers.UniformNoise(-0.01, 0.0), VECTOR),
    "Dequantize-256": case(lambda: layers.Dequantize(), VECTOR, draw=pixels),
    "Dequantize-image": case(lambda: layers.Dequantize(seed=1), IMAGE, draw=pixels),
    "Quantize-256": case(lambda: layers.Quantize(), VECTOR, draw=bin_middles),
    "Logit-vector": case(lambda: layers.Logit(), VECTOR, draw=unit),
    "Logit-image": case(lambda: layers.Logit(1e-3), IMAGE, draw=unit),
    "Inverse-InvConv": case(lambda: layers.Inverse(layers.InvConv(seed=2)), IMAGE),
    "Inverse-Coupling": case(lambda: layers.Coupling(net(2)).inverse(), VECTOR),
    "Inverse-CondActnorm": case(lambda: layers.CondActnorm().inverse(), (3,), (2,)),
    "Inverse-AddCouple": case(lambda: layers.AddCouple().inverse(), (3,), (2,), (2,)),
    "Inverse-Actnorm": case(lambda: layers.Actnorm(data_init=False).inverse(), VECTOR),
    "Sinh-docstring": case(lambda: Sinh(), VECTOR),
    "Inverse-Sinh": case(lambda: Sinh().inverse(), VECTOR),
}

WEIGHTED = [
    name for name in CASES if name.split("-")[0] in ("Coupling", "Scale", "Actnorm", "CondActnorm")
]
WEIGHTED += ["InvConv-vector", "InvConv-image"]
WEIGHTED += ["Inverse-InvConv", "Inverse-Coupling", "Inverse-CondActnorm", "Inverse-Actnorm"]

BAD_OPTIONS = {
    "Shuffle mode": lambda: layers.Shuffle("sideways"),
    "Shuffle idxs": lambda: layers.Shuffle(idxs=[0, 0, 2]),
    "Split pattern": lambda: layers.Split([3]),
    "Split zero": lambda: layers.Split([0, 3]),
    "Coupling mode": lambda: layers.Coupling(net(2), mode="subtractive"),
    "Coupling split": lambda: layers.Coupling(net(2), split="checkerboard"),
    "Coupling net": lambda: layers.Coupling(lambda x: x),
    "Scale factor": lambda: layers.Scale(factor=0.0),
    "Squeeze factor": lambda: layers.Squeeze(1),
    "UnSqueeze factor": lambda: layers.UnSqueeze(1.5),
    "UniformNoise": lambda: layers.UniformNoise(1.0, 1.0),
    "Dequantize levels": lambda: layers.Dequantize(1),
    "Quantize levels": lambda: layers.Quantize(2.5),
    "Logit alpha": lambda: layers.Logit(0.5),
    "Inverse": lambda: layers.Inverse(keras.layers.Dense(2)),
}
