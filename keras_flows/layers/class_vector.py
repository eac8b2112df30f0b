"""Class labels as vectors, for conditions."""

import math

import keras
from keras import ops

from keras_flows.core.flow_layer import register


@register
class ClassVector(keras.layers.Layer):
    """Labels 0..classes-1 as unit vectors: `(batch,)` to `(batch, classes)`.

    A flow refuses other labels in arrays; in tensors their vectors are NaN.
    With `drop`, the label -1 means no class and becomes a vector of zeros, and
    in training a share of the labels is replaced by -1: the flow is then both
    class-conditional and unconditional.

    Args:
        classes: number of classes.
        drop: share of the labels that are dropped in training.
        seed: integer seed of the dropping.

    Raises ValueError for fewer than 1 class, or a share outside of [0, 1).
    Paper: classifier-free guidance (2207.12598) section 3.2.

    >>> z = CondActnorm()([h, ClassVector(10)(label)])
    """

    def __init__(self, classes, drop=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        if int(classes) != classes or classes < 1:
            raise ValueError(f"classes is a whole number of 1 or more. Received: {classes}.")
        if not 0 <= drop < 1:
            raise ValueError(f"drop is a share of 0 or more and below 1. Received: drop={drop}.")
        self.classes, self.drop, self.seed = int(classes), float(drop), seed
        self.seed_generator = keras.random.SeedGenerator(seed) if drop else None

    @property
    def label_range(self):
        """`(classes, optional)`: what this layer tells a flow, which then checks the labels.

        Labels are from 0 to classes - 1; where they are optional, -1 means no class.
        """
        return self.classes, bool(self.drop)

    def call(self, labels, training=None):
        inputs, labels = labels, ops.cast(labels, "int32")
        known = ops.logical_and(labels >= (-1 if self.drop else 0), labels < self.classes)
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs.dtype)):
            known = ops.logical_and(known, ops.equal(ops.cast(labels, inputs.dtype), inputs))
        if training and self.drop:
            u = keras.random.uniform(ops.shape(labels), seed=self.seed_generator)
            labels = ops.where(u < self.drop, -1, labels)
        labels = ops.where(known, labels, -1)  # torch's one_hot refuses other labels
        vectors = ops.one_hot(labels, self.classes, dtype=self.compute_dtype)
        return ops.where(known[..., None], vectors, math.nan)

    def compute_output_spec(self, labels, training=None):
        return keras.KerasTensor((*labels.shape, self.classes), self.compute_dtype)

    def get_config(self):
        options = {"classes": self.classes, "drop": self.drop, "seed": self.seed}
        return {**super().get_config(), **options}
