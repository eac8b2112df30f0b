"""Presets of the Hugging Face hub and of Kaggle, by the packages that Keras uses for them."""

import importlib
import pathlib

PACKAGES = {"hf://": "huggingface_hub", "kaggle://": "kagglehub"}


def is_remote(name):
    """Whether the name is one of a hub."""
    return name.startswith(tuple(PACKAGES))


def download(name):
    """The local folder of `hf://USER/REPO` or `kaggle://USER/MODEL/FRAMEWORK/VARIATION`.

    Raises ImportError if the package for this hub is not installed, ValueError for other names.
    """
    scheme = next(scheme for scheme in PACKAGES if name.startswith(scheme))
    handle, package = name.removeprefix(scheme), PACKAGES[scheme]
    parts = {"hf://": (2,), "kaggle://": (4, 5)}[scheme]
    if len(handle.split("/")) not in parts or not all(handle.split("/")):
        raise ValueError(
            "A preset of a hub is hf://USER/REPO or kaggle://USER/MODEL/FRAMEWORK/VARIATION. "
            f"Received: {name}."
        )
    try:
        hub = importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"Presets of {scheme} need the package {package}: pip install {package}. "
            f"Received: {name}."
        ) from error
    if scheme == "hf://":
        return pathlib.Path(hub.snapshot_download(repo_id=handle, library_name="keras"))
    return pathlib.Path(hub.model_download(handle))
