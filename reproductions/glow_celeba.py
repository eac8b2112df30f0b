"""Glow (1807.03039) on faces, or any pictures of your own."""

from keras_flows.recipes.glow_celeba import main

if __name__ == "__main__":
    main.run()
