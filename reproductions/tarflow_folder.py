"""TarFlow (2412.06329) on faces, or any pictures of your own."""

from keras_flows.recipes.tarflow_folder import NAME, main
from keras_flows.training import scripts

if __name__ == "__main__":
    scripts.run(NAME, main)
