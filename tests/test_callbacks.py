"""Callbacks: grids, rollback on collapse, checkpoints, the soft Ctrl-C."""

import json
import os
import signal

import imageio.v3 as iio
import keras
import numpy as np
import pytest

from keras_flows import Flow, layers
from keras_flows.core.repeats import stacking
from keras_flows.data.shuffled import Shuffled
from keras_flows.files import write_json
from keras_flows.models import NICE
from keras_flows.training.callbacks import (
    AveragedWeights,
    Checkpoint,
    RollbackOnCollapse,
    SampleGrid,
    StopAfter,
    StopOnInterrupt,
)


def small_flow(rate=0.01, variant="blog"):
    keras.utils.set_random_seed(3)
    flow = NICE(4, steps=2, variant=variant, hidden=(8,), seed=1)
    flow.compile(optimizer=keras.optimizers.Adam(rate))
    return flow


def data(n=64):
    return np.random.default_rng(0).uniform(size=(n, 4)).astype("float32")


class SpoilWeights(keras.callbacks.Callback):
    """Multiplies the weights by `factor` after some epochs."""

    def __init__(self, epochs, factor):
        super().__init__()
        self.epochs, self.factor = epochs, factor

    def on_epoch_begin(self, epoch, logs=None):
        if epoch + 1 in self.epochs:
            self.model.set_weights([self.factor * w for w in self.model.get_weights()])


def rate_of(flow):
    return float(keras.ops.convert_to_numpy(flow.optimizer.learning_rate))


def test_sample_grid_writes_the_same_latents_every_epoch(tmp_path):
    flow = small_flow(rate=0.0)
    folder = tmp_path / "run{a}"
    grid = SampleGrid(folder / "e{epoch:02d}.png", 0.5, 3, 5, image_shape=(2, 2, 1))
    flow.fit(data(), epochs=2, verbose=0, callbacks=[grid])
    first, second = iio.imread(folder / "e01.png"), iio.imread(folder / "e02.png")
    assert first.shape == (6, 10) and first.dtype == np.uint8
    assert np.array_equal(first, second) and first.std() > 0


@pytest.mark.parametrize("factor", [np.nan, 50.0])
def test_rollback_restores_the_best_and_lowers_the_rate(factor, capsys):
    flow, seen = small_flow(), []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: seen.append(logs["loss"]))
    spoil, rollback = SpoilWeights([3], factor), RollbackOnCollapse(factor=0.1)
    flow.fit(data(), epochs=6, batch_size=16, verbose=0, callbacks=[spoil, rollback, watch])
    assert not seen[2] < seen[1] + abs(seen[1])
    assert np.isfinite(seen[3:]).all() and seen[-1] <= seen[1]
    assert rate_of(flow) == pytest.approx(0.001)
    assert "Epoch 3" in capsys.readouterr().out and rollback.rollbacks == 1


def test_rollback_restores_the_optimizer_too():
    flow = small_flow()
    flow.fit(
        data(), epochs=2, verbose=0, callbacks=[SpoilWeights([2], np.nan), RollbackOnCollapse()]
    )
    assert all(np.isfinite(keras.ops.convert_to_numpy(v)).all() for v in flow.optimizer.variables)


def test_rollback_in_the_first_epoch_restores_the_start():
    flow = small_flow()
    start = flow.get_weights()
    flow.fit(
        data(), epochs=1, verbose=0, callbacks=[SpoilWeights([1], np.nan), RollbackOnCollapse()]
    )
    assert all(np.array_equal(a, b) for a, b in zip(start, flow.get_weights()))


def test_rollback_gives_up_with_a_message(capsys):
    flow = small_flow()
    callbacks = [SpoilWeights(range(1, 99), np.nan), RollbackOnCollapse(max_rollbacks=2)]
    history = flow.fit(data(), epochs=9, verbose=0, callbacks=callbacks)
    assert len(history.epoch) == 3
    assert "Giving up after 2 rollbacks" in capsys.readouterr().out
    assert all(np.isfinite(w).all() for w in flow.get_weights())


def test_rollback_leaves_a_schedule_alone(capsys):
    flow = small_flow(keras.optimizers.schedules.CosineDecay(0.01, 100))
    callbacks = [SpoilWeights([2], np.nan), RollbackOnCollapse()]
    flow.fit(data(), epochs=3, verbose=0, callbacks=callbacks)
    assert "left to its schedule" in capsys.readouterr().out


def test_rollback_ignores_ordinary_ups_and_downs():
    rollback = RollbackOnCollapse(jump=0.5)
    rollback.kept.first, rollback.kept.best = 100.0, -10.0
    assert not rollback._collapsed(40.0) and rollback._collapsed(46.0)


@pytest.mark.parametrize("bad", [{"jump": 0}, {"factor": 2.0}, {"max_rollbacks": 0}])
def test_rollback_refuses_bad_settings(bad):
    with pytest.raises(ValueError, match="Received"):
        RollbackOnCollapse(**bad)


def run(folder, epochs, stop_after=None, settings=None, resume=False):
    """A run of `epochs`, or its first part; the losses of all epochs so far."""
    checkpoint = Checkpoint(folder, monitor="loss", settings=settings)
    flow, done = checkpoint.restore() if resume else (None, 0)
    flow = flow or small_flow()
    shuffled = Shuffled(data(), 16, seed=5)
    flow.fit(
        shuffled,
        shuffle=False,
        epochs=stop_after or epochs,
        initial_epoch=done,
        verbose=0,
        callbacks=[shuffled.callback(), checkpoint],
    )
    return checkpoint, flow


def losses(checkpoint):
    return [row["loss"] for row in checkpoint.history]


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path):
    whole, flow = run(tmp_path / "whole", 5)
    run(tmp_path / "parts", 5, stop_after=2)
    parts, again = run(tmp_path / "parts", 5, resume=True)
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-6)
    for a, b in zip(flow.get_weights(), again.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_checkpoint_leaves_only_the_last_state_and_the_best(tmp_path):
    checkpoint, flow = run(tmp_path, 3)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["best.keras", "last_00003.keras", "state.json"]
    best = keras.models.load_model(tmp_path / "best.keras")
    assert not best.compiled
    assert checkpoint.best == min(losses(checkpoint))


@pytest.mark.parametrize("other", [{"seed": 2}, {"script": "another"}])
def test_checkpoint_refuses_other_settings(other, tmp_path):
    run(tmp_path, 1, settings={"seed": 1})
    with pytest.raises(ValueError, match="seed"):
        Checkpoint(tmp_path, settings=other).restore()


def test_shuffled_gives_each_sample_once_an_epoch_in_a_new_order():
    shuffled, epochs = Shuffled(np.arange(10), 4, seed=0), []
    for epoch in (0, 1, 0):
        shuffled.set_epoch(epoch)
        epochs.append(np.concatenate([shuffled[i][0] for i in range(len(shuffled))]).tolist())
    assert sorted(epochs[0]) == list(range(10)) == sorted(epochs[1])
    assert epochs[0] == epochs[2] != epochs[1]


def test_ctrl_c_stops_after_the_step_and_its_handler_is_restored():
    flow, before = small_flow(), signal.getsignal(signal.SIGINT)
    steps = []

    def press(batch, logs):
        steps.append(batch)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    stop = StopOnInterrupt()
    presses = keras.callbacks.LambdaCallback(on_train_batch_end=press)
    flow.fit(data(), epochs=5, batch_size=8, verbose=0, callbacks=[presses, stop])
    assert stop.interrupted and len(steps) in (3, 4)
    assert signal.getsignal(signal.SIGINT) is before
    assert np.isfinite(flow.sample(2)).all()


@pytest.mark.parametrize(("minutes", "epochs"), [(0.1, 1), (0.5, 3)])
def test_an_epoch_that_would_end_too_late_is_not_begun(minutes, epochs, monkeypatch):
    """Of epochs of 10 seconds."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    tick = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: now.append(now.pop() + 10))
    history = small_flow().fit(data(), epochs=5, verbose=0, callbacks=[tick, StopAfter(minutes)])
    assert len(history.epoch) == epochs


def test_zero_minutes_are_refused():
    with pytest.raises(ValueError, match="Received"):
        StopAfter(0)


def averaged_flow():
    flow = small_flow()
    flow.compile(keras.optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.9))
    return flow


def fit(flow, checkpoint, epochs, done=0):
    """A run of six epochs whose process ends after so many, as if killed."""
    batches = Shuffled(data(), 16)
    averages = AveragedWeights(resumed=done > 0)
    with pytest.raises(KeyboardInterrupt):
        flow.fit(
            batches,
            shuffle=False,
            epochs=6,
            initial_epoch=done,
            validation_data=(data(16),),
            verbose=0,
            callbacks=[batches.callback(), averages, checkpoint, KillAfter(epochs)],
        )


class KillAfter(keras.callbacks.Callback):
    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.epochs:
            raise KeyboardInterrupt


def flow_of(*chain, **options):
    x = keras.Input((4,))
    flow = Flow(keras.Model(x, layers.Chain(chain, **options)(x)))
    flow.compile(keras.optimizers.Adam(0.01))
    return flow


def guarded(flow, epochs, spoil, checkpoint=None, done=0):
    """The rollbacks of a run of `epochs`, some of them spoiled."""
    guard = RollbackOnCollapse()
    callbacks = [spoil, guard, *[checkpoint] * (checkpoint is not None)]
    flow.fit(
        data(),
        batch_size=16,
        shuffle=False,
        epochs=epochs,
        initial_epoch=done,
        verbose=0,
        callbacks=callbacks,
    )
    return guard


@pytest.mark.parametrize(
    ("spoiled", "factor", "files"),
    [
        ([3], 100.0, []),
        ([2, 3], np.nan, ["rollback_00001.npz"]),
        ([1, 2, 3], np.nan, ["rollback_00000.npz"]),
    ],
    ids=["last", "earlier", "start"],
)
def test_a_collapse_after_a_resume_is_rolled_back(spoiled, factor, files, tmp_path):
    """Whether the best weights are the last ones, those of an epoch before, or the start's."""
    whole, spoil = flow_of(layers.Scale("zeros")), SpoilWeights(spoiled, factor)
    guarded(whole, 4, spoil)
    guarded(flow_of(layers.Scale("zeros")), 2, spoil, Checkpoint(tmp_path, "loss"))
    assert [path.name for path in tmp_path.glob("rollback_*")] == files
    checkpoint = Checkpoint(tmp_path, "loss")
    parts, done = checkpoint.restore()
    guard = guarded(parts, 4, spoil, checkpoint, done)
    assert done == 2 and guard.rollbacks == len(spoiled)
    assert rate_of(parts) == pytest.approx(rate_of(whole)) and np.isfinite(guard.kept.best)
    for one, other in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert not list(tmp_path.glob("rollback_*"))


def test_a_new_fit_keeps_nothing_of_an_earlier_one(tmp_path):
    flow, checkpoint = flow_of(layers.Scale("zeros")), Checkpoint(tmp_path, "loss")
    assert guarded(flow, 2, SpoilWeights([], 0), checkpoint).kept.best is not None
    guarded(flow, 1, SpoilWeights([1], np.nan), checkpoint)
    state = json.loads(checkpoint.state_path.read_text())["rollback"]
    assert state["best"] is None and state["rollbacks"] == 1


@pytest.mark.parametrize("stacked", [True, False])
def test_an_optimizer_is_restored_where_steps_are_stacked_differently(stacked, tmp_path, recwarn):
    """As a JAX Glow's on a CPU and a GPU, or TensorFlow's on JAX."""
    with stacking(stacked):
        whole = flow_of(*[layers.Actnorm() for _ in range(3)])
        whole.fit(data(), shuffle=False, verbose=0, callbacks=[Checkpoint(tmp_path, "loss")])
    whole.fit(data(), shuffle=False, verbose=0)
    with stacking(not stacked):
        flow, done = Checkpoint(tmp_path, "loss").restore()
        flow.fit(data(), shuffle=False, verbose=0)
    assert done == 1 and int(flow.optimizer.iterations) == 4
    for one, other in zip(flow.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert not [w for w in recwarn if "optimizer" in str(w.message)]


def test_an_optimizer_whose_state_does_not_fit_is_refused(tmp_path):
    """Of two chains of which one was stacked."""
    chains = []
    for stacked in (True, False):
        with stacking(stacked):
            chains.append(layers.Chain([layers.Actnorm(), layers.Actnorm()]))
            chains[-1].build((None, 4))
    flow = flow_of(*chains, stack=False)
    flow.fit(data(), verbose=0, callbacks=[Checkpoint(tmp_path, "loss")])
    state = json.loads((tmp_path / "state.json").read_text())
    for saved in ("of 2", "of one or more"):  # states of before do not say how many
        with pytest.raises(ValueError, match=f"optimizer's state.*Received: 0 .* instead {saved}"):
            Checkpoint(tmp_path, "loss").restore()
        del state["iterations"]
        write_json(tmp_path / "state.json", state)
        state["iterations"] = None


def test_a_state_from_before_rollbacks_were_saved_is_restored(tmp_path):
    checkpoint = Checkpoint(tmp_path, "loss", settings={"seed": 1})
    flow_of(layers.Scale("zeros")).fit(data(), verbose=0, callbacks=[checkpoint])
    state = json.loads((tmp_path / "state.json").read_text())
    for name in ("iterations", "rollback"):
        del state[name]
    (tmp_path / "state.json").write_text(json.dumps(state))
    with pytest.raises(ValueError, match="monitor.*Received"):
        Checkpoint(tmp_path, settings={"seed": 1}).restore()
    settings = {"seed": 1, "script": "new"}
    assert Checkpoint(tmp_path, "loss", settings=settings).restore()[1] == 1


@pytest.mark.parametrize("text", ["", '{"settings": {', "[]", '{"settings": {}}'])
def test_the_error_of_a_damaged_state_names_it(text, tmp_path):
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(ValueError, match=r"state\.json is damaged.*Received"):
        Checkpoint(tmp_path).restore()


@pytest.mark.slow
def test_a_killed_run_with_averages_resumes_to_the_same_weights(tmp_path):
    fit(averaged_flow(), Checkpoint(tmp_path / "whole"), 4)
    fit(averaged_flow(), Checkpoint(tmp_path / "parts"), 2)
    again = Checkpoint(tmp_path / "parts")
    flow, done = again.restore()
    assert done == 2
    fit(flow, again, 4, done)
    whole, parts = (Checkpoint(tmp_path / name).restore()[0] for name in ("whole", "parts"))
    for one, other in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_averages_are_in_the_model_between_epochs_and_follow_the_weights():
    flow, seen = averaged_flow(), []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda e, logs: seen.append(flow.get_weights()),
        on_epoch_end=lambda e, logs: seen.append(flow.get_weights()),
    )
    flow.fit(data(), epochs=2, batch_size=16, verbose=0, callbacks=[AveragedWeights(), watch])
    start, averaged, trained, _ = (np.concatenate([v.ravel() for v in w]) for w in seen)
    moved = np.abs(trained - start).max()
    assert 0 < np.abs(averaged - trained).max() < moved
    assert np.dot(averaged - start, trained - start) > 0


def test_averages_survive_samples_after_the_last_epoch(tmp_path):
    flow = averaged_flow()
    grid = SampleGrid(tmp_path / "grid.png", rows=1, columns=2, image_shape=(2, 2, 1))
    callbacks = [AveragedWeights(), grid, RollbackOnCollapse()]
    flow.fit(data(), epochs=2, verbose=0, callbacks=callbacks)
    flow.sample(2)
    flow.save(tmp_path / "flow.keras")
    averages = flow.optimizer._model_variables_moving_average
    for variable, average in zip(flow.trainable_variables, averages):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (variable, average)))
