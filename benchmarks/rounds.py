"""Contenders that alternate over several rounds, each run in a process of its own."""

import importlib.util

from benchmarks.processes import say


def run_rounds(names, contenders, rounds, run, describe):
    """Runs the contenders in every round; each round starts with another contender.

    Args:
        names: contenders to run.
        contenders: dict, name to an object whose `needs` lists the packages it imports.
        rounds: number of rounds.
        run: function of a name that measures once and returns figures, or raises RuntimeError.
        describe: function of figures that returns a line to print.

    Returns `{name: {round: figures}}`, and `{name: reason}` for contenders that were left out.
    """
    left_out = {}
    for name in names:
        needs = contenders[name].needs
        if missing := [package for package in needs if importlib.util.find_spec(package) is None]:
            left_out[name] = f"not installed: {', '.join(missing)}"
            say(f"{name}: {left_out[name]}")
    names = [name for name in names if name not in left_out]
    runs = {name: {} for name in names}
    for r in range(rounds):
        first = r % max(len(names), 1)
        for name in names[first:] + names[:first]:
            if name in left_out:
                continue
            try:
                runs[name][r] = run(name)
            except RuntimeError as error:
                left_out[name] = f"failed in round {r + 1}: {str(error).splitlines()[-1]}"
                say(f"{name}: failed\n{error}")
            else:
                say(f"round {r + 1}, {name}: {describe(runs[name][r])}")
    return {name: runs[name] for name in names if name not in left_out}, left_out


def exit_status(runs, left_out):
    """The program's exit status: 1 if a contender failed or none ran."""
    any_failed = any(reason.startswith("failed") for reason in left_out.values())
    return 1 if any_failed or not runs else 0
