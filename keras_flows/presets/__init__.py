"""Trained flows with a card each: those of the package, of a folder, and of the hubs."""

from keras_flows.presets.loading import find, from_preset, list_presets, with_hash
from keras_flows.presets.preset import Preset
from keras_flows.presets.saving import save_to_preset

__all__ = ["Preset", "find", "from_preset", "list_presets", "save_to_preset", "with_hash"]
