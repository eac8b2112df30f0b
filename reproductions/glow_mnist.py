"""Glow (1807.03039) on MNIST, without padding; the paper has 1.05 bits/dim."""

from keras_flows.recipes.glow_mnist import main

if __name__ == "__main__":
    main.run()
