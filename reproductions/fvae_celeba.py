"""f-VAE (1809.05861) on faces, or any pictures of your own."""

from keras_flows.recipes.fvae_celeba import main

if __name__ == "__main__":
    main.run()
