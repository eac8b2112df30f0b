"""Contenders taking turns, each run in a process of its own."""

import importlib.util

from benchmarks.processes import say


def interleaved(names, known, rounds, run, told):
    """`{contender: {round: figures}}`, and why others were left out.

    `run(name)` gives one contender's figures, `told(figures)` what to say of
    them. Each round starts with another contender.
    """
    left_out = {}
    for name in names:
        if missing := [p for p in known[name].needs if importlib.util.find_spec(p) is None]:
            left_out[name] = f"not installed: {', '.join(missing)}"
            say(f"{name}: {left_out[name]}")
    names = [name for name in names if name not in left_out]
    runs = {name: {} for name in names}
    for r in range(rounds):
        turn = r % max(len(names), 1)
        for name in names[turn:] + names[:turn]:
            if name in left_out:
                continue
            try:
                runs[name][r] = run(name)
            except RuntimeError as error:
                left_out[name] = f"failed in round {r + 1}: {str(error).splitlines()[-1]}"
                say(f"{name}: failed\n{error}")
            else:
                say(f"round {r + 1}, {name}: {told(runs[name][r])}")
    return {name: runs[name] for name in names if name not in left_out}, left_out


def status(runs, left_out):
    """The program's exit status: 1 if a contender failed or none ran."""
    return 1 if any(why.startswith("failed") for why in left_out.values()) or not runs else 0
