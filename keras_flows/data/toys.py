"""Two-dimensional toy densities: random points, and the exact log density of any point.

>>> x = toys.draw("moons", 1000, seed=0)      # float32 (1000, 2), in about [-4, 4]
>>> entropy = -toys.log_prob("moons", x).mean()   # nats; the lowest possible mean NLL of a flow
"""

import math

import numpy as np


class Curve:
    """Uniform positions u in [0, 1) on a curve, plus normal noise."""

    def __init__(self, curve, noise, nodes=1000):
        self.curve, self.noise, self.nodes = curve, noise, nodes

    def draw(self, n, generator):
        return self.curve(generator.random(n)) + self.noise * generator.standard_normal((n, 2))

    def log_prob(self, x):
        nodes = self.curve((np.arange(self.nodes) + 0.5) / self.nodes)
        parts = np.array_split(x, 1 + len(x) // 1000)
        return np.concatenate([self._log_mean(part[:, None] - nodes) for part in parts])

    def _log_mean(self, offsets):
        """Log of the mean over the nodes of the noise's density."""
        return log_mean(-0.5 * (offsets**2).sum(-1) / self.noise**2) - math.log(
            2 * math.pi * self.noise**2
        )


def moons(u):
    """Two half circles, the second turned and shifted into the first."""
    angle, lower = 2 * math.pi * (u % 0.5), u >= 0.5
    x = np.where(lower, 0.5 - np.cos(angle), np.cos(angle) - 0.5)
    y = np.where(lower, 0.25 - np.sin(angle), np.sin(angle) - 0.25)
    return 2.2 * np.stack([x, y], axis=-1)


def spirals(u):
    """Two arms of one turn and a half from the origin."""
    turn, sign = np.sqrt(2 * (u % 0.5)), np.where(u < 0.5, 1, -1)
    angle = 3 * math.pi * turn
    return (3.3 * turn * sign)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


class Rings:
    """Circles with normal noise of the radius; longer circles have more points."""

    radii, noise = np.array([0.8, 1.6, 2.4, 3.2]), 0.1

    def draw(self, n, generator):
        centre = generator.choice(self.radii, n, p=self.radii / self.radii.sum())
        radius = centre + self.noise * generator.standard_normal(n)
        angle = generator.uniform(0, 2 * math.pi, n)
        return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def log_prob(self, x):
        radius = np.maximum(np.linalg.norm(x, axis=-1), 1e-12)
        each = log_normal((radius[:, None] - self.radii) / self.noise) - math.log(self.noise)
        weights = np.log(self.radii * len(self.radii) / self.radii.sum())
        return log_mean(each + weights) - np.log(2 * math.pi * radius)


class Checkerboard:
    """Uniform on 8 of 16 squares with side 2; its entropy is log 32 nats."""

    def draw(self, n, generator):
        row, pair = generator.integers(0, 4, (2, n)) // np.array([[1], [2]])
        corner = np.stack([2 * pair + row % 2, row], axis=-1)
        return 2 * (corner + generator.random((n, 2))) - 4

    def log_prob(self, x):
        square = np.floor(x / 2 + 2)
        on = (square.sum(-1) % 2 == 0) & ((square >= 0) & (square < 4)).all(-1)
        return np.where(on, -math.log(32), -np.inf)


class Pinwheel:
    """Five elongated normals around the origin, twisted in proportion to the distance."""

    arms, centre, spread, twist = 5, 2.1, np.array([0.55, 0.2]), 0.6

    def draw(self, n, generator):
        points = self.spread * generator.standard_normal((n, 2)) + [self.centre, 0]
        angle = 2 * math.pi * generator.integers(0, self.arms, n) / self.arms
        return rotate(points, angle + self.twist * np.linalg.norm(points, axis=-1))

    def log_prob(self, x):
        # A rotation by an angle that depends only on the distance preserves areas.
        unrotated = rotate(x, -self.twist * np.linalg.norm(x, axis=-1))
        each = []
        for arm in range(self.arms):
            points = rotate(unrotated, np.full(len(x), -2 * math.pi * arm / self.arms))
            each.append(log_normal((points - [self.centre, 0]) / self.spread).sum(-1))
        return log_mean(np.stack(each, axis=-1)) - np.log(self.spread).sum()


def rotate(points, angle):
    x, y = points[:, 0], points[:, 1]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def log_normal(x):
    return -0.5 * x * x - 0.5 * math.log(2 * math.pi)


def log_mean(logs):
    """Log of the mean of exp(logs) over the last axis."""
    top = logs.max(-1)
    return top + np.log(np.exp(logs - top[..., None]).mean(-1))


TOYS = {
    "moons": Curve(moons, noise=0.2),
    "rings": Rings(),
    "checkerboard": Checkerboard(),
    "spirals": Curve(spirals, noise=0.15),
    "pinwheel": Pinwheel(),
}


def draw(name, n, seed=None):
    """`n` points of a toy density: float32 `(n, 2)`, in about [-4, 4].

    Raises ValueError for a name that is not in `TOYS`.
    """
    return _toy(name).draw(n, np.random.default_rng(seed)).astype("float32")


def log_prob(name, x):
    """True log densities in nats of points `(n, 2)`, float64, -inf outside of the support.

    Computed by quadrature along the curves (moons, spirals), otherwise in closed form.
    """
    return _toy(name).log_prob(np.asarray(x, "float64"))


def _toy(name):
    if name not in TOYS:
        raise ValueError(f"name must be one of {', '.join(TOYS)}. Received: name={name!r}.")
    return TOYS[name]
