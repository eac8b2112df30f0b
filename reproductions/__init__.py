"""A script for each recipe: `python -m reproductions.nice_mnist --help`."""
