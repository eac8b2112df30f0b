"""The root solver: true errors below reported ones, each sample by itself, divergence seen."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_flows.core.fixed_point import fixed_point
from tests.numeric import arrays, program


def branch(lipschitz, dims, seed=0):
    """A matrix of this norm, so that x -> z - squash(x A) has this Lipschitz constant."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(dims, dims)))[0] for _ in range(2))
    return (left * np.linspace(lipschitz, 0.1 * lipschitz, dims)) @ right


def squash(x):
    """Of slopes in (0, 1], and of float64 on every backend."""
    return x / (1 + ops.abs(x))


def solve(matrix, z, **options):
    """The solver's answer for x = z - squash(x A), as arrays, by a compiled loop."""

    def run(z, matrix):
        return tuple(fixed_point(lambda x: z - squash(x @ matrix), z, **options))

    return arrays(program(run)(*map(ops.convert_to_tensor, (z, matrix.astype(z.dtype)))))


def exact(matrix, z):
    x = z = z.astype("float64")
    for _ in range(3000):
        x = z - x @ matrix / (1 + np.abs(x @ matrix))
    return x


def samples(dims, dtype="float32"):
    return np.random.default_rng(1).normal(size=(20, dims)).astype(dtype)


@pytest.mark.parametrize(
    "lipschitz,dtype", [(0.59, "float32"), (0.9, "float64"), (0.97, "float32")]
)
def test_the_true_error_is_below_the_reported_one(lipschitz, dtype):
    keras.config.set_floatx(dtype)
    matrix, z = branch(lipschitz, 6), samples(6, dtype)
    value, error, iterations, converged = solve(matrix, z, rate=lipschitz)
    true = np.linalg.norm(value - exact(matrix, z), axis=1)
    assert converged.all() and np.all(true <= error)
    most = {"float32": 1e-4, "float64": 1e-9}[dtype]
    assert np.all(error <= most * np.linalg.norm(z, axis=1)) and iterations.max() < 60


def test_acceleration_takes_fewer_evaluations():
    matrix, z = branch(0.9, 2), samples(2)
    plain, fast = (solve(matrix, z, rate=0.9, memory=m)[2].mean() for m in (0, 3))
    assert fast < 0.7 * plain


def test_without_a_rate_it_is_estimated_on_the_way():
    matrix, z = branch(0.8, 6), samples(6)
    value, error, _, converged = solve(matrix, z)
    assert converged.all() and np.all(error < 1e-3)
    np.testing.assert_allclose(value, exact(matrix, z), atol=1e-4)


@pytest.mark.parametrize("memory,rate", [(0, 0.9), (3, None), (3, 0.9)])
def test_a_map_that_expands_is_flagged_also_under_a_wrong_certificate(memory, rate):
    matrix = -1.3 * np.eye(4)  # z + squash(1.3 x) stretches distances near 0
    z = 0.01 * samples(4)
    _, error, iterations, converged = solve(matrix, z, rate=rate, memory=memory)
    assert not converged.any() and np.all(np.isinf(error)) and iterations.max() < 200


def test_too_few_iterations_and_values_that_are_not_finite_are_flagged():
    z = samples(6)
    assert not solve(branch(0.97, 6), z, rate=0.97, memory=0, max_iterations=3)[3].any()
    z[3] = np.nan
    converged = solve(branch(0.9, 6), z, rate=0.9)[3]
    assert not converged[3] and np.delete(converged, 3).all()


def test_a_samples_answer_does_not_depend_on_its_batch():
    matrix, z = branch(0.9, 6), samples(6)
    z[1] *= 1e-3
    z[2] *= 1e3
    whole = solve(matrix, z, rate=0.9)
    for i in (1, 2):
        alone = solve(matrix, z[i : i + 1], rate=0.9)
        np.testing.assert_allclose(alone[0][0], whole[0][i], rtol=1e-6, atol=1e-9)
        assert alone[2][0] == whole[2][i]


def test_pictures_keep_their_shape():
    z = samples(12).reshape(-1, 2, 3, 2)
    solution = fixed_point(lambda x: 0.5 * ops.sin(ops.flip(x, 1)) + z, ops.convert_to_tensor(z))
    value = arrays(solution.value)[0]
    np.testing.assert_allclose(value, 0.5 * np.sin(value[:, ::-1]) + z, atol=1e-4)
