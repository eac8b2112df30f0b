"""`keras-flows train`: every recipe from the console, and by its thin script."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_flows import cli, recipes

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "reproductions").glob("[a-z]*.py"))
REQUIRED = {
    name: ["--data", "somewhere"]
    for name in (
        "fvae_celeba",
        "glow_celeba",
        "idf_faces",
        "tarflow_folder",
        "maf_tabular",
        "nsf_tabular",
    )
}
PROBE = """
import sys
from keras_flows import cli
cli.main(["train"])
print(*[name for name in sys.modules if name.startswith("keras_flows.recipes.")])
"""


def test_every_recipe_has_a_script_and_is_listed(capsys):
    cli.main(["train"])
    listed = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in listed] == NAMES == list(recipes.summaries())
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "--help"])
    assert ended.value.code == 0
    assert "\n".join(listed) in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_the_script_and_the_command_take_the_same_options(name, capsys):
    script = importlib.import_module(f"reproductions.{name}")
    assert script.__doc__ == recipes.summaries()[name]
    helps = []
    for main, argv in ((script.main, ["--help"]), (cli.main, ["train", name, "--help"])):
        with pytest.raises(SystemExit) as ended:
            main(argv)
        assert ended.value.code == 0
        usage, _, text = capsys.readouterr().out.partition("\n\n")
        assert f" {name} " in usage.replace("reproductions.", "reproductions. ")
        helps.append(text)
    assert helps[0] == helps[1] and "--dry-run" in helps[0]
    args = script.main.parser().parse_args(REQUIRED.get(name, []))
    assert args.out == Path("samples", name)


def test_listing_the_recipes_imports_none_of_them():
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = subprocess.run([sys.executable, "-c", PROBE], env=env, capture_output=True, text=True)
    *listed, imported = out.stdout.splitlines()
    assert len(listed) == 1 + len(NAMES) and imported == ""


def test_metrics_have_the_command_that_was_typed(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 1))
    np.savetxt(tmp_path / "x.csv", x, header="x", comments="")
    small = ["--data", str(tmp_path / "x.csv"), *"--epochs 1 --steps 1 --hidden 4".split()]
    for words, main in (
        ("python -m reproductions.maf_tabular", recipes.load("maf_tabular")),
        ("keras-flows train maf_tabular", lambda argv: cli.main(["train", "maf_tabular", *argv])),
    ):
        out = tmp_path / words.replace(" ", "_") / "with space"
        main([*small, "--out", str(out)])
        metrics = json.loads((out / "metrics.json").read_text())
        assert metrics["command"] == f"{words} {' '.join(small)} --out '{out}'"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nice", "A recipe is one of fvae_celeba, .*, toy_2d. Received: nice.$"),
        ("nice_mnist --data nowhere.npz --dry-run", "No data at nowhere.npz"),
        ("maf_tabular --data wine.csv --dry-run", "No table at wine.csv"),
    ],
)
def test_errors_end_in_one_line(line, message):
    with pytest.raises(SystemExit, match=f"^keras-flows: {message}") as ended:
        cli.main(["train", *line.split()])
    assert "\n" not in ended.value.code


def test_wrong_options_are_refused_by_the_recipe(capsys):
    for argv in (["nice_mnist", "--epochs", "0"], ["nice_mnist", "--no-such-option"], ["--epochs"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(["train", *argv])
        assert ended.value.code == 2
    errors = capsys.readouterr().err
    message = "argument --epochs: must be a whole number of 1 or more, got 0"
    assert f"keras-flows train nice_mnist: error: {message}" in errors
    assert "unrecognized arguments: --no-such-option" in errors
