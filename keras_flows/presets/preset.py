"""`Preset`: the methods of models that presets have."""

from keras_flows.presets.loading import from_preset
from keras_flows.presets.saving import save_to_preset


class Preset:
    """Adds `from_preset` and `save_to_preset` to a class of models."""

    @classmethod
    def from_preset(cls, name):
        """A trained model. Raises ValueError if the preset is a model of another class.

        Args:
            name: one of `keras_flows.list_presets()`, a folder that
                `save_to_preset` wrote, `hf://USER/REPO`, or
                `kaggle://USER/MODEL/FRAMEWORK/VARIATION`.

        >>> flow = keras_flows.Flow.from_preset("idf_mnist")
        """
        model = from_preset(name)
        if not isinstance(model, cls):
            raise ValueError(
                f"The preset is no {cls.__name__}: use keras_flows.from_preset. "
                f"Received: {name}, a preset of {type(model).__name__}."
            )
        return model

    def save_to_preset(self, folder, card=None):
        """Writes the model and its card into a folder, for `from_preset`.

        The folder gets `model.keras`, without the state of the optimizer,
        `card.json` and `README.md`. `card` is a dict of what to add to the
        card, such as `{"data": "my pictures", "licence": "CC0"}`.

        >>> flow.save_to_preset("my_flow", {"data": "pictures of my cat"})
        """
        save_to_preset(self, folder, card)
