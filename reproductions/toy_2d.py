"""Every flow on two-dimensional densities: data, samples and density side by side."""

from keras_flows.recipes.toy_2d import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
