"""A recipe as a command: its options, its folder, and errors in one line."""

import argparse
import shlex
import sys
import traceback

from keras_flows.files import locked
from keras_flows.flow.progress import progress

STATE = "checkpoint"  # the folder in --out that has the state of a run
PACKAGES = ("keras_flows", "reproductions", "__main__")


class Script:
    """A recipe that runs from a command line, on `argv` or on `sys.argv`.

    It locks the folder --out while it runs. It raises a ValueError for a folder that has a run
    already, unless --resume or --overwrite is given. A dry run needs no folder.

    Args:
        name: of the recipe. The files of its models begin with it.
        parser: function that returns the `argparse.ArgumentParser`.
        work: function of the parsed options that trains and measures.
        complete: function that fills in parsed options that depend on others.
        parts: folders in --out that have one run each.
        settings: `{name: {option: default}}`, defaults that `--setting NAME` selects.

    >>> main = Script("nice_mnist", parser, work)
    >>> main(["--epochs", "3"])
    """

    def __init__(self, name, parser, work, complete=None, parts=("",), settings=None):
        self.name, self.parser, self.work = name, parser, work
        self.complete, self.parts, self.settings = complete, parts, settings or {}

    def options(self, argv=None, launcher=None):
        """The parsed options; `command` among them is what was typed.

        `launcher` is the command without options: `python -m reproductions.NAME` if None.
        """
        argv = sys.argv[1:] if argv is None else argv
        launcher = launcher or f"python -m reproductions.{self.name}"
        parser = self.parser()
        parser.prog = launcher
        self._set_defaults(parser, argv)
        args = parser.parse_args(argv)
        args.command = " ".join([launcher, *map(shlex.quote, argv)])
        if self.complete:
            self.complete(args)
        return args

    def _set_defaults(self, parser, argv):
        """Adds --setting to the parser, and the defaults of the setting in `argv`."""
        if not self.settings:
            return
        text = f"other defaults, which options replace: {self.settings}"
        parser.add_argument("--setting", choices=tuple(self.settings), help=text)
        first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        first.add_argument("--setting")
        parser.set_defaults(**self.settings.get(first.parse_known_args(argv)[0].setting, {}))

    def __call__(self, argv=None, launcher=None):
        args = self.options(argv, launcher)
        if args.dry_run:
            return self.work(args)
        with locked(args.out):
            self._check_folder(args)
            return self.work(args)

    def run(self, argv=None):
        """Like a call, but errors that the user can fix end the process with one line."""
        try:
            with progress("auto"):
                self(argv)
        except (ValueError, OSError, ImportError) as error:
            if isinstance(error, ValueError) and not _raised_here(error):
                raise
            sys.exit(f"{self.name}: {error}")

    def _check_folder(self, args):
        """Raises a ValueError if the run would replace another one in --out."""
        states = [args.out / part / STATE / "state.json" for part in self.parts]
        states = [path for path in states if path.exists()]
        models = sorted(args.out.glob(f"{self.name}*.keras"))
        resume, overwrite = (getattr(args, option, False) for option in ("resume", "overwrite"))
        if overwrite or not states + models or (resume and states):
            return
        if resume:
            raise ValueError(
                "This folder has a model, but no state to resume its run from: --overwrite trains "
                f"a new one and replaces it; or give another --out. Received: {models[0]}."
            )
        raise ValueError(
            "This folder has a run: --resume continues it, --overwrite begins a new one and "
            f"replaces it; or give another --out. Received: {(states + models)[0]}."
        )


def script(name, parser, complete=None, parts=("",), settings=None):
    """Decorator that makes a `Script` of its `work` function.

    >>> @script("nice_mnist", parser)
    ... def main(args): ...
    """
    return lambda work: Script(name, parser, work, complete, parts, settings)


def _raised_here(error):
    """Whether this package raised the error, and not a library that it calls."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").partition(".")[0] in PACKAGES
