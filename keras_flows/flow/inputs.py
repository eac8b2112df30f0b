"""What a `Flow` takes: data, or data and contexts, in the order and shapes of its inputs."""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_flows.core.graph import called_on_inputs
from keras_flows.flow.arrays import (
    agree,
    brief,
    for_each,
    is_array,
    is_data_set,
    is_tensor,
    numbers,
    ranked,
    shape_of,
)
from keras_flows.flow.feeding import feed
from keras_flows.flow.values import check_values


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The inputs of an encoder: data first, then contexts.

    Args:
        names: of the inputs.
        shapes: of one sample of each.
        dtype: of the data.
        labels: `{position: (classes, optional)}` of the inputs that are labels;
            where they are optional, -1 stands for none.
        levels: of data that is dequantized: integers from 0 to `levels - 1`.
    """

    names: tuple
    shapes: tuple
    dtype: str
    labels: dict
    levels: int = None

    @classmethod
    def of(cls, encoder, prior, levels):
        labels = {
            place: layer.label_range
            for layer, place in called_on_inputs(encoder)
            if getattr(layer, "label_range", None)
        }
        if prior.label_range:  # of the first context
            labels.setdefault(1, prior.label_range)
        shapes = tuple(tuple(t.shape[1:]) for t in encoder.inputs)
        dtype = keras.backend.standardize_dtype(encoder.inputs[0].dtype)
        return cls(tuple(t.name for t in encoder.inputs), shapes, dtype, labels, levels)

    def gather(self, x, context=None, latent=False):
        """What the encoder takes: an array, a list of arrays, or a data set of these.

        Values are checked where they can be seen without a graph. `latent`:
        x are latents, and the decoder takes them.
        """
        if is_data_set(x):
            if context is not None:
                raise ValueError(
                    "A data set holds the context itself, in batches (x, context) or "
                    f"((x, context),). Received: {type(x).__name__} and a context apart from it."
                )
            return feed(self, x)
        inputs = self.arrange(x, context, latent)
        check_values(self, inputs, latent)
        return inputs

    def batch(self, batch):
        """A batch of a data set as Keras takes it: `(inputs,)`, with weights where it has them."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        weighted = weights is not None
        alone = isinstance(x, (list, tuple, dict)) or len(self.names) == 1
        if alone and y is not None and not weighted:
            raise ValueError(
                f"Batches of this flow are {self._expected()}, without a target. "
                "Received: batches of (x, y)."
            )
        inputs = self.arrange(x, None if alone else y)
        check_values(self, inputs)
        # A tuple: tf.data would stack a list.
        inputs = tuple(inputs) if isinstance(inputs, list) else inputs
        return (inputs, weights, weights) if weighted else (inputs,)

    def arrange(self, x, context=None, latent=False):
        """Data, or `[data, *contexts]`, in the ranks that the encoder takes.

        A context of one sample's shape, or of one row, holds for all of x. An
        axis of size 1 at the end may be missing.
        """
        parts = [numbers(part) for part in self._in_order(x, context)]
        if any(is_tensor(part) for part in parts):
            check_values(self, parts, latent)  # the last look at arrays beside tensors
            parts = [p if is_tensor(p) else ops.convert_to_tensor(p) for p in parts]
        data = parts[0] if latent else self._data(parts)
        contexts = [for_each(part, s, data) for part, s in zip(parts[1:], self.shapes[1:])]
        if any(part is None for part in contexts):
            raise ValueError(self._misfit(parts))
        return [data, *contexts] if contexts else data

    def _data(self, parts):
        self._check_dtype(parts[0])
        data, shape = ranked(parts[0], self.shapes[0]), self.shapes[0]
        if not shape_of(data) or not agree(shape_of(data)[1:], shape):
            raise ValueError(self._misfit(parts))
        if shape_of(data)[0] == 0:
            raise ValueError(
                f"A flow needs one sample or more. Received: data of shape {shape_of(parts[0])}."
            )
        return data

    def _in_order(self, x, context):
        """Data and contexts as they came, one for each input."""
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
            parts += self._contexts(context)
        elif context is not None or len(parts) > count:
            several = "" if count == 1 else " beside those in the list"
            raise ValueError(
                f"This flow takes no context{several}: it takes {self._expected()}. Received: "
                f"{len(parts)} arrays, context={brief(context)}."
            )
        if len(parts) == 1 and count > 1 and set(self.labels) == set(range(1, count)):
            parts += [-1 for _, optional in self.labels.values() if optional]
        if len(parts) != count:
            raise ValueError(
                f"This flow is a density with a context: it takes {self._expected()}. "
                f"Received: {brief(x)}, context={brief(context)}."
            )
        return parts

    def _contexts(self, context):
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

    def _expected(self):
        """The inputs in words, for messages."""
        shapes = [
            f"{'context' if i else 'data'} '{name}' of shape ({', '.join(map(str, ('n', *shape)))})"
            for i, (name, shape) in enumerate(zip(self.names, self.shapes))
        ]
        return " and ".join(shapes)

    def _misfit(self, parts):
        alone = " A context may also be one for all samples." if len(self.names) > 1 else ""
        received = ", ".join(str(shape_of(part)) for part in parts)
        return f"This flow takes {self._expected()}.{alone} Received: shapes {received}."

    def _check_dtype(self, x):
        if keras.backend.is_float_dtype(self.dtype) or not hasattr(x, "dtype"):
            return
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            raise ValueError(
                f"This flow takes integers ({self.dtype}), such as pixels from 0 to 255, and "
                f"dequantizes them itself. Received: dtype={x.dtype}."
            )

    def in_range(self, x):
        """Whether each sample's integers are among the levels; None where the dtype says so."""
        dtype = keras.backend.standardize_dtype(x.dtype)
        if self.levels is None or not dtype.lstrip("u").startswith("int"):
            return None
        if np.iinfo(dtype).min >= 0 and np.iinfo(dtype).max < self.levels:
            return None
        x = ops.cast(x, "float32")
        right = ops.logical_and(x >= 0, x < self.levels)
        return ops.all(right, axis=tuple(range(1, len(x.shape))))

    def contexts(self, context):
        """How many contexts there are; None where there is one, of a single sample's shape."""
        if len(self.names) == 1 or context is None:
            return None
        for part, shape in zip(map(numbers, self._contexts(context)), self.shapes[1:]):
            if shape_of(part) and not agree(shape_of(part), shape):
                return ops.shape(part)[0] if is_tensor(part) else len(part)
        return None


def spread(flow, temperature):
    """One temperature for all dimensions, or an array of one each from one a level."""
    if np.ndim(temperature) == 0:
        return temperature
    levels = flow.latent_levels
    if len(temperature) != len(levels):
        raise ValueError(
            f"This flow has {len(levels)} latent_levels; give one temperature, or one for "
            f"each. Received: temperature={temperature}."
        )
    return np.repeat(np.asarray(temperature, "float32"), [s.stop - s.start for s in levels])
