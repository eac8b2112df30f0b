"""Inverting a functional model: the only file that reads Keras' private graph."""

import math
from collections import defaultdict, deque

import keras

from keras_flows.core.flow_layer import FlowLayer
from keras_flows.core.messages import no_inverse, shortened


def invert(model, name=None):
    """The model of the other direction, over the same weights.

    Known tensors start with the model's outputs. A flow layer whose outputs
    and conditions are known runs inverted; an output that passes an input
    through makes that input known, and the other way round; any other
    operation runs forward once its inputs are known, so that a coupling network
    is evaluated again where its input has become known.

    Args:
        model: functional or sequential model of flow layers and, on the way
            to conditions, of any other operations. Nested models, shared
            layers, several inputs and outputs are all right.
        name: of the new model.

    Returns a `keras.Model` from the outputs of `model`, followed by those of
    its inputs that nothing but conditions depend on, to its remaining inputs.
    Raises ValueError that names the layers and tensors that block.

    >>> decoder = invert(keras.Model(x, z))
    """
    graph = _functional(model)
    outputs = [keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in graph.outputs]
    walk = _Walk(graph)
    for tensor, given in zip(graph.outputs, outputs):
        walk.learn(tensor, given)
    data_inputs, condition_inputs = _roles(graph)
    conditions = [keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in condition_inputs]
    for tensor, given in zip(condition_inputs, conditions):
        walk.learn(tensor, given)
    walk.run()
    if not walk.knows(data_inputs):
        raise ValueError(walk.explain(model, data_inputs))
    results = [walk.known[id(t)] for t in data_inputs]
    inputs = outputs + conditions
    return keras.Model(
        inputs[0] if len(inputs) == 1 else inputs,
        results[0] if len(results) == 1 else results,
        name=name or f"{model.name}_inverse",
    )


class _Walk:
    """Spreads knowledge of tensors over a graph until nothing moves."""

    def __init__(self, graph):
        self.nodes = _nodes(graph)
        self.known, self.queue, self.inverses = {}, deque(), {}
        self.touching = defaultdict(list)
        for node in self.nodes:
            for tensor in (*node.input_tensors, *node.output_tensors):
                self.touching[id(tensor)].append(node)

    def learn(self, tensor, value):
        if id(tensor) not in self.known:
            self.known[id(tensor)] = value
            self.queue.extend(self.touching[id(tensor)])

    def knows(self, tensors):
        return all(id(t) in self.known for t in tensors)

    def run(self):
        while self.queue:
            node = self.queue.popleft()
            data, conditions = _parts(node)
            for i, o in getattr(node.operation, "passthrough", {}).items():
                same = (data[i], node.output_tensors[o])
                for tensor, twin in (same, same[::-1]):
                    if id(twin) in self.known:
                        self.learn(tensor, self.known[id(twin)])
            if self.knows(node.input_tensors):
                if not self.knows(node.output_tensors):
                    self._forward(node)
            elif _invertible(node.operation) and self.knows([*node.output_tensors, *conditions]):
                self._backward(node, data, [*node.output_tensors, *conditions])

    def _forward(self, node):
        args, kwargs = node.arguments.fill_in(self.known)
        for tensor, value in zip(node.output_tensors, _flat(node.operation(*args, **kwargs))):
            self.learn(tensor, value)

    def _backward(self, node, data, sources):
        operation = node.operation
        if id(operation) not in self.inverses:
            flow = isinstance(operation, FlowLayer)
            self.inverses[id(operation)] = operation.inverse() if flow else invert(operation)
        values = [self.known[id(t)] for t in sources]
        results = self.inverses[id(operation)](values if len(values) > 1 else values[0])
        for tensor, value in zip(data, _flat(results)):
            self.learn(tensor, value)

    def explain(self, model, wanted):
        lost = [f"'{t.name}' of shape {t.shape}" for t in wanted if id(t) not in self.known]
        lines = []
        for node in self.nodes:
            data, conditions = _parts(node)
            reached = any(id(t) in self.known for t in node.output_tensors)
            if self.knows(data) or not reached:
                continue
            op = node.operation
            needed = [*node.output_tensors, *conditions]
            unknown = [f"'{t.name}'" for t in needed if id(t) not in self.known]
            why = f"needs {', '.join(unknown)} first" if unknown else no_inverse(op)
            lines.append(f"'{op.name}' ({type(op).__name__}) {why}")
        blocked = "; ".join(lines) or "no output leads back to it"
        return (
            f"Cannot invert '{model.name}': input {', '.join(lost)} cannot be recovered "
            f"from the outputs. Blocked at: {blocked}. Layers between inputs and outputs must be "
            f"flow layers that lose nothing. Received: outputs "
            f"{[tuple(t.shape) for t in _functional(model).outputs]}."
        )


def _functional(model):
    if not is_functional(model):
        raise ValueError(
            "invert needs a functional model, keras.Model(inputs, outputs), or a built "
            f"keras.Sequential. Received: {shortened(model)}."
        )
    return model._functional if isinstance(model, keras.Sequential) else model


def _invertible(operation):
    """Flow layers, and nested models that contain one."""
    if isinstance(operation, FlowLayer):
        return True
    return is_functional(operation) and any(_invertible(layer) for layer in operation.layers)


def _parts(node):
    """The tensors that a node transforms, and those that only condition it."""
    tensors, operation = node.input_tensors, node.operation
    if isinstance(operation, FlowLayer):
        count = len(tensors) - operation.conditions
        return tensors[:count], tensors[count:]
    if not _invertible(operation):
        return tensors, []
    graph = _functional(operation)
    conditions = {id(t) for t in _roles(graph)[1]}
    given = [t for t, inner in zip(tensors, graph.inputs) if id(inner) in conditions]
    return [t for t, inner in zip(tensors, graph.inputs) if id(inner) not in conditions], given


def _roles(graph):
    """The model's inputs that its outputs are made of, and those that only condition the map."""
    data = {id(t) for t in graph.outputs}
    for node in _nodes(graph):
        if any(id(t) in data for t in node.output_tensors):
            data.update(id(t) for t in _parts(node)[0])
    return (
        [t for t in graph.inputs if id(t) in data],
        [t for t in graph.inputs if id(t) not in data],
    )


def operations(model):
    """The calls of a functional model in order, as pairs (operation, output tensors)."""
    return [(node.operation, node.output_tensors) for node in _nodes(_functional(model))[::-1]]


def called_on_inputs(model):
    """Layers called on one of the model's inputs alone: pairs (layer, the input's place)."""
    graph, found = _functional(model), []
    places = {id(tensor): place for place, tensor in enumerate(graph.inputs)}
    for node in _nodes(graph):
        fed = [places.get(id(tensor)) for tensor in node.input_tensors]
        if is_functional(node.operation):
            inner = called_on_inputs(node.operation)
            found += [(layer, fed[i]) for layer, i in inner if fed[i] is not None]
        elif len(fed) == 1 and fed[0] is not None:
            found.append((node.operation, fed[0]))
    return found


def is_functional(model):
    """Whether `model` has a graph of calls: functional, or a built `keras.Sequential`."""
    return hasattr(model, "_nodes_by_depth") or isinstance(model, keras.Sequential) and model.built


def check_inputs(encoder):
    """Raises a ValueError unless the output is made of the first input, and of no other."""
    data = _roles(_functional(encoder))[0]
    if len(data) != 1 or data[0] is not encoder.inputs[0] or len(encoder.outputs) != 1:
        raise ValueError(
            "Flow needs a functional encoder from one input of data, followed by any number of "
            "conditions, to one output; for more, see keras_flows.invert. Received: "
            f"encoder={encoder!r} with {len(encoder.inputs)} inputs, {len(data)} of them data, "
            f"and {len(encoder.outputs)} outputs."
        )


def joined_sizes(encoder):
    """Sizes of the parts that the encoder's last layer joins, or None if it joins nothing."""
    operation, outputs = operations(encoder)[-1]
    last = any(tensor is encoder.outputs[0] for tensor in outputs)
    return getattr(operation, "joined_sizes", None) if last else None


def check_bijection(encoder):
    """Raises a ValueError where the ledger's log-det would not be that of the encoder's map."""
    shapes = encoder.inputs[0].shape[1:], encoder.output_shape[1:]
    if None not in (*shapes[0], *shapes[1]) and math.prod(shapes[0]) != math.prod(shapes[1]):
        raise ValueError(
            "The latent of a flow has as many dimensions as its data. "
            f"Received: an encoder from {shapes[0]} to {shapes[1]}."
        )
    stray = _stray_layers(encoder)
    if stray:
        raise ValueError(
            "Flow layers on the way to a condition would add to the density what is none of "
            f"its own: use ordinary layers there. Received: {stray}."
        )


def _stray_layers(model):
    """Names of flow layers with a log-determinant that the outputs are not made of.

    They stand on the way to a condition, where their log-determinant is none of the map's.
    """
    graph = _functional(model)
    data, stray = {id(t) for t in graph.outputs}, []
    for node in _nodes(graph):
        inner = getattr(node.operation, "_flatten_layers", lambda: [])()
        if any(id(t) in data for t in node.output_tensors):
            data.update(id(t) for t in _parts(node)[0])
            if is_functional(node.operation):
                stray += _stray_layers(node.operation)
        else:
            flows = [layer for layer in inner if isinstance(layer, FlowLayer)]
            stray += [layer.name for layer in flows if not layer.volume_preserving]
    return stray


def _nodes(graph):
    """The nodes from the outputs to the inputs, consumers before producers."""
    by_depth = graph._nodes_by_depth
    return [node for depth in sorted(by_depth) for node in by_depth[depth] if not node.is_input]


def _flat(tensors):
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
