"""One builder a paper; each returns a `keras_flows.Flow`."""

from keras_flows.models.glow import Glow
from keras_flows.models.nice import NICE
from keras_flows.models.realnvp import RealNVP

__all__ = ["NICE", "Glow", "RealNVP"]
