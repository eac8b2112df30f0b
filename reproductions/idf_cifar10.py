"""IDF++ (2006.12459) on CIFAR-10: exact bits/dim of a lossless compressor, 3.26 in the paper."""

from keras_flows.recipes.idf_cifar10 import main

if __name__ == "__main__":
    main.run()
