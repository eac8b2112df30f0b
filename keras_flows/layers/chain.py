"""Several flow layers as one."""

import functools

import keras

from keras_flows.core.flow_layer import FlowLayer, register, serialize_shared
from keras_flows.core.ledger import Ledger
from keras_flows.core.purity import inner_layers, is_pure
from keras_flows.core.repeats import can_stack, pays, repeated, values_later
from keras_flows.core.reversible import reversible
from keras_flows.core.scope import adapting, current
from keras_flows.core.shapes import is_shape
from keras_flows.core.stack import Series, Stack, Stacked, run_stack


@register
class Chain(Stacked, FlowLayer):
    """Flow layers one after another: z = f_n(... f_1(x)), log-determinants added up.

    For steps that repeat, such as Glow's: the chain is one node of the graph,
    however many steps it has. Each step is a layer with its own `.inverse()`.

    If the steps repeat one pattern, the weights of the repetitions are stacked
    in one variable each. The optimizer then has few variables, and a loop
    over the repetitions, where it is faster, is compiled once. The weights of
    a step are then rows of the stacked variables. Saved files are the same.

    Args:
        steps: flow layers, in the order of encoding, each from one tensor to
            one of the same shape, without conditions.
        stack: whether to stack the weights. None stacks if the steps repeat
            and all their layers come from this package or from Keras. True
            also trusts the configs of other layers to say all that they
            compute. False allows single steps to be frozen.

    Shapes: those of the steps. The log-determinant is in nats.

    Raises ValueError for steps that do not fit, for `stack=True` if the steps
    cannot be stacked, and in a call if only some of the stacked steps are
    frozen.

    >>> steps = [layer for _ in range(8) for layer in (Actnorm(), InvConv(), Coupling(net()))]
    >>> z = Chain(steps)(x)
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
        # All steps have the same shape, so one step's spec holds for all. A full shape says most.
        specs = [step.input_spec for step in self.steps if step.input_spec]
        self.input_spec = max(specs, key=lambda spec: spec.shape is not None, default=None)

    def _build_steps(self, input_shape):
        for step in self.steps:
            if not step.built:
                step.build(input_shape)
            output_shape = step.compute_output_shape(input_shape)
            if output_shape != input_shape or step.conditions:
                raise ValueError(
                    f"The steps of '{self.name}' must keep the shape {input_shape}. "
                    f"Received: '{step.name}' with outputs of shape {output_shape}."
                )

    @property
    def needs_adapt(self):
        return any(step.needs_adapt for step in self.steps)

    def adapt(self, inputs):
        """Initialises the steps from one batch, in order."""
        if not self.built:
            self.build(inputs.shape)
        with adapting():
            self.encode(inputs)

    def _adapt_if_asked(self, inputs):
        """Does nothing: each step is called, and initialises itself."""

    def _stack_weights(self):
        blocks = None if self.stack is False else repeated(self.steps)
        if blocks and can_stack(blocks, trusted=bool(self.stack)) and (self.stack or pays(blocks)):
            self._stack = Stack(blocks, self.add_weight)
        elif self.stack:
            raise ValueError(
                f"The steps of '{self.name}' cannot be stacked. They must repeat one pattern of "
                "layers that share no weights, that no other model calls, and that have no noise, "
                "moving averages, regularizers or constraints. "
                f"Received: {[type(step).__name__ for step in self.steps]}."
            )

    @property
    def has_networks(self):
        return False  # `remat` applies to the steps

    @functools.cached_property
    def _series(self):
        return Series([[step] for step in self.steps])

    @functools.cached_property
    def _reversible(self):
        return is_pure(inner_layers(self.steps))

    def encode(self, x):
        self._check_frozen(self.steps, "; for single ones make it with Chain(steps, stack=False)")
        now = current()
        if now.backprop == "reversible" and self._reversible and not now.adapting:
            blocks = self._stack or self._series
            return reversible(blocks.in_loop(), x, encode_steps, decode_steps)
        return self._run("encode", encode_steps, x)

    def decode(self, z):
        return self._run("decode", decode_steps, z)

    def _run(self, method, function, x):
        if self._stack is None or current().adapting:
            return function(self.steps, x)
        x, log_det = run_stack(self._stack, method, function, x, self.variable_dtype)
        return x, None if self.volume_preserving else log_det

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


def encode_steps(steps, x):
    """Data to latent: `(z, log_det)` of layers called in order."""
    with Ledger(Ledger.active()) as ledger:
        for step in steps:
            x = step(x)
    return x, ledger.total() if ledger.entries else None


def decode_steps(steps, z):
    """Latent to data: `(x, log_det)` of the same layers, in reverse order."""
    total = None
    for step in reversed(steps):
        z, log_det = step.decode(z)
        if log_det is not None:
            total = log_det if total is None else total + log_det
    return z, total
