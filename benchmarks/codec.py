"""Speed and size of the lossless codec: `python -m benchmarks.codec [--model MODEL.keras]`.

Without a model it trains a small flow of MNIST for a few steps: speed does not depend on how well
it is trained. Times are of wall clocks and, in brackets, of processors.
"""

import argparse
import time

import keras
import numpy as np

from keras_flows import codec, datasets
from keras_flows.codec import rans
from keras_flows.models import IDF


def timed(function):
    """The result of a function, its seconds by the clock and by the processors."""
    clock, processors = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - clock, time.process_time() - processors


def coder(symbols=4_000_000, lanes=4000):
    """Prints the speed of the coder alone, with one table of 256 symbols."""
    rng = np.random.default_rng(0)
    frequencies = rng.integers(1, rans.TOTAL // 256, 256)
    frequencies[0] += rans.TOTAL - frequencies.sum()
    starts = np.cumsum(frequencies) - frequencies
    x = rng.choice(256, symbols, p=frequencies / rans.TOTAL)
    table = np.repeat(np.arange(256, dtype="uint8"), frequencies)
    dealt, checks = rans.Lanes([symbols], [lanes]), np.arange(lanes)

    def find(span, slots):
        index = table.take(slots)
        return index, starts.take(index), frequencies.take(index)

    parts = [(starts[x].astype("uint32"), frequencies[x].astype("uint32"), dealt)]
    data, *encoding = timed(lambda: rans.encode(parts, checks))
    decoder = rans.Decoder(data)
    back, *decoding = timed(lambda: decoder.decode(dealt, lambda positions: find))
    assert np.array_equal(back, x) and not decoder.damaged(checks).any()
    show("coder alone, encode", symbols, encoding, "symbols")
    show("coder alone, decode", symbols, decoding, "symbols")


def show(name, count, seconds, unit):
    clock, processors = (f"{count / s:,.4g}" for s in seconds)
    print(f"{name:22}{clock:>14} {unit} a second ({processors} a second of processors)")


def small_flow():
    """A flow of MNIST after a few steps."""
    keras.utils.set_random_seed(0)
    options = {"levels": 2, "steps": 4, "hidden": 64, "blocks": 4, "mixture": 5, "seed": 0}
    flow = IDF((28, 28, 1), variant="plus", **options)
    flow.compile(keras.optimizers.Adamax(0.003))
    flow.fit(datasets.mnist()[0][0][:2000, ..., None], batch_size=100, epochs=1, verbose=0)
    return flow


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--model", help="a flow of MNIST; default: a small one is trained")
    p.add_argument("--pictures", type=int, default=1000)
    args = p.parse_args()
    coder()
    flow = keras.saving.load_model(args.model) if args.model else small_flow()
    x = datasets.mnist()[1][0][: args.pictures, ..., None]
    codec.decompress(codec.compress(flow, x[:200], verify=False), flow)  # compiles
    data, *encoding = timed(lambda: codec.compress(flow, x, verify=False))
    verified, *verifying = timed(lambda: codec.compress(flow, x))
    back, *decoding = timed(lambda: codec.decompress(data, flow))
    assert np.array_equal(back, x) and verified == data
    print(f"{flow.count_params():,} parameters, {keras.backend.backend()}, {len(x):,} pictures")
    for name, seconds in (
        ("compress, no verify", encoding),
        ("compress", verifying),
        ("decompress", decoding),
    ):
        show(name, len(x), seconds, "pictures")
        show("", x.nbytes / 1e6, seconds, "megabytes")
    bits = -flow.log_prob(x).sum() / np.log(2)
    each = sum(map(len, codec.compress_each(flow, x, verify=False)))
    print(f"-log2 P                {bits / x.size:.4f} bits/dim")
    print(f"one file               {8 * len(data) / x.size:.4f} bits/dim")
    print(f"a file a picture       {8 * each / x.size:.4f} bits/dim")


if __name__ == "__main__":
    main()
