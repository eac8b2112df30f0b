"""`invert`: a functional model of flow layers in the other direction."""

from collections import defaultdict, deque

import keras

from keras_flows.core.flow_layer import FlowLayer
from keras_flows.core.graph import (
    as_list,
    data_and_conditions,
    functional,
    input_roles,
    is_invertible,
    nodes,
)
from keras_flows.core.messages import no_inverse


def invert(model, name=None):
    """The model of the other direction, over the same weights.

    The outputs of `model` are known at the start. Three rules are applied until
    nothing new becomes known:

    1. A flow layer whose outputs and conditions are known is inverted.
    2. If a layer passes an input through to an output, knowing one of the two
       gives the other.
    3. Any other operation whose inputs are known is called as it is. A coupling
       network is thus evaluated again on its input.

    Args:
        model: functional or sequential model of flow layers. Conditions may
            come from any other operations. Nested models, shared layers,
            several inputs and several outputs are supported.
        name: of the new model.

    Returns a `keras.Model` from the outputs of `model`, followed by those of
    its inputs that are only conditions, to its other inputs. Raises a
    ValueError that names the layers and tensors at which inversion stops.

    >>> decoder = invert(keras.Model(x, z))
    """
    graph = functional(model)
    outputs = [keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in graph.outputs]
    data_inputs, condition_inputs = input_roles(graph)
    conditions = [keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in condition_inputs]
    inversion = _Inversion(graph)
    for tensor, value in zip([*graph.outputs, *condition_inputs], [*outputs, *conditions]):
        inversion.learn(tensor, value)
    inversion.run()
    if not inversion.knows(data_inputs):
        raise ValueError(inversion.explain(model, data_inputs))
    results = [inversion.known[id(t)] for t in data_inputs]
    inputs = outputs + conditions
    return keras.Model(
        inputs[0] if len(inputs) == 1 else inputs,
        results[0] if len(results) == 1 else results,
        name=name or f"{model.name}_inverse",
    )


class _Inversion:
    """The known tensors of a graph, and the nodes that may make more of them known."""

    def __init__(self, graph):
        self.nodes = nodes(graph)
        self.known, self.queue, self.inverses = {}, deque(), {}
        self.nodes_of = defaultdict(list)
        for node in self.nodes:
            for tensor in (*node.input_tensors, *node.output_tensors):
                self.nodes_of[id(tensor)].append(node)

    def learn(self, tensor, value):
        """`value` is the tensor of the new model that stands for `tensor`."""
        if id(tensor) not in self.known:
            self.known[id(tensor)] = value
            self.queue.extend(self.nodes_of[id(tensor)])

    def knows(self, tensors):
        return all(id(t) in self.known for t in tensors)

    def run(self):
        while self.queue:
            node = self.queue.popleft()
            data, conditions = data_and_conditions(node)
            for i, o in getattr(node.operation, "passthrough", {}).items():
                pair = (data[i], node.output_tensors[o])
                for tensor, twin in (pair, pair[::-1]):
                    if id(twin) in self.known:
                        self.learn(tensor, self.known[id(twin)])
            if self.knows(node.input_tensors):
                if not self.knows(node.output_tensors):
                    self._forward(node)
            elif is_invertible(node.operation) and self.knows([*node.output_tensors, *conditions]):
                self._backward(node, data, [*node.output_tensors, *conditions])

    def _forward(self, node):
        args, kwargs = node.arguments.fill_in(self.known)
        for tensor, value in zip(node.output_tensors, as_list(node.operation(*args, **kwargs))):
            self.learn(tensor, value)

    def _backward(self, node, data, sources):
        operation = node.operation
        if id(operation) not in self.inverses:
            is_layer = isinstance(operation, FlowLayer)
            self.inverses[id(operation)] = operation.inverse() if is_layer else invert(operation)
        values = [self.known[id(t)] for t in sources]
        results = self.inverses[id(operation)](values if len(values) > 1 else values[0])
        for tensor, value in zip(data, as_list(results)):
            self.learn(tensor, value)

    def explain(self, model, data_inputs):
        """The error message: which inputs stay unknown, and what blocks the way to them."""
        unknown = [f"'{t.name}' of shape {t.shape}" for t in data_inputs if id(t) not in self.known]
        blocked = [self._why_blocked(node) for node in self.nodes if self._is_blocked(node)]
        return (
            f"Cannot invert '{model.name}': input {', '.join(unknown)} cannot be recovered from "
            f"the outputs. Blocked at: {'; '.join(blocked) or 'no output leads back to it'}. "
            "Layers between inputs and outputs must be flow layers that lose nothing. Received: "
            f"outputs {[tuple(t.shape) for t in functional(model).outputs]}."
        )

    def _is_blocked(self, node):
        """Whether an output is known, but not all of the data inputs."""
        reached = any(id(t) in self.known for t in node.output_tensors)
        return reached and not self.knows(data_and_conditions(node)[0])

    def _why_blocked(self, node):
        operation = node.operation
        sources = [*node.output_tensors, *data_and_conditions(node)[1]]
        unknown = [f"'{t.name}'" for t in sources if id(t) not in self.known]
        why = f"needs {', '.join(unknown)} first" if unknown else no_inverse(operation)
        return f"'{operation.name}' ({type(operation).__name__}) {why}"
