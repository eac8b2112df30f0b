"""One builder a paper; each returns a `Flow`."""

from keras_flows.models.nice import NICE

__all__ = ["NICE"]
