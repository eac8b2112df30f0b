"""Whether a layer may be called again with the same result."""


def is_pure(layers):
    """Whether calls of these layers assign to no variable and draw no random numbers."""
    return not any(
        getattr(layer, "updates_in_call", False)
        or layer._seed_generators
        or layer.activity_regularizer is not None
        or (
            layer._non_trainable_variables and not type(layer).__module__.startswith("keras_flows.")
        )
        for layer in layers
    )


def inner_layers(layers):
    """The layers, and all layers inside them."""
    return [inner for layer in layers for inner in layer._flatten_layers()]
