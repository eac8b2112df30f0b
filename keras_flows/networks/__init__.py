"""Networks of the papers; any Keras layer or model may stand in a coupling network's place."""

from keras_flows.networks.convolutional import ConvNet, EdgePad, ResidualNet, WeightNormConv2D
from keras_flows.networks.dense import ResidualDense
from keras_flows.networks.made import MADE

__all__ = ["MADE", "ConvNet", "EdgePad", "ResidualDense", "ResidualNet", "WeightNormConv2D"]
