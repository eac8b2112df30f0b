"""Baselines for density estimation on tables: published log-likelihoods, and a Gaussian."""

import numpy as np

# Test log-likelihoods in nats, from 1705.07057 and 1906.04032.
SETS = ("power", "gas", "hepmass", "miniboone", "bsds300")
PUBLISHED = {
    "MAF(5)": (0.14, 9.07, -17.70, -11.75, 155.69),
    "MAF(10)": (0.24, 10.08, -17.73, -12.24, 154.93),
    "MAF MoG(5)": (0.30, 9.59, -17.39, -11.68, 156.36),
    "RealNVP(10)": (0.17, 8.33, -18.71, -13.84, 153.28),
    "NSF coupling": (0.64, 13.09, -14.75, -9.67, 157.54),
    "NSF autoregressive": (0.66, 13.09, -14.01, -9.22, 157.31),
}


def published(name):
    """Published test log-likelihoods of one of `SETS` in nats; None for any other table."""
    if name not in SETS:
        return None
    return {model: row[SETS.index(name)] for model, row in PUBLISHED.items()}


def gaussian(train, test):
    """Mean log-likelihood of `test` in nats, and two standard errors, of a Gaussian.

    The Gaussian has the mean and the full covariance of `train`. Raises
    ValueError if columns are linearly dependent.
    """
    mean, deviation = train.mean(axis=0, dtype="float64"), train.std(axis=0, dtype="float64")
    z = (train - mean) / deviation
    variances, axes = np.linalg.eigh(z.T @ z / len(z))
    if variances[0] < 1e-12:
        columns = (np.flatnonzero(np.abs(axes[:, 0]) > 1e-3) + 1).tolist()
        raise ValueError(
            f"The covariance of {len(train)} rows is singular: columns that depend on each other "
            f"linearly have no density; leave one of them out. Received: columns {columns}."
        )
    z = ((test - mean) / deviation) @ axes
    constant = np.log(2 * np.pi * variances).sum() + 2 * np.log(deviation).sum()
    nats = -0.5 * (constant + (z**2 / variances).sum(axis=1))
    return float(nats.mean()), float(2 * nats.std() / np.sqrt(len(nats)))
