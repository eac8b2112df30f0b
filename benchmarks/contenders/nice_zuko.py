"""NICE in zuko, with its public classes."""

import torch
import zuko
from torch.distributions import AffineTransform, IndependentTransform

from benchmarks.contenders.maf_zuko import Density
from benchmarks.training_loops.torch import noisy


def build(dims, couplings, hidden):
    """`zuko.flows.NICE` with additive couplings of even and odd positions, and a diagonal scale.

    The library's networks have a linear output and its couplings add. The last ReLU and the
    blog's sign are in the coupling's constructor.
    """
    options = {"univariate": _subtract, "shapes": [()], "hidden_features": hidden}
    nice = zuko.flows.NICE(dims, transforms=couplings, **options)
    scale = zuko.lazy.UnconditionalTransform(_scale, torch.zeros(dims))
    model = Density(zuko.lazy.Flow([*nice.transform.transforms, scale], nice.base))
    return model, lambda x: -model.log_prob(noisy(x)).mean()


def _subtract(shift):
    return zuko.transforms.AdditiveTransform(-shift.relu())


def _scale(log_scale):
    return IndependentTransform(AffineTransform(0, log_scale.exp()), 1)
