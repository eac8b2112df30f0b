"""Autoregressive NSF in zuko, with its public classes."""

import zuko

from benchmarks.contenders.maf_zuko import Density


def build(dims, steps, bins, tail_bound, hidden, blocks):
    """`zuko.flows.NSF`: splines in alternating order, no linear maps, standard normal.

    The library's splines end at 5. With `residual`, each hidden width is followed by a residual
    block.
    """
    if tail_bound != 5:
        raise ValueError(f"zuko's splines end at 5. Received: tail_bound={tail_bound}.")
    flow = zuko.flows.NSF(
        dims, transforms=steps, bins=bins, hidden_features=(hidden,) * blocks, residual=True
    )
    model = Density(flow)
    return model, lambda x: -model.log_prob(x).mean()
