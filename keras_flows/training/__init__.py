"""Callbacks, checkpoints, and the training run that all recipes share."""
