"""MAF: masked autoregressive flow (Papamakarios et al., 1705.07057)."""

import keras

from keras_flows.flow.flow import Flow
from keras_flows.layers import Actnorm, BatchNormFlow, MaskedAutoregressive
from keras_flows.models.sizes import widths
from keras_flows.models.vectors import entry, flat_logits, orders, scaled
from keras_flows.networks import MADE
from keras_flows.priors.mixture import AutoregressiveMixture

NORMS = {"batch": BatchNormFlow, "actnorm": Actnorm, None: None}
STARTS = {"identity": "zeros", "random": "glorot_uniform"}


def MAF(
    dims,
    *,
    steps=5,
    order="alternating",
    norm="batch",
    hidden=(100, 100),
    activation="relu",
    residual=False,
    start="identity",
    log_scale_bound=5.0,
    alpha=1e-6,
    standardize=True,
    support=None,
    context_dims=0,
    classes=None,
    mixture=None,
    seed=None,
    name="maf",
):
    """A density of vectors by autoregressive steps: MAF (1705.07057) sections 3 and 4.

    z = f_n(... f_1(x)), each f an affine `MaskedAutoregressive` layer followed
    by normalisation. A density takes one pass; a sample takes, for each step,
    one loop over the dimensions.

    Args:
        dims: dimensions of a sample; or (height, width, channels) of uint8
            pictures, which become flat vectors of logits.
        steps: number of autoregressive layers.
        order: "alternating" (natural, reversed, natural, ...) or "random".
        norm: normalisation after each layer: "batch" as in the paper,
            "actnorm" or None.
        hidden: widths of the hidden layers of each `MADE`; an integer is the
            width of both.
        activation: "relu", or "tanh" as in the paper for GAS.
        residual: see `MADE`.
        start: "identity", or "random", which learns faster where nothing
            normalises the data.
        log_scale_bound: see `MaskedAutoregressive`.
        alpha: for pictures, see `Logit`.
        standardize: whether to start with a `Standardize` layer, and to apply
            `StandardizeContext` to a context.
        support: limits of the columns, as [None, "positive", (0, 1)]: see `Constrained`.
        context_dims: size of a context y; the density is then p(x | y).
        classes: number of labels; the context is then a label 0..classes-1.
        mixture: components of an autoregressive mixture of Gaussians as the
            prior, which makes it MAF MoG; None for a standard normal prior.
        seed: integer that fixes random orders and the noise of pictures.

    Shapes: `(batch, dims)` to the same, `(batch, height, width, channels)` to
    `(batch, dims)`. Log-likelihoods in nats. Raises
    ValueError for sizes below 1, unknown options, or two kinds of context.

    >>> flow = MAF(6); flow.adapt(x_train); flow.compile("adam"); flow.fit(x_train)
    >>> flow.log_prob(x_test)
    """
    if norm not in NORMS:
        raise ValueError(f"norm is 'batch', 'actnorm' or None. Received: norm={norm!r}.")
    if start not in STARTS:
        raise ValueError(f"start is 'identity' or 'random'. Received: start={start!r}.")
    inputs, h, context = entry(
        "MAF", dims, context_dims, classes, steps, standardize, pictures=True
    )
    hidden = widths("MAF", hidden, layers=2)
    if len(h.shape) > 2:
        h = flat_logits(h, alpha, seed)
    h = scaled(h, support, standardize)
    options = {"hidden": hidden, "activation": activation, "residual": residual, "seed": seed}
    options["last_initializer"] = STARTS[start]
    *step_orders, prior_order = orders("MAF", order, steps + 1, h.shape[-1], seed)
    for step_order in step_orders:
        net = MADE(2, order=step_order, **options)
        layer = MaskedAutoregressive(net, log_scale_bound=log_scale_bound)
        h = layer([h, *context] if context else h)
        h = NORMS[norm]()(h) if norm else h
    prior = None
    if mixture is not None:
        options = {"hidden": hidden, "activation": activation, "order": prior_order}
        options |= {"classes": classes, "conditional": context_dims > 0}
        options["standardize_context"] = standardize and context_dims > 0
        prior = AutoregressiveMixture(mixture, **options)
    return Flow(keras.Model(inputs, h, name="encoder"), prior, name=name)
