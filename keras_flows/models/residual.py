"""Residual flows (Chen et al., 1906.02735), and the density models of i-ResNet (1811.00995)."""

from keras_flows.layers import Residual
from keras_flows.models.free_form import free_form_flow


def ResidualFlow(
    dims,
    *,
    levels=3,
    squeezes=0,
    steps=4,
    dense_steps=0,
    log_det="auto",
    terms=None,
    eval_terms=20,
    eval_probes=4,
    eval_log_det=None,
    hidden=64,
    lipschitz=0.9,
    activation="lipswish",
    concatenate=False,
    alpha=1e-6,
    standardize=True,
    support=None,
    context_dims=0,
    classes=None,
    seed=None,
    name="residual_flow",
):
    """A flow of residual blocks z = x + g(x), with unbiased densities: 1906.02735 section 3.

    Each step is a `Residual` layer and an `Actnorm`. Vectors take `steps` of them; pictures, of
    which the logits are taken, as many on each level, with a squeeze of 2x2 pixels into channels
    between levels and nothing split off.

    Args:
        dims: dimensions of a vector; or (height, width, channels) of uint8 pictures, with sides
            divisible by 2**(levels - 1 + squeezes).
        levels: resolutions of pictures.
        squeezes: for pictures, squeezes before the first level.
        steps: residual layers, for pictures of each level.
        dense_steps: for pictures, residual layers with dense networks of all numbers together,
            after the last level.
        log_det, terms, eval_terms, eval_probes, eval_log_det: see `Residual`.
        hidden: width of the two hidden layers of each network, or a tuple of widths; for pictures
            channels of convolutions with kernels of 3, 1 and 3.
        lipschitz: bound on the Lipschitz constant of each network, between 0 and 1.
        activation, concatenate: see `LipschitzMLP`; concatenate=True makes it an i-DenseNet.
        alpha: for pictures, see `Logit`.
        standardize: for vectors, whether to start with a `Standardize` layer, and to apply
            `StandardizeContext` to a context.
        support: for vectors, limits of the columns: see `Constrained`.
        context_dims: for vectors, size of a context y; the density is then p(x | y).
        classes: number of labels; the context is then a label 0..classes-1.
        seed: integer that fixes noise and random vectors.

    Shapes: `(batch, dims)` to the same, `(batch, height, width, channels)` to `(batch, dims)`.
    Log-likelihoods in nats; where they are estimated `flow.log_prob_error` has their standard
    errors. Samples take an iteration for each block. Raises ValueError for sizes that do not fit.

    >>> flow = ResidualFlow(2, steps=8); flow.compile("adam"); flow.fit(points)
    >>> flow = ResidualFlow((28, 28, 1), hidden=64); flow.compile("adam"); flow.fit(digits)
    """
    net = {"lipschitz": lipschitz, "activation": activation, "concatenate": concatenate}
    layer = {
        "terms": terms,
        "eval_terms": eval_terms,
        "eval_probes": eval_probes,
        "eval_log_det": eval_log_det,
    }

    def make(network, seed):
        return Residual(network(**net), log_det, seed=seed, **layer)

    return free_form_flow(
        "ResidualFlow",
        make,
        dims,
        levels=levels,
        squeezes=squeezes,
        steps=steps,
        hidden=hidden,
        dense_steps=dense_steps,
        context_dims=context_dims,
        classes=classes,
        standardize=standardize,
        support=support,
        alpha=alpha,
        seed=seed,
        name=name,
    )
