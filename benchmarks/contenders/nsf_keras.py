"""Autoregressive NSF in keras_flows, and its floor: the masked networks with no flow around."""

from benchmarks.contenders.maf_keras import Floor, networks
from keras_flows.models import NSF


def flow(dims, steps, bins, tail_bound, hidden, blocks):
    """As the package builds it: learned linear maps around steps of splines, standard normal."""
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
    """The networks of `flow` alone; the first has no gradient of its input, unlike the flow's."""
    return Floor(networks(flow(dims, steps, bins, tail_bound, hidden, blocks)), name="floor")
