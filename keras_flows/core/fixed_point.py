"""One root solver for every implicit direction: x = f(x), each sample by itself."""

import collections
import math

import keras
from keras import ops

from keras_flows.backend.native import repeat_while

Solution = collections.namedtuple("Solution", "value error iterations converged")

STALLED = 30  # evaluations without a better residual, after which a sample is given up
FLOOR = 4  # residuals up to so many units of rounding count as 0

_State = collections.namedtuple(
    "_State",
    "step, x, accelerated, accepted_x, accepted_residual, accepted_norm, moves, changes, count, "
    "best, best_norm, slope, stalled, active, iterations",
)


def fixed_point(function, start, *, rate=None, tolerance=None, max_iterations=500, memory=3):
    """The solution of x = f(x) for a contraction f, for each sample of a batch by itself.

    Picard's iteration x <- f(x) with Anderson acceleration: the next point combines the last
    ones so that their residuals f(x) - x nearly cancel. Where an accelerated point is worse than
    the one before it is dropped, and a plain step follows. A sample that is done no longer
    changes, so that its answer does not depend on the others of its batch.

    Args:
        function: from a tensor like `start` to the same shape, sample by sample.
        start: where to begin, `(batch, ...)`.
        rate: an upper bound on f's Lipschitz constant in the 2-norm of a sample: a number or a
            scalar tensor. None, or 1 and more: it is estimated from the points on the way.
        tolerance: of the error, relative to the norm of the sample and of its start. None: about
            1e-5 in float32, 1e-11 in float64.
        max_iterations: most evaluations of f.
        memory: how many earlier points the acceleration uses; 0 is Picard's iteration.

    Returns a `Solution`:
        value: the best point, of the smallest residual, after one more step.
        error: a bound on the distance of `value` from the solution in the 2-norm, `(batch,)`:
            rate / (1 - rate) |f(x) - x|, and what rounding adds. An estimate where `rate` is
            not known; infinite where f expanded distances on the way.
        iterations: evaluations of f, `(batch,)`.
        converged: whether the error is below its tolerance or the residual below rounding, and f
            contracted, `(batch,)`.

    Nothing is differentiated: what `function` uses has to be constant. Papers: Anderson
    acceleration, Walker and Ni (SIAM J. Numer. Anal. 49, 2011) section 2.

    >>> fixed_point(lambda x: 0.5 * ops.cos(x), ops.zeros((3, 2))).value
    """
    shape, size = start.shape[1:], math.prod(start.shape[1:])
    solver = _Solver(
        lambda x: ops.reshape(function(ops.reshape(x, (-1, *shape))), (-1, size)),
        ops.reshape(ops.stop_gradient(start), (-1, size)),
        rate,
        tolerance,
        max_iterations,
        memory,
    )
    state = repeat_while(solver.goes_on, solver.step, solver.begin())
    solution = solver.solution(_State(*state))
    return solution._replace(value=ops.reshape(solution.value, (-1, *shape)))


class _Solver:
    def __init__(self, function, start, rate, tolerance, max_iterations, memory):
        self.function, self.start, self.most, self.memory = function, start, max_iterations, memory
        double = keras.backend.standardize_dtype(start.dtype) == "float64"
        self.unit = 2.0**-52 if double else 2.0**-23
        self.tolerance = self.unit**0.7 if tolerance is None else tolerance
        rate = ops.cast(1.0 if rate is None else rate, start.dtype)
        self.rate = ops.where(rate < 1, rate, ops.zeros_like(rate))
        self.start_norm = _norm(start)

    def begin(self):
        x, batch = self.start, ops.shape(self.start)[0]
        zeros = ops.zeros_like(x[:, 0])
        none = ops.zeros((batch, self.memory, x.shape[1]), x.dtype)
        count = ops.zeros((batch,), "int32")
        return _State(
            step=ops.zeros((), "int32"),
            x=x,
            accelerated=ops.zeros((batch,), "bool"),
            accepted_x=x,
            accepted_residual=ops.zeros_like(x),
            accepted_norm=zeros + math.inf,
            moves=none,
            changes=none,
            count=count,
            best=x,
            best_norm=zeros + math.inf,
            slope=zeros,
            stalled=count,
            active=ops.ones((batch,), "bool"),
            iterations=count,
        )

    def goes_on(self, step, *rest):
        return ops.logical_and(step < self.most, ops.any(_State(step, *rest).active))

    def step(self, *state):
        s = _State(*state)
        residual = self.function(s.x) - s.x
        norm = _norm(residual)
        finite = ops.isfinite(norm)
        first = s.step == 0
        move, change = s.x - s.accepted_x, residual - s.accepted_residual
        slope = ops.maximum(s.slope, self._slope(s.x, move, change, first))
        refused = ops.logical_and(s.accelerated, ops.logical_not(norm <= s.accepted_norm))
        better = ops.logical_and(s.active, norm < s.best_norm)
        stalled = ops.where(norm < 0.95 * s.best_norm, 0, s.stalled + 1)
        # History: of accepted points, without what came before a refused one.
        pushed = [_pushed(h, v) for h, v in ((s.moves, move), (s.changes, change))]
        count = ops.minimum(s.count + 1, self.memory)
        count = ops.where(ops.logical_or(refused, first), 0, count)
        keep = refused[:, None, None]
        moves, changes = (ops.where(keep, h, p) for h, p in zip((s.moves, s.changes), pushed))
        x = ops.where(refused[:, None], s.accepted_x, s.x)
        r = ops.where(refused[:, None], s.accepted_residual, residual)
        best_norm = ops.where(better, norm, s.best_norm)
        slope = ops.where(s.active, slope, s.slope)
        done = self._is_done(s.x, best_norm, slope)
        goes_on = ops.logical_and(finite, ops.logical_and(stalled < STALLED, ops.logical_not(done)))
        active = ops.logical_and(s.active, goes_on)
        after = x + r - self._correction(r, moves, changes, count)
        return _State(
            step=s.step + 1,
            x=ops.where(active[:, None], after, s.x),
            accelerated=count > 0,
            accepted_x=x,
            accepted_residual=r,
            accepted_norm=ops.where(refused, s.accepted_norm, norm),
            moves=moves,
            changes=changes,
            count=count,
            best=ops.where(better[:, None], s.x + residual, s.best),
            best_norm=best_norm,
            slope=slope,
            stalled=stalled,
            active=active,
            iterations=s.iterations + ops.cast(s.active, "int32"),
        )

    def _slope(self, x, move, change, first):
        """How much f stretched the last move; 0 where rounding hides it."""
        length = _norm(move)
        seen = ops.logical_and(length > 1000 * self.unit * self._scale(x), ops.logical_not(first))
        return ops.where(seen, _norm(move + change) / ops.where(seen, length, 1.0), 0.0)

    def _correction(self, residual, moves, changes, count):
        """What Anderson's acceleration takes off a plain step: sum of g_j (move_j + change_j).

        g minimises |residual - sum of g_j change_j|, by normal equations of columns of norm 1.
        """
        if not self.memory:
            return ops.zeros_like(residual)
        valid = ops.arange(self.memory, dtype="int32")[None] < count[:, None]
        length = ops.sqrt(ops.sum(ops.square(changes), axis=-1))
        valid = ops.logical_and(valid, length > 0)
        inverse = ops.where(valid, 1 / ops.where(valid, length, 1.0), 0.0)
        columns = changes * inverse[..., None]
        gram = ops.einsum("bmd,bnd->bmn", columns, columns)
        weights = _solve(gram, ops.einsum("bmd,bd->bm", columns, residual), 30 * self.unit, valid)
        return ops.einsum("bm,bmd->bd", weights * inverse, moves + changes)

    def _scale(self, x):
        return ops.maximum(_norm(x), self.start_norm)

    def _error(self, x, norm, slope):
        rate = ops.maximum(self.rate, slope)
        error = (rate * norm + 2 * self.unit * self._scale(x)) / ops.where(rate < 1, 1 - rate, 1.0)
        return ops.where(rate < 1, error, math.inf)

    def _is_done(self, x, norm, slope):
        scale = self._scale(x)
        known = ops.logical_or(self.rate > 0, slope > 0)
        small = ops.logical_and(known, self._error(x, norm, slope) <= self.tolerance * scale)
        return ops.logical_or(small, norm <= FLOOR * self.unit * scale)

    def solution(self, s):
        error = self._error(s.best, s.best_norm, s.slope)
        done = self._is_done(s.best, s.best_norm, s.slope)
        return Solution(s.best, error, s.iterations, ops.logical_and(done, ops.isfinite(error)))


def _norm(x):
    return ops.sqrt(ops.sum(ops.square(x), axis=-1))


def _pushed(history, value):
    """The history with a new value in front, in place of the oldest."""
    if not history.shape[1]:
        return history
    return ops.concatenate([value[:, None], history[:, :-1]], axis=1)


def _solve(matrix, target, ridge, valid):
    """The solutions of small symmetric systems by elimination; 0 where a column is not valid."""
    size = target.shape[1]
    rows = [[matrix[:, i, j] for j in range(size)] for i in range(size)]
    b = [target[:, i] for i in range(size)]
    for i in range(size):
        rows[i][i] = ops.where(valid[:, i], rows[i][i] + ridge, 1.0)
    for i in range(size):
        for k in range(i + 1, size):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * c for a, c in zip(rows[k], rows[i])]
            b[k] = b[k] - factor * b[i]
    solution = [None] * size
    for i in reversed(range(size)):
        known = sum(rows[i][j] * solution[j] for j in range(i + 1, size))
        solution[i] = (b[i] - known) / rows[i][i]
    return ops.stack(solution, axis=1)
