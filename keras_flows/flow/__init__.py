"""`Flow`: an encoder and a prior as one Keras model with a density."""

from keras_flows.flow.flow import Flow

__all__ = ["Flow"]
