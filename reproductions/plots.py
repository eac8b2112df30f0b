"""Plots of a run, with matplotlib (`pip install keras-flows[plot]`)."""

from keras_flows.files import written_whole


def _figure(title, x_label, y_label):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    return figure, axes


def _write(figure, path):
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=100)


UNITS = {"loss": "negative log-likelihood, nats a sample", "bits_per_dim": "bits/dim"}


def plot_losses(path, history, title, best_epoch=None, metric="loss"):
    """Training and validation loss, or bits/dim, by epoch."""
    figure, axes = _figure(title, "epoch", UNITS[metric])
    epochs = [row["epoch"] for row in history]
    for key, label in ((metric, "training"), (f"val_{metric}", "validation")):
        axes.plot(epochs, [row[key] for row in history], marker=".", label=label)
    if best_epoch:
        axes.axvline(best_epoch, color="grey", ls="--", label=f"best, epoch {best_epoch}")
    axes.legend()
    _write(figure, path)


def plot_curves(path, steps, kinds, title):
    """Mean curves of {(coupling, permutation): curves}; a band from the lowest to the highest."""
    figure, axes = _figure(title, "step", "training bits/dim")
    styles = {"additive": "--", "affine": "-"}
    colours = {name: f"C{i}" for i, name in enumerate(sorted({kind[1] for kind in kinds}))}
    for (coupling, permutation), curves in kinds.items():
        curves = [curve[: len(steps)] for curve in curves]
        mean = [sum(values) / len(values) for values in zip(*curves)]
        colour, style = colours[permutation], styles[coupling]
        axes.plot(steps, mean, style, color=colour, label=f"{coupling}, {permutation}")
        low, high = (list(map(f, zip(*curves))) for f in (min, max))
        axes.fill_between(steps, low, high, color=colour, alpha=0.15)
    axes.set_ylim(top=sorted(c[len(c) // 10] for cs in kinds.values() for c in cs)[-1])
    axes.legend()
    _write(figure, path)


def plot_scales(path, spreads):
    """Standard deviations of the latent dimensions in data space, largest first."""
    figure, axes = _figure(
        "What the latent dimensions carry", "dimension, sorted", "exp(-k), spread before scaling"
    )
    axes.semilogy(sorted(spreads, reverse=True))
    _write(figure, path)
