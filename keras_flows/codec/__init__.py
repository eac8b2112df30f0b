"""Lossless compression of pictures with integer flows: `compress`, `decompress`, `.kfz` files."""

from keras_flows.codec.compression import compress, compress_each
from keras_flows.codec.decompression import Archive, decompress
from keras_flows.codec.precise import model_hash
from keras_flows.codec.varints import Damaged

__all__ = ["Archive", "Damaged", "compress", "compress_each", "decompress", "model_hash"]
