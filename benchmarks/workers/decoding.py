"""Times both methods of decoding a TarFlow in this process; prints one line of JSON.

Run by `benchmarks.decoding`: `python -m benchmarks.workers.decoding '{"sizes": {...}, ...}'`.
"""

import json
import sys
from statistics import median

import keras
import numpy as np
from keras import ops

from benchmarks.workers.sampling import timed
from keras_flows.layers import TransformerAutoregressive
from keras_flows.models import TarFlow

TOLERANCE = 1e-4  # largest difference of both methods, relative to the largest number


class FullPasses(keras.layers.Layer):
    """Decodes an autoregressive layer without a cache: one pass over all tokens for each token."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer
        self.built = True

    def call(self, z):
        is_reversed = self.layer.order == "reversed"
        z = ops.flip(z, axis=1) if is_reversed else z

        # After i passes the first i tokens are correct.
        def body(_, x):
            params = ops.reshape(self.layer.net(x), (-1, *z.shape[1:], 2))
            return self.layer.map.decode(z, params)[0]

        x = ops.fori_loop(0, z.shape[1], body, ops.zeros_like(z))
        return ops.flip(x, axis=1) if is_reversed else x

    def compute_output_shape(self, input_shape):
        return input_shape


def by_full_passes(flow):
    """The flow's decoder without a cache, compiled as the one with a cache is."""
    x = z = keras.Input(flow.encoder.output_shape[1:])
    for layer in reversed(flow.chain):
        token_by_token = isinstance(layer, TransformerAutoregressive)
        x = FullPasses(layer)(x) if token_by_token else layer.inverse()(x)
    decoder = keras.Model(z, x)
    decoder.jit_compile = flow.decoder.jit_compile
    return decoder


def perturbed_flow(sizes):
    """A flow of floats, not rounded to pixels, whose weights are not zero as initial ones are."""
    keras.utils.set_random_seed(0)
    flow = TarFlow(
        sizes["image_shape"],
        steps=sizes["blocks"],
        patch=sizes["patch"],
        hidden=sizes["channels"],
        blocks=sizes["layers_per_block"],
        seed=0,
    )
    generator = np.random.default_rng(0)
    for weight in flow.trainable_weights:
        weight.assign_add(generator.normal(scale=0.02, size=weight.shape))
    return flow


def time_calls(function, x, count):
    """The result of a first call, its seconds, and the median seconds of `count` more calls."""
    result, first, _ = timed(function, x)
    return result, first, median(timed(function, x)[1] for _ in range(count))


def measure(sizes, batch, calls):
    """Seconds of both decoding methods and of encoding; full passes are timed in one call only."""
    flow = perturbed_flow(sizes)
    full = by_full_passes(flow)
    z = np.random.default_rng(1).normal(size=(batch, flow.dims)).astype("float32")
    x, first_cached, cached = time_calls(lambda z: flow.decode(z, batch_size=batch), z, calls)
    x_full, first_full, full_s = time_calls(
        lambda z: full.predict(z, batch_size=batch, verbose=0), z, 1
    )
    _, _, encode = time_calls(lambda x: flow.encode(x, batch_size=batch), x, calls)
    difference = float(np.abs(x - x_full).max() / np.abs(x_full).max())
    if not difference < TOLERANCE:
        raise RuntimeError(f"The two methods differ by {difference:.1e} of the largest number.")
    return {
        "patches": sizes["image_shape"][0] * sizes["image_shape"][1] // sizes["patch"] ** 2,
        "cached_s": cached,
        "full_s": full_s,
        "encode_s": encode,
        "first_cached_s": first_cached,
        "first_full_s": first_full,
        "difference": difference,
    }


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
