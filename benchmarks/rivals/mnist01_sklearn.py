"""Digits 0 against 1 with scikit-learn: train until 99.8 % of the test digits are right, save. Arguments: DATA OUT."""

import json
import sys
from pathlib import Path

import joblib
from digits01 import digits
from sklearn.neural_network import MLPClassifier

data, out = Path(sys.argv[1]), sys.argv[2]
X, y = digits(data, "train")
X_test, y_test = digits(data, "t10k")
network = MLPClassifier((10,), random_state=0, learning_rate_init=0.01)
accuracy = 0.0
while accuracy < 0.998:
    network.partial_fit(X, y, classes=[0, 1])
    accuracy = network.score(X_test, y_test)
joblib.dump(network, out)
print(json.dumps({"test_accuracy": accuracy}))
