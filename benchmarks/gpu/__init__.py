"""Full-size runs on a GPU: `python -m benchmarks.gpu STAGE --out FOLDER`, see docs/gpu.md.

A command ends within --limit minutes. Run the same command again to go on, also after it was
killed, until its run is complete. Stages:

nice        NICE on MNIST, the blog series' configuration, 30 epochs
nice_paper  the paper's configuration
faces       Glow on 64x64 faces, the blog series' configuration; grids at several temperatures
steps       training steps of that Glow, of the same model by hand, of its networks alone
cifar10     Glow on CIFAR-10, the paper's configuration

FOLDER receives a folder for each run, and tables of all runs in it: gpu.md and gpu.json.
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
# Stage -> script in reproductions/, its options, and the options that --float32 leaves out.
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
    add("--reserve", type=float, default=2, help="minutes of them for everything but training")
    add("--float32", action="store_true", help="no bfloat16 in the networks of Glow")
    add("--rounds", type=int, default=2, help="rounds of the stage `steps`")
    add("--quick", action="store_true", help="only test that it runs: tiny models, few steps")
    args = parser.parse_args(argv[:cut])
    args.more = argv[cut + 1 :]
    if not 0 <= args.reserve < args.limit:
        parser.error("--reserve must be 0 or more, and --limit more than --reserve")
    if args.more and args.stage == "steps":
        parser.error("the stage `steps` has no script to pass the options after -- to")
    args.end = time.monotonic() + 60 * args.limit
    return args


def environment(args):
    """The environment of a stage: JAX unless KERAS_BACKEND is set, and a compilation cache."""
    settings = {
        "KERAS_BACKEND": "jax",
        "JAX_COMPILATION_CACHE_DIR": str((args.out / "compiled").resolve()),
    }
    if args.stage == "cifar10":
        # Inverses of 1x1 convolutions need more than the 10 bits of a fast float32 product.
        settings["JAX_DEFAULT_MATMUL_PRECISION"] = "float32"
    return settings | os.environ


def command(args):
    """The command line of the run's script."""
    script, options, mixed = RUNS[args.stage]
    options = [*options, *(() if args.float32 else mixed)]
    options += QUICK[script].split() if args.quick else []
    options += ["--minutes", f"{args.limit - args.reserve:.4g}", "--resume", *args.more]
    out = ["--out", str(args.out / args.stage)]
    return [sys.executable, "-m", f"reproductions.{script}", *options, *out]


def limited(command, end):
    """The exit status of a command, which is killed at the time `end`.

    Ctrl-C in a terminal reaches the command too; this function waits until it has stopped.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)
    process = subprocess.Popen(command)
    try:
        return process.wait(max(0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        say("Out of time. Run the same command again to go on from the last checkpoint.")
        process.kill()
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def train(args):
    """Runs the script, and draws the grids of faces that it does not draw itself."""
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
            say("No time was left for the grids: run the same command again to make them.")
    return status


def main(argv=None):
    args = parse(sys.argv[1:] if argv is None else argv)
    os.environ.update(environment(args))
    try:
        return steps.run(args) if args.stage == "steps" else train(args)
    finally:
        report.write_all(args.out)
