"""IDF (1905.07376) on MNIST: exact bits/dim of a lossless compressor."""

from keras_flows.recipes.idf_mnist import main

if __name__ == "__main__":
    main.run()
