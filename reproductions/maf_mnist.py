"""MAF (1705.07057) on MNIST, in logit space, unconditional or class-conditional."""

from keras_flows.recipes.maf_mnist import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
