"""Draws test pictures above their reconstructions, decoder(encoder(x))."""

from keras_flows.cli import drawing, samples
from keras_flows.cli import options as o

HELP = "test pictures above their reconstructions"


def options(p):
    o.model(p)
    o.data(p)
    o.grid(p, "4x15")
    o.png(p, "back.png")


def run(args):
    from keras_flows.plots.grids import reconstruction_rows

    flow = drawing.load(args)
    rows, columns = args.grid
    args.limit = (rows + 1) // 2 * columns
    data = samples.read_pictures(args, flow)
    back = reconstruction_rows(flow, data.x, columns, data.labels)
    drawing.write_grid(args, flow, back, rows, columns)
