"""Normalizing flows as Keras 3 layers and models."""

import os

# Before TensorFlow is imported: it logs hundreds of lines on graphs in float64, as in the codec.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_flows import codec, layers, models, networks, priors
from keras_flows.core.inversion import invert
from keras_flows.data import datasets, pictures, tables, toys
from keras_flows.flow import Flow
from keras_flows.flow.adaptation import adapt
from keras_flows.flow.progress import progress
from keras_flows.flow.reports import NotConverged
from keras_flows.models.guided_flow import GuidedFlow
from keras_flows.plots import grids
from keras_flows.presets import from_preset, list_presets
from keras_flows.training import callbacks

__version__ = "0.1.0"
__all__ = [
    "Flow",
    "GuidedFlow",
    "NotConverged",
    "__version__",
    "adapt",
    "callbacks",
    "codec",
    "datasets",
    "from_preset",
    "grids",
    "invert",
    "layers",
    "list_presets",
    "models",
    "networks",
    "pictures",
    "priors",
    "progress",
    "tables",
    "toys",
]
