"""`ModelCheckpoint`: the checkpoint of a Keras model that is not a `Flow`."""

from keras_flows.files import written_whole
from keras_flows.training.callbacks import Checkpoint


class ModelCheckpoint(Checkpoint):
    """A `Checkpoint` of a model that `from_config` makes again, such as a `VAE`."""

    def _save_best(self, model):
        save(with_weights(model, self.best_weights), self.folder / "best.keras")
        self._best_unsaved = False


def with_weights(model, weights):
    """A copy of the model with these weights, without its optimizer and the state of its noise."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights(weights)
    return copy


def save(model, path):
    with written_whole(path) as partial:
        model.save(partial)
