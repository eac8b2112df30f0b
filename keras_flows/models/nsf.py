"""NSF: neural spline flows (Durkan et al., 1906.04032)."""

import keras

from keras_flows.flow.flow import Flow
from keras_flows.layers import Coupling, InvConv, MaskedAutoregressive
from keras_flows.models.sizes import check_dims, check_sizes
from keras_flows.models.vectors import entry, scaled
from keras_flows.networks import MADE, ResidualDense


def NSF(
    dims,
    *,
    steps=10,
    bins=8,
    tail_bound=3.0,
    kind=None,
    hidden=256,
    blocks=2,
    dropout=0.0,
    standardize=True,
    support=None,
    context_dims=0,
    classes=None,
    seed=None,
    name="nsf",
):
    """A density of vectors by spline steps: Neural Spline Flows (1906.04032) section 3 and 5.1.

    Each step is a learned linear map (PLU, starting as a random permutation)
    and a rational-quadratic spline of each dimension. The parameters of the
    splines depend on half of the dimensions ("coupling": density and samples
    in one pass) or on the dimensions before ("autoregressive": a sample takes a
    loop over the dimensions).

    Args:
        dims: dimensions of a sample; 2 or more for couplings.
        steps: number of linear maps and splines.
        bins, tail_bound: bins of a spline, and the limit beyond which it is
            the identity.
        kind: "coupling" or "autoregressive". None chooses "coupling", or
            "autoregressive" for 1 dimension.
        hidden, blocks: width and residual blocks of each network,
            `ResidualDense` or a residual `MADE`.
        dropout: share of units dropped in the coupling networks.
        standardize: whether to start with a `Standardize` layer, and to apply
            `StandardizeContext` to a context.
        support: limits of the columns, as [None, "positive", (0, 1)]: see `Constrained`.
        context_dims: size of a context y; the density is then p(x | y).
        classes: number of labels; the context is then a label 0..classes-1.
        seed: integer that fixes the linear maps at the start.

    Shapes: `(batch, dims)` to the same. Log-likelihoods in nats. Raises
    ValueError for an unknown kind, sizes below 1, or two kinds of context.

    >>> flow = NSF(6, kind="coupling"); flow.adapt(x_train); flow.compile("adam"); flow.fit(x_train)
    """
    check_dims("NSF", dims)
    check_sizes("NSF", hidden=hidden, blocks=blocks)
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
