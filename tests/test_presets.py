"""Presets: those of the package, of folders and of hubs, and the commands that take their names."""

import json
import pathlib
import types

import imageio.v3 as iio
import keras
import numpy as np
import pytest

import keras_flows
from keras_flows import Flow, cli, codec, presets
from keras_flows.models import IDF, MAF, IResNet
from keras_flows.presets import loading
from keras_flows.presets.saving import readme, round_weights
from keras_flows.training.presets import check_preset, preset_of_run, stripped
from tests.multiscale import eager

NAMES = list(keras_flows.list_presets())
LARGEST, ALL = 4 * 2**20, 12 * 2**20  # bytes of a file, of all


@pytest.fixture(scope="module", params=NAMES)
def preset(request):
    """A model of the package and its card."""
    folder = loading.SHIPPED / request.param
    return keras_flows.from_preset(request.param), loading.read_card(folder)


@pytest.fixture(scope="module")
def idf():
    return Flow.from_preset("idf_mnist")


def digits(n=3):
    return keras_flows.datasets.mnist()[1][0][:n, ..., None]


def test_a_preset_has_the_figure_of_its_card(preset):
    model, card = preset
    check = check_preset(model)
    assert check["quantity"] == card["check"]["quantity"]
    assert check["value"] == pytest.approx(card["check"]["value"], abs=card["check"]["tolerance"])


def test_a_preset_samples_and_gives_pictures_back(preset):
    model, _ = preset
    if not isinstance(model, Flow):
        x = digits()
        assert np.abs(model.invert(model.features(x)) - x).max() < 0.01
        return
    context = np.arange(3) if model.conditional else None
    samples = model.sample(3, seed=0, context=context)
    assert samples.shape == (3, *model.data_shape) and np.ptp(samples) > 0
    x = samples if model.dims == 2 else keras_flows.datasets.as_input(model, digits())
    back = model.reconstruct(x, context)
    np.testing.assert_allclose(back.astype("float64"), x, atol=0 if model.discrete else 1e-3)


def test_the_hash_of_the_card_is_that_of_the_model(preset):
    model, card = preset
    if getattr(model, "exact", False):
        assert codec.model_hash(model).hex() == card["sha256"]
        assert presets.with_hash(card["sha256"]) == presets.with_hash(card["sha256"][:8])
    assert presets.with_hash("0123456789") is None


def test_the_files_of_the_package_are_small_and_complete():
    files = [path for path in loading.SHIPPED.rglob("*") if path.is_file()]
    sizes = [path.stat().st_size for path in files]
    assert NAMES and max(sizes) <= LARGEST and sum(sizes) <= ALL
    for name in NAMES:
        folder = loading.SHIPPED / name
        card = loading.read_card(folder)
        expected = {"data", "data_licence", "licence", "command", "figures", "format", "title"}
        assert expected <= set(card) and card["name"] == name
        assert (folder / "README.md").read_text() == readme(card)
        text = json.dumps(card)
        assert "/tmp" not in text and "--out" not in text


def test_listing_presets_loads_no_model(monkeypatch, capsys):
    monkeypatch.setattr(keras.saving, "load_model", lambda *a, **k: pytest.fail("loaded"))
    assert "bits/dim" in keras_flows.list_presets()["idf_mnist"]
    cli.main(["presets"])
    assert capsys.readouterr().out.splitlines()[0].split()[0] == NAMES[0]


def test_a_flow_is_saved_as_a_preset(tmp_path):
    flow = MAF(2, steps=1, hidden=(4,), seed=0, name="table")
    x = np.random.default_rng(0).normal(size=(40, 2)).astype("float32")
    flow.compile("adam")
    flow.fit(x, verbose=0)
    flow.save_to_preset(tmp_path / "mine", {"data": "normal numbers", "licence": "CC0"})
    names = sorted(path.name for path in (tmp_path / "mine").iterdir())
    assert names == ["README.md", "card.json", "model.keras"]
    card = loading.read_card(tmp_path / "mine")
    assert card["data"] == "normal numbers" and card["name"] == "mine" and card["format"] == 1
    assert "Licence: CC0" in (tmp_path / "mine" / "README.md").read_text()
    again = eager(Flow.from_preset(tmp_path / "mine"))
    np.testing.assert_allclose(again.log_prob(x), eager(flow).log_prob(x), rtol=1e-6)
    assert not again.compiled and flow.compiled
    size = lambda name: (tmp_path / name / "model.keras").stat().st_size  # noqa: E731
    presets.save_to_preset(flow, tmp_path / "rounded", bits=8)
    assert size("rounded") < size("mine")
    for a, b in zip(Flow.from_preset(tmp_path / "rounded").get_weights(), again.get_weights()):
        np.testing.assert_allclose(a, b, rtol=2**-8)


def test_weights_are_rounded_to_significant_bits():
    layer = keras.layers.Dense(1, use_bias=False)
    layer.build((None, 3))
    layer.kernel.assign([[1.0 + 2**-12], [-3.3e-5], [0.0]])
    round_weights(layer, 11)
    a, b, c = keras.ops.convert_to_numpy(layer.kernel)[:, 0]
    assert (a, c) == (1, 0) and b == np.float32(np.float16(-3.3e-5 * 2**8)) / 2**8


def test_a_classifier_is_a_preset_too(tmp_path):
    model = IResNet((4, 4, 1), levels=1, steps=1, hidden=4)
    model.save_to_preset(tmp_path / "net")
    assert isinstance(keras_flows.from_preset(tmp_path / "net"), IResNet)
    assert isinstance(IResNet.from_preset(tmp_path / "net"), IResNet)
    with pytest.raises(ValueError, match="no Flow: use keras_flows.from_preset.*IResNet"):
        Flow.from_preset(tmp_path / "net")


def test_an_existing_file_comes_before_a_preset_of_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("idf_mnist").mkdir()  # as the folder of a run
    assert presets.find("idf_mnist") == loading.SHIPPED / "idf_mnist" / "model.keras"
    pathlib.Path("idf_mnist", "model.keras").touch()
    assert presets.find("idf_mnist") == pathlib.Path("idf_mnist", "model.keras")


def test_names_that_are_no_presets_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="presets are .*idf_mnist.*Received: nowhere"):
        keras_flows.from_preset("nowhere")
    with pytest.raises(ValueError, match="has a model.keras.*0 .keras files"):
        presets.find(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps({"format": loading.FORMAT + 1}))
    with pytest.raises(ValueError, match="newer keras_flows.*Received"):
        presets.find(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="to a folder. Received"):
        MAF(2, steps=1, hidden=(4,)).save_to_preset(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "package"), [("hf://u/flow", "huggingface_hub"), ("kaggle://u/m/keras/v", "kagglehub")]
)
def test_presets_of_hubs_come_by_their_packages(name, package, tmp_path, monkeypatch):
    asked = []
    MAF(2, steps=1, hidden=(4,)).save_to_preset(tmp_path)
    hub = types.SimpleNamespace(
        snapshot_download=lambda repo_id, **_: asked.append(repo_id) or str(tmp_path),
        model_download=lambda handle: asked.append(handle) or str(tmp_path),
    )
    monkeypatch.setitem(__import__("sys").modules, package, hub)
    assert isinstance(Flow.from_preset(name), Flow)
    assert asked == [name.partition("://")[2]]
    with pytest.raises(ValueError, match="Received: .*://one"):
        presets.find(name.partition("://")[0] + "://one")
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {package}. Received: {name}"):
        presets.find(name)


def test_a_folder_that_keras_wrote_for_a_hub_is_loaded(tmp_path):
    flow = MAF(2, steps=1, hidden=(4,))
    keras.saving.save_model(flow, tmp_path / "unzipped", zipped=False)
    assert presets.find(tmp_path / "unzipped") == tmp_path / "unzipped"
    assert Flow.from_preset(tmp_path / "unzipped").dims == 2


def test_commands_take_the_name_of_a_preset(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli.main("sample idf_mnist --grid 2x3 --out grid.png".split())
    assert iio.imread("grid.png").shape == (56, 84)
    cli.main("evaluate idf_mnist --limit 20".split())
    cli.main("info idf_mnist".split())
    text = capsys.readouterr().out
    assert "bits/dim" in text and "shape (28, 28, 1), uint8" in text
    with pytest.raises(SystemExit, match="presets are .*idf_mnist.*a model is a .keras file"):
        cli.main(["info", "nothing"])


def test_what_a_preset_compressed_needs_no_model(idf, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x = digits(2)
    data = codec.compress(idf, x)  # a small file, with four bytes of the hash
    np.testing.assert_array_equal(codec.decompress(data), x)
    for i, picture in enumerate(x):
        iio.imwrite(tmp_path / f"{i}.png", picture[..., 0])
    cli.main("compress idf_mnist 0.png 1.png --out x.kfz".split())
    cli.main("inspect x.kfz".split())
    assert "preset idf_mnist" in capsys.readouterr().out
    cli.main("decompress x.kfz --out back".split())
    assert all((iio.imread(f"back/{i}.png") == x[i, ..., 0]).all() for i in range(2))


def finished_run(folder, **metrics):
    """The folder of a run of IDF on MNIST, with a small untrained model."""
    flow = IDF((28, 28, 1), levels=1, steps=1, hidden=4, blocks=1, prior_hidden=4, seed=0)
    flow.save(folder / "idf_mnist.keras")
    machine = {"backend": "torch", "device_kind": "cpu", "processor": "x86_64", "cores": 2}
    facts = {
        "command": "keras-flows train idf_mnist --epochs 3 --out /home/me/run --data ~/mnist.npz",
        "date": "2026-11-27",
        "machine": {**machine, "versions": {"torch": "2.13"}},
        "settings": {"script": "idf_mnist"},
        "training_pictures": 59500,
        "test": {"pictures": 10000, "bits_per_dim": 1.5, "standard_error": 0.01},
    }
    (folder / "metrics.json").write_text(json.dumps({**facts, **metrics}))


def test_a_preset_is_made_of_a_run(tmp_path, capsys, monkeypatch):
    (tmp_path / "run").mkdir()
    finished_run(tmp_path / "run")
    cli.main(f"preset {tmp_path}/run --out {tmp_path}/small --bits 12".split())
    assert "IDF (1905.07376) on MNIST, 1.500 bits/dim" in capsys.readouterr().out
    card = loading.read_card(tmp_path / "small")
    assert card["command"] == "keras-flows train idf_mnist --epochs 3 --data mnist.npz"
    assert card["machine"] == "2 CPU cores, x86_64" and card["weights"].startswith("float32")
    assert card["split"] == "59,500 training, 10,000 test pictures"
    model = keras_flows.from_preset(tmp_path / "small")
    assert check_preset(model)["value"] == pytest.approx(card["check"]["value"], abs=1e-3)
    assert codec.model_hash(model).hex() == card["sha256"]


def test_runs_that_are_no_presets_are_refused(tmp_path):
    with pytest.raises(ValueError, match="metrics.json and a .keras file. Received"):
        preset_of_run(tmp_path)
    finished_run(tmp_path, settings={"script": "idf_faces"})
    with pytest.raises(ValueError, match="--data-licence. Received: a run of idf_faces"):
        preset_of_run(tmp_path, out=tmp_path / "out")
    (tmp_path / "second.keras").touch()
    with pytest.raises(ValueError, match="several models: give --model"):
        preset_of_run(tmp_path)


def test_commands_of_cards_have_no_folders():
    command = "python -m reproductions.x --out=/a/b --resume --epochs 3 --cache c --data /d/e.npz"
    assert stripped(command) == "python -m reproductions.x --epochs 3 --data e.npz"
