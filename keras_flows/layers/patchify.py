"""Pictures as sequences of patches."""

from keras import ops

from keras_flows.core.flow_layer import FlowLayer, register


def patch_sides(patch):
    """Height and width of a patch, from one number or a pair."""
    sides = patch if isinstance(patch, (list, tuple)) else (patch, patch)
    if len(sides) != 2 or min(sides) < 1 or any(int(side) != side for side in sides):
        raise ValueError(
            f"patch is a whole number of 1 or more, or a pair. Received: patch={patch}."
        )
    return tuple(int(side) for side in sides)


@register
class Patchify(FlowLayer):
    """Cuts pictures into patches, row by row, with one vector for each patch; log-det 0.

    A vector has the pixels of its patch row by row, channels last.

    Args:
        patch: side of a patch, or (height, width).

    Shapes: `(batch, h, w, c)` to `(batch, h w / (p q), p q c)`. Raises ValueError
    if the sides are not divisible by those of a patch. Paper: TarFlow (2412.06329) section 2.

    >>> tokens = Patchify(4)(images)
    """

    volume_preserving = True

    def __init__(self, patch=4, **kwargs):
        super().__init__(**kwargs)
        self.patch = patch_sides(patch)
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
        return cut_patches(x, self.picture, self.patch), None

    def decode(self, z):
        return join_patches(z, self.picture, self.patch), None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *patches_shape(input_shape[1:], self.patch))

    def _make_inverse(self):
        if self.picture is None:
            raise ValueError(
                f"The inverse of '{self.name}' needs the shape of the pictures: call the layer "
                "first, or make UnPatchify(image_shape, patch). Received: no shape."
            )
        return UnPatchify(self.picture, self.patch, dtype=self.dtype_policy.name)

    def get_config(self):
        return {**super().get_config(), "patch": self.patch}


@register
class UnPatchify(FlowLayer):
    """Joins patches to pictures: the inverse of `Patchify`, log-det 0.

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
        self.image_shape, self.patch = tuple(int(s) for s in image_shape), patch_sides(patch)
        shape = self.image_shape
        if len(shape) != 3 or min(shape) < 1 or any(s % p for s, p in zip(shape, self.patch)):
            raise ValueError(
                "UnPatchify needs image_shape as (height, width, channels), sides divisible by "
                f"{self.patch}. Received: image_shape={image_shape}."
            )

    def build(self, input_shape):
        expected = patches_shape(self.image_shape, self.patch)
        if tuple(input_shape[1:]) != expected:
            raise ValueError(
                f"UnPatchify({self.image_shape}, {self.patch}) takes {(None, *expected)}. "
                f"Received: shape={tuple(input_shape)}."
            )

    def encode(self, x):
        return join_patches(x, self.image_shape, self.patch), None

    def decode(self, z):
        return cut_patches(z, self.image_shape, self.patch), None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.image_shape)

    def _make_inverse(self):
        layer = Patchify(self.patch, dtype=self.dtype_policy.name)
        layer.build((None, *self.image_shape))
        return layer

    def get_config(self):
        return {**super().get_config(), "image_shape": self.image_shape, "patch": self.patch}


def patches_shape(shape, patch):
    """The number of patches, and the size of each vector."""
    (h, w, c), (p, q) = shape, patch
    return h * w // (p * q), p * q * c


def cut_patches(x, shape, patch):
    """Pictures of `shape` as vectors of patches."""
    (h, w, c), (p, q) = shape, patch
    x = ops.reshape(x, (-1, h // p, p, w // q, q, c))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, *patches_shape(shape, patch)))


def join_patches(x, shape, patch):
    """Vectors of patches as pictures of `shape`."""
    (h, w, c), (p, q) = shape, patch
    x = ops.reshape(x, (-1, h // p, w // q, p, q, c))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, h, w, c))
