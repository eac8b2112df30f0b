"""Glow's comparison of permutations (1807.03039, figure 3): reverse, shuffle, 1x1 convolution."""

from keras_flows.recipes.glow_permutations import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
