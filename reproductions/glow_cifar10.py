"""Glow (1807.03039) on CIFAR-10: the paper's configuration, 3.35 bits/dim."""

from keras_flows.recipes.glow_cifar10 import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
