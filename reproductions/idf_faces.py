"""IDF++ (2006.12459) on 64x64 faces, or any pictures of your own."""

from keras_flows.recipes.idf_faces import main

if __name__ == "__main__":
    main.run()
