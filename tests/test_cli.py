"""The command `keras-flows`, on untrained flows of tables and of pictures."""

import csv
import functools
import re
import runpy
import sys
from pathlib import Path

import imageio.v3 as iio
import keras
import numpy as np
import pytest

import keras_flows
from keras_flows import Flow, cli, tables
from keras_flows.models import MAF, NICE, Glow

SMALL = {"steps": 1, "hidden": (4,), "seed": 0}


def rows(n=40, d=2, seed=0):
    """Rows in units that are far apart, as float32 can hold them."""
    x = np.random.default_rng(seed).normal(size=(n, d))
    return (x * [1, 50, 3][:d] + [3, -100, 0][:d]).astype("float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of flows, tables and pictures."""
    path = tmp_path_factory.mktemp("cli")
    table = MAF(2, **SMALL, name="table")
    table.adapt(rows(1000, seed=1))
    flows = [
        table,
        MAF(2, context_dims=3, start="random", **SMALL, name="conditional"),
        MAF(2, classes=3, start="random", **SMALL, name="classes"),
        Glow((4, 4, 3), levels=1, steps=1, hidden=4, name="pictures"),
        NICE(784, steps=2, hidden=(4,), name="vectors"),
    ]
    for flow in flows:
        flow.save(path / f"{flow.name}.keras")
    tables.write(path / "rows.csv", rows(), ["acid", "sugar"])
    tables.write(path / "context.csv", rows(40, 3), ["a", "b", "c"])
    tables.write(path / "wide.csv", np.c_[np.arange(40), rows()], ["id", "acid", "sugar"])
    (path / "faces").mkdir()
    for i, x in enumerate(np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), "uint8")):
        iio.imwrite(path / "faces" / f"{i}.png", x)
    return path


load_once = functools.cache(keras.models.load_model)  # so that compiled functions are used again


@pytest.fixture
def run(folder, tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder; names of files in `folder` are replaced by their paths."""
    monkeypatch.setattr(keras.models, "load_model", load_once)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))

    def run(line):
        words = [str(folder / w) if (folder / w).exists() else w for w in line.split()]
        cli.main(words)
        return capsys.readouterr().out

    return run


def load(folder, name):
    return load_once(folder / f"{name}.keras")


def test_rows_are_sampled(run, folder):
    run("sample table.keras --n 7 --seed 3 --columns acid,sugar --out a/rows.csv")
    table = tables.read("a/rows.csv")
    expected = load(folder, "table").sample(7, seed=3)
    assert table.names == ["acid", "sugar"] and np.array_equal(
        table.rows.astype("float32"), expected
    )
    run("sample table.keras --n 7 --seed 3 --like rows.csv --out rows.npz")
    table = tables.read("rows.npz")
    assert table.names == ["acid", "sugar"] and np.array_equal(table.rows, expected)
    run("sample table.keras --n 7 --seed 3 --temperature 0 --out rows.npy")
    assert np.ptp(np.load("rows.npy"), axis=0).tolist() == [0, 0]
    assert run("sample table.keras") == "rows.csv\n"
    assert tables.read("rows.csv").rows.shape == (1000, 2)


def test_rows_are_sampled_with_a_context(run, folder):
    flow, context = load(folder, "conditional"), rows(40, 3)
    run("sample conditional.keras --seed 3 --context context.csv --out rows.npy")
    expected = flow.sample(40, seed=3, context=context)
    np.testing.assert_allclose(np.load("rows.npy"), expected, rtol=1e-5)
    run("sample conditional.keras --seed 3 --n 5 --context=-1.5,2,3 --out rows.npy")
    expected = flow.sample(5, seed=3, context=np.array([-1.5, 2, 3], "float32"))
    np.testing.assert_allclose(np.load("rows.npy"), expected, rtol=1e-5)
    flow = load(folder, "classes")
    for option in ("--label 2", "--context 2"):
        run(f"sample classes.keras --seed 3 --n 5 {option} --out rows.npy")
        expected = flow.sample(5, seed=3, context=2)
        np.testing.assert_allclose(np.load("rows.npy"), expected, rtol=1e-5)


def read_numbers(text, name):
    """The numbers in the line that begins with a name."""
    line = next(line for line in text.splitlines() if line.startswith(name))
    return [float(x) for x in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", line)]


def test_a_table_is_evaluated(run, folder):
    log_prob = load(folder, "table").log_prob(rows())
    mean, error = log_prob.mean(), 2 * log_prob.std() / np.sqrt(40)
    for data in ("rows.csv", "wide.csv --drop id", "wide.csv --columns acid,sugar"):
        text = run(f"evaluate table.keras --data {data}")
        assert read_numbers(text, "samples") == [40, 2]
        assert read_numbers(text, "log-likelihood") == pytest.approx([mean, error], abs=0.006)
        assert read_numbers(text, "lowest")[1] == log_prob.argmin() + 1
        assert read_numbers(text, "reconstruction")[0] < 1e-4 and "bits" not in text
    assert read_numbers(run("evaluate table.keras --data rows.csv --limit 9"), "samples") == [9, 2]
    np.savez("split.npz", train=rows(30), val=rows(3), test=rows(6))
    assert read_numbers(run("evaluate table.keras --data split.npz"), "samples") == [6, 2]


@pytest.mark.parametrize(
    "model, option, context",
    [
        ("conditional", "context.csv", rows(40, 3)),
        ("conditional", "1,2,3", np.array([1, 2, 3], "float32")),
        ("classes", "labels.csv", np.arange(40) % 3),
        ("classes", "1", 1),
    ],
)
def test_rows_are_scored_with_a_context(run, folder, model, option, context):
    tables.write("labels.csv", (np.arange(40) % 3)[:, None], ["label"])
    run(f"score {model}.keras --data rows.csv --context {option} --out scores.npy")
    log_prob = load(folder, model).log_prob(rows(), context)
    np.testing.assert_allclose(np.load("scores.npy"), log_prob, rtol=1e-5)
    text = run(f"evaluate {model}.keras --data rows.csv --context {option} --limit 9")
    assert read_numbers(text, "log-likelihood")[0] == pytest.approx(log_prob[:9].mean(), rel=1e-3)


def read_scores(path):
    with open(path, newline="") as file:
        header, *lines = csv.reader(file)
    return header, [line[0] for line in lines], np.array([float(line[1]) for line in lines])


def test_rows_are_scored(run, folder):
    assert run("score table.keras --data rows.csv") == "scores.csv\n"
    header, keys, scores = read_scores("scores.csv")
    assert header == ["row", "log_prob"] and keys == [str(i + 1) for i in range(40)]
    np.testing.assert_allclose(scores, load(folder, "table").log_prob(rows()), rtol=1e-5)
    run("score table.keras --data rows.csv --limit 3 --out scores.npz")
    scores_npz = np.load("scores.npz")
    assert scores_npz["row"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(scores_npz["log_prob"], scores[:3], rtol=1e-5)


def test_pictures_are_scored(run):
    run("score pictures.keras --data faces")
    header, keys, scores = read_scores("scores.csv")
    assert header == ["file", "bits_per_dim"] and keys == [f"{i}.png" for i in range(5)]
    mean = read_numbers(run("evaluate pictures.keras --data faces"), "bits/dim")[0]
    assert scores.mean() == pytest.approx(mean, abs=0.1) and np.all(scores > 5)
    run("score vectors.keras --limit 3")
    assert read_scores("scores.csv")[:2] == (["row", "log_prob"], ["1", "2", "3"])


def test_flows_of_pictures_write_pictures_by_default(run):
    assert run("sample vectors.keras") == "grid.png\n"
    assert iio.imread("grid.png").shape == (15 * 28, 15 * 28)
    run("sample table.keras --grid 2x3 --image-shape 1x2x1 --out grid.png")
    assert iio.imread("grid.png").shape == (2, 6)
    run("sample vectors.keras --n 3 --out rows.npy")
    assert np.load("rows.npy").shape == (3, 784)


def test_info(run):
    text = run("info table.keras")
    for line in ("flow +table .Flow.", r"data +shape \(2,\), float32", "context +none"):
        assert re.search(f"^{line}", text, re.M), line
    assert re.search(r"^prior +StandardNormal$", text, re.M)
    assert f"Keras {keras.__version__}" in text
    assert re.search(
        r"^context +context, shape \(3,\), float32$", run("info conditional.keras"), re.M
    )
    assert re.search("^classes +3$", run("info classes.keras"), re.M)
    text = run("info pictures.keras")
    assert re.search(r"^data +shape \(4, 4, 3\), uint8, integers from 0 to 255$", text, re.M)
    assert "UniformNoise(low=-0.01, high=0)" in run("info vectors.keras")


@pytest.mark.parametrize(
    "line, message",
    [
        ("sample nowhere.keras", "no model at nowhere.keras"),
        ("info rows.csv", "A saved flow is a .keras file. Received: .*rows.csv"),
        ("info faces", "A saved flow is a .keras file. Received: .*faces"),
        ("sample table.keras --out rows.xlsx", "--out must end in one of .png, .csv.*rows.xlsx"),
        ("sample nowhere.keras --out rows.xlsx", "--out must end in"),  # before anything is done
        ("sample pictures.keras --out rows.csv", r"vectors.*Received: .*\(4, 4, 3\)"),
        ("sample pictures.keras --n 3", "--grid sets the number"),
        ("sample table.keras --columns a,b,c", "has 2 columns, --columns has 3. Received: a, b, c"),
        ("sample table.keras --like context.csv", "has 2 columns, .*context.csv has 3"),
        ("sample table.keras --context 1,2", "no inputs of context.*Received: 1,2"),
        ("sample table.keras --guidance 1", "Guidance is for a TarFlow"),
        ("sample table.keras --temperature 1 2", "latent_levels"),
        ("sample conditional.keras", r"1 inputs of context, of shapes \[\(3,\)\].*no --context"),
        ("sample conditional.keras --context 1,2", "a context of 3 numbers, --context 1,2 has 2"),
        ("sample conditional.keras --context 1,2,nan", "finite numbers"),
        ("sample conditional.keras --context none.csv", "No table at none.csv"),
        (
            "sample conditional.keras --context context.csv --n 9",
            "40 rows of context for 9 samples",
        ),
        ("sample classes.keras", "give --label"),
        ("sample classes.keras --label 3", "classes from 0 to 2"),
        ("sample classes.keras --context 0.5", "integers, --context 0.5 has fractions"),
        ("evaluate table.keras", "flow of tables of 2 columns: give --data.*no --data"),
        ("evaluate table.keras --data faces", "flow of tables of 2 columns.*Received: .*faces"),
        ("evaluate table.keras --data none.csv", "No table at none.csv"),
        ("evaluate table.keras --data wide.csv", r"shape \(2,\), .* has 3 columns.*id, acid"),
        ("evaluate table.keras --data rows.csv --drop x", "columns acid, sugar. Received: x"),
        ("evaluate conditional.keras --data rows.csv", "give --context"),
        ("evaluate pictures.keras --data rows.csv", r"shape \(4, 4, 3\), .*rows.csv has 2 columns"),
        ("evaluate pictures.keras --data faces --context 1", "Classes of pictures"),
        ("score table.keras --data rows.csv --out scores.txt", "--out must end in one of .csv"),
        ("reconstruct table.keras", "draws pictures.*evaluate or score"),
        ("interpolate vectors.keras --out lines.jpg", "--out must end in one of .png"),
        ("info table.keras --import no_such_layers", "no_such_layers"),
    ],
)
def test_errors_end_in_one_line(run, tmp_path, line, message):
    with pytest.raises(SystemExit, match=f"^keras-flows: .*{message}") as ended:
        run(line)
    assert "\n" not in ended.value.code and not list(tmp_path.glob("*.*"))


@pytest.mark.parametrize(
    "option",
    ["--temperature nan", "--temperature -1", "--guidance inf", "--grid 3000x3000", "--grid 0x3"]
    + ["--n 0", "--seed -1", "--image-shape 0x2x1"],
)
def test_options_out_of_range_are_refused(run, option, capsys):
    with pytest.raises(SystemExit):
        run(f"sample table.keras {option}")
    assert f"argument {option.split()[0]}" in capsys.readouterr().err


def test_different_numbers_of_contexts_and_rows_are_refused(run):
    tables.write("short.csv", rows(7, 3))
    with pytest.raises(SystemExit, match="7 rows of context for 40 samples"):
        run("evaluate conditional.keras --data rows.csv --context short.csv")


def test_files_without_a_flow_or_with_broken_weights_are_refused(run, folder):
    whole = (folder / "table.keras").read_bytes()
    Path("half.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SystemExit, match="half.keras is damaged or not a saved model.*Received"):
        run("info half.keras")
    np.savez(Path("rows.npz"), x=rows())
    Path("rows.npz").rename("other.keras")
    with pytest.raises(SystemExit, match="other.keras cannot be loaded.*Received: .*config.json"):
        run("info other.keras")
    flow = load_once.__wrapped__(folder / "table.keras")
    flow.encoder.save("encoder.keras")
    with pytest.raises(SystemExit, match="has no Flow: save the Flow.*Received: Functional"):
        run("sample encoder.keras")
    flow.weights[-1].assign(np.full(flow.weights[-1].shape, np.nan))
    flow.save("broken.keras")
    with pytest.raises(SystemExit, match="broken.keras has weights that are not finite"):
        run("sample broken.keras")
    assert "not finite" in run("info broken.keras")


MY_LAYERS = """
import keras
from keras_flows.layers import Rescale
@keras.saving.register_keras_serializable("my_layers")
class Double(Rescale):
    pass
"""


def test_custom_layers_are_imported(run, tmp_path, monkeypatch):
    Path("my_layers.py").write_text(MY_LAYERS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    import my_layers

    x = keras.Input((2,))
    Flow(keras.Model(x, my_layers.Double(2.0)(x))).save("custom.keras")
    monkeypatch.delitem(sys.modules, "my_layers")
    monkeypatch.setattr(sys, "path", sys.path[:-1])
    monkeypatch.delitem(keras.saving.get_custom_objects(), "my_layers>Double")
    with pytest.raises(SystemExit, match="give --import MODULE"):
        run("sample custom.keras")
    run("sample custom.keras --n 5 --import my_layers")
    assert tables.read("rows.csv").rows.shape == (5, 2)
    Path("my_faulty.py").write_text("1 / 0")
    with pytest.raises(SystemExit, match="--import my_faulty failed.*ZeroDivisionError"):
        run("sample custom.keras --import my_faulty")


def test_it_runs_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["keras-flows", "--version"])
    with pytest.raises(SystemExit):
        runpy.run_module("keras_flows.cli", run_name="__main__")
    assert capsys.readouterr().out == f"keras-flows {keras_flows.__version__}\n"


@pytest.mark.parametrize("error", [ValueError("of\n  two lines"), MemoryError(), ImportError("no")])
def test_errors_of_several_lines_or_none_become_one_line(monkeypatch, error):
    def run(args):
        raise error

    monkeypatch.setattr("keras_flows.cli.info.run", run)
    with pytest.raises(SystemExit) as ended:
        cli.main(["info", "a.keras"])
    reason = " ".join(str(error).split()) or "MemoryError"
    assert ended.value.code == f"keras-flows: {reason}" and "\n" not in ended.value.code


@pytest.mark.parametrize("name", ["digits.npy", "t10k-images-idx3-ubyte"])
def test_pictures_come_as_one_array_without_labels(name, run, tmp_path):
    digits = np.random.default_rng(0).integers(0, 256, (20, 28, 28), "uint8")
    if name.endswith("npy"):
        np.save(tmp_path / name, digits)
    else:
        header = np.array([0x803, *digits.shape], ">u4").tobytes()
        (tmp_path / name).write_bytes(header + digits.tobytes())
    assert "2, 784 dimensions each" in run(f"evaluate vectors.keras --data {tmp_path / name}")


def test_a_grid_of_too_many_pixels_is_refused_before_sampling(run):
    with pytest.raises(SystemExit, match="Take 35x35 or less"):
        run("sample vectors.keras --grid 1x10000 --image-shape 280x280x1")
