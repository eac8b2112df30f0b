"""Command-line options that several benchmark programs share."""

import argparse
from pathlib import Path

from benchmarks.contenders import BACKENDS
from benchmarks.processes import RESULTS


def parser(program, doc, quick=None, backends=None):
    """A parser with --out; --quick if `quick` has its options, --backends if there are defaults."""
    p = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{program}", description=doc.splitlines()[0]
    )
    if backends:
        p.add_argument("--backends", type=listed(str), default=list(backends), metavar="A,B,C")
    p.add_argument("--out", type=Path, help=f"folder for the results [{RESULTS.name}/ here]")
    if quick:
        text = f"only test that it runs: {quick}; writes to --out only"
        p.add_argument("--quick", action="store_const", const=quick, default={}, help=text)
    return p


def add_contenders(p):
    p.add_argument("--contenders", metavar="A,B,C", help="contenders to run, in this order")


def parsed(p, argv):
    """The options. --quick replaces some of them and writes nothing without --out."""
    args = p.parse_args(argv)
    quick = getattr(args, "quick", {})
    vars(args).update(quick)
    if unknown := [name for name in getattr(args, "backends", ()) if name not in BACKENDS]:
        p.error(f"unknown backends {unknown}; choose from {', '.join(BACKENDS)}")
    args.out = args.out or (None if quick else RESULTS)
    return args


def at_least_one(p, args, *names):
    """Ends with an error of the parser unless these options are 1 or more."""
    values = [getattr(args, name) for name in names]
    if min(min(v) if isinstance(v, list) else v for v in values) < 1:
        options = [f"--{name.replace('_', '-')}" for name in names]
        listing = " and ".join(filter(None, [", ".join(options[:-1]), options[-1]]))
        p.error(f"{listing} must be 1 or more")


def chosen(p, text, available, default):
    """The names in "A,B,C", or the default ones; an error of the parser for unknown names."""
    names = text.split(",") if text else default
    if unknown := [name for name in names if name not in available]:
        p.error(f"unknown contenders {unknown}; choose from {', '.join(available)}")
    return names


def listed(kind):
    """A parser of "A,B,C" to a list of `kind`."""
    return lambda text: [kind(part) for part in text.split(",")]
