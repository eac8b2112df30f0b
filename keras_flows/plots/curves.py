"""Plots of a run, with matplotlib (`pip install keras-flows[plot]`)."""

import io

import numpy as np

from keras_flows.files import written_whole


def panels(rows, columns, width, height):
    """A figure and its axes, `(rows, columns)`, each of so many inches."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    made = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return made, made.subplots(rows, columns, squeeze=False)


def graph(title, x_label, y_label):
    """A figure of one graph, and its axes."""
    made, axes = panels(1, 1, width=7, height=4.2)
    axes[0, 0].set(title=title, xlabel=x_label, ylabel=y_label)
    axes[0, 0].grid(alpha=0.3)
    return made, axes[0, 0]


def write(made, path):
    with written_whole(path) as partial:
        made.savefig(partial, dpi=100)


UNITS = {"loss": "negative log-likelihood, nats a sample", "bits_per_dim": "bits/dim"}


def plot_losses(path, history, title, best_epoch=None, metric="loss"):
    """Training and validation loss, or bits/dim, by epoch."""
    made, axes = graph(title, "epoch", UNITS[metric])
    epochs = [row["epoch"] for row in history]
    for key, label in ((metric, "training"), (f"val_{metric}", "validation")):
        axes.plot(epochs, [row[key] for row in history], marker=".", label=label)
    if best_epoch:
        axes.axvline(best_epoch, color="grey", ls="--", label=f"best, epoch {best_epoch}")
    axes.legend()
    write(made, path)


def plot_curves(path, steps, kinds, title):
    """Mean curves of {(coupling, permutation): curves}; a band from the lowest to the highest."""
    made, axes = graph(title, "step", "training bits/dim")
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
    write(made, path)


def plot_scales(path, spreads):
    """Standard deviations of the latent dimensions in data space, largest first."""
    made, axes = graph(
        "What the latent dimensions carry", "dimension, sorted", "exp(-k), spread before scaling"
    )
    axes.semilogy(sorted(spreads, reverse=True))
    write(made, path)


def plot_columns(path, data, samples, names):
    """Histograms of each column, of rows held out and of as many samples; twelve at most."""
    count = min(12, data.shape[1])
    made, axes = panels(-(-count // 4), min(4, count), width=2.6, height=2.1)
    for i, panel in enumerate(axes.flat):
        if i >= count:
            panel.set_axis_off()
            continue
        low, high = np.percentile(data[:, i], [0.2, 99.8])
        edges = np.linspace(low, high if high > low else low + 1, 60)
        panel.hist(data[:, i], edges, alpha=0.5, label="data")
        panel.hist(samples[:, i], edges, histtype="step", color="C3", label="samples")
        panel.set_title(names[i], fontsize=9)
        panel.set_yticks([])
    axes[0, 0].legend(fontsize=8)
    write(made, path)


def show(axes, image, top):
    """A density as a picture, white where it is `top` or more."""
    axes.imshow(image, origin="lower", cmap="magma", vmin=0, vmax=top, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def write_small(made, path):
    """As a PNG of 256 colours, a third of the size of a full one."""
    from PIL import Image  # matplotlib needs it too

    made.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    drawn = io.BytesIO()
    made.savefig(drawn, dpi=100)
    picture = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    with written_whole(path) as partial:
        picture.save(partial, optimize=True)


def plot_pairs(path, shown, titles):
    """Pairs of samples and density of {name: (samples, density)}, three pairs in a row.

    All in the colours of the first density, the data's.
    """
    made, axes = panels(-(-len(shown) // 3), 6, width=3, height=3.24)
    top = next(iter(shown.values()))[1].max()
    for axis in axes.flat[2 * len(shown) :]:
        axis.remove()
    for (left, right), (name, (samples, density)) in zip(axes.reshape(-1, 2), shown.items()):
        show(left, samples, top)
        show(right, density, top)
        left.set_title(titles[name], loc="left", fontsize=15)
        right.set_title("density", loc="left", fontsize=13, color="grey")
    write_small(made, path)


def plot_table(path, rows):
    """Of {data: {name: (samples, density)}} samples above densities, a column for each name."""
    columns = len(next(iter(rows.values())))
    made, axes = panels(2 * len(rows), columns, width=18 / columns, height=18.36 / columns)
    for upper_row, lower_row, (data, shown) in zip(axes[::2], axes[1::2], rows.items()):
        top = next(iter(shown.values()))[1].max()
        for upper, lower, (samples, density) in zip(upper_row, lower_row, shown.values()):
            show(upper, samples, top)
            show(lower, density, top)
        upper_row[0].set_ylabel(f"{data}\nsamples", fontsize=14)
        lower_row[0].set_ylabel("density", fontsize=14)
    for axis, name in zip(axes[0], shown):
        axis.set_title(name, fontsize=16)
    write_small(made, path)
