"""Operator norms in NumPy: exact for matrices, certified from above for convolutions."""

import numpy as np

SLACK = 1 + 1e-6  # for what a backend rounds when it normalises in float32


def dense_norm(kernel):
    """The largest singular value of a matrix, and its vectors: `norm, left, right`.

    `right` is of the size of the inputs, `left` of the outputs: norm = right @ kernel @ left.
    """
    u, s, v = np.linalg.svd(np.asarray(kernel, "float64"), full_matrices=False)
    return s[0], v[0], u[:, 0]


def conv_bound(kernel, sides):
    """A bound from above on the norm of a zero-padded convolution of pictures of these sides.

    Such a convolution is a part of the circular one on the padded grid, sides + kernel - 1, whose
    norm is the largest singular value over all frequencies.
    """
    kernel = np.asarray(kernel, "float64")
    if kernel.shape[:2] == (1, 1):
        return dense_norm(kernel[0, 0])[0]
    grid = [side + size - 1 for side, size in zip(sides, kernel.shape)]
    spectrum = np.fft.rfft2(kernel, grid, axes=(0, 1))
    if kernel.shape[2] > kernel.shape[3]:
        spectrum = np.swapaxes(spectrum, 2, 3)
    gram = spectrum @ np.conj(np.swapaxes(spectrum, 2, 3))
    return float(np.sqrt(max(np.linalg.eigvalsh(gram).max(), 0.0)))


def conv_norm(kernel, right, steps=200, tolerance=1e-5):
    """Power iteration on feature maps: `norm, left, right`. The norm is one from below.

    Stops when the norm changes by less than the tolerance, relatively.
    """
    kernel, right = np.asarray(kernel, "float64"), np.asarray(right, "float64")
    if kernel.shape[:2] == (1, 1):
        return dense_norm(kernel[0, 0])
    norm = 0.0
    for _ in range(steps):
        left = convolve(right, kernel)
        before, norm = norm, np.linalg.norm(left)
        if norm == 0:
            return 0.0, left, right
        left = left / norm
        right = adjoint(left, kernel)
        right = right / np.linalg.norm(right)
        if abs(norm - before) < tolerance * norm:
            break
    return float(np.sum(left * convolve(right, kernel))), left, right


def convolve(x, kernel):
    """The zero-padded convolution of a picture `(height, width, channels)`."""
    padded = np.pad(x, [*map(padding, kernel.shape[:2]), (0, 0)])
    return sum(window @ kernel[place] for place, window in _windows(padded, kernel, x.shape))


def adjoint(y, kernel):
    """The transposed map of `convolve`."""
    pads = [padding(size) for size in kernel.shape[:2]]
    sides = [side + sum(pad) for side, pad in zip(y.shape, pads)]
    x = np.zeros((*sides, kernel.shape[2]))
    for place, window in _windows(x, kernel, y.shape):
        window += y @ kernel[place].T
    return x[tuple(slice(pad[0], pad[0] + side) for pad, side in zip(pads, y.shape))]


def padding(size):
    """Zeros before and after an axis for a kernel of this size."""
    return (size - 1) // 2, size // 2


def _windows(padded, kernel, shape):
    height, width = shape[:2]
    for a, b in np.ndindex(*kernel.shape[:2]):
        yield (a, b), padded[a : a + height, b : b + width]
