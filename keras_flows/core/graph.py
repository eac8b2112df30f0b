"""Reading the graph of a functional model.

This file and `inversion.py` are the only ones that use Keras' private attributes of graphs.
"""

import math

import keras

from keras_flows.core.flow_layer import FlowLayer
from keras_flows.core.messages import shortened


def is_functional(model):
    """Whether `model` has a graph: a functional model, or a built `keras.Sequential`."""
    return hasattr(model, "_nodes_by_depth") or isinstance(model, keras.Sequential) and model.built


def functional(model):
    """The functional model of `model`, or a ValueError."""
    if not is_functional(model):
        raise ValueError(
            "invert needs a functional model, keras.Model(inputs, outputs), or a built "
            f"keras.Sequential. Received: {shortened(model)}."
        )
    return model._functional if isinstance(model, keras.Sequential) else model


def nodes(graph):
    """The nodes of a functional model, one for each call, from the outputs to the inputs."""
    by_depth = graph._nodes_by_depth
    return [node for depth in sorted(by_depth) for node in by_depth[depth] if not node.is_input]


def operations(model):
    """The calls of a model from inputs to outputs, as pairs (operation, output tensors)."""
    return [(node.operation, node.output_tensors) for node in nodes(functional(model))[::-1]]


def calls(model):
    """The calls of a model from inputs to outputs: (operation, input tensors, output tensors)."""
    graph = functional(model)
    return [(n.operation, n.input_tensors, n.output_tensors) for n in nodes(graph)[::-1]]


def called_on_inputs(model):
    """Layers that are called on a single input of the model, as pairs (layer, input's position)."""
    graph, pairs = functional(model), []
    positions = {id(tensor): position for position, tensor in enumerate(graph.inputs)}
    for node in nodes(graph):
        called_on = [positions.get(id(tensor)) for tensor in node.input_tensors]
        if is_functional(node.operation):
            inner = called_on_inputs(node.operation)
            pairs += [(layer, called_on[i]) for layer, i in inner if called_on[i] is not None]
        elif len(called_on) == 1 and called_on[0] is not None:
            pairs.append((node.operation, called_on[0]))
    return pairs


def joined_sizes(encoder):
    """Sizes of the parts that the encoder's last layer joins, or None if it joins nothing."""
    operation, outputs = operations(encoder)[-1]
    is_last = any(tensor is encoder.outputs[0] for tensor in outputs)
    return getattr(operation, "joined_sizes", None) if is_last else None


def is_invertible(operation):
    """Whether it is a flow layer, or a nested model that contains one."""
    if isinstance(operation, FlowLayer):
        return True
    return is_functional(operation) and any(is_invertible(layer) for layer in operation.layers)


def data_and_conditions(node):
    """The input tensors that a node transforms, and those that are only conditions."""
    tensors, operation = node.input_tensors, node.operation
    if isinstance(operation, FlowLayer):
        count = len(tensors) - operation.conditions
        return tensors[:count], tensors[count:]
    if not is_invertible(operation):
        return tensors, []
    graph = functional(operation)
    condition_ids = {id(t) for t in input_roles(graph)[1]}
    is_condition = [id(inner) in condition_ids for inner in graph.inputs]
    return (
        [t for t, condition in zip(tensors, is_condition) if not condition],
        [t for t, condition in zip(tensors, is_condition) if condition],
    )


def input_roles(graph):
    """The inputs that are transformed into the outputs, and those that are only conditions."""
    data = {id(t) for t in graph.outputs}
    for node in nodes(graph):
        if any(id(t) in data for t in node.output_tensors):
            data.update(id(t) for t in data_and_conditions(node)[0])
    return (
        [t for t in graph.inputs if id(t) in data],
        [t for t in graph.inputs if id(t) not in data],
    )


def check_inputs(encoder):
    """Raises a ValueError unless the first input alone is transformed into the one output."""
    data = input_roles(functional(encoder))[0]
    if len(data) != 1 or data[0] is not encoder.inputs[0] or len(encoder.outputs) != 1:
        raise ValueError(
            "Flow needs a functional encoder from one input of data, followed by any number of "
            "conditions, to one output; for more, see keras_flows.invert. Received: "
            f"encoder={encoder!r} with {len(encoder.inputs)} inputs, {len(data)} of them data, "
            f"and {len(encoder.outputs)} outputs."
        )


def check_bijection(encoder):
    """Raises a ValueError if the log-determinants do not belong to a bijection of the data."""
    shapes = encoder.inputs[0].shape[1:], encoder.output_shape[1:]
    if None not in (*shapes[0], *shapes[1]) and math.prod(shapes[0]) != math.prod(shapes[1]):
        raise ValueError(
            "The latent of a flow has as many dimensions as its data. "
            f"Received: an encoder from {shapes[0]} to {shapes[1]}."
        )
    names = _layers_of_conditions(encoder)
    if names:
        raise ValueError(
            "Flow layers that compute a condition would add their log-determinants to a density "
            f"of which they are no part: use ordinary layers there. Received: {names}."
        )


def _layers_of_conditions(model):
    """Names of the flow layers with a log-determinant that compute a condition."""
    graph = functional(model)
    data, names = {id(t) for t in graph.outputs}, []
    for node in nodes(graph):
        if any(id(t) in data for t in node.output_tensors):
            data.update(id(t) for t in data_and_conditions(node)[0])
            if is_functional(node.operation):
                names += _layers_of_conditions(node.operation)
        else:
            inner = getattr(node.operation, "_flatten_layers", lambda: [])()
            flow_layers = [layer for layer in inner if isinstance(layer, FlowLayer)]
            names += [layer.name for layer in flow_layers if not layer.volume_preserving]
    return names


def as_list(tensors):
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
