"""`Shuffled`: flips, endless streams, rows, conditions, transforms, threads."""

from concurrent import futures

import keras
import numpy as np
import pytest

from keras_flows.data.shuffled import Shuffled


def pixels(n=12):
    return np.random.default_rng(0).integers(0, 256, (n, 3, 4, 2), "uint8")


def epoch(data, number):
    data.set_epoch(number)
    return [data[i][0] for i in range(len(data))]


def test_half_of_the_pictures_are_mirrored_differently_in_each_epoch():
    x = pixels(400)
    before, flips = x.copy(), []
    for number in (0, 1, 0):
        data = Shuffled(x, 50, seed=1, flip=True)
        plain = np.concatenate(epoch(Shuffled(x, 50, seed=1), number))
        flipped = np.concatenate(epoch(data, number))
        flips.append((flipped != plain).any((1, 2, 3)))
        expected = np.where(flips[-1][:, None, None, None], plain[:, :, ::-1], plain)
        assert np.array_equal(flipped, expected) and 0.4 < flips[-1].mean() < 0.6
    assert np.array_equal(flips[0], flips[2]) and not np.array_equal(flips[0], flips[1])
    assert np.array_equal(x, before)


def test_steps_divide_an_endless_stream_of_passes():
    data, parts = Shuffled(np.arange(10), 4, seed=3, steps=2), {}
    for number in (4, 0, 2, 1, 3):  # 40 samples: four passes
        parts[number] = epoch(data, number)
    assert len(data) == 2 and all(len(batch) == 4 for part in parts.values() for batch in part)
    passes = np.concatenate([batch for i in range(5) for batch in parts[i]]).reshape(4, 10)
    assert (np.sort(passes) == np.arange(10)).all()
    assert len({tuple(order) for order in passes.tolist()}) == 4


def test_an_epoch_may_span_several_passes():
    (batch,) = epoch(Shuffled(np.arange(3), 10, steps=1), 1)
    assert sorted(batch[2:8].tolist()) == [0, 0, 1, 1, 2, 2]  # samples 12 to 17, two passes


def test_some_rows_of_a_memmap_with_context(tmp_path):
    np.save(tmp_path / "x.npy", pixels())
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows, context = np.array([1, 4, 5, 7, 9]), np.arange(12)
    data = Shuffled(x, 2, flip=True, rows=rows, context=context, transform=lambda x: x // 8)
    batches = [data[i] for i in range(len(data))]
    assert [len(batch[0][0]) for batch in batches] == [2, 2, 1]
    seen = np.concatenate([batch[0][1] for batch in batches])
    assert sorted(seen) == rows.tolist()
    for i, picture in zip(seen, np.concatenate([batch[0][0] for batch in batches])):
        assert picture.tolist() in ((x[i] // 8).tolist(), (x[i, :, ::-1] // 8).tolist())


def test_threads_get_the_same_batches():
    data = Shuffled(pixels(500), 7, flip=True, steps=200)
    data.set_epoch(3)
    with futures.ThreadPoolExecutor(8) as pool:
        threaded = list(pool.map(lambda i: data[i][0], range(200)))
    assert all(np.array_equal(a, data[i][0]) for i, a in enumerate(threaded))


def test_fit_gives_the_same_losses_with_workers():
    def losses(**options):
        keras.utils.set_random_seed(0)
        data = Shuffled(pixels(40), 8, flip=True, steps=3, transform=as_pair, **options)
        model = keras.Sequential([keras.Input((24,)), keras.layers.Dense(24)])
        model.compile("sgd", lambda y, z: keras.ops.mean(z**2, -1))
        history = model.fit(
            data, epochs=4, initial_epoch=1, shuffle=False, verbose=0, callbacks=[data.callback()]
        )
        return history.history["loss"]

    def as_pair(x):
        return x.reshape(-1, 24).astype("float32") / 255

    def with_targets(cls):
        plain = cls.__getitem__
        return lambda self, i: (*plain(self, i), plain(self, i)[0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shuffled, "__getitem__", with_targets(Shuffled))
        np.testing.assert_allclose(losses(workers=3), losses(), rtol=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"x": np.zeros((4, 2)), "flip": True}, r"\(n, h, w, c\). Received: shape \(4, 2\)"),
        ({"steps": 0}, "Received: steps=0, 12 samples"),
        ({"steps": 1, "rows": np.arange(0)}, "Received: steps=1, 0 samples"),
        ({"rows": np.ones(12, bool)}, "flatnonzero.*Received: dtype=bool"),
        ({"rows": np.arange(3), "context": np.zeros(3)}, "Received: 3 for 12"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Shuffled(**{"x": pixels(), "batch_size": 2, **options})
