"""`keras-flows`: what anyone with a trained flow wants to do from a terminal."""

import argparse
import math
import sys
from pathlib import Path

DATA = (
    "npz or idx files of MNIST, or npz of CIFAR-10, whose test pictures are taken; or a folder or "
    "zip of pictures, of which CelebA's test part is taken where its partition is found, and all "
    "otherwise; default: bundled MNIST"
)


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
            c.add_argument("--data", type=Path, help=DATA)
            c.add_argument("--limit", type=_positive, default=10_000, help="pictures to use")
            c.add_argument("--batch-size", type=_positive, default=100, help="pictures at a time")
        if grid:
            c.add_argument("--grid", type=_size, default=_size(grid), help="rows x columns")
            c.add_argument("--image-shape", type=_shape, help="HxWxC, if vectors are not square")
        if out:
            c.add_argument("--out", type=Path, default=Path(out), help="PNG to write")
        return c

    c = command(sample, "a grid of samples", grid="15x15", out="grid.png")
    c.add_argument(
        "--temperature", type=float, nargs="+", default=[1.0], help="spread, or one for each level"
    )
    c.add_argument("--label", type=int, help="class of the samples, for a class-conditional flow")
    c.add_argument("--guidance", type=float, default=0.0, help="by the class, for a TarFlow")
    c.add_argument("--seed", type=int, help="the same samples again")
    command(evaluate, "log-likelihood of test pictures, bits/dim, reconstruction error", data=True)
    command(reconstruct, "test pictures above their reconstructions", True, "4x15", "back.png")
    command(interpolate, "lines between test pictures, a row each", True, "10x15", "lines.png")
    c = command(manipulate, "pictures moved along an attribute", True, "4x9", "strip.png")
    c.add_argument("--attributes", type=Path, help="list_attr_celeba.txt or .csv; else in --data")
    c.add_argument("--attribute", required=True, help="its name, such as Smiling")
    c.add_argument("--image", type=Path, nargs="+", help="pictures to move; else those of --data")
    c.add_argument("--strength", type=float, default=1.5, help="how far: 1 adds the difference")
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
    """Data as the flow takes it, and labels if it is conditional, else None."""
    from keras_flows import datasets

    shape = flow.data_shape
    files = args.data and args.data.is_dir() and any(args.data.glob("t10k-images*"))
    if args.data and not files and args.data.suffix != ".npz":
        found, test = _pictures(args, flow)
        return datasets.as_input(flow, found.pixels[test][: args.limit]), None
    if args.data is None and flow.dims != 784:
        raise ValueError(f"{args.model} is no flow of MNIST: give --data. Received: {shape}.")
    load = datasets.cifar10 if flow.dims == 3072 else datasets.mnist
    _, (pixels, labels) = load(args.data)
    if pixels[0].size != flow.dims:
        raise ValueError(
            f"The model takes {flow.dims} dimensions a sample, the pictures have "
            f"{pixels[0].size}. Received: model {args.model}."
        )
    x = datasets.as_input(flow, pixels[: args.limit])
    return x, labels[: args.limit] if flow.conditional else None


def _pictures(args, flow):
    """The pictures of --data, and which of them are CelebA's test part, or all of them."""
    from keras_flows import pictures

    shape = flow.data_shape
    if len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3 or flow.conditional:
        raise ValueError(
            "Folders and zips of pictures are for flows of square colour pictures without "
            f"classes. Received: {args.model}, a flow of {shape}."
        )
    if args.data is None:
        raise ValueError("Give --data, a folder or zip of pictures. Received: none.")
    found = pictures.load(args.data, shape[0])
    parts = pictures.partition(args.data) or {}
    official = {Path(name).stem for name, part in parts.items() if part == 2}
    test = [i for i, name in enumerate(found.names) if Path(name).stem in official]
    return found, test or list(range(len(found.names)))


def _write(args, flow, samples, rows, columns):
    from keras_flows.grids import grid, write_png

    write_png(args.out, grid(samples, rows, columns, args.image_shape, flow.levels))
    print(args.out)


def sample(args):
    flow = _load(args.model)
    rows, columns = args.grid
    heat = args.temperature[0] if len(args.temperature) == 1 else args.temperature
    label, options = args.label, {}
    if flow.conditional and label is None and not flow.labels_optional:
        raise ValueError("This flow is class-conditional: give --label. Received: none.")
    if args.guidance:
        if not flow.labels_optional:
            raise ValueError(
                "Guidance is for a TarFlow of classes. "
                f"Received: --guidance {args.guidance} for '{flow.name}'."
            )
        options["guidance"] = args.guidance
    samples = flow.sample(rows * columns, heat, args.seed, context=label, **options)
    _write(args, flow, samples, rows, columns)


def evaluate(args):
    import numpy as np

    flow = _load(args.model)
    x, labels = _test_set(args, flow)
    log_prob = flow.log_prob(x, labels, batch_size=args.batch_size)
    error = 2 / math.sqrt(len(x))
    print(f"samples            {len(x)}, {flow.dims} dimensions each")
    print(f"log-likelihood     {log_prob.mean():.2f} +- {error * log_prob.std():.2f} nats a sample")
    if flow.discrete:
        bits = -log_prob / (flow.dims * math.log(2))
        print(f"bits/dim           {bits.mean():.4f} +- {error * bits.std():.4f}")
    else:
        print("bits/dim           undefined: the model was not made for integers (no Dequantize)")
    x, labels = x[:1000], None if labels is None else labels[:1000]
    back = flow.reconstruct(x, labels, batch_size=args.batch_size)
    print(f"reconstruction     largest error {np.abs(back.astype('float64') - x).max():.3g}")


def reconstruct(args):
    from keras_flows.grids import reconstruction_rows

    flow = _load(args.model)
    rows, columns = args.grid
    args.limit = (rows + 1) // 2 * columns
    x, labels = _test_set(args, flow)
    _write(args, flow, reconstruction_rows(flow, x, columns, labels), rows, columns)


def interpolate(args):
    flow = _load(args.model)
    rows, columns = args.grid
    x, labels = _test_set(args, flow)
    if labels is not None:
        raise ValueError("Lines need a flow without classes. Received: a class-conditional one.")
    lines = flow.interpolate(x[:rows], x[rows : 2 * rows], columns)
    _write(args, flow, lines.reshape(-1, *flow.data_shape), rows, columns)


def manipulate(args):
    import numpy as np

    from keras_flows import datasets, decoding, pictures
    from keras_flows.manipulation import attribute_direction
    from keras_flows.manipulation import manipulate as moved

    flow = _load(args.model)
    rows, columns = args.grid
    found, _ = _pictures(args, flow)
    names, signs = pictures.attributes(args.attributes or args.data)
    if args.attribute not in names:
        raise ValueError(f"There is no such attribute. Received: {args.attribute}, not in {names}.")
    known = [i for i, name in enumerate(found.names) if Path(name).stem in signs][: args.limit]
    has = [signs[Path(found.names[i]).stem][names.index(args.attribute)] > 0 for i in known]
    x = datasets.as_input(flow, found.pixels[known])
    direction = attribute_direction(flow, x, has, batch_size=args.batch_size)
    start = x[:rows]
    if args.image:
        side = flow.data_shape[0]
        start = datasets.as_input(flow, np.stack([decoding.square(p, side) for p in args.image]))
    strengths = np.linspace(-args.strength, args.strength, columns)
    strips = moved(flow, start, direction, strengths, batch_size=args.batch_size)
    _write(args, flow, strips.reshape(-1, *flow.data_shape), len(start), columns)


if __name__ == "__main__":
    main()
