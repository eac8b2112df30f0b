"""Seeds of what is drawn in NumPy, such as permutations."""

import random

import numpy as np


def numpy_generator(seed):
    """A NumPy generator. If `seed` is None it follows `keras.utils.set_random_seed`."""
    return np.random.default_rng(random.randrange(2**31) if seed is None else seed)
