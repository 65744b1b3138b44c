"""The network as a scikit-learn pipeline that ends in an MLPClassifier."""

import numpy as np
from rows import MODEL, N_INPUTS, SCALE, classes
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelBinarizer, MaxAbsScaler


class OneAgainstRest(MLPClassifier):
    """A network with a sigmoid for each class, whose probabilities are these divided by their sum."""

    def predict_proba(self, X):
        """Return the probability of each class, for each row."""
        outputs = super().predict_proba(X)
        outputs = np.maximum(outputs, np.finfo(outputs.dtype).tiny)
        return outputs / outputs.sum(axis=1, keepdims=True)


def network():
    """Return a pipeline, which divides values by their scale and has `predict` and `predict_proba`."""
    softmax, binary = MODEL["output"] == "softmax", len(classes) == 2
    kind = MLPClassifier if softmax or binary else OneAgainstRest
    perceptron = kind(hidden_layer_sizes=(len(MODEL["b1"]),), activation=MODEL["activation"])
    perceptron.coefs_ = [array(MODEL["W1"]).T, array(MODEL["W2"]).T]
    perceptron.intercepts_ = [array(MODEL["b1"]), array(MODEL["b2"])]
    perceptron.n_features_in_, perceptron.n_layers_, perceptron.n_outputs_ = N_INPUTS, 3, len(MODEL["b2"])
    perceptron.out_activation_ = "softmax" if softmax else "logistic"
    perceptron.classes_ = np.array(classes)
    perceptron._label_binarizer = binarizer = LabelBinarizer()
    binarizer.classes_, binarizer.sparse_input_ = perceptron.classes_, False
    binarizer.y_type_ = "binary" if binary else "multiclass"
    scaler = MaxAbsScaler()
    scaler.scale_, scaler.n_features_in_ = np.full(N_INPUTS, SCALE), N_INPUTS
    return Pipeline([("scale", scaler)] * (SCALE != 1) + [("network", perceptron)])


def compute(pipeline, values):
    """Return the probability of each class, for each row of values."""
    return pipeline.predict_proba(np.array(values)).tolist()


def array(values):
    """Return an array of the type of the parameters."""
    return np.array(values, MODEL["dtype"])
