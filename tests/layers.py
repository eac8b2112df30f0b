"""Every layer with its main options, for the tests of all layers in test_layers.py."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from keras_flows import layers, networks
from tests.nets import (
    Before,
    Sinh,
    affine,
    autoregressive,
    checkers,
    conv_net,
    glow_step,
    net,
    net64,
    net_of_two,
)


def normal(rng, shape):
    return (0.3 + 1.5 * rng.normal(size=shape)).astype(keras.config.floatx())


def unit(rng, shape):
    return rng.uniform(0.05, 0.95, size=shape).astype(keras.config.floatx())


SUPPORT = [None, "positive", (0, 1), (None, 2.0), (-3, 5)]


def limited(rng, shape):
    """Random columns within the limits of `SUPPORT`."""
    x = rng.normal(size=shape)
    x[:, 1], x[:, 3] = np.exp(x[:, 1]), 2 - np.exp(x[:, 3])
    x[:, 2], x[:, 4] = rng.uniform(0.05, 0.95, len(x)), rng.uniform(-2.9, 4.9, len(x))
    return x.astype(keras.config.floatx())


def pixels(rng, shape):
    return rng.integers(0, 256, size=shape).astype("uint8")


def bin_middles(rng, shape):
    return ((pixels(rng, shape) + 0.5) / 256).astype(keras.config.floatx())


def whole(rng, shape):
    """Integers as floats."""
    return rng.integers(-128, 128, size=shape).astype(keras.config.floatx())


@dataclasses.dataclass(frozen=True)
class Case:
    """How to make a layer, the shapes of one sample of its inputs, and how to draw inputs."""

    make: Callable
    shapes: tuple
    draw: Callable = normal
    bad: tuple = ()  # lists of input shapes with the batch axis, which the layer must refuse

    def inputs(self, batch=3, seed=0):
        rng = np.random.default_rng(seed)
        return [self.draw(rng, (batch, *shape)) for shape in self.shapes]

    @property
    def lossy(self):
        """Whether one direction rounds, and so has no Jacobian."""
        return self.draw in (pixels, bin_middles, whole)


def case(make, *shapes, draw=normal, bad=()):
    return Case(make, shapes, draw, tuple(bad))


VECTOR, IMAGE, TOKENS = (5,), (4, 4, 3), (3, 2)

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
    "Coupling-sigmoid": case(lambda: affine(net(4)), VECTOR, bad=[[(2, 8)], [(2, 1)], [(2,)]]),
    "Coupling-double_sigmoid": case(lambda: affine(net(4), scale="double_sigmoid"), VECTOR),
    "Coupling-tanh": case(lambda: affine(net(6), "halves", True, "tanh"), VECTOR, bad=[[(2, 4)]]),
    "Coupling-exp": case(lambda: affine(net(2), "interleaved", False, "exp"), IMAGE),
    "Coupling-context": case(
        lambda: layers.Coupling(net_of_two((3,), (2,), 4), "affine"),
        VECTOR,
        (2,),
        bad=[[(2, 5)], [(2, 5), (2, 3)], [(2, 5), (2, 2), (2, 2)], [(2, 6), (2, 2)]],
    ),
    "Coupling-context-image": case(
        lambda: layers.Coupling(net_of_two((4, 4, 1), (4, 4, 2), 2), split="halves", flip=True),
        IMAGE,
        (4, 4, 2),
    ),
    "CheckerboardCouple-even": case(
        lambda: checkers(6),
        IMAGE,
        bad=[[(2, 4, 4)], [(2, 4, 4, 2)], [(2, None, 4, 3)], [(2, 1, 1, 3)], [(2, 4)]],
    ),
    "CheckerboardCouple-odd": case(
        lambda: checkers(4, flip=True, scale="sigmoid"), (2, 3, 2), bad=[[(2, 2, 3, 1)]]
    ),
    "CheckerboardCouple-additive": case(lambda: checkers(1, "additive", flip=True), (3, 5, 1)),
    "CheckerboardCouple-context": case(
        lambda: layers.CheckerboardCouple(net_of_two((3, 1, 2), (3, 1, 2), 2), scale="exp"),
        (3, 2, 1),
        (3, 1, 2),
        bad=[[(2, 3, 2, 1)]],
    ),
    "Coupling-spline": case(
        lambda: layers.Coupling(net64(22), "spline", bins=4), VECTOR, bad=[[(2, 6)], [(2, 1)]]
    ),
    "Coupling-spline-image": case(
        lambda: layers.Coupling(net64(5), "spline", "halves", bins=2, tail_bound=1.5), IMAGE
    ),
    "Coupling-spline-context": case(
        lambda: layers.Coupling(net_of_two((3,), (2,), 16, net64), "spline", bins=3), VECTOR, (2,)
    ),
    "CheckerboardCouple-spline": case(lambda: checkers(24, "spline", bins=3, net=net64), IMAGE),
    "CheckerboardCouple-spline-odd": case(
        lambda: checkers(5, "spline", bins=2, net=net64), (3, 5, 1)
    ),
    "MaskedAutoregressive-affine": case(
        lambda: autoregressive(2), VECTOR, bad=[[(2, None)], [(2, 4, 3)], [(2, 5), (2, 2), (2, 2)]]
    ),
    "MaskedAutoregressive-spline": case(
        lambda: autoregressive(11, "spline", order="reversed", bins=4), VECTOR
    ),
    "MaskedAutoregressive-residual": case(
        lambda: autoregressive(2, order=[1, 0, 2], hidden=(8,) * 3, residual=True),
        (3,),
        bad=[[(2, 5)]],
    ),
    "MaskedAutoregressive-context": case(
        lambda: autoregressive(8, "spline", bins=3), VECTOR, (2,), bad=[[(2, 5), (2, 2), (2, 1)]]
    ),
    "MaskedAutoregressive-net": case(
        lambda: layers.MaskedAutoregressive(Before()), VECTOR, bad=[[(2, 5), (2, 2), (2, 1)]]
    ),
    "TransformerAutoregressive-natural": case(
        lambda: layers.TransformerAutoregressive(8, 2, heads=2),
        TOKENS,
        bad=[[(2, 3)], [(2, None, 2)], [(2, 3, 2), (2, 4), (2, 4)], [(2, 3, 2), (2, 4, 1)]],
    ),
    "TransformerAutoregressive-reversed": case(
        lambda: layers.TransformerAutoregressive(8, 1, order="reversed", expansion=2), TOKENS
    ),
    "TransformerAutoregressive-order": case(
        lambda: layers.TransformerAutoregressive(8, 1, order=[2, 0, 1], log_scale_bound=2.0),
        TOKENS,
        bad=[[(2, 4, 2)]],
    ),
    "TransformerAutoregressive-context": case(
        lambda: layers.TransformerAutoregressive(8, 1, heads=2), TOKENS, (4,)
    ),
    "Chain-image": case(
        lambda: layers.Chain(glow_step(conv_net(2))), IMAGE, bad=[[(2, 4, 4, 1)], [(2, None)]]
    ),
    "Chain-vector": case(
        lambda: layers.Chain(
            [*glow_step(net64(4)), layers.BatchNormFlow(), affine(net64(4), flip=True)]
        ),
        (4,),
        bad=[[(2, 5)], [(2, 4), (2, 4)]],
    ),
    "Chain-stacked": case(
        lambda: layers.Chain([*glow_step(conv_net(2)), *glow_step(conv_net(2))]), IMAGE
    ),
    "Chain-stacked-vector": case(
        lambda: layers.Chain(
            [layers.InvConv(), affine(net64(4)), layers.InvConv(), affine(net64(4))], stack=True
        ),
        (4,),
    ),
    "Chain-weightless": case(lambda: layers.Chain([layers.Permute(), layers.Permute()]), VECTOR),
    "Scale-vector": case(lambda: layers.Scale(), VECTOR, bad=[[(2, None)], [(2,)]]),
    "Scale-image": case(lambda: layers.Scale("zeros"), IMAGE),
    "Scale-data": case(lambda: layers.Scale("zeros", data_init=True), VECTOR),
    "Scale-factor": case(lambda: layers.Scale("zeros", factor=3.0, data_init=True), VECTOR),
    "Actnorm-vector": case(lambda: layers.Actnorm(), VECTOR, bad=[[(2, None)], [(2,)]]),
    "Actnorm-image": case(lambda: layers.Actnorm(), IMAGE),
    "Actnorm-scale": case(lambda: layers.Actnorm(use_shift=False), IMAGE),
    "Actnorm-identity": case(lambda: layers.Actnorm(data_init=False), VECTOR),
    "Standardize-vector": case(lambda: layers.Standardize(), VECTOR, bad=[[(2, None)], [(2,)]]),
    "Standardize-image": case(lambda: layers.Standardize(1e-3), IMAGE),
    "BatchNormFlow-vector": case(lambda: layers.BatchNormFlow(), VECTOR, bad=[[(2, None)], [(2,)]]),
    "BatchNormFlow-image": case(lambda: layers.BatchNormFlow(0.5, data_init=False), IMAGE),
    "BatchNormFlow-plain": case(lambda: layers.BatchNormFlow(0.5, affine=False), IMAGE),
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
    "CondActnorm-class": case(
        lambda: layers.CondActnorm(),
        IMAGE,
        (2,),
        bad=[[(2, 4, 4, 3), (2, None)], [(2, 4, 4, 3), (2, 2), (2, 2)]],
    ),
    "CondActnorm-class-scale": case(lambda: layers.CondActnorm(use_shift=False), IMAGE, (2,)),
    "InvConv-vector": case(lambda: layers.InvConv(seed=3), VECTOR, bad=[[(2, None)], [(2,)]]),
    "InvConv-image": case(lambda: layers.InvConv(), IMAGE),
    "InvConv-permutation": case(lambda: layers.InvConv(start="permutation"), VECTOR),
    "Residual-context": case(
        lambda: layers.Residual(networks.LipschitzMLP((6,), 0.6)),
        (3,),
        (2,),
        bad=[[(2, None)], [(2, 3), (2, 2), (2, 2)], [(2, 3), (2, None)]],
    ),
    "Implicit-vector": case(
        lambda: layers.Implicit(networks.LipschitzMLP((5,), 0.5), networks.LipschitzMLP((5,), 0.5)),
        (3,),
        bad=[[(2, None)], [(2, 3), (2, 2), (2, 2)]],
    ),
    "Monotone-vector": case(
        lambda: layers.Monotone(networks.LipschitzMLP((5,), 0.5)), (3,), bad=[[(2, None)]]
    ),
    "Squeeze-2": case(lambda: layers.Squeeze(), IMAGE, bad=[[(2, 3, 4, 3)], [(2, 4, 4)]]),
    "Squeeze-oblong": case(lambda: layers.Squeeze(3), (3, 6, 2), bad=[[(2, 3, 4, 3)]]),
    "UnSqueeze-2": case(lambda: layers.UnSqueeze(), (2, 3, 8), bad=[[(2, 2, 2, 6)], [(2, 4)]]),
    "Patchify-square": case(
        lambda: layers.Patchify(2), IMAGE, bad=[[(2, 3, 4, 3)], [(2, 4, 4)], [(2, None, 4, 3)]]
    ),
    "Patchify-oblong": case(lambda: layers.Patchify((3, 1)), (3, 2, 2), bad=[[(2, 4, 2, 2)]]),
    "UnPatchify-oblong": case(
        lambda: layers.UnPatchify((2, 6, 1), (2, 3)), (2, 6), bad=[[(2, 6, 2)], [(2, 2, 6, 1)]]
    ),
    "GaussianNoise-paper": case(lambda: layers.GaussianNoise(0.05), IMAGE),
    "UniformNoise-blog": case(lambda: layers.UniformNoise(-0.01, 0.0), VECTOR),
    "Dequantize-256": case(lambda: layers.Dequantize(), VECTOR, draw=pixels),
    "Dequantize-image": case(lambda: layers.Dequantize(seed=1), IMAGE, draw=pixels),
    "VariationalDequantize-image": case(
        lambda: layers.VariationalDequantize(
            [layers.CondActnorm(), affine(net_of_two((2, 2, 6), (2, 2, 5), 12), split="halves")],
            keras.layers.Dense(5, "relu"),
            seed=1,
        ),
        IMAGE,
        draw=pixels,
    ),
    "Quantize-256": case(lambda: layers.Quantize(), VECTOR, draw=bin_middles),
    "IntegerInput-256": case(lambda: layers.IntegerInput(), IMAGE, draw=pixels),
    "IntegerOutput-256": case(lambda: layers.IntegerOutput(), VECTOR, draw=whole),
    "IntegerCoupling-quarter": case(
        lambda: layers.IntegerCoupling(conv_net(1)), IMAGE, bad=[[(2, 1)], [(2, 4, 4, 8)], [(2,)]]
    ),
    "IntegerCoupling-halves": case(
        lambda: layers.IntegerCoupling(net(3), "halves", flip=True, levels=2), (6,), bad=[[(2, 4)]]
    ),
    "IntegerCoupling-plus": case(
        lambda: layers.IntegerCoupling(net(2), order="random", rezero=True, levels=8, seed=1), (9,)
    ),
    "IntegerCoupling-context": case(
        lambda: layers.IntegerCoupling(net_of_two((4,), (2,), 1)),
        VECTOR,
        (2,),
        bad=[[(2, 5)], [(2, 5), (2, 3)]],
    ),
    "DiscretizedLogistic-table": case(
        lambda: layers.DiscretizedLogistic(), IMAGE, draw=whole, bad=[[(2, None)], [(2,)]]
    ),
    "DiscretizedLogistic-mixture": case(
        lambda: layers.DiscretizedLogistic(3), VECTOR, draw=whole, bad=[[(2, 5), (2, 5), (2, 5)]]
    ),
    "DiscretizedLogistic-parameters": case(
        lambda: layers.DiscretizedLogistic(2), (2,), (12,), draw=whole, bad=[[(2, 2), (2, 8)]]
    ),
    "DiscretizedLogistic-net": case(
        lambda: layers.DiscretizedLogistic(net=conv_net(6)),
        IMAGE,
        (4, 4, 2),
        draw=whole,
        bad=[[(2, 4, 4, 3)], [(2, 4, 4, 2), (2, 4, 4, 2)], [(2, 4, 4, 3), (2, 4, 4, 5, 1)]],
    ),
    "Logit-vector": case(lambda: layers.Logit(), VECTOR, draw=unit),
    "Logit-image": case(lambda: layers.Logit(1e-3), IMAGE, draw=unit),
    "Constrained-columns": case(
        lambda: layers.Constrained(SUPPORT), VECTOR, draw=limited, bad=[[(2, 4)], [(2, None)]]
    ),
    "Rescale-vector": case(lambda: layers.Rescale(2.0, -1.0), VECTOR),
    "Rescale-image": case(lambda: layers.Rescale(-0.3), IMAGE),
    "Reshape-default": case(lambda: layers.Reshape(), IMAGE, bad=[[(2, None, 4)]]),
    "InvDense-vector": case(lambda: layers.InvDense(seed=3), VECTOR, bad=[[(2, None)], [(2,)]]),
    "InvDense-image": case(lambda: layers.InvDense(), IMAGE),
    "AffineCouple-scale": case(
        lambda: layers.AffineCouple(),
        *[(3,), (2,), (2,), (2,)],
        bad=[[(2, 3)], [(2, 3), (2, 2)], [(2, 3), (2, 2), (2, 2), (2, 1)]],
    ),
    "AffineCouple-shift": case(lambda: layers.AffineCouple(), IMAGE, (4, 4, 2), (4, 4, 2)),
    "CoupleWrapper-shift": case(
        lambda: layers.CoupleWrapper(net(2)), (3,), (2,), bad=[[(2, 3)], [(2, 3), (2, 3)]]
    ),
    "CoupleWrapper-scale": case(lambda: layers.CoupleWrapper(net(2), net(2)), (3,), (2,)),
    "CoupleWrapper-image": case(
        lambda: layers.CoupleWrapper(net(1), net(1)), (4, 4, 2), (4, 4, 1), bad=[[(2, 3), (2, 2)]]
    ),
    "Inverse-CoupleWrapper": case(
        lambda: layers.CoupleWrapper(net(2), net(2)).inverse(), (3,), (2,)
    ),
    "Inverse-InvConv": case(lambda: layers.Inverse(layers.InvConv(seed=2)), IMAGE),
    "Inverse-Coupling": case(lambda: layers.Coupling(net(2)).inverse(), VECTOR),
    "Inverse-CheckerboardCouple": case(lambda: checkers(6).inverse(), IMAGE),
    "Inverse-MaskedAutoregressive": case(
        lambda: autoregressive(11, "spline", bins=4).inverse(), VECTOR, (2,)
    ),
    "Inverse-TransformerAutoregressive": case(
        lambda: layers.TransformerAutoregressive(8, 1).inverse(), TOKENS, (4,)
    ),
    "Inverse-Residual": case(
        lambda: layers.Residual(networks.LipschitzConvNet((3,), (2, 1), 0.6)).inverse(), (2, 2, 1)
    ),
    "Inverse-Chain": case(
        lambda: layers.Chain([affine(net64(4)), layers.InvConv()]).inverse(), VECTOR
    ),
    "Inverse-BatchNormFlow": case(lambda: layers.BatchNormFlow().inverse(), VECTOR),
    "Inverse-CondActnorm": case(lambda: layers.CondActnorm().inverse(), (3,), (2,)),
    "Inverse-AddCouple": case(lambda: layers.AddCouple().inverse(), (3,), (2,), (2,)),
    "Inverse-Actnorm": case(lambda: layers.Actnorm(data_init=False).inverse(), VECTOR),
    "Sinh-docstring": case(lambda: Sinh(), VECTOR),
    "Inverse-IntegerCoupling": case(lambda: layers.IntegerCoupling(net(1)).inverse(), VECTOR),
    "Inverse-Sinh": case(lambda: Sinh().inverse(), VECTOR),
}

WEIGHTED = [
    name
    for name in CASES
    if name.removeprefix("Inverse-").split("-")[0]
    in "Actnorm BatchNormFlow Chain CheckerboardCouple CondActnorm CoupleWrapper Coupling "
    "DiscretizedLogistic IntegerCoupling InvConv InvDense Implicit MaskedAutoregressive Monotone "
    "Residual Scale TransformerAutoregressive VariationalDequantize".split()
]
WEIGHTLESS = ("Chain-weightless", "BatchNormFlow-plain", "DiscretizedLogistic-parameters")
WEIGHTED = [n for n in WEIGHTED if n not in WEIGHTLESS]

BAD_OPTIONS = {
    "Shuffle mode": lambda: layers.Shuffle("sideways"),
    "Shuffle idxs": lambda: layers.Shuffle(idxs=[0, 0, 2]),
    "Split pattern": lambda: layers.Split([3]),
    "Split zero": lambda: layers.Split([0, 3]),
    "Coupling mode": lambda: layers.Coupling(net(2), mode="subtractive"),
    "Coupling split": lambda: layers.Coupling(net(2), split="checkerboard"),
    "Coupling net": lambda: layers.Coupling(lambda x: x),
    "Coupling bins": lambda: layers.Coupling(net(2), "spline", bins=1),
    "Coupling tail_bound": lambda: layers.Coupling(net(2), "spline", tail_bound=0.0),
    "Reshape open": lambda: layers.Reshape((-1, 784)),
    "Reshape number": lambda: layers.Reshape(784),
    "CoupleWrapper net": lambda: layers.CoupleWrapper(lambda x: x),
    "CoupleWrapper second net": lambda: layers.CoupleWrapper(net(2), lambda x: x),
    "Residual net": lambda: layers.Residual(lambda x: x),
    "Residual log_det": lambda: layers.Residual(networks.LipschitzMLP(), "trace"),
    "Residual terms": lambda: layers.Residual(networks.LipschitzMLP(), terms=0),
    "Residual shape": lambda: layers.Residual(keras.layers.Dense(3))(keras.KerasTensor((2, 4))),
    "Residual roulette": lambda: layers.Residual(keras.layers.Dense(9), "roulette")(
        keras.KerasTensor((2, 9))
    ),
    "Implicit net": lambda: layers.Implicit(networks.LipschitzMLP(), None),
    "Monotone net": lambda: layers.Monotone("mlp"),
    "InvConv start": lambda: layers.InvConv(start="reflection"),
    "MaskedAutoregressive net": lambda: layers.MaskedAutoregressive(lambda x: x),
    "MaskedAutoregressive transform": lambda: autoregressive(2, "cubic"),
    "MaskedAutoregressive bound": lambda: autoregressive(2, log_scale_bound=0),
    "TransformerAutoregressive order": lambda: layers.TransformerAutoregressive(order="random"),
    "TransformerAutoregressive heads": lambda: layers.TransformerAutoregressive(8, heads=3),
    "TransformerAutoregressive layers": lambda: layers.TransformerAutoregressive(8, layers=0),
    "TransformerAutoregressive bound": lambda: layers.TransformerAutoregressive(log_scale_bound=0),
    "VisionTransformer outputs": lambda: networks.VisionTransformer(0, 8, 1),
    "Patchify": lambda: layers.Patchify(0),
    "Patchify of three": lambda: layers.Patchify((2, 2, 2)),
    "UnPatchify sides": lambda: layers.UnPatchify((3, 4, 1), 2),
    "GaussianNoise": lambda: layers.GaussianNoise(0.0),
    "ClassVector drop": lambda: layers.ClassVector(2, drop=1.0),
    "MADE order": lambda: networks.MADE(order="sideways"),
    "MADE hidden": lambda: networks.MADE(hidden=()),
    "MADE outputs": lambda: networks.MADE(outputs=0),
    "MADE residual": lambda: networks.MADE(hidden=(8, 8), residual=True),
    "MADE residual widths": lambda: networks.MADE(hidden=(8, 9, 8), residual=True),
    "Coupling scale": lambda: layers.Coupling(net(2), scale="softplus"),
    "Checkerboard mode": lambda: layers.CheckerboardCouple(net(2), "halves"),
    "Checkerboard net": lambda: layers.CheckerboardCouple(None),
    "Chain of none": lambda: layers.Chain([]),
    "Chain of networks": lambda: layers.Chain([layers.Scale(), keras.layers.Dense(5)]),
    "Chain with conditions": lambda: layers.Chain([layers.CondActnorm()]),
    "BatchNormFlow momentum": lambda: layers.BatchNormFlow(1.0),
    "BatchNormFlow epsilon": lambda: layers.BatchNormFlow(epsilon=0.0),
    "Constrained limits": lambda: layers.Constrained([None, (1, 0)]),
    "Constrained word": lambda: layers.Constrained(["negative"]),
    "Constrained number": lambda: layers.Constrained([0.5]),
    "Constrained none": lambda: layers.Constrained([]),
    "Rescale": lambda: layers.Rescale(0),
    "ClassVector": lambda: layers.ClassVector(0),
    "Scale factor": lambda: layers.Scale(factor=0.0),
    "Squeeze factor": lambda: layers.Squeeze(1),
    "UnSqueeze factor": lambda: layers.UnSqueeze(1.5),
    "UniformNoise": lambda: layers.UniformNoise(1.0, 1.0),
    "Dequantize levels": lambda: layers.Dequantize(1),
    "VariationalDequantize steps": lambda: layers.VariationalDequantize([], net(3)),
    "VariationalDequantize step": lambda: layers.VariationalDequantize([net(3)], net(3)),
    "VariationalDequantize context": lambda: layers.VariationalDequantize([Sinh()], None),
    "Quantize levels": lambda: layers.Quantize(2.5),
    "IntegerInput levels": lambda: layers.IntegerInput(1),
    "IntegerOutput levels": lambda: layers.IntegerOutput(2.5),
    "IntegerCoupling split": lambda: layers.IntegerCoupling(net(2), "thirds"),
    "IntegerCoupling order": lambda: layers.IntegerCoupling(net(2), order="reversed"),
    "IntegerCoupling net": lambda: layers.IntegerCoupling(None),
    "IntegerCoupling levels": lambda: layers.IntegerCoupling(net(2), levels=0),
    "DiscretizedLogistic components": lambda: layers.DiscretizedLogistic(0),
    "DiscretizedLogistic net": lambda: layers.DiscretizedLogistic(net="mlp"),
    "DiscretizedLogistic levels": lambda: layers.DiscretizedLogistic(levels=0),
    "DenseNet blocks": lambda: networks.DenseNet(2, 4, blocks=5),
    "DenseNet norm": lambda: networks.DenseNet(2, 4, 2, norm="batch"),
    "DenseNet activation": lambda: networks.DenseNet(2, 4, 2, activation="tanh"),
    "Logit alpha": lambda: layers.Logit(0.5),
    "Inverse": lambda: layers.Inverse(keras.layers.Dense(2)),
}
