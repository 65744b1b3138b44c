"""The assignment as handed out: its ten functions under its own names, on NumPy's global random generator.

`from twolayer.course import *` stands in for the solved exercises: the assignment's own cells then give its outputs,
but for the table of exercise 10, which was printed by another rule than `predict` (see `twolayer.proof`).
`np.random.seed` decides what `initialize_parameters` draws, because there that stream is the contract. The mathematics
is `twolayer.equations`; the assignment's spellings `computer_cost` and `back_propogation` work beside the correct ones.
"""

from typing import Any

import numpy as np

from twolayer import equations
from twolayer.data.readers import mnist
from twolayer.equations import (
    Array,
    Arrays,
    neural_network_structure,
    predict,
    update_parameters,
)

__all__ = [
    "back_propagation",
    "back_propogation",
    "compute_cost",
    "computer_cost",
    "forward_propagation",
    "initialize_parameters",
    "load_mnist",
    "neural_network_structure",
    "predict",
    "sigmoid",
    "sigmoid_derivative",
    "train_loop",
    "update_parameters",
]


def sigmoid(x: Any) -> Array:
    """Exercise 3: s(x) = 1 / (1 + exp(-x)), element by element, for a number or an array.

    Parameters
    ----------
    x : number or array of any shape

    Returns
    -------
    float64 (or the floating type of x), the shape of x
    """
    return equations.sigmoid(_floating(x))


def sigmoid_derivative(x: Any) -> Array:
    """Exercise 3: s'(x) = s(x) (1 - s(x)), element by element, for a number or an array.

    Parameters
    ----------
    x : number or array of any shape

    Returns
    -------
    float64 (or the floating type of x), the shape of x
    """
    return equations.sigmoid_derivative(_floating(x))


def initialize_parameters(n_x: int, n_h: int, n_y: int) -> Arrays:
    """Exercise 2: weights from N(0, 1/n_x) and N(0, 1/n_h) off NumPy's global generator, W1 first; zero biases.

    Parameters
    ----------
    n_x, n_h, n_y : int
        Sizes, at least 1.

    Returns
    -------
    dict
        W1 (n_h, n_x), b1 (n_h, 1), W2 (n_y, n_h), b2 (n_y, 1), float64.
    """
    return equations.initialize_parameters(n_x, n_h, n_y, np.random)


def forward_propagation(X: Array, parameters: Arrays) -> tuple[Array, Arrays]:
    """Exercise 4: A2 and the cache of Z1, A1, Z2, A2, with the sigmoid in both layers.

    Parameters
    ----------
    X : array of shape (n_x, m)
    parameters : dict
        W1, b1, W2, b2.

    Returns
    -------
    (A2, cache) : array of shape (n_y, m), dict
    """
    return equations.forward_propagation(X, parameters)


def compute_cost(A2: Array, Y: Array) -> Array:
    """Exercise 5: the mean square loss, sum (A2 - Y)^2 / (2 m).

    Parameters
    ----------
    A2, Y : arrays of shape (n_y, m)

    Returns
    -------
    array of shape (), a scalar
    """
    return equations.compute_cost(A2, Y)


def back_propagation(X: Array, Y: Array, parameters: Arrays, cache: Arrays) -> Arrays:
    """Exercise 6: the gradient of the mean square loss.

    Parameters
    ----------
    X : array of shape (n_x, m)
    Y : array of shape (n_y, m)
    parameters, cache : dict
        W1, b1, W2, b2, and what `forward_propagation` gave for them.

    Returns
    -------
    dict
        dW1, db1, dW2, db2.
    """
    return equations.back_propagation(X, Y, parameters, cache)


computer_cost = compute_cost
back_propogation = back_propagation


def train_loop(
    X: Array,
    Y: Array,
    n_h: int,
    learning_rate: float,
    max_iteration: int,
    print_cost: bool = True,
) -> Arrays:
    """Exercise 8: gradient descent with a fixed step from a random start, on the whole batch.

    Parameters
    ----------
    X : array of shape (n_x, m)
    Y : array of shape (n_y, m), values in [0, 1]
    n_h : int
        Number of hidden units.
    learning_rate : float
        The step.
    max_iteration : int
        Number of steps.
    print_cost : bool
        Print `Epoch 0: Loss = ...` for each step: the cost before it.

    Returns
    -------
    dict
        The trained W1, b1, W2, b2.
    """
    parameters = initialize_parameters(*neural_network_structure(X, Y, n_h))
    for iteration in range(max_iteration):
        A2, cache = forward_propagation(X, parameters)
        if print_cost:
            print(f"Epoch {iteration}: Loss = {compute_cost(A2, Y)}")
        grads = back_propagation(X, Y, parameters, cache)
        parameters = update_parameters(parameters, grads, learning_rate)
    return parameters


def load_mnist() -> tuple[Array, Array, Array, Array]:
    """Section 8.1: the digits 0 and 1 in the assignment's shapes, pixels scaled to [0, 1].

    Returns
    -------
    X_train_binary : float64 array of shape (784, 12665)
    y_train_binary : uint8 array of shape (1, 12665)
    X_test_binary : float64 array of shape (784, 2115)
    y_test_binary : uint8 array of shape (1, 2115)
    """
    X_train, y_train, X_test, y_test = mnist.load_mnist((0, 1))
    return X_train.T / 255.0, y_train.reshape(1, -1), X_test.T / 255.0, y_test.reshape(1, -1)


def _floating(x: Any) -> Array:
    """Return `x` as a NumPy array of a floating type, float64 unless it already has one."""
    array = np.asarray(x)
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)
