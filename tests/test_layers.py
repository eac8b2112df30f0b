"""What every layer must do on every backend, untrained and trained."""

import functools
import inspect

import keras
import numpy as np
import pytest

import keras_flows
from keras_flows.core.ledger import Ledger
from keras_flows.testing import LayerCheck
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
    pack,
    perturb,
    split_conditions,
    train,
)

ITERATED = ("Residual-", "Implicit-", "Monotone-", "Inverse-Residual")  # minutes in all


def slow_where_iterated(*values):
    """A case, marked slow where its layer iterates."""
    slow = values[0].startswith(ITERATED)
    return pytest.param(*values, marks=[pytest.mark.slow] if slow else [], id="-".join(values))


STATES = [(name, "moved") for name in CASES] + [(name, "trained") for name in WEIGHTED]

every_layer = pytest.mark.parametrize("name", map(slow_where_iterated, CASES))
every_state = pytest.mark.parametrize("name,state", [slow_where_iterated(*s) for s in STATES])


def set_precision(floatx):
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)


@pytest.fixture(params=["float32", "float64"])
def precision(request):
    set_precision(request.param)


@functools.cache
def prepared(name, state, floatx):
    """A layer whose weights are not the initial ones, made once for several tests."""
    if state == "moved":
        return perturb(built(CASES[name])), None
    if floatx == "float64":  # with the weights trained in float32
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


def check(name, state="moved"):
    single = keras.backend.backend() == "jax" and "Sinh" in name
    if keras.config.floatx() == "float64" and single:
        pytest.skip("Keras computes sinh, cosh and arcsinh in float32 on JAX")
    return checked(name, state, keras.config.floatx())


@functools.cache
def checked(name, state, floatx):
    """The checks of a layer, which compute once what several tests need."""
    return LayerCheck(prepared(name, state, floatx)[0], CASES[name].inputs())


def assert_close(values, expected, **tolerance):
    assert len(values) == len(expected)
    for value, other in zip(values, expected):
        assert value.dtype == other.dtype and value.shape == other.shape
        np.testing.assert_allclose(value, other, **tolerance)


def test_every_public_layer_is_tested():
    covered = {name.split("-")[0] for name in CASES}
    public = {name: getattr(keras_flows.layers, name) for name in keras_flows.layers.__all__}
    base = keras_flows.layers.FlowLayer
    flows = {name for name, kind in public.items() if issubclass(kind, base)}
    assert covered - {"Sinh"} == flows - {"FlowLayer"}
    assert set(public) - flows == {"ClassVector", "StandardizeContext"}


def test_the_documented_example_is_tested():
    code = [line.strip() for line in inspect.getsource(Sinh).splitlines()]
    doc = keras_flows.layers.FlowLayer.__doc__.splitlines()
    example = [line.strip()[4:].strip() for line in doc if line.strip().startswith((">>>", "..."))]
    assert len(example) == 6
    assert [line for line in example if line not in code] == []


@every_state
def test_round_trip_and_log_dets_that_cancel(name, state, precision):
    check(name, state).round_trip()


@every_state
def test_inverse_round_trip_and_log_dets_that_cancel(name, state, precision):
    check(name, state).inverse_round_trip()


@every_state
def test_log_det_is_that_of_the_jacobian(name, state, precision):
    check(name, state).log_det()


@every_state
def test_inverse_log_det_is_that_of_the_jacobian(name, state, precision):
    check(name, state).inverse_log_det()


# Some entries stay: behind masks, inactive ReLU units, and the key biases of attention.
PARTLY_TRAINED = ("lower", "upper", "masked_dense", "dense64", "Checkerboard")


@pytest.mark.parametrize("name", map(slow_where_iterated, WEIGHTED))
def test_every_trainable_weight_trains(name):
    layer, before = prepared(name, "trained", "float32")
    assert before
    for old, weight in zip(before, layer.trainable_variables):
        moved = np.abs(array(weight) - old)
        partly = any(word in f"{name}/{weight.path}" for word in PARTLY_TRAINED)
        assert np.all(np.isfinite(moved)) and moved.max() > 1e-3, weight.path
        assert np.mean(moved > 1e-6) > (0.15 if partly else 0.6), weight.path


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
def test_inverse_before_build_works_or_explains_why_not(name):
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


@every_layer
def test_config(name):
    layer = built(CASES[name])
    LayerCheck(layer, CASES[name].inputs()).config()
    options = inspect.signature(type(layer).__init__).parameters
    assert set(options) - {"self", "kwargs", "dtype"} <= set(layer.get_config())


@every_layer
@pytest.mark.parametrize("direction", ["encoder", "decoder"])
def test_saved_model_gives_the_same_numbers(name, direction):
    layer = perturb(built(CASES[name]))
    LayerCheck(layer, CASES[name].inputs(), tolerance=1e-6).saved(direction)


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
def test_any_batch_size_works_and_samples_are_independent(name):
    case = CASES[name]
    layer = perturb(built(case))
    assert all(output.shape[0] is None for output in flat(functional(case, layer).outputs))
    LayerCheck(layer, case.inputs(batch=4), tolerance=1e-5).samples_do_not_mix()


@every_layer
def test_log_det_has_one_number_a_sample_or_is_a_scalar(name):
    layer = perturb(built(CASES[name]))
    entries = call(layer, CASES[name].inputs(batch=3))[1]
    assert len(entries) <= 1
    assert all(e.shape in ((), (3,)) and e.dtype == "float32" for e in entries)


@every_layer
def test_a_call_in_float64_equals_encode(name, float64):
    expected, log_det = check(name).encoded
    z, entries = call(check(name).layer, CASES[name].inputs())
    if not CASES[name].lossy:  # a call with a density draws noise
        assert_close(z, expected, rtol=1e-12, atol=1e-12)
    assert [e.dtype.name for e in entries] == ["float64"] * len(entries)
    total = sum(entries, np.zeros(()))
    # Python numbers become float32 on TensorFlow.
    rtol = 1e-6 if name.split("-")[0] in ("Dequantize", "Quantize", "Rescale") else 1e-12
    np.testing.assert_allclose(np.broadcast_to(total, 3), log_det, rtol=rtol, atol=1e-12)


@every_layer
def test_output_shapes_are_known_before_a_call(name):
    LayerCheck(built(CASES[name]), CASES[name].inputs()).output_shapes()


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
FIXED.remove("VariationalDequantize-image")  # its inverse rounds numbers of any shape


@pytest.mark.parametrize("name", map(slow_where_iterated, FIXED))
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
