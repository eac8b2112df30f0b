"""Full-size runs on a GPU: `python -m benchmarks.gpu STAGE --out FOLDER`, see docs/gpu.md.

A command ends within --limit minutes. The same command again goes on where it
ended, or where it was killed, until its run is complete. Stages:

nice        NICE on MNIST, the blog series' configuration, 30 epochs
nice_paper  the paper's configuration
faces       Glow on 64x64 faces, the blog series' configuration; grids at several temperatures
steps       training steps of that Glow, of the same by hand, of its networks alone
cifar10     Glow on CIFAR-10, the paper's configuration

FOLDER gets a folder for each run, and tables of all that is there: gpu.md and gpu.json.
Options after `--` go to the run's script: `... faces --out runs -- --data FACES --test MORE`.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu import report, steps
from benchmarks.processes import measured, say

MIXED = ("--mixed-precision",)
# Stage -> script in reproductions/, its options, and those that may be left out (--float32).
RUNS = {
    "nice": ("nice_mnist", (), ()),
    "nice_paper": ("nice_mnist", ("--variant", "paper", "--epochs", "1500"), ()),
    "faces": ("glow_celeba", (), MIXED),
    "cifar10": ("glow_cifar10", ("--steps-per-epoch", "750"), MIXED),  # 48,000 pictures, a pass
}
TINY = "--level 2 --depth 1 --hidden 8 --batch-size 16 --steps-per-epoch 4 --epochs 3 --rows 2"
QUICK = {
    "nice_mnist": "--limit 384 --hidden 8 --couplings 2 --holdout 200 --batch-size 64 --epochs 3",
    "glow_celeba": f"{TINY} --columns 3 --holdout 20 --img-size 16",
    "glow_cifar10": f"{TINY} --columns 3 --holdout 20",
}
TEMPERATURES = [0.7, 0.8, 0.9, 1.0]


def parse(argv):
    cut = argv.index("--") if "--" in argv else len(argv)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("stage", choices=(*RUNS, "steps"))
    add("--out", type=Path, required=True, help="folder of all runs")
    add("--limit", type=float, default=9.5, help="minutes that the command may take")
    add("--reserve", type=float, default=2, help="minutes of them for all that is not training")
    add("--float32", action="store_true", help="no bfloat16 in the networks of Glow")
    add("--rounds", type=int, default=2, help="of the stage `steps`")
    add("--quick", action="store_true", help="only see that it runs: tiny models, few steps")
    args = parser.parse_args(argv[:cut])
    args.more = argv[cut + 1 :]
    if not 0 <= args.reserve < args.limit:
        parser.error("--limit must be more than --reserve, and that 0 or more")
    if args.more and args.stage == "steps":
        parser.error("the stage `steps` has no script that options after -- could go to")
    args.end = time.monotonic() + 60 * args.limit
    return args


def environment(args):
    """What the processes of a stage see: JAX unless another backend is named, programs kept."""
    settings = {
        "KERAS_BACKEND": "jax",
        "JAX_COMPILATION_CACHE_DIR": str((args.out / "compiled").resolve()),
    }
    if args.stage == "cifar10":
        # Inverses of 1x1 convolutions need more than the 10 bits of a fast float32 product.
        settings["JAX_DEFAULT_MATMUL_PRECISION"] = "float32"
    return settings | os.environ


def command(args):
    """The run's script with its options."""
    script, options, mixed = RUNS[args.stage]
    options = [*options, *(() if args.float32 else mixed)]
    options += QUICK[script].split() if args.quick else []
    options += ["--minutes", f"{args.limit - args.reserve:.4g}", "--resume", *args.more]
    out = ["--out", str(args.out / args.stage)]
    return [sys.executable, "-m", f"reproductions.{script}", *options, *out]


def limited(command, end):
    """The exit status of a command that is killed at `end`.

    Ctrl-C in a terminal reaches the command, which stops by itself and is waited for.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)
    process = subprocess.Popen(command)
    try:
        return process.wait(max(0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        say("Out of time. The same command again goes on from the last checkpoint.")
        process.kill()
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def train(args):
    """The run of a script, and pictures that it does not leave itself."""
    status = limited(command(args), args.end)
    if not status and args.stage == "faces":
        rows, columns = (2, 3) if args.quick else (9, 9)
        out = args.out.resolve() / "faces"
        task = {"what": "grids", "model": str(out / "glow_celeba.keras"), "out": str(out)}
        task |= {"temperatures": TEMPERATURES, "rows": rows, "columns": columns}
        left = max(1, args.end - time.monotonic())
        try:
            measured("gpu", task, gpu=True, timeout=left)
        except subprocess.TimeoutExpired:
            say("No time was left for the grids: the same command again makes them.")
    return status


def main(argv=None):
    args = parse(sys.argv[1:] if argv is None else argv)
    os.environ.update(environment(args))
    try:
        return steps.run(args) if args.stage == "steps" else train(args)
    finally:
        report.write_all(args.out)
