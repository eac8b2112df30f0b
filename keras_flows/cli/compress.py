"""Compresses pictures without loss, with a flow of integers such as IDF.

PICTURES are picture files, folders, zips, npy files of uint8, and patterns in quotes. Pictures of
any size are cut into tiles of the flow's size. Only pixels and names are kept.
"""

import time
from pathlib import Path

from keras_flows.cli import flows
from keras_flows.cli.options import add_model, check_ending
from keras_flows.cli.progress import bar
from keras_flows.training.arguments import positive

HELP = "pictures to one small file, without loss"


def options(p):
    add_model(p)
    p.add_argument("pictures", nargs="+", help="files, folders, zips, npy files, patterns")
    p.add_argument("--out", type=Path, default=Path("pictures.kfz"), help="file to write")
    p.add_argument("--embed", action="store_true", help="put the model into the file")
    p.add_argument("--batch-size", type=positive, help="tiles at a time (default: chosen)")
    p.add_argument(
        "--no-verify", dest="verify", action="store_false", help="do not decode everything at once"
    )


def run(args):
    from keras_flows import codec
    from keras_flows.codec import sources

    check_ending(args.out, (".kfz",))
    flow = flows.load(args)
    paths = sources.files(args.pictures)
    total = sources.count(paths)
    names, unique, values = [], sources.Names(), [0]

    def pictures():
        for name, picture in sources.read(paths):
            names.append(None if name is None else unique.add(name))
            values[0] += picture.size
            yield picture

    start = time.monotonic()
    size = codec.compress(
        flow,
        pictures(),
        args.out,
        names=names,
        embed=args.embed,
        batch_size=args.batch_size,
        verify=args.verify,
        progress=bar(total),
    )
    seconds = time.monotonic() - start
    print(f"{args.out}: {total:,} pictures, {values[0]:,} bytes of pixels in {size:,} bytes")
    print(f"{8 * size / values[0]:.4f} bits/dim, {seconds:.1f} s")
