"""Texts for error messages."""


def shortened(value, limit=100):
    """`repr(value)`, cut after `limit` characters; for an array or tensor its shape and dtype."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} of shape {tuple(value.shape)} and dtype {value.dtype}"
    text = repr(value)
    size = f", {len(value)} in all" if hasattr(value, "__len__") else ""
    return text if len(text) <= limit else f"{text[:limit]}...{size}"


# Keras layers and operations without an inverse, and the flow layers to use instead.
INSTEAD = {
    "Normalization": "Standardize",
    "BatchNormalization": "BatchNormFlow",
    "Rescaling": "Rescale",
    "TrueDivide": "Rescale",
    "Flatten": "Reshape",
    "Reshape": "Reshape",
    "Concatenate": "Concat",
    "Dense": "InvDense",
    "GaussianNoise": "GaussianNoise",
}


def no_inverse(operation):
    """Says that an operation has no inverse, and names the flow layer to use instead."""
    name = INSTEAD.get(type(operation).__name__)
    return "has no inverse" + (f"; use keras_flows.layers.{name}" if name else "")
