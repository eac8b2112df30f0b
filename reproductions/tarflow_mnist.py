"""TarFlow (2412.06329) on MNIST, class-conditional: samples with guidance, denoised."""

from keras_flows.recipes.tarflow_mnist import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
