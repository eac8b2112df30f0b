"""Decompresses a file on this process' backend: `codec_worker MODEL FILE BATCH_SIZE`."""

import hashlib
import sys

import keras
import numpy as np

from keras_flows import codec


def digest(pictures):
    return hashlib.sha256(np.ascontiguousarray(pictures).tobytes()).hexdigest()


if __name__ == "__main__":
    flow = keras.saving.load_model(sys.argv[1])
    pictures = codec.decompress(sys.argv[2], flow, batch_size=int(sys.argv[3]))
    print(keras.backend.backend(), digest(pictures))
