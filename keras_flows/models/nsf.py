"""NSF: neural spline flows (Durkan et al., 1906.04032)."""

import keras

from keras_flows.flow.flow import Flow
from keras_flows.layers import Coupling, InvConv, MaskedAutoregressive
from keras_flows.models.vectors import entry, scaled
from keras_flows.networks import MADE, ResidualDense


def NSF(
    dims,
    kind=None,
    *,
    steps=10,
    bins=8,
    tail_bound=3.0,
    hidden=256,
    blocks=2,
    dropout=0.0,
    context_dims=0,
    classes=None,
    standardize=True,
    support=None,
    seed=None,
    name="nsf",
):
    """A density of vectors by spline steps: Neural Spline Flows (1906.04032) section 3 and 5.1.

    Each step is a learned linear map (PLU, with a random permutation at the
    start) and a rational-quadratic spline of each dimension, given by half
    of the others ("coupling": density and samples in one pass) or by those
    before it ("autoregressive": a sample takes a loop over the dimensions).

    Args:
        dims: dimensions of a sample; 2 or more for couplings.
        kind: "coupling" or "autoregressive"; None: "coupling", or, for 1
            dimension, "autoregressive".
        steps: how many.
        bins, tail_bound: of the splines.
        hidden, blocks: width and residual blocks of each network,
            `ResidualDense` or a residual `MADE`.
        dropout: in the coupling networks.
        context_dims: size of a context y; the density is then p(x | y).
        classes: instead of it, a context of labels 0..classes-1.
        standardize: whether a `Standardize` comes first, and a
            `StandardizeContext` before all that sees y.
        support: limits of the columns, as [None, "positive", (0, 1)]: see `Constrained`.
        seed: integer that fixes the linear maps at the start.

    Shapes: `(batch, dims)` to the same. Log-likelihoods in nats. Raises
    ValueError for an unknown kind, sizes below 1, or two kinds of context.

    >>> flow = NSF(6, "coupling"); flow.adapt(x_train); flow.compile("adam"); flow.fit(x_train)
    """
    kind = kind or ("coupling" if dims > 1 else "autoregressive")
    if kind not in ("coupling", "autoregressive") or (kind == "coupling" and dims < 2):
        raise ValueError(
            "kind is 'autoregressive' or, for 2 dimensions or more, 'coupling'. "
            f"Received: kind={kind!r}, dims={dims}."
        )
    if kind == "autoregressive" and dropout:
        raise ValueError(f"dropout is for couplings. Received: kind={kind!r}, dropout={dropout}.")
    inputs, h, context = entry("NSF", dims, context_dims, classes, steps, standardize)
    h = scaled(h, support, standardize)
    spline = {"bins": bins, "tail_bound": tail_bound}
    outputs = 3 * bins - 1
    for i in range(steps):
        h = InvConv(None if seed is None else seed + i, start="permutation")(h)
        if kind == "coupling":
            net = ResidualDense(dims // 2 * outputs, hidden, blocks, dropout)
            layer = Coupling(net, "spline", split="halves", **spline)
        else:
            net = MADE(outputs, (hidden,) * (2 * blocks + 1), residual=True)
            layer = MaskedAutoregressive(net, "spline", **spline)
        h = layer([h, *context] if context else h)
    z = InvConv(seed, start="permutation")(h)
    return Flow(keras.Model(inputs, z, name="encoder"), name=name)
