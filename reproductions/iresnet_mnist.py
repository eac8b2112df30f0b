"""The invertible ResNet (1811.00995): it classifies MNIST, and rebuilds digits from features."""

from keras_flows.recipes.iresnet_mnist import main

if __name__ == "__main__":
    main.run()
