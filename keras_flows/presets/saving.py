"""`save_to_preset`: a model and its card as a folder."""

import pathlib
import tempfile
import zipfile

import keras
import numpy as np

from keras_flows.files import write_json, written_whole
from keras_flows.presets.loading import CARD, FORMAT, MODEL

LINES = {
    "data": "Data",
    "split": "Split",
    "data_licence": "Licence of the data",
    "licence": "Licence",
    "command": "Command",
    "backend": "Backend",
    "machine": "Machine",
    "date": "Date",
    "parameters": "Parameters",
    "weights": "Weights",
    "note": "Note",
}


def save_to_preset(model, folder, card=None, bits=None):
    """Writes a model and its card into a folder; see `Flow.save_to_preset`.

    Args:
        model: a `Flow` or another Keras model.
        folder: made if it does not exist; its model and card are replaced.
        card: dict of what to add to the card.
        bits: significant bits of the weights that are kept, for a smaller file; None keeps all.

    Returns the model as `from_preset` loads it: without optimizer, weights rounded.
    """
    folder = pathlib.Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"A preset is written to a folder. Received: {folder}, a file.")
    saved = _without_optimizer(model)
    if bits is not None:
        round_weights(saved, bits)
    card = {
        "format": FORMAT,
        "name": folder.name,
        "title": saved.name,
        "class": type(saved).__name__,
        "parameters": saved.count_params(),
        "keras": keras.__version__,
        **(card or {}),
    }
    with written_whole(folder / MODEL) as partial:
        _write_packed(saved, partial)
    write_card(folder, card)
    return saved


def write_card(folder, card):
    """Writes card.json and README.md."""
    write_json(pathlib.Path(folder, CARD), card)
    with written_whole(pathlib.Path(folder, "README.md")) as partial:
        partial.write_text(readme(card), encoding="utf-8")


def readme(card):
    """The card as Markdown."""
    lines = [f"# {card['name']}", "", f"{card['title']}.", ""]
    lines += [f"- {title}: {card[key]}" for key, title in LINES.items() if card.get(key)]
    figures = [f"{key} {_number(value)}" for key, value in card.get("figures", {}).items()]
    lines += [f"- Figures: {', '.join(figures)}"] if figures else []
    load = f'keras_flows.from_preset("{card["name"]}")'
    return "\n".join([*lines, "", "```python", "import keras_flows", "", load, "```", ""])


def _number(value):
    return f"{value:.4g}" if isinstance(value, float) else value


def round_weights(model, bits):
    """Rounds the weights to a number of significant bits; float32 has 24, float16 has 11."""
    for variable in model.trainable_variables:
        mantissa, exponent = np.frexp(keras.ops.convert_to_numpy(variable).astype("float64"))
        rounded = np.ldexp(np.round(mantissa * 2.0**bits) / 2.0**bits, exponent)
        variable.assign(rounded.astype(keras.backend.standardize_dtype(variable.dtype)))


def _without_optimizer(model):
    """A copy of the model without optimizer, from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, MODEL)
        model.save(path)
        return keras.saving.load_model(path, compile=False)


def _write_packed(model, path):
    """Saves the model as a .keras file whose parts are deflated, which Keras reads as well."""
    with tempfile.TemporaryDirectory() as folder:
        plain = pathlib.Path(folder, MODEL)
        model.save(plain)
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w") as target:
            for name in source.namelist():
                data = source.read(name)
                target.writestr(name, data, zipfile.ZIP_DEFLATED, compresslevel=9)
