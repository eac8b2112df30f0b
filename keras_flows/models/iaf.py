"""IAF: inverse autoregressive flow (Kingma et al., 1606.04934)."""

import keras

from keras_flows.flow.flow import Flow
from keras_flows.layers import MaskedAutoregressive, Standardize
from keras_flows.models.sizes import widths
from keras_flows.models.vectors import entry, orders
from keras_flows.networks import MADE


def IAF(
    dims,
    *,
    steps=5,
    order="alternating",
    hidden=(100, 100),
    activation="relu",
    residual=False,
    log_scale_bound=5.0,
    standardize=False,
    context_dims=0,
    classes=None,
    seed=None,
    name="iaf",
):
    """A flow whose samples take one pass: IAF (1606.04934) section 3, the inverse of MAF.

    Its steps are `MaskedAutoregressive(...).inverse()`. Samples with their
    density, `flow.sample_with_log_prob`, take one pass, as the posterior of a
    variational autoencoder needs. The density of data, and with it `fit`,
    takes one loop over the dimensions for each step.

    Args:
        dims: dimensions of a sample.
        steps: number of autoregressive layers.
        order, hidden, activation, residual, log_scale_bound, seed: as in `MAF`.
        standardize: whether to start with a `Standardize` layer, and to apply
            `StandardizeContext` to a context: for tables, not for the output
            of an encoder.
        context_dims: size of a context y, such as an encoder's output; the
            density is then q(x | y).
        classes: number of labels; the context is then a label 0..classes-1.

    Shapes: `(batch, dims)` to the same. Log-likelihoods in nats. Raises
    ValueError for sizes below 1, unknown options, or two kinds of context.

    >>> posterior = IAF(32, steps=2, hidden=(320, 320), context_dims=64)
    >>> z, log_q = posterior.sample_with_log_prob(len(h), context=h)
    """
    inputs, h, context = entry("IAF", dims, context_dims, classes, steps, standardize)
    if standardize:
        h = Standardize()(h)
    options = {
        "hidden": widths("IAF", hidden, layers=2),
        "activation": activation,
        "residual": residual,
        "seed": seed,
    }
    for step_order in orders("IAF", order, steps, dims, seed):
        net = MADE(2, order=step_order, **options)
        layer = MaskedAutoregressive(net, log_scale_bound=log_scale_bound)
        h = layer.inverse()([h, *context] if context else h)
    return Flow(keras.Model(inputs, h, name="encoder"), name=name)
