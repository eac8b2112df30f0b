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


def plot_losses(path, history, title, best_epoch=None):
    """Training and validation loss by epoch."""
    figure, axes = _figure(title, "epoch", "negative log-likelihood, nats a sample")
    epochs = [row["epoch"] for row in history]
    for key, label in (("loss", "training"), ("val_loss", "validation")):
        axes.plot(epochs, [row[key] for row in history], marker=".", label=label)
    if best_epoch:
        axes.axvline(best_epoch, color="grey", ls="--", label=f"best, epoch {best_epoch}")
    axes.legend()
    _write(figure, path)


def plot_scales(path, spreads):
    """Standard deviations of the latent dimensions in data space, largest first."""
    figure, axes = _figure(
        "What the latent dimensions carry", "dimension, sorted", "exp(-k), spread before scaling"
    )
    axes.semilogy(sorted(spreads, reverse=True))
    _write(figure, path)
