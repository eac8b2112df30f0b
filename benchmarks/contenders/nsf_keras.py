"""Autoregressive NSF in keras_flows, and its floor: the masked networks without a flow."""

from benchmarks.contenders.maf_keras import Floor, networks
from keras_flows.models import NSF


def flow(dims, steps, bins, tail_bound, hidden, blocks):
    """As the package builds it: splines between learned linear maps, standard normal."""
    return NSF(
        dims,
        steps=steps,
        bins=bins,
        tail_bound=tail_bound,
        kind="autoregressive",
        hidden=hidden,
        blocks=blocks,
        standardize=False,
        seed=0,
    )


def floor(dims, steps, bins, tail_bound, hidden, blocks):
    """The networks of `flow` alone; unlike in the flow, the first has no gradient of its input."""
    return Floor(networks(flow(dims, steps, bins, tail_bound, hidden, blocks)), name="floor")
