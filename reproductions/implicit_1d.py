"""A function with a step in its slope: one implicit block fits it, three residual blocks do not."""

from keras_flows.recipes.implicit_1d import main

if __name__ == "__main__":
    main.run()
