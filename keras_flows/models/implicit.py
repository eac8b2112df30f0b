"""Implicit normalizing flows (Lu et al., 2103.09527) and monotone flows (2210.08176)."""

from keras_flows.layers import Implicit, Monotone
from keras_flows.models.free_form import free_form_flow

KINDS = ("implicit", "monotone")


def ImplicitFlow(
    dims,
    *,
    levels=3,
    squeezes=0,
    steps=2,
    dense_steps=0,
    kind="implicit",
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
    name="implicit_flow",
):
    """A flow of implicit blocks z + g_z(z) = x + g_x(x): 2103.09527 section 4.

    As `ResidualFlow`, with blocks of two networks in place of its blocks of one: their slopes are
    not limited to 2, so that fewer are needed. Both directions iterate.

    Args:
        kind: "implicit" for `Implicit` layers, "monotone" for `Monotone` layers of one network.
        dims, levels, squeezes, steps, dense_steps, log_det, terms, eval_terms, eval_probes,
            eval_log_det, hidden, lipschitz, activation, concatenate, alpha, standardize, support,
            context_dims, classes, seed: as in `ResidualFlow`.

    Shapes: `(batch, dims)` to the same, `(batch, height, width, channels)` to `(batch, dims)`.
    Log-likelihoods in nats; NaN, with a warning, where an iteration has not converged. Raises
    ValueError for sizes that do not fit and unknown kinds.

    >>> flow = ImplicitFlow(2, steps=4); flow.compile("adam"); flow.fit(points)
    """
    if kind not in KINDS:
        raise ValueError(f"kind is one of {KINDS}. Received: kind={kind!r}.")
    net = {"lipschitz": lipschitz, "activation": activation, "concatenate": concatenate}
    layer = {
        "terms": terms,
        "eval_terms": eval_terms,
        "eval_probes": eval_probes,
        "eval_log_det": eval_log_det,
    }

    def make(network, seed):
        if kind == "monotone":
            return Monotone(network(**net), log_det, seed=seed, **layer)
        return Implicit(network(**net), network(**net), log_det, seed=seed, **layer)

    return free_form_flow(
        "ImplicitFlow",
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
