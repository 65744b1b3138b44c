"""Digits 0 against 1 with PyTorch: train until 99.8 % of the test digits are right, save. Arguments: DATA OUT."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

data, out = Path(sys.argv[1]), sys.argv[2]


def read(name):
    """Return the array of a gzipped IDX file."""
    raw = gzip.decompress((data / name).read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i]) for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def digits(part):
    """Return pixels as shares, and labels, of the digits 0 and 1."""
    images, labels = read(f"{part}-images-idx3-ubyte.gz"), read(f"{part}-labels-idx1-ubyte.gz")
    X = images[labels < 2].reshape(-1, 784).astype(np.float32) / 255
    return torch.from_numpy(X), torch.from_numpy(labels[labels < 2].astype(np.float32))[:, None]


torch.manual_seed(0)
X, y = digits("train")
X_test, y_test = digits("t10k")
network = nn.Sequential(nn.Linear(784, 10), nn.ReLU(), nn.Linear(10, 1))
loss = nn.BCEWithLogitsLoss()
adam = torch.optim.Adam(network.parameters(), lr=0.01)
accuracy = 0.0
while accuracy < 0.998:
    for batch in torch.randperm(len(X)).split(200):
        adam.zero_grad()
        loss(network(X[batch]), y[batch]).backward()
        adam.step()
    with torch.no_grad():
        accuracy = float(((network(X_test) > 0) == (y_test > 0.5)).float().mean())
torch.save(network.state_dict(), out)
print(json.dumps({"test_accuracy": accuracy}))
