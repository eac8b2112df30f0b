"""What is measured and drawn of a flow of tables."""

import numpy as np

from keras_flows.plots.curves import plot_losses
from keras_flows.plots.histograms import plot_columns
from keras_flows.training.table_baselines import gaussian, published


def measure_table(flow, data, name):
    """Log-likelihoods in nats of the held-out rows, for the flow and for a Gaussian."""
    try:
        mean, error = gaussian(data.train, data.test)
        baseline = {"mean": mean, "two_standard_errors": error}
    except ValueError as error:
        baseline = {"none": str(error)}
    return {
        "data": data.title,
        "rows": {"train": len(data.train), "validation": len(data.validation)},
        "validation": likelihood(flow, data.validation),
        "test": likelihood(flow, data.test),
        "gaussian": baseline,
        "published": published(name),
        "inversion_error": inversion_error(flow, data.test[:1000]),
    }


def likelihood(flow, x):
    nats = flow.log_prob(x, batch_size=1000)
    return {
        "rows": len(x),
        "log_likelihood": float(nats.mean()),
        "two_standard_errors": float(2 * nats.std() / np.sqrt(len(nats))),
        "worst": float(nats.min()),
    }


def inversion_error(flow, x):
    """Largest reconstruction error, in standard deviations of its column."""
    return float(np.abs((flow.reconstruct(x) - x) / np.maximum(x.std(axis=0), 1e-12)).max())


def report(metrics, name):
    """This run's test log-likelihood beside the Gaussian's and the published ones, as text."""
    test, baseline = metrics["test"], metrics["gaussian"]
    rows = [(f"ours, {name}", f"{test['log_likelihood']:.3f} +- {test['two_standard_errors']:.3f}")]
    if "mean" in baseline:
        error = baseline["two_standard_errors"]
        rows.append(("a Gaussian, same rows", f"{baseline['mean']:.3f} +- {error:.3f}"))
    for model, value in (metrics["published"] or {}).items():
        rows.append((f"{model}, published", f"{value:.2f}"))
    width = max(len(label) for label, _ in rows)
    title = f"{metrics['data']}, test log-likelihood in nats (higher is better)"
    return "\n".join([title, *(f"  {label.ljust(width)}  {value}" for label, value in rows)])


def plot_table(out, flow, data, checkpoint):
    """Loss by epoch and histograms of the columns, if matplotlib is there."""
    try:
        if checkpoint.history:
            title = f"{flow.name} on {data.title}"
            plot_losses(out / "loss.png", checkpoint.history, title, checkpoint.best_epoch)
        count = min(5000, len(data.test))
        plot_columns(out / "columns.png", data.test[:count], flow.sample(count, seed=0), data.names)
    except ImportError:
        print("No loss.png and columns.png: they need matplotlib, in the extra `plot`.")
