"""One builder for each paper, which returns a `keras_flows.Flow`; and two VAEs."""

from keras_flows.models.fvae import FVAE
from keras_flows.models.glow import Glow
from keras_flows.models.iaf import IAF
from keras_flows.models.iaf_vae import VAE
from keras_flows.models.idf import IDF
from keras_flows.models.implicit import ImplicitFlow
from keras_flows.models.iresnet import IResNet
from keras_flows.models.jet import Jet
from keras_flows.models.maf import MAF
from keras_flows.models.nice import NICE
from keras_flows.models.nsf import NSF
from keras_flows.models.realnvp import RealNVP
from keras_flows.models.residual import ResidualFlow
from keras_flows.models.tarflow import TarFlow

__all__ = [
    "FVAE",
    "IAF",
    "IDF",
    "MAF",
    "NICE",
    "NSF",
    "VAE",
    "Glow",
    "IResNet",
    "ImplicitFlow",
    "Jet",
    "RealNVP",
    "ResidualFlow",
    "TarFlow",
]
