"""Grids of pictures, loss curves and histograms, and samples moved along an attribute."""
