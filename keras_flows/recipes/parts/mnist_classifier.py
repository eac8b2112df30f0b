"""A small classifier of MNIST, which judges the classes of samples."""

import keras
import numpy as np
from keras import layers

from keras_flows.flow.prediction import predict


def train_classifier(data, seed, epochs=2):
    """Trains the classifier and prints its accuracy; returns a function from pictures to classes.

    Pictures are uint8 or floats in [0, 1].
    """
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            layers.Conv2D(32, 3, 2, "same", activation="relu"),
            layers.Conv2D(64, 3, 2, "same", activation="relu"),
            layers.Flatten(),
            layers.Dense(128, "relu"),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(to_unit(data.train), data.labels[0], batch_size=64, epochs=epochs, verbose=0)
    accuracy = model.evaluate(to_unit(data.test), data.labels[2], verbose=0)[1]
    print(f"The classifier that judges samples has an accuracy of {accuracy:.2%} on test pictures.")
    return lambda x: predict(model, to_unit(x), verbose=0).argmax(axis=-1)


def to_unit(x):
    """Pictures as floats in [0, 1]."""
    return np.clip(x / (255 if x.dtype == np.uint8 else 1), 0, 1).astype("float32")
