"""`keras-flows`: what anyone with a trained flow wants to do from a terminal."""

from keras_flows.cli.console import main

__all__ = ["main"]
