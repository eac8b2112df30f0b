"""TarFlow (2412.06329) on CIFAR-10."""

from keras_flows.recipes.tarflow_cifar10 import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
