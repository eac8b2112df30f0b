"""IDF++ (2006.12459) on CIFAR-10; the paper has 3.26 bits/dim."""

from keras_flows.recipes.idf_cifar10 import main

if __name__ == "__main__":
    main.run()
