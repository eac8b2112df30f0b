"""What is measured and drawn of a VAE."""

import time

import numpy as np

from keras_flows.models.variational import log_mean_weight
from keras_flows.plots import figures
from keras_flows.plots.grids import grid, write_png


def measure(model, test, draws):
    """Metrics of the test pictures in nats, and the bound and log p(x) of each picture."""
    start = time.perf_counter()
    log_likelihood, kl = model.terms(test, draws)
    each = {
        "vlb": (log_likelihood - kl).mean(axis=0),
        "log_likelihood": log_mean_weight(log_likelihood, kl),
    }
    metrics = {"pictures": len(test), "importance_samples": draws}
    metrics |= {name: mean_and_error(values) for name, values in each.items()}
    metrics["reconstruction"], metrics["kl"] = float(log_likelihood.mean()), float(kl.mean())
    return {**metrics, "seconds_of_measuring": time.perf_counter() - start}, each


def mean_and_error(values):
    error = values.std() / np.sqrt(len(values))
    return {"nats": float(values.mean()), "standard_error": float(error)}


def draw(out, posterior, model, test):
    """Writes samples from the prior, and rows of test pictures above their reconstructions."""
    write_png(out / f"grid_{posterior}.png", grid(model.sample(100, seed=0), 10, 10))
    test = test[:50] / np.float32(255)
    back = model.reconstruct(255 * test)
    rows = [part[i : i + 10] for i in range(0, len(test), 10) for part in (test, back)]
    path = out / f"reconstruction_{posterior}.png"
    write_png(path, grid(np.concatenate(rows), len(rows), 10))


def plot(out, histories):
    """Loss by epoch of each posterior, if matplotlib is there."""
    try:
        figure, axes = figures.graph("VAE on binarised MNIST", "epoch", "- VLB, nats a picture")
    except ImportError:
        print("No loss.png: it needs matplotlib, in the extra `plot`.")
        return
    for i, (posterior, history) in enumerate(histories.items()):
        for key, style in (("loss", "--"), ("val_loss", "-")):
            label = f"{posterior}, {'training' if key == 'loss' else 'validation'}"
            values = [row[key] for row in history]
            axes.plot([row["epoch"] for row in history], values, style, color=f"C{i}", label=label)
    if last := [history[-1]["loss"] for history in histories.values() if history]:
        axes.set_ylim(min(last) - 3, max(last) + 30)
    axes.legend()
    figures.write(figure, out / "loss.png")
