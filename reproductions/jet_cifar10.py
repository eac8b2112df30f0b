"""Jet (2412.15129) on CIFAR-10, for which the paper has no figure: 3.66 bits/dim on ImageNet64."""

from keras_flows.recipes.jet_cifar10 import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
