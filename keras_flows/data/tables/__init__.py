"""Tables of numbers in csv, npz, npy and parquet files; errors name the file, row and column."""

from keras_flows.data.tables.reading import SUFFIXES, read
from keras_flows.data.tables.table import Table, hints, label
from keras_flows.data.tables.writing import WRITTEN, write

__all__ = ["SUFFIXES", "WRITTEN", "Table", "hints", "label", "read", "write"]
