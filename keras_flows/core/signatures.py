"""Arguments that have another meaning in the blog series' layers of the same names."""

import inspect

from keras_flows.core.messages import shortened


class ByName:
    """A layer that refuses the arguments by which the blog series' layer turns round.

    There the first, or after networks the next, is `isinverse`. A ValueError
    says which arguments there are, and that the other direction is `layer.inverse()`.
    """

    def __new__(cls, *args, **kwargs):
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        places = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        if len(args) > len(places) or "isinverse" in kwargs:
            names = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
            given = [*map(shortened, args), *(f"{k}={shortened(v)}" for k, v in kwargs.items())]
            raise ValueError(
                f"{cls.__name__} takes {len(places) or 'no'} arguments by position; by name it "
                f"takes {', '.join(names)}. In place of the blog series' isinverse there is "
                f"layer.inverse(). Received: {cls.__name__}({', '.join(given)})."
            )
        return super().__new__(cls, *args, **kwargs)
