"""The flow of a command: loaded, and what kind of data it has."""

import importlib
import os
import sys
import zipfile

MNIST = 784  # dimensions of a vector that is taken for a picture: MNIST's, as NICE has it


def load(args, check=True):
    """The flow of the options `model` and `modules`; ValueError for what is none."""
    import keras

    from keras_flows import Flow
    from keras_flows.flow.value_checks import broken_weights

    _import(args.modules or ())
    path = args.model
    _check_file(path)
    try:
        flow = keras.models.load_model(path)
    except Exception as error:  # Keras, zipfile and h5py each raise their own.
        reason = (str(error).strip("\"' \n") or type(error).__name__).splitlines()[0]
        hint = "; if it has layers of your own, give --import MODULE" if "class" in reason else ""
        raise ValueError(
            f"{path} cannot be loaded as a Keras model{hint}. Received: {reason}"
        ) from error
    if not isinstance(flow, Flow):
        raise ValueError(
            f"{path} holds no Flow: save the Flow, not its encoder or another model. "
            f"Received: {type(flow).__name__}."
        )
    if check and (broken := broken_weights(flow)):
        raise ValueError(
            f"{path} has weights that are not finite, so neither samples nor densities. "
            f"Received: {broken[0]}, and {len(broken) - 1} more."
        )
    return flow


def _check_file(path):
    """Names what is no saved model, since Keras calls all of it a missing file."""
    if not path.exists():
        raise FileNotFoundError(f"There is no model at {path}.")
    if not path.is_file() or path.suffix not in (".keras", ".h5", ".hdf5"):
        raise ValueError(f"A saved flow is a .keras file. Received: {path}.")
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is damaged or no saved model: it is no zip file. "
            f"Received: {path.stat().st_size:,} bytes."
        )


def _import(modules):
    """Imports modules, also those of the current folder."""
    if modules and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError:
            raise
        except Exception as error:
            raise ImportError(
                f"--import {name} failed. Received: {type(error).__name__}: {error}"
            ) from error


def is_table(flow):
    """Whether samples are rows of a table: vectors of floats, unless they are MNIST's pictures."""
    return len(flow.data_shape) == 1 and not flow.discrete and flow.dims != MNIST
