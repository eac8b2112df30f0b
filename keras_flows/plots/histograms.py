"""Histograms of the columns of a table, beside those of samples."""

import numpy as np

from keras_flows.plots.figures import panels, write

COLUMNS = 12  # drawn at most


def plot_columns(path, data, samples, names):
    """Histograms of held-out rows and of as many samples, one panel for each column.

    >>> plot_columns("columns.png", test, flow.sample(len(test)), ["acid", "sugar"])
    """
    count = min(COLUMNS, data.shape[1])
    figure, axes = panels(-(-count // 4), min(4, count), width=2.6, height=2.1)
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
    write(figure, path)
