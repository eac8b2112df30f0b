"""Networks of the papers; any other Keras layer or model may be a coupling network too."""

from keras_flows.networks.convolution import EdgePad, WeightNormConv2D
from keras_flows.networks.convolutional import ConvNet, ResidualNet
from keras_flows.networks.dense import ResidualDense
from keras_flows.networks.densenet import DenseNet
from keras_flows.networks.lipschitz import LipschitzConv2D, LipschitzDense
from keras_flows.networks.lipschitz_nets import LipschitzConvNet, LipschitzMLP
from keras_flows.networks.lipswish import LipSwish
from keras_flows.networks.made import MADE
from keras_flows.transformers.transformer import CausalTransformer, VisionTransformer

__all__ = [
    "MADE",
    "CausalTransformer",
    "ConvNet",
    "DenseNet",
    "EdgePad",
    "LipSwish",
    "LipschitzConv2D",
    "LipschitzConvNet",
    "LipschitzDense",
    "LipschitzMLP",
    "ResidualDense",
    "ResidualNet",
    "VisionTransformer",
    "WeightNormConv2D",
]
