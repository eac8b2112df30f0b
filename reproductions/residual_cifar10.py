"""Residual flow (1906.02735) on CIFAR-10: the paper's configuration, 3.28 bits/dim."""

from keras_flows.recipes.residual_cifar10 import main

if __name__ == "__main__":
    main.run()
