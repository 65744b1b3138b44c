"""Of the statements that load MNIST, those are run that functions need."""

import ast

import pytest

from twolayer.teach.loading import find_loads
from twolayer.teach.marking import check_submission
from twolayer.teach.submission import take_apart

LOAD = "(a, b), (c, d) = mnist.load_data()"


def found(function, *statements, own=()):
    """Return the statements that are wanted."""
    nodes = [ast.parse(each).body[0] for each in statements]
    return [ast.unparse(each) for each in find_loads([function], nodes, set(own))]


def test_what_a_function_reads_is_traced_back():
    """Through what is made of it, but not what is made of something else or by own functions."""
    made = ["x = np.zeros(3)", LOAD, "X = a.reshape(9, -1)", "X /= 255", "Y = b", "w = train(X)"]
    assert found("def f():\n    return X + w", *made, own=["train"]) == [LOAD, "X = a.reshape(9, -1)", "X /= 255"]


def test_what_no_function_reads_is_not_loaded():
    """A parameter, or a name of a function's own, is not the global one."""
    assert found("def f(a):\n    b = 1\n    return a + b", LOAD) == []
    assert found("def f(x):\n    return x + z", "z = np.zeros(3)") == []


IMPORTS = [
    ("from tensorflow.keras.datasets import mnist", "mnist.load_data()"),
    ("import tensorflow as tf", "tf.keras.datasets.mnist.load_data()"),
    ("from tensorflow import keras", "keras.datasets.mnist.load_data(path='mnist.npz')"),
    ("import tensorflow.keras.datasets.mnist as m", "m.load_data()"),
    ("from keras.datasets.mnist import load_data", "load_data()"),
    ("import keras", "keras.datasets.mnist.load_data()"),
]
SOURCE = """import numpy as np
{0}
(x_train, y_train), (x_test, y_test) = {1}
zero_or_one = y_train < 2
X = x_train[zero_or_one].reshape(-1, 784).T / 255.0
def sigmoid(x):
    assert x_train.shape == (60000, 28, 28) and x_train.dtype == y_test.dtype == np.uint8
    assert y_train.shape == (60000,) and list(y_test[:3]) == [7, 2, 1] and X.shape == (784, 12665)
    return 1 / (1 + np.exp(-x))
"""


@pytest.mark.parametrize(("line", "call"), IMPORTS)
def test_mnist_of_tensorflow_is_ours(line, call):
    """However it is imported, in the loader's shapes; the report says so."""
    marks = check_submission(take_apart("s", [SOURCE.format(line, call)]), only="sigmoid")

    assert marks.functions[0].verdict == "right", marks
    assert marks.notes == ("TensorFlow's MNIST was answered from the digits that twolayer ships.",)
    assert marks.n_left_out == 0


def test_nothing_is_said_of_digits_that_are_not_needed():
    """They are not loaded, as before."""
    source = SOURCE.format(*IMPORTS[0]).replace("assert", "'' #")
    marks = check_submission(take_apart("s", [source]), only="sigmoid")

    assert (marks.functions[0].verdict, marks.notes, marks.n_left_out) == ("right", (), 3)


@pytest.mark.parametrize(
    "body",
    ["def sigmoid(x):\n    return tf.nn.sigmoid(x)", "def sigmoid(x):\n    return tf.Variable",
     "@tf.function\ndef sigmoid(x):\n    return x", "def sigmoid(x):\n    return x * tf.constant",
     "def sigmoid(x):\n    return tf.keras.datasets.fashion_mnist.load_data()"],
)  # fmt: skip
def test_the_rest_of_tensorflow_is_not_there(body):
    """Which is said, with what was asked for."""
    marks = check_submission(take_apart("s", ["import tensorflow as tf\n" + body]), only="sigmoid")

    assert marks.functions[0].verdict == "error"
    assert marks.functions[0].message.startswith("It stops: tensorflow.")
    assert "TensorFlow is not there, but for its MNIST digits. Use NumPy." in marks.functions[0].message
