"""Checks for flow layers of your own."""

from keras_flows.testing.check_layer import LayerCheck, check_layer

__all__ = ["LayerCheck", "check_layer"]
