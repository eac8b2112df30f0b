"""Several flow layers as one."""

import keras

from keras_flows.layers.flow_layer import (
    FlowLayer,
    Ledger,
    adapting,
    is_shape,
    register,
    serialize_shared,
)


@register
class Chain(FlowLayer):
    """Flow layers one after another: z = f_n(... f_1(x)), log-determinants added up.

    For steps that are repeated, such as Glow's: one node of the graph however
    many they are. Each step is itself a layer with `.inverse()`.

    Args:
        steps: flow layers from one tensor to one of the same shape, in the
            order of encoding; ValueError otherwise.

    Shapes: those of the steps.

    >>> z = Chain([Actnorm(), InvConv(), Coupling(net, split="halves")])(x)
    """

    def __init__(self, steps, **kwargs):
        super().__init__(**kwargs)
        steps = list(steps)
        wrong = [s for s in steps if not isinstance(s, FlowLayer) or s.conditions]
        if wrong or not steps:
            raise ValueError(
                "Chain takes one or more flow layers without conditions. "
                f"Received: {wrong or steps}."
            )
        self.steps = steps
        self.volume_preserving = all(step.volume_preserving for step in steps)

    def build(self, input_shape):
        if not is_shape(input_shape):
            raise ValueError(f"Chain takes one tensor. Received: shapes {input_shape}.")
        for step in self.steps:
            if not step.built:
                step.build(input_shape)
            given = step.compute_output_shape(input_shape)
            if given != tuple(input_shape) or step.conditions:
                raise ValueError(
                    f"The steps of '{self.name}' must keep the shape {tuple(input_shape)}. "
                    f"Received: '{step.name}' that gives {given}."
                )
        # Shapes stay, so that what one step insists on holds for all; a whole shape says most.
        specs = [step.input_spec for step in self.steps if step.input_spec]
        self.input_spec = max(specs, key=lambda spec: spec.shape is not None, default=None)

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

    def encode(self, x):
        with Ledger(Ledger.active()) as ledger:
            for step in self.steps:
                x = step(x)
        return x, ledger.total() if ledger.entries else None

    def decode(self, z):
        total = None
        for step in reversed(self.steps):
            z, log_det = step.decode(z)
            if log_det is not None:
                total = log_det if total is None else total + log_det
        return z, total

    def get_config(self):
        return {**super().get_config(), "steps": [serialize_shared(s) for s in self.steps]}

    @classmethod
    def from_config(cls, config):
        steps = [keras.saving.deserialize_keras_object(s) for s in config.pop("steps")]
        return cls(steps, **config)
