"""Draws interpolations between the latents of test pictures, one row for each pair."""

from keras_flows.cli import drawing, samples
from keras_flows.cli.options import add_data, add_grid, add_model, add_png

HELP = "interpolations between test pictures, one row for each pair"


def options(p):
    add_model(p)
    add_data(p)
    add_grid(p, "10x15")
    add_png(p, "lines.png")


def run(args):
    flow = drawing.load(args)
    rows, columns = args.grid
    data = samples.read_pictures(args, flow)
    if data.labels is not None:
        raise ValueError(
            "Interpolation needs a flow without classes. Received: a class-conditional flow."
        )
    lines = flow.interpolate(data.x[:rows], data.x[rows : 2 * rows], columns)
    drawing.write_grid(args, flow, lines.reshape(-1, *flow.data_shape), rows, columns)
