"""The digits 0 and 1 for the plain scripts beside it, which know nothing of twolayer."""

import gzip

import numpy as np


def read(path):
    """Return the array of a gzipped IDX file."""
    raw = gzip.decompress(path.read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i]) for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def digits(folder, part):
    """Return pixels as shares in float32, and labels, of a part of the files: "train" or "t10k"."""
    images = read(folder / f"{part}-images-idx3-ubyte.gz")
    labels = read(folder / f"{part}-labels-idx1-ubyte.gz")
    return images[labels < 2].reshape(-1, 784).astype(np.float32) / 255, labels[labels < 2]
