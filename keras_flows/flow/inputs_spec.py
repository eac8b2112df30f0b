"""`InputsSpec`: the inputs that a `Flow` expects, and how data and contexts are brought to them."""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_flows.core.graph import called_on_inputs
from keras_flows.flow.arrays import (
    as_numeric_array,
    context_per_sample,
    describe,
    is_array,
    is_data_set,
    is_tensor,
    match_rank,
    shape_of,
    shapes_match,
)
from keras_flows.flow.batched_data import prepare_batches
from keras_flows.flow.value_checks import check_values


@dataclasses.dataclass(frozen=True)
class InputsSpec:
    """The inputs of an encoder: data first, then contexts.

    Args:
        names: names of the inputs.
        shapes: shape of one sample of each input.
        dtype: dtype of the data.
        labels: `{position: (classes, optional)}` for the inputs that are labels;
            where they are optional, -1 means no class.
        levels: number of levels of data that the flow dequantizes, integers
            from 0 to `levels - 1`; None for other data.
    """

    names: tuple
    shapes: tuple
    dtype: str
    labels: dict
    levels: int = None

    @classmethod
    def from_encoder(cls, encoder, prior, levels):
        labels = {
            place: layer.label_range
            for layer, place in called_on_inputs(encoder)
            if getattr(layer, "label_range", None)
        }
        if prior.label_range:  # the prior's label is the first context
            labels.setdefault(1, prior.label_range)
        shapes = tuple(tuple(t.shape[1:]) for t in encoder.inputs)
        dtype = keras.backend.standardize_dtype(encoder.inputs[0].dtype)
        return cls(tuple(t.name for t in encoder.inputs), shapes, dtype, labels, levels)

    def prepare(self, x, context=None, latent=False):
        """The encoder's inputs, checked: an array, a list of arrays, or a data set of these.

        Values are checked where they are known, in arrays. With `latent`, x
        are latents and the result is for the decoder.
        """
        if is_data_set(x):
            if context is not None:
                raise ValueError(
                    "A data set contains the context itself, in batches (x, context) or "
                    f"((x, context),). Received: {type(x).__name__} and a separate context."
                )
            return prepare_batches(self, x)
        inputs = self.arrange(x, context, latent)
        check_values(self, inputs, latent)
        return inputs

    def prepare_batch(self, batch):
        """A batch of a data set as Keras takes it: `(inputs,)`, or with weights if it has them."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        weighted = weights is not None
        complete = isinstance(x, (list, tuple, dict)) or len(self.names) == 1
        if complete and y is not None and not weighted:
            raise ValueError(
                f"Batches of this flow are {self._describe_inputs()}, without a target. "
                "Received: batches of (x, y)."
            )
        inputs = self.arrange(x, None if complete else y)
        check_values(self, inputs)
        # A tuple: tf.data would stack a list.
        inputs = tuple(inputs) if isinstance(inputs, list) else inputs
        return (inputs, weights, weights) if weighted else (inputs,)

    def arrange(self, x, context=None, latent=False):
        """Data, or `[data, *contexts]`, with the ranks that the encoder expects.

        A context with the shape of one sample, or with one row, is repeated
        for all of x. A last axis of size 1 may be missing.
        """
        parts = [as_numeric_array(part) for part in self._parts_in_order(x, context)]
        if any(is_tensor(part) for part in parts):
            check_values(self, parts, latent)  # before arrays beside tensors become tensors
            parts = [p if is_tensor(p) else ops.convert_to_tensor(p) for p in parts]
        data = parts[0] if latent else self._arrange_data(parts)
        shapes = self.shapes[1:]
        contexts = [context_per_sample(part, s, data) for part, s in zip(parts[1:], shapes)]
        if any(part is None for part in contexts):
            raise ValueError(self._shape_message(parts))
        return [data, *contexts] if contexts else data

    def _arrange_data(self, parts):
        self._check_dtype(parts[0])
        data, shape = match_rank(parts[0], self.shapes[0]), self.shapes[0]
        if not shape_of(data) or not shapes_match(shape_of(data)[1:], shape):
            raise ValueError(self._shape_message(parts))
        if shape_of(data)[0] == 0:
            raise ValueError(
                f"A flow needs one sample or more. Received: data of shape {shape_of(parts[0])}."
            )
        return data

    def _parts_in_order(self, x, context):
        """Data and contexts, one for each input, unchanged."""
        if isinstance(x, (list, tuple)) and len(x) == 1 and isinstance(x[0], (list, tuple, dict)):
            x = x[0]
        if isinstance(x, dict):
            parts = self._by_name(x, self.names)
        elif isinstance(x, (list, tuple)) and len(x) and is_array(x[0]):
            parts = list(x)
        else:
            parts = [x]
        count = len(self.names)
        if context is not None and len(parts) == 1 and count > 1:
            parts += self._context_parts(context)
        elif context is not None or len(parts) > count:
            more = "" if count == 1 else " beside those in the list"
            raise ValueError(
                f"This flow takes no context{more}: it takes {self._describe_inputs()}. "
                f"Received: {len(parts)} arrays, context={describe(context)}."
            )
        if len(parts) == 1 and count > 1 and set(self.labels) == set(range(1, count)):
            parts += [-1 for _, optional in self.labels.values() if optional]
        if len(parts) != count:
            raise ValueError(
                f"This flow is a density with a context: it takes {self._describe_inputs()}. "
                f"Received: {describe(x)}, context={describe(context)}."
            )
        return parts

    def _context_parts(self, context):
        count = len(self.names) - 1
        if isinstance(context, dict):
            return self._by_name(context, self.names[1:])
        if isinstance(context, (list, tuple)):
            if count > 1 or len(context) == 1 and is_array(context[0]):
                return list(context)
        return [context]

    def _by_name(self, parts, names):
        if set(parts) != set(names):
            raise ValueError(f"A dict needs the inputs {list(names)}. Received: {list(parts)}.")
        return [parts[name] for name in names]

    def _describe_inputs(self):
        """The inputs in words, for messages."""
        shapes = [
            f"{'context' if i else 'data'} '{name}' of shape ({', '.join(map(str, ('n', *shape)))})"
            for i, (name, shape) in enumerate(zip(self.names, self.shapes))
        ]
        return " and ".join(shapes)

    def _shape_message(self, parts):
        single = " A context may also be one for all samples." if len(self.names) > 1 else ""
        received = ", ".join(str(shape_of(part)) for part in parts)
        return f"This flow takes {self._describe_inputs()}.{single} Received: shapes {received}."

    def _check_dtype(self, x):
        if keras.backend.is_float_dtype(self.dtype) or not hasattr(x, "dtype"):
            return
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            raise ValueError(
                f"This flow takes integers ({self.dtype}), such as pixels from 0 to 255, and "
                f"dequantizes them itself. Received: dtype={x.dtype}."
            )

    def integers_in_range(self, x):
        """For each sample, whether its integers are below `levels`; None if the dtype says so."""
        dtype = keras.backend.standardize_dtype(x.dtype)
        if self.levels is None or not dtype.lstrip("u").startswith("int"):
            return None
        if np.iinfo(dtype).min >= 0 and np.iinfo(dtype).max < self.levels:
            return None
        x = ops.cast(x, "float32")
        in_range = ops.logical_and(x >= 0, x < self.levels)
        return ops.all(in_range, axis=tuple(range(1, len(x.shape))))

    def count_contexts(self, context):
        """The number of contexts; None for no context, or one with the shape of one sample."""
        if len(self.names) == 1 or context is None:
            return None
        parts = map(as_numeric_array, self._context_parts(context))
        for part, shape in zip(parts, self.shapes[1:]):
            if shape_of(part) and not shapes_match(shape_of(part), shape):
                return ops.shape(part)[0] if is_tensor(part) else len(part)
        return None
