"""Posteriors of a variational autoencoder, as flows: IAF (1606.04934) section 3."""

import keras

from keras_flows.flow.flow import Flow
from keras_flows.layers import CondActnorm, MaskedAutoregressive
from keras_flows.models.vectors import orders
from keras_flows.networks import MADE

POSTERIORS = ("diagonal", "iaf")


def make_posterior(options):
    """q(z | context) as a flow from z to normal draws; its decoder takes one pass."""
    z = keras.Input((options["latent"],), name="z")
    context = keras.Input((options["hidden"][-1],), name="context")
    steps = options["steps"] if options["posterior"] == "iaf" else 0
    made_options = {"hidden": options["posterior_hidden"], "activation": options["activation"]}
    u = z
    for order in orders("VAE", options["order"], steps, options["latent"], options["seed"]):
        u = MaskedAutoregressive(MADE(2, order=order, **made_options)).inverse()([u, context])
    u = CondActnorm().inverse()([u, context])
    return Flow(keras.Model([z, context], u, name="encoder"), name="posterior")
