"""A variational autoencoder (IAF, 1606.04934, section 6.1) on dynamically binarised MNIST."""

from keras_flows.recipes.iaf_mnist import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
