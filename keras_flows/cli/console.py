"""The parser of `keras-flows`, with one command for each module of `COMMANDS`."""

import argparse
import sys

import keras_flows
from keras_flows.cli import (
    compress,
    decompress,
    demo,
    evaluate,
    info,
    inspect,
    interpolate,
    manipulate,
    preset,
    presets,
    reconstruct,
    sample,
    score,
    train,
)
from keras_flows.cli.options import Help
from keras_flows.flow.progress import progress

# Each module has HELP, `options(parser)` and `run(args)`.
COMMANDS = (
    *(train, info, sample, evaluate, score, reconstruct, interpolate, manipulate),
    *(compress, decompress, inspect, presets, preset, demo),
)
DESCRIPTION = "Trains flows of pictures and of tables; samples and densities of a saved one."
EXPECTED = (ValueError, OSError, ImportError, MemoryError)


def main(argv=None):
    """Runs a command line. An error ends the process with one line."""
    args = parser().parse_args(argv)
    try:
        with progress("auto"):
            args.run(args)
    except EXPECTED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        sys.exit(f"keras-flows: {reason}")


def parser():
    p = argparse.ArgumentParser(prog="keras-flows", description=DESCRIPTION)
    version = f"keras-flows {keras_flows.__version__}"
    p.add_argument("--version", action="version", version=version)
    commands = p.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        c = commands.add_parser(
            module.__name__.rpartition(".")[2],
            help=module.HELP,
            description=module.__doc__,
            formatter_class=Help,
        )
        c.set_defaults(run=module.run)
        module.options(c)
    return p
