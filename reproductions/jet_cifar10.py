"""Jet (2412.15129) on CIFAR-10."""

from keras_flows.recipes.jet_cifar10 import main

if __name__ == "__main__":
    main.run()
