"""Draws test pictures above their reconstructions, decoder(encoder(x))."""

from keras_flows.cli import drawing, samples
from keras_flows.cli.options import add_data, add_grid, add_model, add_png

HELP = "test pictures above their reconstructions"


def options(p):
    add_model(p)
    add_data(p)
    add_grid(p, "4x15")
    add_png(p, "back.png")


def run(args):
    from keras_flows.plots.grids import reconstruction_rows

    flow = drawing.load(args)
    rows, columns = args.grid
    args.limit = (rows + 1) // 2 * columns
    data = samples.read_pictures(args, flow)
    back = reconstruction_rows(flow, data.x, columns, data.labels)
    drawing.write_grid(args, flow, back, rows, columns)
