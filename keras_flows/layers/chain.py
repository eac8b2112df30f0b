"""Several flow layers as one."""

import functools

import keras
from keras import ops

from keras_flows.core import memory
from keras_flows.core.flow_layer import FlowLayer, is_shape, register, serialize_shared
from keras_flows.core.ledger import Ledger, adapting, is_adapting
from keras_flows.core.memory import inner_layers, is_pure
from keras_flows.core.prepared import prepare_stack, rows_of_prepared
from keras_flows.core.repeats import can_stack, pays, repeated, values_later
from keras_flows.core.stack import Series, Stack, Stacked


@register
class Chain(Stacked, FlowLayer):
    """Flow layers one after another: z = f_n(... f_1(x)), log-determinants added up.

    For steps that are repeated, such as Glow's: one node of the graph however
    many they are. Each step is itself a layer with `.inverse()`. Where the steps
    are one pattern over and over, the weights of its repetitions are stacked in
    one variable each: few for the optimizer, and a loop over them, where it pays, is
    traced and compiled once. A step's own weights are then rows of those; files
    are the same.

    Args:
        steps: flow layers from one tensor to one of the same shape, in the
            order of encoding; ValueError otherwise.
        stack: whether to stack. None: where steps repeat and all their layers
            are known, from here or from Keras. True insists, with a ValueError
            where it cannot be, and trusts the configs of other layers to tell
            them apart. False lets single steps be frozen: stacked ones train
            together, and a call raises a ValueError where only some are frozen.

    Shapes: those of the steps.

    >>> z = Chain([Actnorm(), InvConv(), Coupling(net, split="halves")])(x)
    """

    def __init__(self, steps, stack=None, **kwargs):
        super().__init__(**kwargs)
        steps = list(steps)
        wrong = [s for s in steps if not isinstance(s, FlowLayer) or s.conditions]
        if wrong or not steps:
            raise ValueError(
                "Chain takes one or more flow layers without conditions. "
                f"Received: {wrong or steps}."
            )
        self.steps, self.stack = steps, stack
        self.volume_preserving = all(step.volume_preserving for step in steps)

    def build(self, input_shape):
        if not is_shape(input_shape):
            raise ValueError(f"Chain takes one tensor. Received: shapes {input_shape}.")
        with values_later([] if self.stack is False else self.steps):
            self._build_steps(tuple(input_shape))
            self._stack_weights()
        # Shapes stay, so that what one step insists on holds for all; a whole shape says most.
        specs = [step.input_spec for step in self.steps if step.input_spec]
        self.input_spec = max(specs, key=lambda spec: spec.shape is not None, default=None)

    def _build_steps(self, input_shape):
        for step in self.steps:
            if not step.built:
                step.build(input_shape)
            given = step.compute_output_shape(input_shape)
            if given != input_shape or step.conditions:
                raise ValueError(
                    f"The steps of '{self.name}' must keep the shape {input_shape}. "
                    f"Received: '{step.name}' that gives {given}."
                )

    @property
    def needs_adapt(self):
        return any(step.needs_adapt for step in self.steps)

    def adapt(self, inputs):
        """Initialises the steps from one batch, in their order."""
        if not self.built:
            self.build(inputs.shape)
        with adapting():
            self.encode(inputs)

    def _adapt_if_asked(self, inputs):
        """Each step is asked by itself."""

    def _stack_weights(self):
        blocks = None if self.stack is False else repeated(self.steps)
        if blocks and can_stack(blocks, trusted=bool(self.stack)) and (self.stack or pays(blocks)):
            self._stack = Stack(blocks, self.add_weight)
        elif self.stack:
            raise ValueError(
                f"The steps of '{self.name}' cannot be stacked: they must repeat one pattern of "
                "layers with weights of their own, that no other model calls, without noise, "
                "moving averages, regularizers or constraints. "
                f"Received: {[type(step).__name__ for step in self.steps]}."
            )

    @property
    def has_networks(self):
        return False  # the steps have

    @functools.cached_property
    def _series(self):
        return Series([[step] for step in self.steps])

    @functools.cached_property
    def _reversible(self):
        return is_pure(inner_layers(self.steps))

    def encode(self, x):
        self._check_frozen(self.steps, "; for single ones make it with Chain(steps, stack=False)")
        if not is_adapting() and memory.mode() == "reversible" and self._reversible:
            stack = self._stack or self._series
            return memory.reversible(stack.lean, x, encode_block, decode_block)
        return self._run(encode_block, x)

    def decode(self, z):
        return self._run(decode_block, z, reverse=True)

    def _run(self, function, x, reverse=False):
        stack = self._stack
        if stack is None or is_adapting():
            return function(self.steps, x)
        stack = stack.lean if memory.mode() else stack
        own, dtype = stack.values(), self.variable_dtype
        made = prepare_stack(stack, own, "decode" if reverse else "encode")

        def step(index, weights, carry):
            def block(x, *weights):
                rows = keras.tree.pack_sequence_as(made, weights[len(own) :])
                with rows_of_prepared(rows):
                    return stack.within(index, weights[: len(own)], function, x)

            run = functools.partial(memory.remat, block) if memory.mode() == "remat" else block
            x, log_det = run(carry[0], *weights)
            if log_det is None:
                return [x, carry[1]]
            return [x, carry[1] + ops.convert_to_tensor(log_det, dtype)]

        total = ops.zeros(ops.shape(x)[:1], dtype)
        x, total = stack.fold(step, [x, total], [*own, *keras.tree.flatten(made)], reverse)
        return x, None if self.volume_preserving else total

    def get_config(self):
        return {
            **super().get_config(),
            "steps": [serialize_shared(s) for s in self.steps],
            "stack": self.stack,
        }

    @classmethod
    def from_config(cls, config):
        steps = [keras.saving.deserialize_keras_object(s) for s in config.pop("steps")]
        return cls(steps, **config)


def encode_block(steps, x):
    """Data to latent through layers, one after another."""
    with Ledger(Ledger.active()) as ledger:
        for step in steps:
            x = step(x)
    return x, ledger.total() if ledger.entries else None


def decode_block(steps, z):
    """Latent to data through the same layers."""
    total = None
    for step in reversed(steps):
        z, log_det = step.decode(z)
        if log_det is not None:
            total = log_det if total is None else total + log_det
    return z, total
