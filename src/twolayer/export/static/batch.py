"""A trained network as an object of a framework.

    network()  # a new one each time; it takes rows of numbers, or what `encode` makes of rows with columns
    predict(rows)  # the class of each row, one of `classes`
    predict_proba(rows)  # the probability of each class in their order, for each row
    predict_sets(rows)  # the classes that cannot be ruled out, for each row, where the model has prediction sets
    self_test()  # the largest deviation from what twolayer computes

A row is a sequence of numbers, as they were in the training data; for a model of a table it is a mapping of each
column's name to a number, a text or a date, None or NaN where missing. A date is one of `datetime`, or seconds since
1970 in UTC. Run as a script, this file tests itself.
"""

import functools

from framework import compute, network
from rows import VECTORS, classes, decide, encode, largest_deviation, report, to_set


def predict(rows):
    """Return the class of each row."""
    return [classes[decide(probabilities)] for probabilities in predict_proba(rows)]


def predict_proba(rows):
    """Return the probability of each class, for each row."""
    values = [encode(row, scale=1) for row in rows]
    return compute(own_network(), values) if values else []


def predict_sets(rows):
    """Return the classes in the prediction set of each row."""
    return [to_set(probabilities) for probabilities in predict_proba(rows)]


def self_test():
    """Return the largest deviation of the probabilities of the test vectors from those that twolayer computed."""
    return largest_deviation(predict_proba([vector["row"] for vector in VECTORS]))


@functools.cache
def own_network():
    """Return the network that `predict_proba` uses."""
    return network()


if __name__ == "__main__":
    report(self_test())
