"""`IntegerCodes`: a flow of integers part by part, for entropy coders."""

import dataclasses
import functools

import keras
import numpy as np
from keras import ops

from keras_flows.backend import programs
from keras_flows.backend.access import access
from keras_flows.core.flow_layer import Inverse
from keras_flows.core.graph import calls
from keras_flows.layers import Chain, DiscretizedLogistic, IntegerCoupling


@dataclasses.dataclass
class Shift:
    """The shift of a coupling before it is rounded, floats `(n, ..., channels)`.

    `index` is the same for the same network in both directions.
    """

    index: int
    values: np.ndarray


@dataclasses.dataclass
class Part:
    """Integers and their distribution: a mixture of logistics for each of them.

    `symbols` is int32 `(n, ..., channels)`, None in decoding. `means`,
    `log_scales` and `log_weights` are floats `(n, ..., channels, components)`,
    in the units of the symbols; P(z) is the sum over components of
    weight * (sigmoid((z + 1/2 - mean) / scale) - sigmoid((z - 1/2 - mean) / scale)).
    `index` is the same in both directions.
    """

    index: int
    symbols: np.ndarray | None
    means: np.ndarray
    log_scales: np.ndarray
    log_weights: np.ndarray


class IntegerCodes:
    """Integers of a flow, part by part, with their distributions, in both directions.

    `encode(x)` and `decode(n)` are generators. They yield the outputs of each
    network: a `Shift`, or a `Part`. All other steps are exact arithmetic of
    integers, so that decoding gives the data back if the shifts are rounded to
    the same integers and the symbols are the same.

    - `Shift`: send the rounded shift, integers; None stands for `np.round(values)`.
    - `Part` of `decode`: send its symbols. What is sent to `encode` is ignored.

    `decode` returns the data. It yields the parts in the reverse order: each
    distribution depends on parts that are known by then.

    Args:
        flow: a `Flow` with `exact`, such as `IDF`, without contexts. Raises ValueError for
            layers other than those of `IDF`.
        eager: whether networks are evaluated without compiling, for a few samples. On JAX each
            new number of samples compiles them again.

    >>> codes = IntegerCodes(flow)
    >>> parts = [step for step in codes.encode(x) if isinstance(step, Part)]
    """

    def __init__(self, flow, eager=False):
        if not getattr(flow, "exact", False) or flow.conditional:
            raise ValueError(
                "IntegerCodes takes a flow of integers without contexts, such as IDF. "
                f"Received: {flow!r}."
            )
        self.flow, self.eager = flow, bool(eager)
        self.data_shape, self.levels = flow.data_shape, flow.levels
        self._networks = {}
        for layer in flow.encoder._flatten_layers(include_self=False):
            if isinstance(layer, (IntegerCoupling, DiscretizedLogistic)):
                self._networks[id(layer)] = _Network(layer, len(self._networks))

    def encode(self, x):
        """Yields shifts and parts of the data `(n, *data_shape)`."""
        graph = self.flow.encoder
        yield from self._run(graph, {id(graph.inputs[0]): self.flow.inputs_spec.prepare(x)}, len(x))

    def decode(self, n):
        """Yields shifts and parts of n samples; returns the samples."""
        graph = self.flow.decoder
        values = {}
        yield from self._run(graph, values, n)
        return values[id(graph.outputs[0])]

    def _run(self, graph, values, n):
        """Evaluates all calls of a graph whose inputs are known."""
        for operation, inputs, outputs in calls(graph):
            inverted = isinstance(operation, Inverse)
            layer = operation.layer if inverted else operation
            if isinstance(layer, DiscretizedLogistic):
                yield from self._part(layer, inverted, inputs, outputs, values, n)
            elif all(id(t) in values for t in inputs):
                known = [values[id(t)] for t in inputs]
                results = yield from self._call(layer, inverted, known if known[1:] else known[0])
                results = results if isinstance(results, list) else [results]
                values.update(zip(map(id, outputs), results))

    def _part(self, layer, inverted, inputs, outputs, values, n):
        symbols = None if inverted else values[id(inputs[0])]
        distribution = self._evaluate(layer, [values[id(t)] for t in inputs[1:]])
        shape = (n, *inputs[0].shape[1:], distribution[0].shape[-1])
        distribution = [np.broadcast_to(part, shape) for part in distribution]
        part = Part(
            self._networks[id(layer)].index,
            None if inverted else symbols.astype("int32"),
            *distribution,
        )
        received = yield part
        if inverted:
            received = np.asarray(received)
            if received.shape != shape[:-1]:
                raise ValueError(
                    f"Part {part.index} needs symbols of shape {shape[:-1]}. "
                    f"Received: shape {received.shape}."
                )
            values[id(outputs[0])] = received.astype(layer.compute_dtype)

    def _call(self, layer, inverted, x):
        """The outputs of a layer, or of its inverse; yields the shifts of couplings."""
        if isinstance(layer, Chain):
            for step in reversed(layer.steps) if inverted else layer.steps:
                twice = isinstance(step, Inverse)
                step = step.layer if twice else step
                x = yield from self._call(step, inverted != twice, x)
            return x
        if isinstance(layer, IntegerCoupling):
            x1, x2 = _arrays(layer._cut(ops.convert_to_tensor(x)))
            shift = Shift(self._networks[id(layer)].index, self._evaluate(layer, [x1])[0])
            received = yield shift
            shift = np.round(shift.values) if received is None else np.asarray(received)
            shift = shift.astype(layer.compute_dtype)
            x2 = x2 - shift if inverted else x2 + shift
            return _arrays(layer._join(ops.convert_to_tensor(x1), ops.convert_to_tensor(x2)))
        if not getattr(layer, "volume_preserving", False) or layer.has_networks:
            raise ValueError(
                "IntegerCodes knows layers without networks, IntegerCoupling and "
                f"DiscretizedLogistic. Received: '{layer.name}' ({type(layer).__name__})."
            )
        x = keras.tree.map_structure(ops.convert_to_tensor, x)
        return _arrays((layer.decode if inverted else layer.encode)(x)[0])

    def _evaluate(self, layer, inputs):
        """The outputs of a layer's network, as a list of arrays."""
        network = self._networks[id(layer)]
        with access(self.flow):
            function = network.function if self.eager or not inputs else network.program
            return _arrays(list(function(*map(ops.convert_to_tensor, inputs))))


class _Network:
    """The network of a coupling or of a distribution as a function of tensors."""

    def __init__(self, layer, index):
        self.layer, self.index = layer, index
        self.is_shift = isinstance(layer, IntegerCoupling)

    def function(self, *inputs):
        return (self.layer.shift(*inputs),) if self.is_shift else self.layer.distribution(*inputs)

    @functools.cached_property
    def program(self):
        """The compiled function."""
        return programs.program(self.function, self.layer.variables)


def _arrays(tensors):
    return keras.tree.map_structure(ops.convert_to_numpy, tensors)
