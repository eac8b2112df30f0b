"""What is measured of a flow of pictures."""

import keras
import numpy as np

from keras_flows import invert
from keras_flows.flow.prediction import predict
from keras_flows.layers import Dequantize


def measure_images(flow, sets, batch_size):
    """Likelihoods of each set, and reconstruction errors of test pictures."""
    test = sets["test"]
    x, *context = [part[:256] for part in (test if flow.conditional else [test])]
    back = flow.reconstruct(x, *context, batch_size=batch_size)
    return {
        **{name: likelihoods(flow, data, batch_size) for name, data in sets.items()},
        "reconstruction_error": float(np.abs(back.astype("float64") - x).max()),
        "inversion_error": inversion_error(flow, x, context, batch_size),
    }


def likelihoods(flow, x, batch_size):
    """Mean NLL a picture in nats; of a flow of integers bits/dim with its standard error."""
    nll = -flow.log_prob(x, batch_size=batch_size)
    result = {"pictures": len(nll), "nll": float(nll.mean())}
    if flow.discrete:
        bits = nll / (flow.dims * np.log(2))
        result["bits_per_dim"] = float(bits.mean())
        result["standard_error"] = float(bits.std() / np.sqrt(len(bits)))
    return result


def inversion_error(flow, x, context, batch_size):
    """Largest error of the flow's inverse in grey levels, before pixels are rounded.

    None for a flow that has no `Dequantize`: no pixels, or pixels that stay integers.
    """
    if not flow.discrete or flow.exact:
        return None
    # A copy, since Keras cannot save a graph with conditions that was cut.
    encoder = keras.models.clone_model(flow.encoder)
    encoder.set_weights(flow.encoder.get_weights())
    noise = next(v for v in encoder.layers if isinstance(v, Dequantize))
    inputs = [noise.output, *encoder.inputs[1:]]
    rest = keras.Model(inputs if context else inputs[0], encoder.outputs[0])
    options = {"batch_size": batch_size, "verbose": 0}
    start = (x.astype("float32") + 0.5) / flow.levels
    z = predict(rest, [start, *context] if context else start, **options)
    back = predict(invert(rest), [z, *context] if context else z, **options)
    return float(np.abs(back - start).max() * flow.levels)
