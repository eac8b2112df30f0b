"""The pictures of `toy_2d`: samples and densities side by side."""

import io

from keras_flows.files import written_whole
from keras_flows.plots.figures import panels


def plot_pairs(path, results, titles):
    """Samples beside densities of {name: (samples, density)}, three pairs in a row.

    The first density is the data's; its largest value sets the colours of all.
    """
    figure, axes = panels(-(-len(results) // 3), 6, width=3, height=3.4)
    top = next(iter(results.values()))[1].max()
    for axis in axes.flat[2 * len(results) :]:
        axis.remove()
    for (left, right), (name, (samples, density)) in zip(axes.reshape(-1, 2), results.items()):
        _show(left, samples, top)
        _show(right, density, top)
        left.set_title(titles[name], loc="left", fontsize=15)
        right.set_title("density", loc="left", fontsize=13, color="grey")
    _write_small(figure, path)


def plot_table(path, rows):
    """Samples above densities of {data: {name: (samples, density)}}, a column for each name."""
    columns = len(next(iter(rows.values())))
    figure, axes = panels(2 * len(rows), columns, width=18 / columns, height=18.36 / columns)
    for upper_row, lower_row, (data, results) in zip(axes[::2], axes[1::2], rows.items()):
        top = next(iter(results.values()))[1].max()
        for upper, lower, (samples, density) in zip(upper_row, lower_row, results.values()):
            _show(upper, samples, top)
            _show(lower, density, top)
        upper_row[0].set_ylabel(f"{data}\nsamples", fontsize=14)
        lower_row[0].set_ylabel("density", fontsize=14)
    for axis, name in zip(axes[0], results):
        axis.set_title(name, fontsize=16)
    _write_small(figure, path)


def _show(axes, density, top):
    """Draws a density, black at 0 and white at `top` or more."""
    axes.imshow(density, origin="lower", cmap="magma", vmin=0, vmax=top, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _write_small(figure, path):
    """Writes a PNG with 256 colours, a third of the size of one with all colours."""
    from PIL import Image  # matplotlib needs it too

    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100)
    picture = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    with written_whole(path) as partial:
        picture.save(partial, optimize=True)
