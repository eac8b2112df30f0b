"""MAF (1705.07057) on MNIST, in logit space, with or without classes."""

from keras_flows.recipes.maf_mnist import main

if __name__ == "__main__":
    main.run()
