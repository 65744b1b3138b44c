"""A trained network that needs no package.

    predict(row)  # one of `classes`
    predict_proba(row)  # the probability of each of them, in their order
    predict_set(row)  # those that cannot be ruled out, where the model has prediction sets
    self_test()  # the largest deviation from what twolayer computes

A row is a sequence of numbers, as they were in the training data; for a model of a table it is a mapping of each
column's name to a number, a text or a date, None or NaN where missing. A date is one of `datetime`, or seconds since
1970 in UTC. Run as a script, this file tests itself.
"""

from array import array
from math import exp, log1p, tanh  # noqa: F401 - an activation may need any of them
from operator import mul

from rows import MODEL, VECTORS, classes, decide, encode, largest_deviation, report, to_probabilities, to_set


def predict(row):
    """Return the class of a row."""
    return classes[decide(predict_proba(row))]


def predict_proba(row):
    """Return the probability of each class."""
    return to_probabilities(to_outputs(to_logits(encode(row))))


def predict_set(row):
    """Return the classes in the prediction set of a row."""
    return to_set(predict_proba(row))


def self_test():
    """Return the largest deviation of the probabilities of the test vectors from those that twolayer computed."""
    return largest_deviation([predict_proba(vector["row"]) for vector in VECTORS])


def to_logits(values):
    """Return Z2 = W2 f(W1 x + b1) + b2."""
    hidden = [activation(dot(weights, values) + bias) for weights, bias in zip(W1, b1)]
    return [dot(weights, hidden) + bias for weights, bias in zip(W2, b2)]


def activation(z):
    """Return the activation of a hidden unit."""
    return tanh(z)


def to_outputs(logits):
    """Return the sigmoid of each logit, or the softmax of all; no exponential overflows."""
    if MODEL["output"] == "softmax":
        largest = max(logits)
        powers = [exp(z - largest) for z in logits]
        total = sum(powers)
        return [power / total for power in powers]
    powers = [exp(-abs(z)) for z in logits]
    return [(power if z < 0 else 1.0) / (1.0 + power) for z, power in zip(logits, powers)]


def fmax(a, b):
    """Return the larger of two numbers."""
    return max(a, b)


def dot(a, b):
    """Return the sum of the products."""
    return sum(map(mul, a, b))


def numbers(values):
    """Return numbers, rounded to the type of the parameters."""
    return array("f" if MODEL["dtype"] == "float32" else "d", values)


W1, W2 = ([numbers(row) for row in MODEL[name]] for name in ("W1", "W2"))
b1, b2 = numbers(MODEL["b1"]), numbers(MODEL["b2"])

if __name__ == "__main__":
    report(self_test())
