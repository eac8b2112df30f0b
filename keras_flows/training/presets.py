"""A preset from the folder of a finished run: the model without optimizer, and its card."""

import json
import math
import pathlib
import re
import shlex

import keras
import numpy as np

from keras_flows import codec
from keras_flows.data import datasets
from keras_flows.flow import Flow
from keras_flows.presets.saving import save_to_preset, write_card
from keras_flows.training.run import METRICS

KNOWN_DATA = {
    "mnist": {
        "data": "MNIST, handwritten digits; Yann LeCun and Corinna Cortes",
        "data_licence": "CC BY-SA 3.0",
    }
}
LICENCE = "Apache-2.0, as the package"
CHECKED = 50  # test pictures of a card's check
REPEATS = 8  # of a check whose density is estimated or has noise
# Options of a run's command that say nothing of its model, and whether they have a value.
LEFT_OUT = {"--out": True, "--cache": True, "--resume": False, "--overwrite": False}
MNIST = 784


def preset_of_run(
    folder,
    name=None,
    out=None,
    *,
    model=None,
    title=None,
    titles=None,
    data=None,
    about=None,
    bits=None,
):
    """Writes the model of a run's folder and its card as a preset; returns the card.

    Args:
        folder: of the run, with metrics.json and the model.
        name: of the preset; the recipe's if None.
        out: folder to write; `name` if None.
        model: the .keras file; None for the only one in the folder.
        title: the preset in one line; None for that of the recipe in `titles`.
        titles: dict of the recipes' lines.
        data: path of MNIST, see `datasets.mnist`.
        about: dict with `data` and `data_licence`, needed for data other than MNIST.
        bits: see `save_to_preset`.

    Raises ValueError for a folder without a run and for data of unknown licence.

    >>> preset_of_run("samples/idf_mnist", "idf_mnist", "keras_flows/presets/models/idf_mnist")
    """
    folder = pathlib.Path(folder)
    path = pathlib.Path(model) if model else _only_model(folder)
    metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    recipe = metrics.get("settings", {}).get("script") or _recipe(metrics["command"])
    name = name or recipe
    loaded = keras.saving.load_model(path, compile=False)
    card = {
        "name": name,
        "title": title or _title((titles or {}).get(recipe, recipe), metrics),
        **_data_of(recipe, about or {}),
        **_facts(metrics, recipe, path),
        "licence": LICENCE,
    }
    if bits is not None:
        card["weights"] = f"float32, rounded to {bits} significant bits"
    saved = save_to_preset(loaded, out or name, card, bits)
    return _with_check(saved, pathlib.Path(out or name), data)


def check_preset(model, data=None):
    """What a card's check has of the model: {"samples", "quantity", "value"}.

    The quantity is bits/dim of a flow of integers, the log-likelihood a
    dimension, in nats, of other flows, and the accuracy of a classifier, on the
    first 50 test pictures of MNIST. A flow of two dimensions is measured on
    what it decodes of 50 fixed latents. None for a model of other data.
    """
    options = getattr(model, "options", {})
    if not isinstance(model, Flow):
        return _check_classifier(model, data) if "image_shape" in options else None
    if model.dims == 2 and not model.conditional:
        z = np.random.default_rng(0).normal(size=(CHECKED, 2)).astype("float32")
        return _check("nats_per_dim", float(model.log_prob(model.decode(z)).mean()) / 2)
    if model.dims != MNIST:
        return None
    _, (pixels, labels) = datasets.mnist(data, labels=model.conditional)
    x = datasets.as_input(model, pixels[:CHECKED])
    context = labels[:CHECKED] if model.conditional else None
    value = float(model.log_prob(x, context).mean()) / model.dims
    if model.discrete:
        return _check("bits_per_dim", -value / math.log(2))
    return _check("nats_per_dim", value)


def _check(quantity, value):
    return {"samples": CHECKED, "quantity": quantity, "value": value}


def _check_classifier(model, data):
    if model.options["image_shape"] != (28, 28, 1):
        return None
    _, (pixels, labels) = datasets.mnist(data)
    logits = model.predict(pixels[:CHECKED, ..., None], verbose=0)
    return _check("accuracy", float((logits.argmax(axis=-1) == labels[:CHECKED]).mean()))


def _with_check(model, folder, data):
    """Measures the saved model, and writes its card with what was measured; returns the card."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    checks = [check_preset(model, data)]
    if checks[0]:
        # Noise and estimates of log-determinants differ from call to call.
        exact = getattr(model, "exact", False) or checks[0]["quantity"] == "accuracy"
        checks += [check_preset(model, data) for _ in range(0 if exact else REPEATS - 1)]
        values = [check["value"] for check in checks]
        tolerance = 1e-3 + 5 * float(np.std(values))
        card["check"] = {**checks[0], "value": float(np.mean(values)), "tolerance": tolerance}
    if getattr(model, "exact", False):
        card["sha256"] = codec.model_hash(model).hex()
    write_card(folder, card)
    return card


def _only_model(folder):
    files = sorted(folder.glob("*.keras"))
    if not (folder / METRICS).exists() or not files:
        raise ValueError(
            f"A finished run has {METRICS} and a .keras file. Received: {folder}, with "
            f"{[path.name for path in files]}."
        )
    if len(files) > 1:
        raise ValueError(
            f"This folder has several models: give --model. Received: {[p.name for p in files]}."
        )
    return files[0]


def _recipe(command):
    """The name of the recipe in a command."""
    words = shlex.split(command)
    word = next((w for w in words[1:] if re.fullmatch(r"(reproductions\.)?[a-z]\w+", w)), words[-1])
    if word == "train":
        word = words[words.index("train") + 1]
    return word.removeprefix("reproductions.")


def _data_of(recipe, about):
    known = KNOWN_DATA.get(recipe.rpartition("_")[2], {})
    result = {**known, **{key: value for key, value in about.items() if value}}
    if set(result) != {"data", "data_licence"}:
        raise ValueError(
            "A card names the data and their licence: give --data-name and --data-licence. "
            f"Received: a run of {recipe}, and {result}."
        )
    return result


def _title(line, metrics):
    """The first words of the recipe's line, and the figure."""
    words = re.split(r"[,:;] |, without", line.rstrip("."))[0]
    bits = metrics.get("test", {}).get("bits_per_dim")
    return words if bits is None else f"{words}, {bits:.3f} bits/dim"


def _facts(metrics, recipe, path):
    """Command, split, machine and figures of a run."""
    machine = metrics["machine"]
    gpu = machine.get("device_kind") not in (None, "cpu")
    cores = f"{machine['cores']} CPU cores, {machine['processor']}"
    facts = {
        "command": stripped(metrics["command"]),
        "split": _split(metrics),
        "backend": f"{machine['backend']} {machine['versions'].get(machine['backend'], '')}",
        "machine": machine["device_kind"] if gpu else cores,
        "date": metrics["date"],
    }
    figures = dict(metrics.get("test", {}))
    models = metrics.get("models", metrics.get("flows"))
    if models:  # each with a file of its own
        each = models.get(path.stem.removeprefix(f"{recipe}_"), {})
        figures = {k: v for k, v in each.items() if isinstance(v, (int, float))}
        figures |= each.get("rebuilt", {})
    if "test_estimate" in metrics:
        figures["unbiased bits_per_dim"] = metrics["test_estimate"]["bits_per_dim"]
    return {**{k: v for k, v in facts.items() if v}, "figures": figures}


def _split(metrics):
    sizes = {
        "training": metrics.get("training_pictures"),
        "validation": metrics.get("validation", {}).get("pictures"),
        "test": metrics.get("test", {}).get("pictures"),
    }
    return ", ".join(f"{n:,} {name}" for name, n in sizes.items() if n) + " pictures" * any(
        sizes.values()
    )


def stripped(command):
    """A run's command without its folders: `LEFT_OUT`, and of other paths their last parts."""
    words, result = iter(shlex.split(command)), []
    for word in words:
        option, _, value = word.partition("=")
        if option in LEFT_OUT:
            if LEFT_OUT[option] and not value:
                next(words, None)
            continue
        result.append(pathlib.PurePath(word).name if word.startswith(("/", "~", "..")) else word)
    return shlex.join(result)
