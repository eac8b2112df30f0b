"""IAF (1606.04934) as the posterior of a variational autoencoder on MNIST."""

from keras_flows.recipes.iaf_mnist import main

if __name__ == "__main__":
    main.run()
