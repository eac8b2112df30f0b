"""Callbacks, checkpoints, and the training runs that recipes share."""
