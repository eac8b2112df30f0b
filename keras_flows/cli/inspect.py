"""Shows what is in a file of compressed pictures. The file's checksum is checked."""

from pathlib import Path

HELP = "what is in a file of compressed pictures"


def options(p):
    p.add_argument("file", type=Path, help="file of compressed pictures, pictures.kfz")


def run(args):
    from keras_flows import codec

    facts = {"file": f"{args.file}", **codec.Archive(args.file).facts()}
    width = max(map(len, facts)) + 2
    for name, fact in facts.items():
        print(f"{name:{width}}{fact}")
