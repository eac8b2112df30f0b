"""Pages of results: ratios, markdown tables, and a description of the run and the machine."""

import importlib.metadata
import os
import platform
import shlex
import time
from pathlib import Path
from statistics import median

PACKAGES = (
    "keras-flows", "keras", "tensorflow", "jax", "jaxlib", "torch", "normflows", "nflows", "FrEIA",
    "zuko", "flowjax", "distrax", "optax", "numpy",
)  # fmt: skip

HEADER = (
    "contender", "samples/s (min..max)", "speed / floor", "step time / floor",
    "speed / best peer", "CPU ms a step", "first step, s", "loss, first -> last step", "parameters",
)  # fmt: skip


MEDIANS = "Medians over the rounds; ratios are medians of the ratios within a round. "
CPU_TIME = (
    "CPU time is that of all threads; if other programs use the cores too, it says more than the "
    "clock."
)


def summarise(benchmark, runs):
    """Figures of each contender; ratios are medians of the ratios within a round.

    `runs` maps contender -> {round: result}. The best peer is the one with
    the highest median.
    """
    speed = {
        name: {r: result["samples_per_s"] for r, result in rounds.items()}
        for name, rounds in runs.items()
    }
    peers = [name for name in speed if benchmark.contenders[name].peer]
    best = max(peers, key=lambda name: median(speed[name].values()), default=None)
    summary = {}
    for name, rounds in runs.items():
        floor = speed.get(benchmark.contenders[name].floor, {})
        values = sorted(speed[name].values())
        summary[name] = {
            "samples_per_s": median(values),
            "min": values[0],
            "max": values[-1],
            "speed_over_floor": ratio(speed[name], floor),
            "step_time_over_floor": ratio(floor, speed[name]),
            "speed_over_best_peer": ratio(speed[name], speed.get(best, {})),
            "cpu_s_per_step": median(result["cpu_s_per_step"] for result in rounds.values()),
            "first_step_s": median(result["first_step_s"] for result in rounds.values()),
            **{key: rounds[min(rounds)][key] for key in ("first_loss", "last_loss", "parameters")},
        }
    return best, summary


def ratio(a, b):
    """Median of the ratios of two dicts, round to figure; None if they share no round."""
    ratios = [a[r] / b[r] for r in a if r in b]
    return median(ratios) if ratios else None


def left_out_rows(left_out, header):
    """A row with the reason for each contender that was left out."""
    for name, reason in left_out.items():
        yield name, reason, *("",) * (len(header) - 2)


def seconds_and_range(summary, key):
    """The median of some seconds with the range over the rounds."""
    return f"{summary[key]:.3f} ({summary[key + '_min']:.3f}..{summary[key + '_max']:.3f})"


def markdown(benchmark, report):
    """The page of training speed as markdown."""
    options = report["options"]
    how = (
        f"batch {options['batch']}, {options['steps']} steps after {options['warmup']} of warm-up, "
        f"rounds: {options['rounds']}, {options['data']} data"
    )
    notes = (
        f"{MEDIANS}A floor is the {benchmark.nets} alone on the same backend, trained by the same "
        f"`fit`, with a loss of its own. {note_by_hand(report['summary'])}{CPU_TIME} Best "
        f"peer: {report['best_peer'] or 'none ran'}."
    )
    title = f"Training speed, {benchmark.title}"
    return page(title, how, report, HEADER, _rows(report), notes)


def note_by_hand(summary):
    """A note about hand-written contenders, if there are any."""
    if not any(name.startswith("raw-") for name in summary):
        return ""
    return (
        "Contenders that begin with raw- are the same model written by hand, without Keras and in "
        "their own training loop; they are no peers. "
    )


def page(title, how, report, header, rows, notes):
    """Markdown: what was run, on which machine, the table, and how to read it."""
    machine = report["machine"]
    lines = [
        f"# {title}",
        "",
        f"`{report['command']}`, {report['date']}: {how}.",
        "",
        f"{machine['cores']} cores, {machine['memory_gib']} GiB, {machine['cpu']}, "
        f"{machine['system']}, load {machine['load_at_start']} at the start. "
        + ", ".join(f"{name} {version}" for name, version in report["versions"].items())
        + ".",
        "",
        *(f"|{'|'.join(row)}|" for row in (header, ("-",) * len(header), *rows)),
        "",
        notes,
    ]
    return "\n".join(lines) + "\n"


def _rows(report):
    for name, s in report["summary"].items():
        yield (
            name,
            f"{s['samples_per_s']:.0f} ({s['min']:.0f}..{s['max']:.0f})",
            *(
                "" if s[key] is None else f"{s[key]:.3f}"
                for key in ("speed_over_floor", "step_time_over_floor", "speed_over_best_peer")
            ),
            f"{1000 * s['cpu_s_per_step']:.1f}",
            f"{s['first_step_s']:.1f}",
            f"{s['first_loss']:.1f} -> {s['last_loss']:.1f}",
            f"{s['parameters']:,}",
        )
    yield from left_out_rows(report["left_out"], HEADER)


def run_info(program, argv):
    """Command, date, machine and versions of a run; call it before the run starts."""
    return {
        "command": f"python -m benchmarks.{program} {shlex.join(argv)}".strip(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "versions": versions(),
    }


def machine():
    """What kind of machine this is, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def _cpu():
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown CPU"


def versions():
    """The versions of Python and of the installed packages."""
    result = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            result[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return result
