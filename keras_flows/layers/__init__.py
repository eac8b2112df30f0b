"""Flow layers: each an ordinary Keras layer with `.inverse()` and a log-determinant."""

from keras_flows.core.flow_layer import FlowLayer, Inverse
from keras_flows.layers.actnorm import Actnorm
from keras_flows.layers.autoregressive import MaskedAutoregressive
from keras_flows.layers.batch_norm import BatchNormFlow
from keras_flows.layers.chain import Chain
from keras_flows.layers.checkerboard import CheckerboardCouple
from keras_flows.layers.class_vector import ClassVector
from keras_flows.layers.cond_actnorm import CondActnorm
from keras_flows.layers.constrained import Constrained
from keras_flows.layers.couple_wrapper import AddCouple, AffineCouple, CoupleWrapper
from keras_flows.layers.coupling import Coupling
from keras_flows.layers.dequantize import Dequantize, Quantize
from keras_flows.layers.discretized_logistic import DiscretizedLogistic
from keras_flows.layers.implicit import Implicit, Monotone
from keras_flows.layers.integer_coupling import IntegerCoupling
from keras_flows.layers.integers import IntegerInput, IntegerOutput
from keras_flows.layers.inv_conv import InvConv, InvDense
from keras_flows.layers.logit import Logit
from keras_flows.layers.noise import GaussianNoise, UniformNoise
from keras_flows.layers.patchify import Patchify, UnPatchify
from keras_flows.layers.permute import Permute, Shuffle
from keras_flows.layers.rescale import Rescale
from keras_flows.layers.reshape import Reshape
from keras_flows.layers.residual import Residual
from keras_flows.layers.scale import Scale
from keras_flows.layers.split import Concat, Split
from keras_flows.layers.split_vector import ConcatVector, SplitVector
from keras_flows.layers.squeeze import Squeeze, UnSqueeze
from keras_flows.layers.standardize import Standardize
from keras_flows.layers.standardize_context import StandardizeContext
from keras_flows.layers.transformer import TransformerAutoregressive
from keras_flows.layers.variational_dequantize import VariationalDequantize

__all__ = [
    "Actnorm",
    "AddCouple",
    "AffineCouple",
    "BatchNormFlow",
    "Chain",
    "CheckerboardCouple",
    "ClassVector",
    "Concat",
    "ConcatVector",
    "CondActnorm",
    "Constrained",
    "CoupleWrapper",
    "Coupling",
    "Dequantize",
    "DiscretizedLogistic",
    "FlowLayer",
    "GaussianNoise",
    "Implicit",
    "IntegerCoupling",
    "IntegerInput",
    "IntegerOutput",
    "InvConv",
    "InvDense",
    "Inverse",
    "Logit",
    "MaskedAutoregressive",
    "Monotone",
    "Patchify",
    "Permute",
    "Quantize",
    "Rescale",
    "Reshape",
    "Residual",
    "Scale",
    "Shuffle",
    "Split",
    "SplitVector",
    "Squeeze",
    "Standardize",
    "StandardizeContext",
    "TransformerAutoregressive",
    "UnPatchify",
    "UnSqueeze",
    "VariationalDequantize",
    "UniformNoise",
]
