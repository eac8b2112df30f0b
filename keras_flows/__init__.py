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
from keras_flows.plain import adapt

__version__ = "0.1.0"
__all__ = [
    "Flow",
    "GuidedFlow",
    "__version__",
    "adapt",
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
