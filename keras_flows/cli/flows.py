"""Loads the flow of a command and says what kind of data it has."""

import importlib
import os
import sys
import zipfile

MNIST = 784  # vectors of this length are pictures of MNIST


def load(args, check=True):
    """Loads the flow of the option `model`, a path or a preset; `args.model` becomes its path.

    `check` refuses a flow whose weights are not finite. Raises ValueError if the file has no flow.
    """
    import keras

    from keras_flows import Flow, presets
    from keras_flows.flow.value_checks import broken_weights

    import_modules(args.modules or ())
    path = args.model = presets.find(args.model)
    _check_file(path)
    try:
        flow = keras.models.load_model(path)
    except Exception as error:  # Keras, zipfile and h5py each raise their own.
        reason = (str(error).strip("\"' \n") or type(error).__name__).splitlines()[0]
        hint = "; if it has your own layers, give --import MODULE" if "class" in reason else ""
        raise ValueError(
            f"{path} cannot be loaded as a Keras model{hint}. Received: {reason}"
        ) from error
    if not isinstance(flow, Flow):
        raise ValueError(
            f"{path} has no Flow: save the Flow, not its encoder or another model. "
            f"Received: {type(flow).__name__}."
        )
    if check and (broken := broken_weights(flow)):
        raise ValueError(
            f"{path} has weights that are not finite, so it has no samples and no densities. "
            f"Received: {broken[0]}, and {len(broken) - 1} more."
        )
    return flow


def _check_file(path):
    """Raises an error that says what is wrong with the file; Keras calls any file missing."""
    if path.is_dir():  # `presets.find` has looked into it
        return
    if not path.is_file() or path.suffix not in (".keras", ".h5", ".hdf5"):
        raise ValueError(f"A saved flow is a .keras file. Received: {path}.")
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is damaged or not a saved model: it is not a zip file. "
            f"Received: {path.stat().st_size:,} bytes."
        )


def import_modules(modules):
    """Imports the modules by name. The current folder is searched, too."""
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
    """Whether samples are rows of a table: vectors of floats that are not MNIST's pictures."""
    return len(flow.data_shape) == 1 and not flow.discrete and flow.dims != MNIST
