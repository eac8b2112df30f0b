"""What a plain `keras.Model` of flow layers needs that `Flow` does by itself."""

import keras
from keras import ops

from keras_flows.core.ledger import Ledger, adapting
from keras_flows.flow.arrays import are_arrays
from keras_flows.flow.batches import first_batch


def adapt(model, x):
    """Data-dependent initialisation of a model's flow layers, in order, once only.

    `Flow` does it in `fit`; a plain `keras.Model` of flow layers, trained in
    the style of the blog series, cannot: call this before its `fit`.

    Args:
        model: a `keras.Model` of flow layers, also a `Flow`.
        x: an array or a list of arrays, used as a whole, or any other data,
            of which the first batch is used.

    >>> encoder = keras.Model(x_in, Actnorm()(x_in))
    >>> keras_flows.adapt(encoder, x_train[:1000]); encoder.compile(...); encoder.fit(...)
    """
    if hasattr(model, "adapt"):
        model.adapt(x)
        return
    if not hasattr(x, "shape") and not are_arrays(x):
        x, _ = first_batch(x)
    with adapting(), Ledger():
        model(keras.tree.map_structure(ops.convert_to_tensor, x), training=True)
