"""Whether a flow's log_prob is the log probability of integers that stay integers."""

import math

from keras_flows.priors import StandardLogistic, StandardNormal


def prior_and_exactness(encoder, prior):
    """The prior of the flow, and whether its log_prob is an exact log probability.

    It is if every dimension of the latent comes from a layer with
    `logistic_latent`. Raises ValueError if the data stay integers and not all
    dimensions do, and if the prior does not belong to such layers.
    """
    layers = encoder._flatten_layers(include_self=False)
    layers = [v for v in layers if getattr(v, "logistic_latent", False)]
    if layers and not isinstance(prior, (StandardLogistic, type(None))):
        raise ValueError(
            "Layers from integers to a logistic latent need the prior StandardLogistic. "
            f"Received: prior={prior!r}, layers {[layer.name for layer in layers]}."
        )
    made, dims = sum(layer.latent_dims or 0 for layer in layers), _dims(encoder)
    exact = dims is not None and made == dims
    if not exact and _stays_integer(encoder):
        raise ValueError(
            "Where integers stay integers, each dimension of the latent must come from a layer "
            "such as DiscretizedLogistic; for a continuous flow begin with Dequantize. Received: "
            f"{made} of {dims} dimensions, from layers {[layer.name for layer in layers]}."
        )
    if prior is None:
        prior = StandardLogistic() if layers else StandardNormal()
    return prior, exact


def _dims(encoder):
    shape = encoder.output_shape[1:]
    return None if None in shape else math.prod(shape)


def _stays_integer(encoder):
    """Whether a layer says that the data is integers and adds no noise to them."""
    layers = encoder._flatten_layers(include_self=False)
    return any(getattr(layer, "keeps_integers", False) for layer in layers)
