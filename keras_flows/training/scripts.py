"""A script from its command line to its end: --out is its own, errors end in one line."""

import functools
import sys
import traceback

from keras_flows.files import locked

STATE = "checkpoint"  # folder of a run's state in --out
OURS = ("keras_flows", "reproductions", "__main__")


def script(name, options, parts=("",)):
    """Makes `main(argv)` of a function of the parsed options.

    --out is locked until the function ends, and refused with a ValueError if
    another run is in there; a dry run needs no --out.

    Args:
        name: of the script; files of its models begin with it.
        options: function from argv to the parsed options.
        parts: folders in --out with a run each.
    """

    def decorate(work):
        @functools.wraps(work)
        def main(argv=None):
            args = options(argv)
            if args.dry_run:
                return work(args)
            with locked(args.out):
                _check_unused(name, args, parts)
                return work(args)

        return main

    return decorate


def run(name, main):
    """Runs `main()`; what the user can mend ends the process with one line and status 1."""
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        if isinstance(error, ValueError) and not _is_ours(error):
            raise
        sys.exit(f"{name}: {error}")


def _check_unused(name, args, parts):
    """Raises a ValueError where there is a run in --out that would be lost."""
    states = [args.out / part / STATE / "state.json" for part in parts]
    states = [path for path in states if path.exists()]
    models = sorted(args.out.glob(f"{name}*.keras"))
    resume, overwrite = (getattr(args, option, False) for option in ("resume", "overwrite"))
    if overwrite or not states + models or (resume and states):
        return
    if resume:
        raise ValueError(
            "There is a model in this folder, and no state to resume its run from: --overwrite "
            f"trains anew and replaces it; or give another --out. Received: {models[0]}."
        )
    raise ValueError(
        "There is a run in this folder: --resume goes on with it, --overwrite begins anew and "
        f"replaces it; or give another --out. Received: {(states + models)[0]}."
    )


def _is_ours(error):
    """Whether our code raised it, and not, with a message for us, what it calls."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").partition(".")[0] in OURS
