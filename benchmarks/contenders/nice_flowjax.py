"""NICE in flowjax, with its public classes."""

import equinox as eqx
import jax
import numpy as np
import paramax
from flowjax import bijections
from flowjax.distributions import StandardNormal, Transformed
from jax import numpy as jnp

from benchmarks.training_loops.jax import Density, noisy, start


def build(dims, couplings, hidden):
    """`Coupling`s of contiguous halves with a location, flips, diagonal scale.

    The library's networks have hidden layers of one width and a linear output; the last activation
    is replaced. Its bijections run from latent to data, so that locations are subtracted, as in
    the blog. Scales are softplus(k).
    """
    width, *others = hidden
    if any(other != width for other in others):
        raise ValueError(f"flowjax has hidden layers of one width. Received: hidden={hidden}.")
    steps = [bijections.Scale(jnp.ones(dims, jnp.float32))]
    generator = np.random.default_rng(0)
    for _ in range(couplings):
        steps += [_coupling(generator, dims, width, len(hidden)), bijections.Flip((dims,))]
    flow = Transformed(StandardNormal((dims,)), bijections.Chain(steps))
    params, static = eqx.partition(flow, eqx.is_inexact_array, is_leaf=_is_constant)

    def flow_with(params):
        return paramax.unwrap(eqx.combine(params, static))

    return Density(
        params,
        lambda params, key, x: -flow_with(params).log_prob(noisy(key, x)).mean(),
        lambda params, key, x: flow_with(params).log_prob(x),
        lambda params, key, n: flow_with(params).sample(key, (n,)),
    )


def _is_constant(leaf):
    return isinstance(leaf, paramax.NonTrainable)


def _coupling(generator, dims, width, depth):
    coupling = bijections.Coupling(
        jax.random.key(0),
        transformer=bijections.Loc(jnp.zeros(())),
        dim=dims,
        untransformed_dim=dims // 2,
        nn_width=width,
        nn_depth=depth,
    )
    values = []
    for layer in coupling.conditioner.layers:
        weight, bias = start(generator, layer.weight.shape[::-1])
        values += [jnp.asarray(weight.T), jnp.asarray(bias)]
    return eqx.tree_at(_parts_to_replace, coupling, [jax.nn.relu, *values])


def _parts_to_replace(coupling):
    net = coupling.conditioner
    weights = [part for layer in net.layers for part in (layer.weight, layer.bias)]
    return [net.final_activation, *weights]
