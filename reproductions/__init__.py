"""One script a paper: `python -m reproductions.nice_mnist --help`."""
