"""The loss by epoch."""

from keras_flows.plots.figures import graph, write

UNITS = {"loss": "negative log-likelihood, nats a sample", "bits_per_dim": "bits/dim"}


def plot_losses(path, history, title, best_epoch=None, metric="loss"):
    """Training and validation loss, or bits/dim, by epoch.

    Args:
        path: the picture to write.
        history: a dict of metrics for each epoch, with `epoch`, `metric` and `val_<metric>`.
        title: title of the figure.
        best_epoch: epoch to mark, if any.
        metric: one of `UNITS`.

    >>> plot_losses("loss.png", checkpoint.history, "NICE on MNIST", checkpoint.best_epoch)
    """
    figure, axes = graph(title, "epoch", UNITS[metric])
    epochs = [row["epoch"] for row in history]
    for key, label in ((metric, "training"), (f"val_{metric}", "validation")):
        axes.plot(epochs, [row[key] for row in history], marker=".", label=label)
    if best_epoch:
        axes.axvline(best_epoch, color="grey", ls="--", label=f"best, epoch {best_epoch}")
    axes.legend()
    write(figure, path)
