"""Glow (1807.03039) on MNIST, 28x28x1 without padding; published as 1.05 bits/dim."""

from keras_flows.recipes.glow_mnist import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
