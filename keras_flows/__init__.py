"""Normalizing flows as Keras 3 layers and models."""

from keras_flows import (
    callbacks,
    datasets,
    grids,
    layers,
    models,
    networks,
    pictures,
    priors,
    tables,
    toys,
)
from keras_flows.flow import Flow
from keras_flows.graph import invert
from keras_flows.guided import GuidedFlow

__version__ = "0.1.0"
__all__ = [
    "Flow",
    "GuidedFlow",
    "__version__",
    "callbacks",
    "datasets",
    "grids",
    "invert",
    "layers",
    "models",
    "networks",
    "pictures",
    "priors",
    "tables",
    "toys",
]
