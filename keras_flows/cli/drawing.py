"""Loading and writing for the commands that draw pictures."""

from keras_flows.cli import flows
from keras_flows.cli.options import check_ending


def load(args):
    """The flow. Raises ValueError for a flow of tables, or if --out is not a PNG."""
    check_ending(args.out, (".png",))
    flow = flows.load(args)
    if flows.is_table(flow):
        raise ValueError(
            "This command draws pictures; use sample, evaluate or score for tables. "
            f"Received: {args.model}, a flow of {flow.data_shape}."
        )
    return flow


def write_grid(args, flow, samples, rows, columns):
    """Writes the samples as one picture to --out."""
    from keras_flows.plots.grids import grid, write_png

    write_png(args.out, grid(samples, rows, columns, args.image_shape, flow.levels))
    print(args.out)
