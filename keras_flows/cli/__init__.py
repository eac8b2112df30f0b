"""The command `keras-flows`: trains flows, and samples and measures saved ones."""

from keras_flows.cli.console import main

__all__ = ["main"]
