"""An implicit flow (2103.09527) beside a residual flow of as many networks, on a checkerboard."""

from keras_flows.recipes.implicit_2d import main

if __name__ == "__main__":
    main.run()
