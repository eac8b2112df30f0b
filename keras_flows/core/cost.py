"""Parameters and multiply-adds of the layers of a flow."""

import math

import keras

from keras_flows.core.graph import is_functional, operations


def cost_table(flow, line_length=None):
    """A table of the encoder's inputs and layers, and of the prior, as text.

    Columns are narrowed to keep lines within `line_length`.
    """
    rows = [("layer", "type", "output", "parameters", "multiply-adds")]
    for i, tensor in enumerate(flow.encoder.inputs):
        rows.append((tensor.name, "context" if i else "data", str(tuple(tensor.shape[1:])), "", ""))
    for layer, outputs in operations(flow.encoder):
        cost = multiply_adds(layer, outputs[0].shape)
        rows.append(_row(layer, " ".join(str(tuple(t.shape[1:])) for t in outputs), cost))
    rows.append(_row(flow.prior, str(flow.prior.latent_shape), 0))
    rows.append(_row(flow, "", multiply_adds(flow.encoder)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    while line_length and sum(widths) + 8 > line_length and max(widths[:3]) > 8:
        widths[widths.index(max(widths[:3]))] -= 1
    lines = ["  ".join(_cells(row, widths)) for row in rows]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _cells(row, widths):
    """Names are cut and aligned to the left, numbers to the right."""
    cells = zip(row, widths)
    return [c[:w].ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(cells)]


def _row(layer, shape, cost):
    parameters = trainable_parameters(layer)
    return layer.name, type(layer).__name__, shape, f"{parameters:,}", f"{cost:,}"


def trainable_parameters(layer):
    """How many numbers are trained. Masks, orders and running averages are not counted."""
    return sum(math.prod(w.shape) for w in getattr(layer, "trainable_variables", []))


def multiply_adds(layer, output_shape=()):
    """Multiply-adds of a layer's matrix products for one sample. Elementwise work is not counted.

    Args:
        output_shape: of the layer; not needed for a functional model.

    A training step takes about six times as many floating-point operations.
    """
    net = getattr(layer, "net", layer)
    output_shape = getattr(layer, "net_shape", output_shape)
    if is_functional(net):
        return sum(multiply_adds(inner, outputs[0].shape) for inner, outputs in operations(net))
    weights = _single_weights(layer) if isinstance(layer, keras.layers.Layer) else []
    # Matrices have two axes or more that are longer than 1; biases and scales have one.
    matrices = sum(math.prod(w.shape) for w in weights if sum(n > 1 for n in w.shape) > 1)
    return matrices * math.prod(size or 1 for size in output_shape[1:-1])


def _single_weights(layer):
    """Trainable weights of all inner layers, without the variables in which they are stacked."""
    inner = [v for v in layer._flatten_layers() if not getattr(v, "_stack", None)]
    weights = {id(w): w for v in inner for w in v._trainable_variables if w.trainable}
    return weights.values()
