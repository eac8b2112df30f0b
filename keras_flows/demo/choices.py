"""What a page can offer for a flow: its scales, classes and kinds of pictures."""

import dataclasses
import math

import numpy as np

MNIST = 784


@dataclasses.dataclass(frozen=True)
class Choices:
    """What a flow lets one choose.

    `scales` is the number of temperatures, `dims` that of latent dimensions. `classes` is None
    for a flow without classes; with `no_class` the class -1 stands for none. `side` is that of a
    picture, or None for points.
    """

    scales: int
    dims: int
    classes: int | None
    no_class: bool
    guidance: bool
    side: int | None
    exact: bool

    @property
    def pictures(self):
        return self.side is not None


def choices(flow):
    """The `Choices` of a flow. Raises ValueError for data that a page cannot draw.

    >>> choices(Flow.from_preset("idf_mnist")).scales
    2
    """
    if len(flow.encoder.inputs) > 1 + bool(flow.classes):
        raise ValueError(
            "A page takes flows without context, or of classes. "
            f"Received: '{flow.name}' with inputs {[t.name for t in flow.encoder.inputs]}."
        )
    shape = flow.data_shape
    square = len(shape) == 3 and shape[0] == shape[1] and shape[2] in (1, 3)
    if not square and shape not in ((2,), (MNIST,)):
        raise ValueError(
            "A page takes flows of square pictures, of MNIST's vectors and of two dimensions. "
            f"Received: '{flow.name}' of shape {shape}."
        )
    return Choices(
        scales=len(flow.latent_levels),
        dims=math.prod(flow.prior.latent_shape),
        classes=flow.classes,
        no_class=flow.labels_optional,
        guidance=bool(flow.classes and flow.labels_optional and hasattr(flow, "guided_decoder")),
        side=shape[0] if square else math.isqrt(shape[0]) if shape == (MNIST,) else None,
        exact=flow.exact,
    )


def context_of(flow, label):
    """The context for a class, or None for a flow without classes. Raises ValueError."""
    if not flow.classes:
        return None
    label = -1 if label is None else int(label)
    if label == -1 and not flow.labels_optional:
        raise ValueError(f"This flow needs a class from 0 to {flow.classes - 1}. Received: none.")
    return np.int32(label)
