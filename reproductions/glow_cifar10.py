"""Glow (1807.03039) on CIFAR-10: the paper's configuration, 3.35 bits/dim."""

from keras_flows.recipes.glow_cifar10 import main

if __name__ == "__main__":
    main.run()
