"""TarFlow (2412.06329) on MNIST, with classes, guidance and denoising."""

from keras_flows.recipes.tarflow_mnist import main

if __name__ == "__main__":
    main.run()
