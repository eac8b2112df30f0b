"""Checks for flow layers of your own."""

from keras_flows.testing.check_layer import check_layer
from keras_flows.testing.checks import LayerCheck

__all__ = ["LayerCheck", "check_layer"]
