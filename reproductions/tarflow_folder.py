"""TarFlow (2412.06329) on faces, or any pictures of your own."""

from keras_flows.recipes.tarflow_folder import main

if __name__ == "__main__":
    main.run()
