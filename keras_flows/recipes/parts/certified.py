"""The certified Lipschitz bounds of a trained model: a printed line, and its metrics."""

from keras_flows.core.purity import inner_layers
from keras_flows.layers.contractive import Contractive


def report_bounds(model):
    """Prints the certified bounds of all residual and implicit blocks; returns their metrics.

    The bound of a block is the largest of its networks'. A block without a certified bound
    counts as one of 1 or more, since its inverse may not exist.

    Returns {"certified_bounds": {"blocks", "largest", "mean", "not_below_1"}}, with None for the
    numbers where a block has no bound, and {} for a model without such blocks. `model` is a `Flow`
    or any Keras model. Norms are refreshed first.

    >>> metrics |= report_bounds(flow)
    Certified Lipschitz bounds of 8 blocks: largest 0.9003, all below 1.
    """
    blocks = [v for v in inner_layers([model]) if isinstance(v, Contractive)]
    if not blocks:
        return {}
    bounds = {block.name: block.bounds() for block in blocks}
    largest = {name: None if None in each else float(max(each)) for name, each in bounds.items()}
    above = [name for name, bound in largest.items() if bound is None or not bound < 1]
    known = [bound for bound in largest.values() if bound is not None]
    text = f"largest {max(known):.4f}" if known else "none is certified"
    text += f"; 1 or more, or unknown: {', '.join(above)}." if above else ", all below 1."
    print(f"Certified Lipschitz bounds of {len(blocks)} blocks: {text}", flush=True)
    return {
        "certified_bounds": {
            "blocks": len(blocks),
            "largest": max(known) if known else None,
            "mean": sum(known) / len(known) if known else None,
            "not_below_1": above,
        }
    }
