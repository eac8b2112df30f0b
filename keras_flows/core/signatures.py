"""Arguments of the blog series' layers that mean something else here."""

import inspect

from keras_flows.core.messages import shortened


class ByName:
    """Mixin of layers that refuse `isinverse`, the blog series' argument for the other direction.

    There it is the first argument, or the first one after the networks. A
    ValueError lists the arguments of the layer and names `layer.inverse()`.
    """

    def __new__(cls, *args, **kwargs):
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        if len(args) > len(positional) or "isinverse" in kwargs:
            names = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
            received = [*map(shortened, args), *(f"{k}={shortened(v)}" for k, v in kwargs.items())]
            raise ValueError(
                f"{cls.__name__} takes {len(positional) or 'no'} arguments by position; by name it "
                f"takes {', '.join(names)}. The blog series' isinverse is layer.inverse() "
                f"here. Received: {cls.__name__}({', '.join(received)})."
            )
        return super().__new__(cls, *args, **kwargs)
