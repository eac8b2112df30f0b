"""`keras-flows`: what anyone with a trained flow wants to do from a terminal."""

import argparse
import math
import sys
from pathlib import Path


def main(argv=None):
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, OSError) as error:
        sys.exit(f"keras-flows: {error}")


def _parser():
    p = argparse.ArgumentParser(prog="keras-flows", description=__doc__)
    commands = p.add_subparsers(required=True, metavar="COMMAND")

    def command(run, help, data=False, grid=None, out=None):
        c = commands.add_parser(
            run.__name__, help=help, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        c.set_defaults(run=run)
        c.add_argument("model", type=Path, help="a saved flow, MODEL.keras")
        if data:
            c.add_argument("--data", type=Path, help="MNIST as npz or idx files; default bundled")
            c.add_argument("--limit", type=_positive, default=10_000, help="test pictures to use")
        if grid:
            c.add_argument("--grid", type=_size, default=_size(grid), help="rows x columns")
            c.add_argument("--image-shape", type=_shape, help="HxWxC, if vectors are not square")
        if out:
            c.add_argument("--out", type=Path, default=Path(out), help="PNG to write")
        return c

    c = command(sample, "a grid of samples", grid="15x15", out="grid.png")
    c.add_argument("--temperature", type=float, default=1.0, help="spread of the latents")
    c.add_argument("--seed", type=int, help="the same samples again")
    command(evaluate, "log-likelihood of test pictures, bits/dim, reconstruction error", data=True)
    command(reconstruct, "test pictures above their reconstructions", True, "4x15", "back.png")
    command(interpolate, "lines between test pictures, a row each", True, "10x15", "lines.png")
    return p


def _positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of 1 or more, got {text}")
    return int(text)


def _size(text):
    try:
        rows, columns = (int(n) for n in text.lower().split("x"))
        assert rows > 0 and columns > 0
    except (ValueError, AssertionError):
        raise argparse.ArgumentTypeError(f"ROWSxCOLUMNS, such as 15x15, got {text}") from None
    return rows, columns


def _shape(text):
    try:
        height, width, channels = (int(n) for n in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"HxWxC, such as 28x28x1, got {text}") from None
    return height, width, channels


def _load(path):
    """The flow in a file; Keras is imported here, so that --help is quick."""
    import keras

    from keras_flows import Flow

    if not path.exists():
        raise FileNotFoundError(f"There is no model at {path}.")
    try:
        flow = keras.models.load_model(path)
    except Exception as error:  # Keras, zipfile and h5py each raise their own.
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{path} cannot be loaded as a Keras model: {reason}") from error
    if not isinstance(flow, Flow):
        raise ValueError(f"{path} holds no Flow. Received: {type(flow).__name__}.")
    return flow


def _test_set(args, flow):
    from keras_flows import datasets

    _, (pictures, _) = datasets.mnist(args.data)
    if pictures[0].size != flow.dims:
        raise ValueError(
            f"The model takes {flow.dims} dimensions a sample, the pictures have "
            f"{pictures[0].size}. Received: model {args.model}."
        )
    return datasets.as_input(flow, pictures[: args.limit])


def _write(args, samples, rows, columns):
    from keras_flows.grids import grid, write_png

    write_png(args.out, grid(samples, rows, columns, args.image_shape))
    print(args.out)


def sample(args):
    flow = _load(args.model)
    rows, columns = args.grid
    _write(args, flow.sample(rows * columns, args.temperature, args.seed), rows, columns)


def evaluate(args):
    import numpy as np

    flow = _load(args.model)
    x = _test_set(args, flow)
    log_prob = flow.log_prob(x)
    error = 2 / math.sqrt(len(x))
    print(f"samples            {len(x)}, {flow.dims} dimensions each")
    print(f"log-likelihood     {log_prob.mean():.2f} +- {error * log_prob.std():.2f} nats a sample")
    if flow.discrete:
        bits = -log_prob / (flow.dims * math.log(2))
        print(f"bits/dim           {bits.mean():.4f} +- {error * bits.std():.4f}")
    else:
        print("bits/dim           undefined: the model was not made for integers (no Dequantize)")
    worst = np.abs(flow.reconstruct(x[:1000]).astype("float64") - x[:1000]).max()
    print(f"reconstruction     largest error {worst:.3g}")


def reconstruct(args):
    import numpy as np

    flow = _load(args.model)
    rows, columns = args.grid
    x = _test_set(args, flow)[: (rows + 1) // 2 * columns]
    back = flow.reconstruct(x)
    pairs = [(x[i : i + columns], back[i : i + columns]) for i in range(0, len(x), columns)]
    _write(args, np.concatenate([part for pair in pairs for part in pair]), rows, columns)


def interpolate(args):
    flow = _load(args.model)
    rows, columns = args.grid
    x = _test_set(args, flow)[: 2 * rows]
    lines = flow.interpolate(x[:rows], x[rows : 2 * rows], columns)
    _write(args, lines.reshape(-1, *x.shape[1:]), rows, columns)


if __name__ == "__main__":
    main()
