"""Data sets, folders of pictures, tables, toy densities, and batches in a repeatable order."""

from keras_flows.data import datasets, pictures, tables, toys
from keras_flows.data.shuffled import Shuffled

__all__ = ["Shuffled", "datasets", "pictures", "tables", "toys"]
