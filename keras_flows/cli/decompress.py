"""Gives back the pictures of a .kfz file, as PNG files or as one npy file."""

from pathlib import Path

from keras_flows.cli import flows
from keras_flows.cli.options import add_import
from keras_flows.cli.progress import bar
from keras_flows.files import written_whole
from keras_flows.training.arguments import positive

HELP = "the pictures of a file that compress wrote"


def options(p):
    p.add_argument("file", type=Path, help="file of compressed pictures, pictures.kfz")
    p.add_argument(
        "--model", help="the flow that compressed them; needless for a preset or one in the file"
    )
    add_import(p)
    p.add_argument(
        "--out", type=Path, default=Path("pictures"), help="folder of PNG files, or an npy file"
    )
    p.add_argument("--batch-size", type=positive, help="tiles at a time (default: chosen)")


def run(args):
    from keras_flows import codec

    archive = codec.Archive(args.file)
    if args.model is None:
        flows.import_modules(args.modules or ())
        flow = archive.flow()
    else:
        flow = flows.load(args)
    pictures = _shown(archive.pictures(flow, args.batch_size), archive)
    if args.out.suffix.lower() == ".npy":
        _write_npy(args.out, pictures)
    else:
        _write_folder(args.out, pictures, archive)
    print(args.out)


def _shown(pictures, archive):
    """The pictures, with a progress bar."""
    show = bar((archive.description or {}).get("pictures"))
    for number, picture in enumerate(pictures, 1):
        yield picture
        if show:
            show(number)


def _write_npy(path, pictures):
    import numpy as np

    pictures = list(pictures)
    shapes = sorted({picture.shape for picture in pictures})
    if len(shapes) > 1:
        raise ValueError(
            "An npy file has pictures of one size: give --out FOLDER. "
            f"Received: shapes {', '.join(map(str, shapes[:5]))}."
        )
    with written_whole(path) as partial, open(partial, "wb") as file:
        np.save(file, np.stack(pictures))


def _write_folder(folder, pictures, archive):
    """Writes PNG files. Names are checked before the first one is written."""
    from PIL import Image

    from keras_flows.codec.sources import safe_path

    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out is a folder or an npy file. Received: --out {folder}.")
    paths = None if archive.names is None else [safe_path(folder, n) for n in archive.names]
    for number, picture in enumerate(pictures):
        if picture.ndim == 3 and picture.shape[2] == 1:
            picture = picture[:, :, 0]
        path = folder / f"{number:06d}.png" if paths is None else paths[number]
        with written_whole(path) as partial:
            Image.fromarray(picture).save(partial, "PNG")
