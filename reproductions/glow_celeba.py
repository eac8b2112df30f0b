"""Glow (1807.03039) on faces, or any pictures of your own."""

from keras_flows.recipes.glow_celeba import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
