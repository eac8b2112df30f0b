"""What a `Flow` is given: data, or data and context, checked and brought together."""

import math

import keras
import numpy as np
from keras import ops

from keras_flows.data import are_arrays


def with_context(flow, x, context):
    """`[x, context]` where the flow takes a context, `x` otherwise.

    A context of one sample's shape holds for all of x. Where labels are
    optional, none is the label -1.
    """
    count = len(flow.encoder.inputs) - 1
    if not count:
        if context is not None:
            raise ValueError(
                "This flow takes no context: its encoder has one input. "
                f"Received: context={context!r}."
            )
        return x
    if not hasattr(x, "shape"):
        return x
    if context is None and flow.labels_optional:
        context = -1
    several = are_arrays(context) and len(context) == count
    contexts = list(context) if several else [context]
    if context is None or len(contexts) != count:
        shapes = [tuple(tensor.shape) for tensor in flow.encoder.inputs[1:]]
        raise ValueError(
            f"This flow is a density given a context of {count} inputs, of shapes {shapes}. "
            f"Received: context={context!r}."
        )
    if not ops.is_tensor(contexts[0]):
        check_labels(flow, np.asarray(contexts[0]))
    return [x, *(for_all(c, i, x) for c, i in zip(contexts, flow.encoder.inputs[1:]))]


def for_all(context, tensor, x):
    """The context for each sample of x."""
    if ops.is_tensor(x):
        context = ops.convert_to_tensor(context)
        if len(context.shape) < len(tensor.shape):
            context = ops.broadcast_to(context, (ops.shape(x)[0], *context.shape))
        return context
    context = np.asarray(context)
    if context.ndim == len(tensor.shape) + 1 and context.shape[-1] == 1:
        context = context[..., 0]
    return np.repeat(context[None], len(x), axis=0) if context.ndim < len(tensor.shape) else context


def context_tensors(flow, inputs):
    """The contexts among the encoder's inputs, checked and of the ranks that it takes."""
    if isinstance(inputs, dict):
        inputs = [inputs[tensor.name] for tensor in flow.encoder.inputs]
    tensors, n = [], inputs[0].shape[0]
    check_labels(flow, inputs[1])
    for context, wanted in zip(inputs[1:], flow.encoder.inputs[1:]):
        context = ops.convert_to_tensor(context)
        if None not in (n, context.shape[0]) and context.shape[0] != n:
            raise ValueError(
                "A context is one for all samples or one for each. "
                f"Received: {context.shape[0]} contexts for {n} samples."
            )
        rank = len(wanted.shape)
        if len(context.shape) == rank + 1 and context.shape[-1] == 1:
            context = ops.squeeze(context, axis=-1)
        elif len(context.shape) == rank - 1:
            context = ops.expand_dims(context, axis=-1)
        tensors.append(context)
    return tensors


def context_length(flow, context):
    """How many contexts there are; ValueError where it is none, or one for all samples."""
    several = isinstance(context, (list, tuple)) and are_arrays(context)
    first = context[0] if several else context
    if not hasattr(first, "shape"):
        first = None if first is None else np.asarray(first)
    wanted = len(flow.encoder.inputs[1].shape) if flow.conditional else math.inf
    if first is None or len(first.shape) < wanted:
        raise ValueError(
            "sample_with_log_prob needs n, or a context for each sample. "
            f"Received: n=None, context={context!r}."
        )
    return ops.shape(first)[0]


def with_labels(flow, x, y):
    """What `fit` and `evaluate` are given as x and y: y is the context, if there is one."""
    given = y is not None or flow.labels_optional
    if flow.conditional and hasattr(x, "shape") and given:
        return with_context(flow, x, y), None
    return x, y


def check_input(flow, x):
    """Raises a ValueError for data that the flow cannot take, as far as that can be seen."""
    if flow.conditional:
        check_context(flow, x)
        x = x[0] if isinstance(x, (list, tuple)) else None
    wanted = keras.backend.standardize_dtype(flow.encoder.inputs[0].dtype)
    if not hasattr(x, "dtype") or keras.backend.is_float_dtype(wanted):
        return
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
        raise ValueError(
            f"This flow takes integers ({wanted}), such as pixels from 0 to 255, and "
            f"dequantizes them itself. Received: dtype={x.dtype}."
        )
    if flow.discrete and isinstance(x, np.ndarray) and x.size:
        low, high = x.min(), x.max()
        if low < 0 or high >= flow.levels:
            raise ValueError(
                f"This flow takes integers from 0 to {flow.levels - 1}. "
                f"Received: values from {low} to {high}."
            )


def check_context(flow, x):
    count = len(flow.encoder.inputs)
    if hasattr(x, "shape") or isinstance(x, (list, tuple)) and len(x) != count:
        raise ValueError(
            f"This flow takes a list of {count}: data and context. "
            f"Received: {type(x).__name__} of shape {getattr(x, 'shape', len(x))}."
        )
    if isinstance(x, (list, tuple)):
        check_labels(flow, x[1])


def check_labels(flow, labels):
    """Raises a ValueError for labels that are none of a class-conditional flow's."""
    if flow.classes and isinstance(labels, np.ndarray) and labels.size:
        low, high = labels.min(), labels.max()
        if low < -flow.labels_optional or high >= flow.classes:
            none = ", and -1 for none" if flow.labels_optional else ""
            raise ValueError(
                f"This flow has classes from 0 to {flow.classes - 1}{none}. "
                f"Received: labels from {low} to {high}."
            )


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
