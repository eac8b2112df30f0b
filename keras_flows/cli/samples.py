"""Reads --data for a flow: a table, arrays of pictures, or a folder or zip of pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_flows.cli.flows import is_table
from keras_flows.cli.rows import Context, is_table_file, read_rows

PICTURES, BATCH = 10_000, 100  # defaults of --limit and --batch-size for pictures


@dataclass
class Samples:
    """Inputs of a flow, their context or labels, and the names of their files."""

    x: np.ndarray
    context: Context | None = None  # of a table
    labels: np.ndarray | None = None  # of pictures
    names: list | None = None

    @property
    def table(self):
        return self.context is not None

    @property
    def batch_size(self):
        return 1000 if self.table else BATCH

    def conditions(self, n=None):
        """`context=` for the first n samples."""
        if self.table:
            return self.context.first(n)
        return None if self.labels is None else self.labels[:n]


def read(args, flow):
    """The `Samples` of --data, at most --limit of them."""
    if args.data is not None and is_table_file(args.data):
        return read_table(args, flow)
    if is_table(flow):
        raise ValueError(
            f"{args.model} is a flow of tables of {flow.dims} columns: give --data, a csv, npy, "
            f"npz or parquet file. Received: {args.data or 'no --data'}."
        )
    if getattr(args, "context", None):
        raise ValueError(
            f"Classes of pictures come with --data. Received: --context {args.context[0]}."
        )
    return read_pictures(args, flow)


def read_table(args, flow):
    """Rows of a table and their context."""
    x, context = read_rows(args, flow), Context(args.context, flow)
    context.check(len(x))
    n = args.limit or len(x)
    context.arrays = [array if len(array) == 1 else array[:n] for array in context.arrays]
    return Samples(x[:n], context)


def read_pictures(args, flow):
    """Pictures, with labels if the flow is conditional."""
    from keras_flows.data import datasets

    shape, limit = flow.data_shape, args.limit or PICTURES
    if args.data and not _are_arrays(args.data):
        images, test = find_pictures(args, flow)
        test = test[:limit]
        x = datasets.as_input(flow, images.pixels[test])
        return Samples(x, names=[images.names[i] for i in test])
    if args.data is None and flow.dims != 784:
        raise ValueError(f"{args.model} is not a flow of MNIST: give --data. Received: {shape}.")
    load = datasets.cifar10 if flow.dims == 3072 else datasets.mnist
    _, (pixels, labels) = load(args.data, labels=flow.conditional)
    if pixels[0].size != flow.dims:
        raise ValueError(
            f"The model takes {flow.dims} dimensions a sample, the pictures have "
            f"{pixels[0].size}. Received: model {args.model}."
        )
    x = datasets.as_input(flow, pixels[:limit])
    return Samples(x, labels=labels[:limit] if flow.conditional else None)


def _are_arrays(path):
    """Whether the path has arrays of pictures: npz, npy or idx files."""
    if path.is_dir():
        return any(path.glob("t10k-images*"))
    return path.suffix in (".npz", ".npy") or "-ubyte" in path.name


def find_pictures(args, flow):
    """The pictures of --data, and the indices of CelebA's test part, or of all pictures."""
    from keras_flows.data import pictures

    shape = flow.data_shape
    if len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3 or flow.conditional:
        raise ValueError(
            "Folders and zips of pictures are for flows of square colour pictures without "
            f"classes. Received: {args.model}, a flow of {shape}."
        )
    if args.data is None:
        raise ValueError("Give --data, a folder or zip of pictures. Received: none.")
    images = pictures.load(args.data, shape[0])
    parts = pictures.partition(args.data) or {}
    official = {Path(name).stem for name, part in parts.items() if part == 2}
    test = [i for i, name in enumerate(images.names) if Path(name).stem in official]
    return images, test or list(range(len(images.names)))


def with_attributes(args, flow):
    """Pixels of the pictures of --data whose attributes are known, names, and signs of these.

    At most --limit pictures; `signs` is an array `(pictures, attributes)`.
    """
    from keras_flows.data import pictures

    images, _ = find_pictures(args, flow)
    names, signs = pictures.attributes(args.attributes or args.data)
    known = [i for i, name in enumerate(images.names) if Path(name).stem in signs]
    known = known[: args.limit or PICTURES]
    if not known:
        raise ValueError(
            "No picture of --data has attributes. "
            f"Received: {len(images.names)} pictures, attributes of {len(signs)} names."
        )
    return images.pixels[known], names, np.array([signs[Path(images.names[i]).stem] for i in known])


def check_finite(log_prob):
    """Raises ValueError if a density is NaN or infinite."""
    wrong = np.flatnonzero(~np.isfinite(log_prob))
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} of {len(log_prob)} samples have no finite density: their values are too "
            "far from the training data. "
            f"Received: sample {wrong[0] + 1}, {log_prob[wrong[0]]}."
        )
