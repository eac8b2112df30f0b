"""Decoder and log_prob as files for serving: ONNX, TensorFlow's SavedModel, torch's export."""

import importlib.util
import inspect
import pathlib
import warnings

import keras

from keras_flows.flow.reports import iterates

# Packages that an export needs besides the backend.
PACKAGES = {
    ("onnx", "tensorflow"): ("tf2onnx", "onnx"),
    ("onnx", "torch"): ("onnx", "onnxscript"),
    ("onnx", "jax"): ("jax2onnx",),
    ("tf_saved_model", "jax"): ("tensorflow",),
    ("tf_saved_model", "torch"): ("tensorflow", "torch_xla"),
}


class Exporting:
    """The part of `Flow` that writes models for serving."""

    def export_decoder(self, path, format="onnx", *, rows=None, **options):
        """Writes the model from latents, or latents and contexts, to data.

        Args:
            path: the file, or for a SavedModel the folder.
            format: "onnx", "tf_saved_model", or another one of `keras.Model.export`.
            rows: number of rows that the model takes; None for any, where the format has it.
            options: those of `keras.Model.export`.

        Raises ImportError where a package is missing, and ValueError for a flow
        that this format cannot hold on this backend; docs/export.md has a table.

        >>> flow.export_decoder("decoder.onnx")
        """
        _export(self, self.decoder, "decoder", path, format, rows, options)

    def export_log_prob(self, path, format="onnx", *, rows=None, **options):
        """Writes the model from data, or data and contexts, to log_prob in nats.

        Arguments and errors are those of `export_decoder`.

        >>> flow.export_log_prob("density.onnx")
        """
        _export(self, self.density_model(), "log_prob", path, format, rows, options)


def _export(flow, model, what, path, format, rows, options):
    backend = keras.backend.backend()
    if format == "onnx" and iterates(flow):
        # The loop of a converted decoder runs, but ends with other numbers.
        raise ValueError(
            "ONNX files are for flows whose layers decode without iterations; use a SavedModel, "
            f"on TensorFlow or JAX. Received: the {what} of '{flow.name}', format='onnx'."
        )
    _check_packages(format, backend, what)
    specs = [
        keras.InputSpec(t.dtype, (rows, *t.shape[1:]), name=t.name.replace("/", "_"))
        for t in model.inputs
    ]
    signature = [specs if len(specs) > 1 else specs[0]]
    options = {"verbose": False, **options}
    try:
        with warnings.catch_warnings():
            # Torch's tracer says of each size of a layer that it is a constant.
            warnings.filterwarnings("ignore", "(?s).*might cause the trace to be incorrect")
            model.export(str(path), format=format, input_signature=signature, **options)
        if format == "onnx":
            _check_onnx(path)
    except Exception as error:  # Each converter raises its own.
        reason = inspect.cleandoc(str(error)).partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"The {what} of '{flow.name}' cannot be exported to {format} on {backend}: "
            f"{_hint(flow, what)}. docs/export.md says which flows can. Received: {reason[:300]}"
        ) from error


def _check_onnx(path):
    """Raises an error for a file with operations that ONNX has not; converters write them."""
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception:
        pathlib.Path(path).unlink(missing_ok=True)
        raise


def _hint(flow, what):
    if what == "log_prob" and flow.discrete and not flow.exact:
        return "its density draws noise, which ONNX has not"
    return "the converter does not know one of its operations"


def _check_packages(format, backend, what):
    needed = PACKAGES.get((format, backend), ())
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"An export to {format} on {backend} needs: pip install {' '.join(missing)}. "
            f"Received: {what}, format={format!r}."
        )
