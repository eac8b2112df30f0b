"""Classes as conditions."""

import keras
from keras import ops

from keras_flows.layers.flow_layer import register


@register
class ClassVector(keras.layers.Layer):
    """Labels 0..classes-1 as unit vectors: `(batch,)` to `(batch, classes)`.

    A flow that holds one refuses other labels. Raises ValueError for fewer than 1 class.

    >>> z = CondActnorm()([h, ClassVector(10)(label)])
    """

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        if int(classes) != classes or classes < 1:
            raise ValueError(f"classes is a whole number of 1 or more. Received: {classes}.")
        self.classes = int(classes)

    def call(self, labels):
        return ops.one_hot(ops.cast(labels, "int32"), self.classes, dtype=self.compute_dtype)

    def compute_output_spec(self, labels):
        return keras.KerasTensor((*labels.shape, self.classes), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}
