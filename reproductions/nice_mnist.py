"""NICE (1410.8516) on MNIST: the blog series' configuration, or the paper's."""

from keras_flows.recipes.nice_mnist import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
