"""The battery: what every layer must do on every backend, untrained and trained."""

import functools
import inspect
import json

import keras
import numpy as np
import pytest

import keras_flows
from keras_flows.layers.flow_layer import Ledger
from tests.layers import BAD_OPTIONS, CASES, WEIGHTED
from tests.nets import Sinh
from tests.numeric import (
    array,
    arrays,
    built,
    compiled,
    encode,
    flat,
    functional,
    jacobian_log_det,
    outputs_of,
    pack,
    perturb,
    split_conditions,
    train,
)

TOLERANCE = {"float32": 1e-4, "float64": 1e-8}
STATES = [(name, "moved") for name in CASES] + [(name, "trained") for name in WEIGHTED]

every_layer = pytest.mark.parametrize("name", CASES)
every_state = pytest.mark.parametrize("name,state", STATES, ids=map("-".join, STATES))


def set_precision(floatx):
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)


@pytest.fixture(params=["float32", "float64"])
def tolerance(request):
    set_precision(request.param)
    return {"rtol": TOLERANCE[request.param], "atol": TOLERANCE[request.param]}


@functools.cache
def prepared(name, state, floatx):
    """A layer whose weights are not the initial ones, made once for all tests of its numbers."""
    if state == "moved":
        return perturb(built(CASES[name])), None
    if floatx == "float64":  # what was trained in float32, in float64
        layer = built(CASES[name])
        for weight, value in zip(layer.weights, trained_weights(name), strict=True):
            weight.assign(value)
        return layer, None
    layer = CASES[name].make()
    return layer, train(CASES[name], layer)


def trained_weights(name):
    set_precision("float32")
    layer = prepared(name, "trained", "float32")[0]
    set_precision("float64")
    return arrays(layer.weights)


def subject(name, state):
    single = keras.backend.backend() == "jax" and "Sinh" in name
    if keras.config.floatx() == "float64" and single:
        pytest.skip("Keras computes sinh, cosh and arcsinh in float32 on JAX")
    return numbers(prepared, name, state)[0], CASES[name].inputs()


def numbers(made, name, state):
    """What one of the cached functions makes in the precision that is set."""
    return made(name, state, keras.config.floatx())


@functools.cache
def encoded(name, state, floatx):
    """Outputs and log-det of the case's inputs, computed once for all tests of its numbers."""
    return encode(prepared(name, state, floatx)[0], CASES[name].inputs())


@functools.cache
def decoded(name, state, floatx):
    """Inputs of the inverse, the conditions last, and its outputs and log-det."""
    layer, x = prepared(name, state, floatx)[0], CASES[name].inputs()
    z = encoded(name, state, floatx)[0]
    if not CASES[name].lossy:
        rng = np.random.default_rng(1)
        z = [rng.normal(size=each.shape).astype(each.dtype) for each in z]
    z = z + split_conditions(layer, x)[1]
    return z, encode(layer.inverse(), z)


def assert_close(values, wanted, **tolerance):
    assert len(values) == len(wanted)
    for value, other in zip(values, wanted):
        assert value.dtype == other.dtype and value.shape == other.shape
        np.testing.assert_allclose(value, other, **tolerance)


def test_every_public_layer_is_in_the_battery():
    covered = {name.split("-")[0] for name in CASES}
    public = {name: getattr(keras_flows.layers, name) for name in keras_flows.layers.__all__}
    base = keras_flows.layers.FlowLayer
    flows = {name for name, kind in public.items() if issubclass(kind, base)}
    assert covered - {"Sinh"} == flows - {"FlowLayer"}
    assert set(public) - flows == {"ClassVector", "StandardizeContext"}


def test_the_battery_runs_the_documented_example():
    code = [line.strip() for line in inspect.getsource(Sinh).splitlines()]
    doc = keras_flows.layers.FlowLayer.__doc__.splitlines()
    example = [line.strip()[4:].strip() for line in doc if line.strip().startswith((">>>", "..."))]
    assert len(example) == 6
    assert [line for line in example if line not in code] == []


@every_state
def test_round_trip_and_log_dets_that_cancel(name, state, tolerance):
    layer, x = subject(name, state)
    (z, there), (data, conditions) = numbers(encoded, name, state), split_conditions(layer, x)
    x_again, back = encode(layer.inverse(), z + conditions)
    assert_close(x_again, data, **tolerance)
    np.testing.assert_allclose(there + back, 0, atol=tolerance["atol"])


@every_state
def test_inverse_round_trip_and_log_dets_that_cancel(name, state, tolerance):
    layer, _ = subject(name, state)
    z, (x, back) = numbers(decoded, name, state)
    data, conditions = split_conditions(layer.inverse(), z)
    z_again, there = encode(layer, x + conditions)
    assert_close(z_again, data, **tolerance)
    np.testing.assert_allclose(there + back, 0, atol=tolerance["atol"])


@every_state
def test_log_det_is_that_of_the_jacobian(name, state, tolerance):
    layer, x = subject(name, state)
    z, log_det = numbers(encoded, name, state)
    if np.issubdtype(z[0].dtype, np.integer):
        pytest.skip("rounding has no Jacobian")
    np.testing.assert_allclose(log_det, jacobian_log_det(layer, x), **tolerance)


@every_state
def test_inverse_log_det_is_that_of_the_jacobian(name, state, tolerance):
    layer, _ = subject(name, state)
    z, (x, log_det) = numbers(decoded, name, state)
    if np.issubdtype(x[0].dtype, np.integer):
        pytest.skip("rounding has no Jacobian")
    np.testing.assert_allclose(log_det, jacobian_log_det(layer.inverse(), z), **tolerance)


@pytest.mark.parametrize("name", WEIGHTED)
def test_every_trainable_weight_trains(name):
    layer, before = prepared(name, "trained", "float32")
    assert before
    for old, weight in zip(before, layer.trainable_variables):
        moved = np.abs(array(weight) - old)
        assert np.all(np.isfinite(moved)) and moved.max() > 1e-3, weight.path


def test_the_list_of_layers_with_weights_is_complete():
    assert WEIGHTED == [n for n, case in CASES.items() if built(case).trainable_variables]


@every_layer
def test_inverse_of_the_inverse_is_the_layer(name):
    layer = built(CASES[name])
    if isinstance(layer, keras_flows.layers.Inverse):
        assert layer.inverse() is layer.layer
    else:
        assert layer.inverse().inverse() is layer


@every_layer
def test_inverse_shares_the_weights(name):
    layer = built(CASES[name])
    inverse = layer.inverse()
    z = encode(layer, CASES[name].inputs())[0]
    inverse(pack(z + split_conditions(layer, CASES[name].inputs())[1]))
    assert {id(w) for w in inverse.trainable_variables} == {
        id(w) for w in layer.trainable_variables
    }


@every_layer
def test_inverse_before_build_works_or_says_why_not(name):
    case = CASES[name]
    x = case.inputs()
    z = encode(built(case), x)[0] + split_conditions(built(case), x)[1]
    layer = case.make()
    try:
        x = arrays(layer.inverse()(pack(z)))
    except ValueError as error:
        assert "Received" in str(error) and "layer first" in str(error)
    else:
        z_again = encode(layer, x + split_conditions(layer, case.inputs())[1])[0]
        assert_close(z_again, split_conditions(layer.inverse(), z)[0], atol=1e-4)
        assert len(layer.trainable_variables) == len(built(case).trainable_variables)


def unshared(config):
    """A config without the numbers by which Keras tells shared objects."""
    if isinstance(config, list):
        return [unshared(v) for v in config]
    if not isinstance(config, dict):
        return config
    return {k: unshared(v) for k, v in config.items() if k != "shared_object_id"}


@every_layer
def test_config(name):
    layer = CASES[name].make()
    config = json.dumps(layer.get_config())
    again = type(layer).from_config(json.loads(config))
    config = json.loads(config)
    assert unshared(json.loads(json.dumps(again.get_config()))) == unshared(config)
    options = inspect.signature(type(layer).__init__).parameters
    assert set(options) - {"self", "kwargs", "dtype"} <= set(config)


@every_layer
@pytest.mark.parametrize("direction", ["encoder", "decoder"])
def test_saved_model_gives_the_same_numbers(name, direction, tmp_path):
    case = CASES[name]
    model = functional(case)
    perturb(model)
    x = case.inputs()
    if direction == "decoder":
        layer = model.layers[-1]
        x = outputs_of(model, x) + split_conditions(layer, x)[1]
        model = keras_flows.invert(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert len(again.weights) == len(model.weights)
    assert_close(outputs_of(again, x), outputs_of(model, x), atol=1e-6)


@every_layer
def test_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    case = CASES[name]
    layer = perturb(built(case))
    x = case.inputs()
    data, conditions = split_conditions(layer, x)
    z, entries = call(layer, x)
    back, more = call(layer.inverse(), z + conditions)
    assert all(entry.dtype == "float32" for entry in entries + more)
    if not case.lossy:
        assert_close(back, data, rtol=1e-4, atol=1e-4)


def call(layer, inputs):
    def entries(*x):
        with Ledger() as ledger:
            return flat(layer(pack(x))), ledger.entries

    return [arrays(values) for values in compiled(entries, *inputs)]


@every_layer
def test_any_batch_size_and_samples_do_not_mix(name):
    case = CASES[name]
    model = functional(case)
    perturb(model)
    assert all(output.shape[0] is None for output in flat(model.outputs))
    x = case.inputs(batch=4)
    whole = outputs_of(model, x)
    alone = outputs_of(model, [v[2:3] for v in x])
    assert_close(alone, [z[2:3] for z in whole], atol=1e-5)


@every_layer
def test_log_det_is_one_a_sample_or_a_scalar(name):
    layer = perturb(built(CASES[name]))
    entries = call(layer, CASES[name].inputs(batch=3))[1]
    assert len(entries) <= 1
    assert all(e.shape in ((), (3,)) and e.dtype == "float32" for e in entries)


@every_layer
def test_output_shapes_are_known_before_a_call(name):
    case = CASES[name]
    model = functional(case)
    x = case.inputs()
    outputs = outputs_of(model, x)
    assert [t.shape[1:] for t in flat(model.outputs)] == [z.shape[1:] for z in outputs]
    assert [t.dtype for t in flat(model.outputs)] == [z.dtype.name for z in outputs]


REFUSED = [(name, shapes) for name, case in CASES.items() for shapes in case.bad]


@pytest.mark.parametrize("name,shapes", REFUSED, ids=[f"{n}-{s}" for n, s in REFUSED])
def test_shapes_that_cannot_work_are_refused(name, shapes):
    inputs = [keras.KerasTensor(shape) for shape in shapes]
    with pytest.raises(ValueError, match="Received"):
        CASES[name].make()(pack(inputs))


RANDOM = ["Shuffle-random", "Permute-random", "InvConv-image", "Coupling-flip", "Scale-vector"]


@pytest.mark.parametrize("name", RANDOM)
def test_set_random_seed_fixes_the_weights(name):
    weights = []
    for seed in (7, 7, 8):
        keras.utils.set_random_seed(seed)
        weights.append(np.concatenate([array(w).ravel() for w in built(CASES[name]).weights]))
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


FIXED = ["Shuffle-random", "Reshape-flat", "Squeeze-2", "UnSqueeze-2", *WEIGHTED]


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("direction", ["layer", "inverse"])
def test_a_built_layer_refuses_other_shapes_rather_than_broadcast(name, direction):
    case = CASES[name]
    layer = built(case)
    x = case.inputs()
    if direction == "inverse":
        x = encode(layer, x)[0] + split_conditions(layer, x)[1]
        layer = layer.inverse()
    wrong = [v[:, :1, ..., :1] if v.ndim > 2 else v[:, :1] for v in x]
    with pytest.raises(ValueError):
        layer(pack(wrong))


@pytest.mark.parametrize(
    "name", ["Actnorm-image", "CondActnorm-image", "InvConv-image", "Squeeze-2"]
)
def test_one_layer_serves_pictures_of_several_sizes(name):
    case = CASES[name]
    layer = perturb(built(case))
    x = [np.concatenate([v, v], axis=1) for v in case.inputs()]
    z, log_det = encode(layer, x)
    assert_close(encode(layer.inverse(), z + x[1:])[0], x[:1], atol=1e-4)
    np.testing.assert_allclose(log_det, jacobian_log_det(layer, x), atol=1e-4)


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_options_that_cannot_work_are_refused(name):
    with pytest.raises(ValueError, match="Received"):
        BAD_OPTIONS[name]()
