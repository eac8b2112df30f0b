"""A small flow of integers in NumPy, with the interface that the codec uses."""

import contextlib

import numpy as np
import pytest

from keras_flows.flow.integer_codes import Part, Shift

SHAPE = (4, 4, 1)


class StubFlow:
    """What `compress` asks of a flow. `noise` is what its networks differ by, as a backend's do."""

    exact, levels, data_shape, name = True, 256, SHAPE, "stub"

    def __init__(self, seed=0, noise=0.0, spread=1.0):
        rng = np.random.default_rng(seed)
        self.weights = [rng.normal(size=(8, 8)), rng.normal(size=(8, 32)), np.array(spread)]
        self.noise = noise

    def _flatten_layers(self):
        return [self]

    def save_own_variables(self, store):
        store.update({str(i): weight for i, weight in enumerate(self.weights)})

    def log2_prob(self, x):
        """log2 of the probability of each picture, by the formula of `Part`."""
        total, generator = np.zeros(len(x)), StubCodes(self).encode(x)
        for step in generator:
            if isinstance(step, Part):
                total += log2_mass(step).sum(axis=1)
        return total


class StubCodes:
    """The right half of a picture is shifted by the left half, and has a mixture given by it."""

    def __init__(self, flow):
        self.flow, self.data_shape, self.levels = flow, SHAPE, 256
        self.rng = np.random.default_rng(1)

    def _network(self, x, weights):
        y = np.tanh(x / 128) @ weights
        return y + self.flow.noise * self.rng.uniform(-1, 1, y.shape)

    def _parts(self, index, symbols, left, n):
        if left is None:
            ones = np.ones((n, 8, 1))
            return Part(index, symbols, 10 * ones, 3.2 * ones, 0 * ones)
        out = self._network(left, self.flow.weights[1]).reshape(n, 8, 4)
        means = np.stack([20 * out[..., 0], np.zeros((n, 8))], axis=-1)
        scales = np.stack([2.5 + 0.5 * np.tanh(out[..., 1]), np.full((n, 8), np.log(128))], axis=-1)
        weights = np.stack([np.full((n, 8), np.log(1 - 2**-10)), np.full((n, 8), np.log(2**-10))])
        return Part(index, symbols, means, scales, np.moveaxis(weights, 0, -1))

    def encode(self, x):
        z = np.asarray(x, "float64").reshape(len(x), 16) - 128
        left, right = z[:, :8], z[:, 8:]
        values = 10 * self._network(left, self.flow.weights[0])
        received = yield Shift(0, values)
        right = right + (np.round(values) if received is None else received)
        yield self._parts(1, right.astype("int32"), left, len(x))
        yield self._parts(2, left.astype("int32"), None, len(x))

    def decode(self, n):
        left = np.asarray((yield self._parts(2, None, None, n)), "float64")
        right = yield self._parts(1, None, left, n)
        values = 10 * self._network(left, self.flow.weights[0])
        received = yield Shift(0, values)
        z = np.concatenate([left, right - received], axis=1)
        return np.clip(z + 128, 0, 255).astype("uint8").reshape(n, *SHAPE)


def log2_mass(part):
    """log2 of the mass of each symbol."""
    z, scales = part.symbols[..., None], np.exp(part.log_scales)
    high, low = (1 / (1 + np.exp(-(z + d - part.means) / scales)) for d in (0.5, -0.5))
    return np.log2((np.exp(part.log_weights) * (high - low)).sum(axis=-1))


@pytest.fixture
def stub(monkeypatch):
    """Makes the codec work with `StubFlow`."""
    from keras_flows.codec import compression, decompression

    @contextlib.contextmanager
    def codes_of(flow, identity):
        yield StubCodes(flow)

    monkeypatch.setattr(compression, "codes_of", codes_of)
    monkeypatch.setattr(decompression, "codes_of", codes_of)
    return StubFlow()


def draw(n, seed=0, shape=SHAPE):
    """Smooth pictures that the stub codes in fewer bits than they have."""
    rng = np.random.default_rng(seed)
    return (138 + 25 * rng.normal(size=(n, *shape))).clip(0, 255).astype("uint8")
