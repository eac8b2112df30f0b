"""What the command lines of the benchmark programs share."""

import argparse
from pathlib import Path

from benchmarks.contenders import BACKENDS
from benchmarks.processes import RESULTS


def parser(program, doc, quick=None, backends=None):
    """A parser with --out, with --quick where it says what that means, and with --backends."""
    p = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{program}", description=doc.splitlines()[0]
    )
    if backends:
        p.add_argument("--backends", type=listed(str), default=list(backends), metavar="A,B,C")
    p.add_argument("--out", type=Path, help=f"folder for the results [{RESULTS.name}/ here]")
    if quick:
        text = f"only see that it runs: {quick}; writes to --out only"
        p.add_argument("--quick", action="store_const", const=quick, default={}, help=text)
    return p


def parsed(p, argv):
    """The options; quick ones in place of those given, and nothing but --out to write to then."""
    args = p.parse_args(argv)
    quick = getattr(args, "quick", {})
    vars(args).update(quick)
    if unknown := [name for name in getattr(args, "backends", ()) if name not in BACKENDS]:
        p.error(f"unknown backends {unknown}; there are {', '.join(BACKENDS)}")
    args.out = args.out or (None if quick else RESULTS)
    return args


def at_least_one(p, args, *names):
    """An error of the parser unless these options are 1 or more."""
    values = [getattr(args, name) for name in names]
    if min(min(v) if isinstance(v, list) else v for v in values) < 1:
        *some, last = (f"--{name.replace('_', '-')}" for name in names)
        p.error(f"{', '.join(some)} and {last} must be 1 or more")


def chosen(p, given, known, usual):
    """The names in "A,B,C", or the usual ones; an error of the parser for one not known."""
    names = given.split(",") if given else usual
    if unknown := [name for name in names if name not in known]:
        p.error(f"unknown contenders {unknown}; there are {', '.join(known)}")
    return names


def listed(kind):
    return lambda text: [kind(part) for part in text.split(",")]
