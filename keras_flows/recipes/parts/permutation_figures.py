"""Summary and plot of Glow's comparison of permutations."""

import numpy as np

from keras_flows.plots import figures

PERMUTATIONS = ("reverse", "shuffle", "inv_conv")


def summarize(flows):
    """Means and ranges of bits/dim of each kind of flow, and whether the paper's order holds."""
    table = {}
    for flow in flows:
        kinds = table.setdefault(flow["coupling"], {})
        kinds.setdefault(flow["permutation"], []).append(flow)
    summary = {}
    for coupling, kinds in table.items():
        summary[coupling] = {
            kind: {
                "seeds": [flow["seed"] for flow in same],
                "end_of_training": spread([flow["curve"][-1] for flow in same]),
                "test": spread([flow["test_bits_per_dim"] for flow in same]),
            }
            for kind, same in kinds.items()
        }
        summary[coupling]["order_of_the_paper"] = order_of_the_paper(summary[coupling])
    return summary


def spread(values):
    return {"mean": float(np.mean(values)), "lowest": min(values), "highest": max(values)}


def order_of_the_paper(kinds):
    """Whether the loss is highest for reverse and lowest for 1x1 convolutions.

    None unless all three were trained with the same seeds.
    """
    if not all(kind in kinds for kind in PERMUTATIONS):
        return None
    if len({tuple(sorted(kinds[kind]["seeds"])) for kind in PERMUTATIONS}) > 1:
        return None
    means = [kinds[kind]["end_of_training"]["mean"] for kind in PERMUTATIONS]
    return means[0] > means[1] > means[2]


def plot_curves(path, steps, kinds):
    """Mean curves of {(coupling, permutation): curves}; bands from the lowest to the highest."""
    figure, axes = figures.graph("Permutations in Glow on CIFAR-10", "step", "training bits/dim")
    styles = {"additive": "--", "affine": "-"}
    colours = {name: f"C{i}" for i, name in enumerate(sorted({kind[1] for kind in kinds}))}
    for (coupling, permutation), curves in kinds.items():
        curves = [curve[: len(steps)] for curve in curves]
        mean, low, high = (
            [function(values) for values in zip(*curves)] for function in (np.mean, min, max)
        )
        colour = colours[permutation]
        label = f"{coupling}, {permutation}"
        axes.plot(steps, mean, styles[coupling], color=colour, label=label)
        axes.fill_between(steps, low, high, color=colour, alpha=0.15)
    # The first tenth of a run, which falls steeply, may lie above the picture.
    axes.set_ylim(top=max(c[len(c) // 10] for curves in kinds.values() for c in curves))
    axes.legend()
    figures.write(figure, path)


def plot(path, args, flows):
    """Curves of each kind of flow, averaged over the seeds, if matplotlib is there."""
    kinds = {}
    for flow in flows:
        kinds.setdefault((flow["coupling"], flow["permutation"]), []).append(flow["curve"])
    steps = np.arange(1, 1 + min(len(c) for curves in kinds.values() for c in curves))
    steps = steps * max(1, args.steps_per_epoch // 50)
    try:
        plot_curves(path, steps, kinds)
    except ImportError:
        print("No permutations.png: it needs matplotlib, in the extra `plot`.")
