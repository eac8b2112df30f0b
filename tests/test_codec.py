"""The lossless codec: the coder, the tables, pictures of all kinds, and what a file costs."""

import zlib

import numpy as np
import pytest

from keras_flows import codec
from keras_flows.codec import bins, plain, rans, rounding
from keras_flows.codec.tables import LEVELS, LOWEST, PER_OCTAVE, SHIFT, tables
from keras_flows.codec.tiles import Plan
from keras_flows.flow.integer_codes import Part
from tests.integer_stub import StubFlow, draw, log2_mass, stub  # noqa: F401


def test_the_tables_are_the_logistic_function_and_never_change():
    table = tables()
    for level in range(0, LEVELS, 9):
        k = np.arange(-table.reach[level], table.reach[level] + 1)
        scale = 2.0 ** (level / PER_OCTAVE + LOWEST)
        expected = 1 / (1 + np.exp(-k * 2.0 ** -SHIFT[level] / scale))
        np.testing.assert_allclose(table.values[table.base[level] + k] / 2**30, expected, atol=1e-9)
    # Files depend on every bit of them.
    assert zlib.crc32(table.values.astype("<i4").tobytes()) == 1104169609


@pytest.mark.parametrize("lanes", [1, 3, 50])
def test_the_coder_returns_its_symbols_in_as_many_bits_as_they_have(lanes):
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 1000, 40).astype("int64") ** 2
    frequencies = weights * (rans.TOTAL - 40) // weights.sum() + 1
    frequencies[0] += rans.TOTAL - frequencies.sum()
    starts = np.cumsum(frequencies) - frequencies
    symbols = rng.choice(40, 20_000, p=frequencies / rans.TOTAL)
    parts = [symbols[:7001], symbols[7001:]]
    dealt = [rans.Lanes([len(part)], [lanes]) for part in parts]
    checks = rng.integers(0, 2**32, lanes)
    intervals = [(starts[p], frequencies[p], lane) for p, lane in zip(parts, dealt)]
    data = rans.encode(intervals, checks)
    bits = -np.log2(frequencies[symbols] / rans.TOTAL).sum()
    assert bits < 8 * sum(map(len, data)) < bits + 44 * lanes + 0.0001 * bits

    def search(positions):
        def find(span, slots):
            index = np.searchsorted(starts, slots, side="right") - 1
            return index, starts[index], frequencies[index]

        return find

    decoder = rans.Decoder(data)
    for part, lane in zip(parts, dealt):
        np.testing.assert_array_equal(decoder.decode(lane, search), part)
    assert not decoder.damaged(checks).any()
    assert decoder.damaged(checks ^ 1).all()


def mixtures(n=400, k=3, seed=0):
    """A `Part` of random mixtures and samples of it."""
    rng = np.random.default_rng(seed)
    means, scales = rng.normal(size=(n, 1, k)) * 30, rng.uniform(-4.5, 5.5, (n, 1, k))
    weights = rng.normal(size=(n, 1, k)) * 2
    weights -= np.log(np.exp(weights).sum(axis=-1, keepdims=True))
    which = (rng.random((n, 1, 1)) > np.cumsum(np.exp(weights), axis=-1)).sum(-1, keepdims=True)
    mean, scale = (np.take_along_axis(v, which.clip(0, k - 1), -1) for v in (means, scales))
    u = rng.random((n, 1))
    z = np.round(mean[..., 0] + np.exp(scale[..., 0]) * np.log(u / (1 - u)))
    return Part(0, z.astype("int32"), means, scales, weights)


@pytest.mark.parametrize("components", [1, 3])
def test_probabilities_sum_to_one_and_are_those_of_the_mixture(components):
    part = mixtures(k=components)
    some = bins.quantised(0, part, rounding.Recorder())
    for i in range(0, len(some), 40):
        one = some.take(np.full(int(some.size[i]) + 2, i))
        index = np.arange(len(one))
        starts, frequencies = one.intervals(index)
        assert starts[0] == 0 and frequencies.min() >= 1 and frequencies.sum() == rans.TOTAL
        np.testing.assert_array_equal(starts[1:], np.cumsum(frequencies)[:-1])
        for slot in (starts, starts + frequencies - 1):
            result = bins.Search(one).find(slice(None), slot.astype("int64"))
            np.testing.assert_array_equal(result, [index, starts, frequencies])
        shape = (len(one), 1, components)
        parameters = (v[i : i + 1] for v in (part.means, part.log_scales, part.log_weights))
        symbols = one.symbols(index)[:, None]
        exact = Part(0, symbols, *(np.broadcast_to(v, shape) for v in parameters))
        with np.errstate(all="ignore"):
            mass = 2.0 ** log2_mass(exact)[1:-1, 0]
        total = np.abs(frequencies[1:-1] / rans.TOTAL - mass).sum()
        assert total < 0.1  # of the grid of means and scales
    index, outside = some.indices(part.symbols.ravel())
    bits = -np.log2(some.intervals(index)[1] / rans.TOTAL)
    assert not outside.any()
    with np.errstate(all="ignore"):
        ideal = np.minimum(-log2_mass(part)[:, 0], 24)
    assert bits.sum() < 1.003 * ideal.sum()


def test_rounding_near_a_border_is_listed_and_obeyed():
    values = np.array([[0.2, 1.5 + 1e-9, -2.5 - 1e-9, 7.0], [3.5, 0.49, np.nan, 2.0]])
    recorder = rounding.Recorder(first=10)
    rounded = recorder.round(3, values)
    np.testing.assert_array_equal(rounded, [[0, 2, -3, 7], [4, 0, 0, 2]])
    assert recorder.failed == {11}
    ((number, rows, places, sides),) = recorder.guards
    assert rows.tolist() == [10, 10, 11] and places.tolist() == [1, 2, 0]
    assert sides.tolist() == [True, False, True] and set(number) == {3}
    replay = rounding.Replay({3: (rows, places, sides)}, first=10)
    other = values + 3e-9 * np.array([[1, -1, 1, 1], [-1, 1, 1, 1]])
    assert (np.floor(other + 0.5) != rounded)[:, :3].sum() >= 3
    np.testing.assert_array_equal(replay.round(3, other), rounded)


@pytest.mark.parametrize("n", [1, 2, 40, 700])
def test_pictures_come_back_in_as_many_bits_as_the_flow_says(stub, n):  # noqa: F811
    x = draw(n)
    data = codec.compress(stub, x)
    np.testing.assert_array_equal(codec.decompress(data, stub), x)
    bits = -stub.log2_prob(x).sum()
    archive = codec.Archive(data)
    lanes = sum(len(chunk.lanes) for chunk in archive._container.chunks)
    header = 13 * 8 if archive.description is None else 420 * 8
    assert bits < 8 * len(data) < 1.003 * bits + header + 56 * lanes


def test_a_file_a_picture_has_13_bytes_around_the_code(stub):  # noqa: F811
    x = draw(50)
    files = codec.compress_each(stub, x)
    np.testing.assert_array_equal([codec.decompress(f, stub)[0] for f in files], x)
    excess = np.array([len(f) for f in files]) + stub.log2_prob(x) / 8
    assert 12.4 < excess.mean() < 14 and excess.max() < 14.5


def stored_plain(data):
    return sum(len(chunk.plain) for chunk in codec.Archive(data)._container.chunks)


def test_networks_that_differ_a_little_decode_the_same(stub, monkeypatch):  # noqa: F811
    monkeypatch.setattr(rounding, "NEAR", 1e-3)
    x, other = draw(3000), StubFlow(noise=1e-5)
    data = codec.compress(stub, x)
    chunks = codec.Archive(data)._container.chunks
    assert sum(len(chunk.guards) for chunk in chunks) > 50
    np.testing.assert_array_equal(codec.decompress(data, other, batch_size=7), x)
    monkeypatch.setattr(rounding.Recorder, "round", lambda self, n, v: np.round(v).astype("int64"))
    data = codec.compress(stub, x, verify=False)
    with pytest.raises(codec.Damaged, match="do not come back"):  # without the list
        codec.decompress(data, other, batch_size=7)


def test_what_does_not_come_back_is_stored_without_the_flow(stub):  # noqa: F811
    x, few = draw(400), stored_plain(codec.compress(stub, draw(400)))
    stub.noise = 1e-4  # differs each time it is asked
    assert few < stored_plain(codec.compress(stub, x)) < 200
    assert stored_plain(codec.compress(stub, x, verify=False)) == few


def test_pictures_that_the_flow_does_not_expect(stub):  # noqa: F811
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (300, 4, 4, 1), "uint8")
    borders = np.concatenate([np.zeros_like(noise[:9]), 255 + np.zeros_like(noise[:9])])
    for x in (noise, borders, np.concatenate([draw(30), borders])):
        data = codec.compress(stub, x)
        np.testing.assert_array_equal(codec.decompress(data, stub), x)
        assert len(data) < 1.4 * x.size + 600
    broken = StubFlow(spread=np.nan)
    broken.weights[1][:, 0] = np.nan
    data = codec.compress(broken, draw(5))
    np.testing.assert_array_equal(codec.decompress(data, broken), draw(5))


def test_symbols_far_outside_of_the_window(stub):  # noqa: F811
    stub.weights[0][:] *= 1000  # shifts of thousands
    x = draw(20)
    data = codec.compress(stub, x)
    np.testing.assert_array_equal(codec.decompress(data, stub), x)


SHAPES = [(4, 4), (4, 4, 1), (9, 5), (1, 1), (13, 2, 3), (4, 4, 4), (8, 8, 2), (5, 7, 4)]
SHAPES.append((30, 41, 3))


def test_pictures_of_all_sizes_and_channels(stub):  # noqa: F811
    pictures = [draw(1, i, shape)[0] for i, shape in enumerate(SHAPES)]
    data = codec.compress(stub, pictures, names=[f"{i}.png" for i in range(len(SHAPES))])
    results = codec.decompress(data, stub)
    assert [r.shape for r in results] == SHAPES
    for picture, result in zip(pictures, results):
        np.testing.assert_array_equal(result, picture)
    assert codec.Archive(data).names[2] == "2.png"
    for picture, one in zip(pictures, codec.compress_each(stub, pictures)):
        np.testing.assert_array_equal(codec.decompress(one, stub)[0], picture)


@pytest.mark.parametrize("tile", [(4, 6, 1), (5, 3, 3)])
@pytest.mark.parametrize("shape", [*SHAPES, (8, 12, 3)])
def test_tiles_are_put_together_again(tile, shape):
    plan = Plan(shape, tile)
    picture = np.random.default_rng(0).integers(0, 256, shape, "uint8")
    tiles, alpha = plan.cut(picture)
    assert tiles.shape == (plan.count, *tile)
    np.testing.assert_array_equal(plan.join(tiles, alpha), picture)


def test_plain_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 2), "uint8")
    data = plain.pack(pixels)
    np.testing.assert_array_equal(plain.unpack(data, pixels.shape), pixels)
    for shape in ((3, 5, 4, 1), (3, 5, 4, 3)):
        with pytest.raises(codec.Damaged):
            plain.unpack(data, shape)


def test_what_cannot_be_compressed_is_refused(stub):  # noqa: F811
    with pytest.raises(ValueError, match="uint8 arrays. Received: float32 in picture 1"):
        codec.compress(stub, draw(2).astype("float32"))
    with pytest.raises(ValueError, match="no pictures"):
        codec.compress(stub, [])
    with pytest.raises(ValueError, match=r"Received: a picture of shape \(4, 4, 5\)"):
        codec.compress(stub, draw(2, shape=(4, 4, 5)))
    with pytest.raises(ValueError, match=r"Received: shape \(4,\)"):
        codec.compress(stub, draw(2, shape=(4,)))
    with pytest.raises(ValueError, match="1 names, 2 pictures"):
        codec.compress(stub, draw(2), names=["a"])
    stub.levels = 300
    with pytest.raises(ValueError, match="up to 256"):
        codec.compress(stub, draw(2))
    stub.exact = False
    with pytest.raises(ValueError, match="takes a flow of integers"):
        codec.compress(stub, draw(2))
