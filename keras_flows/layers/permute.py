"""Permutations of the last axis."""

from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.messages import shortened
from keras_flows.core.seeds import numpy_generator
from keras_flows.core.shapes import fixed_last_axis, known_size


def _permutation(idxs):
    try:
        order = [int(i) for i in idxs]
    except (TypeError, ValueError):
        order = None
    if order is None or sorted(order) != list(range(len(order))):
        raise ValueError(f"idxs must be a permutation of 0..n-1. Received: idxs={shortened(idxs)}.")
    return order


@register
class Shuffle(FlowLayer):
    """Permutes the last axis: z[..., i] = x[..., order[i]], log-det 0.

    Args:
        mode: "reverse" (NICE of the blog series) or "random".
        idxs: the order, a permutation of `range(channels)`, instead of a mode.
            The blog's `Shuffle(idxs, mode)`, with the order first, works too.
        seed: integer seed of the random order.

    An order other than "reverse" is a weight: it is saved with the model, also
    by `save_weights`. Shapes: `(..., channels)` to the same. Raises ValueError
    for an unknown mode and for `idxs` that are not a permutation of the axis.
    Paper: NICE (1410.8516) section 3.2; Glow (1807.03039) section 3.2 for images.

    >>> z = Shuffle("random", seed=0)(x)
    """

    volume_preserving = True

    def __init__(self, mode="reverse", idxs=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(mode, str):  # arguments in the order of the blog series
            mode, idxs = "reverse" if idxs is None else idxs, mode
        if not isinstance(mode, str) or mode not in ("reverse", "random"):
            raise ValueError(f"mode is 'reverse' or 'random'. Received: mode={shortened(mode)}.")
        if idxs is not None:
            idxs = _permutation(idxs)
        self.mode, self.idxs, self.seed = mode, idxs, seed

    def build(self, input_shape):
        size = known_size(self, input_shape)
        if self.idxs is not None and len(self.idxs) != size:
            raise ValueError(
                f"Shuffle has an order of {len(self.idxs)} positions for a last axis of {size}. "
                f"Received: input_shape={tuple(input_shape)}."
            )
        self.input_spec = fixed_last_axis(size)
        if self.idxs is None and self.mode == "reverse":
            self.order = None
            return
        order = self.idxs or numpy_generator(self.seed).permutation(size)
        self.order = self.add_weight(
            name="order",
            shape=(size,),
            dtype="int32",
            initializer=lambda shape, dtype: ops.convert_to_tensor(order, dtype),
            trainable=False,
        )

    def encode(self, x):
        return (ops.flip(x, axis=-1) if self.order is None else ops.take(x, self.order, -1)), None

    def decode(self, z):
        if self.order is None:
            return self.encode(z)
        return ops.take(z, ops.argsort(self.order), axis=-1), None

    def get_config(self):
        return {**super().get_config(), "mode": self.mode, "idxs": self.idxs, "seed": self.seed}


Permute = Shuffle
