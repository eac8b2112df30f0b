"""Pictures as sequences of patches."""

from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register


def sides(patch):
    """Height and width of a patch, given as one number or two."""
    two = patch if isinstance(patch, (list, tuple)) else (patch, patch)
    if len(two) != 2 or min(two) < 1 or any(int(side) != side for side in two):
        raise ValueError(f"patch is a whole number of 1 or more, or two. Received: patch={patch}.")
    return tuple(int(side) for side in two)


@register
class Patchify(FlowLayer):
    """Cuts pictures into patches, row by row: one vector a patch, log-det 0.

    A vector has its patch's pixels row by row, channels last.

    Args:
        patch: side of a patch, or (height, width).

    Shapes: `(batch, h, w, c)` to `(batch, h w / (p q), p q c)`. Raises ValueError
    if the sides are not divisible by the patch's. Paper: TarFlow (2412.06329) section 2.

    >>> tokens = Patchify(4)(images)
    """

    volume_preserving = True

    def __init__(self, patch=4, **kwargs):
        super().__init__(**kwargs)
        self.patch = sides(patch)
        self.picture = None

    def build(self, input_shape):
        shape = tuple(input_shape[1:])
        if len(shape) != 3 or None in shape or any(s % p for s, p in zip(shape, self.patch)):
            raise ValueError(
                "Patchify needs (batch, height, width, channels) of known size with sides "
                f"divisible by {self.patch}. Received: shape={tuple(input_shape)}."
            )
        self.picture = shape

    def encode(self, x):
        return cut(x, self.picture, self.patch), None

    def decode(self, z):
        return joined(z, self.picture, self.patch), None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *patches(input_shape[1:], self.patch))

    def _make_inverse(self):
        if self.picture is None:
            raise ValueError(
                f"The inverse of '{self.name}' needs to know the pictures' shape: call the layer "
                "first, or make UnPatchify(image_shape, patch). Received: no shape."
            )
        return UnPatchify(self.picture, self.patch, dtype=self.dtype_policy.name)

    def get_config(self):
        return {**super().get_config(), "patch": self.patch}


@register
class UnPatchify(FlowLayer):
    """Pictures of patches: the inverse of `Patchify`, log-det 0.

    Args:
        image_shape: (height, width, channels) of the pictures.
        patch: side of a patch, or (height, width).

    Shapes: `(batch, h w / (p q), p q c)` to `(batch, h, w, c)`. Raises ValueError
    for other shapes.

    >>> images = UnPatchify((28, 28, 1), 4)(tokens)
    """

    volume_preserving = True

    def __init__(self, image_shape, patch=4, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.patch = tuple(int(s) for s in image_shape), sides(patch)
        shape = self.image_shape
        if len(shape) != 3 or min(shape) < 1 or any(s % p for s, p in zip(shape, self.patch)):
            raise ValueError(
                "UnPatchify needs image_shape as (height, width, channels), sides divisible by "
                f"{self.patch}. Received: image_shape={image_shape}."
            )

    def build(self, input_shape):
        wanted = patches(self.image_shape, self.patch)
        if tuple(input_shape[1:]) != wanted:
            raise ValueError(
                f"UnPatchify({self.image_shape}, {self.patch}) takes {(None, *wanted)}. "
                f"Received: shape={tuple(input_shape)}."
            )

    def encode(self, x):
        return joined(x, self.image_shape, self.patch), None

    def decode(self, z):
        return cut(z, self.image_shape, self.patch), None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.image_shape)

    def _make_inverse(self):
        layer = Patchify(self.patch, dtype=self.dtype_policy.name)
        layer.build((None, *self.image_shape))
        return layer

    def get_config(self):
        return {**super().get_config(), "image_shape": self.image_shape, "patch": self.patch}


def patches(shape, patch):
    """How many patches there are, and the numbers in each."""
    (h, w, c), (p, q) = shape, patch
    return h * w // (p * q), p * q * c


def cut(x, shape, patch):
    (h, w, c), (p, q) = shape, patch
    x = ops.reshape(x, (-1, h // p, p, w // q, q, c))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, *patches(shape, patch)))


def joined(x, shape, patch):
    (h, w, c), (p, q) = shape, patch
    x = ops.reshape(x, (-1, h // p, w // q, p, q, c))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, h, w, c))
