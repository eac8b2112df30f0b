"""Every flow on two-dimensional densities, with pictures of all of them."""

from keras_flows.recipes.toy_2d import main

if __name__ == "__main__":
    main.run()
