"""NICE (1410.8516) on MNIST: the blog series' configuration, or the paper's."""

from keras_flows.recipes.nice_mnist import main

if __name__ == "__main__":
    main.run()
