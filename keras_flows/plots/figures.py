"""Figures of matplotlib (`pip install keras-flows[plot]`) that are written to files."""

from keras_flows.files import written_whole


def panels(rows, columns, width, height):
    """A figure and its axes, `(rows, columns)`, each `width` x `height` inches."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def graph(title, x_label, y_label):
    """A figure with one graph, and its axes."""
    figure, axes = panels(1, 1, width=7, height=4.2)
    axes[0, 0].set(title=title, xlabel=x_label, ylabel=y_label)
    axes[0, 0].grid(alpha=0.3)
    return figure, axes[0, 0]


def write(figure, path):
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=100)
