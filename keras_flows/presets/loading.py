"""`from_preset`, and what is known of presets without loading their weights."""

import json
import pathlib

import keras

from keras_flows.presets import hubs

SHIPPED = pathlib.Path(__file__).parent / "models"
MODEL, CARD = "model.keras", "card.json"
FORMAT = 1  # of cards; cards without a number are read as well


def from_preset(name):
    """The trained model of a preset, a `Flow` or an `IResNet`; see `Flow.from_preset`.

    >>> flow = keras_flows.from_preset("idf_mnist")
    """
    return keras.saving.load_model(find(name), compile=False)


def list_presets():
    """The presets of the package, `{name: one line}`. Nothing is loaded.

    >>> keras_flows.list_presets()
    {'idf_mnist': 'IDF (1905.07376) on MNIST, 1.255 bits/dim'}
    """
    return {path.name: read_card(path).get("title", "") for path in _shipped()}


def find(name):
    """The path of a preset's model, a .keras file or a folder of Keras.

    Downloads presets of a hub. Raises ValueError or FileNotFoundError where there is no preset.
    """
    name = str(name)
    if hubs.is_remote(name):
        return _model_in(hubs.download(name), name)
    path = pathlib.Path(name)
    if path.is_file() or (path / MODEL).exists() or (path / CARD).exists():
        return _model_in(path, name)
    if name in map(str, list_presets()):
        return SHIPPED / name / MODEL
    if path.is_dir():
        return _model_in(path, name)
    raise FileNotFoundError(
        f"There is no model at {name}, and no preset of this name. The presets are "
        f"{', '.join(list_presets()) or 'none'}; a model is a .keras file or a folder of "
        f"save_to_preset. Received: {name}."
    )


def with_hash(sha256):
    """The name of the package's preset whose card has this SHA-256 of the model, or None.

    `sha256` is in hex, and may be the beginning of the whole.
    """
    cards = {path.name: read_card(path) for path in _shipped()}
    return next((n for n, c in cards.items() if c.get("sha256", "").startswith(str(sha256))), None)


def read_card(folder):
    """The card of a preset's folder, a dict, empty if there is none."""
    path = pathlib.Path(folder) / CARD
    if not path.exists():
        return {}
    card = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(card, dict) or card.get("format", 0) > FORMAT:
        number = card.get("format") if isinstance(card, dict) else type(card).__name__
        raise ValueError(
            "This preset was saved by a newer keras_flows: update keras_flows. Received: "
            f"{path} of format {number}, where this version reads formats up to {FORMAT}."
        )
    return card


def _shipped():
    return sorted(path.parent for path in SHIPPED.glob(f"*/{CARD}"))


def _model_in(path, name):
    """The model of a folder: `model.keras`, else its only .keras file, else Keras' own folder."""
    if path.is_file():
        return path
    read_card(path)
    files = sorted(path.glob("*.keras"))
    if (path / MODEL).exists() or len(files) == 1:
        return path / MODEL if (path / MODEL).exists() else files[0]
    if (path / "config.json").exists() and not files:
        return path
    raise ValueError(
        "A preset's folder has a model.keras, or one other .keras file. A saved flow is a .keras "
        f"file. Received: {name}, a folder of {len(files)} .keras files."
    )
