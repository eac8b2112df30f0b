"""Residual flow (1906.02735) on MNIST; the paper has 0.97 bits/dim."""

from keras_flows.recipes.residual_mnist import main

if __name__ == "__main__":
    main.run()
