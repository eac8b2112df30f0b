"""TarFlow (2412.06329) on CIFAR-10."""

from keras_flows.recipes.tarflow_cifar10 import main

if __name__ == "__main__":
    main.run()
