"""The ten functions of the assignment, as they are meant."""

import numpy as np


def neural_network_structure(X, Y, n_h=5):
    """Exercise 1."""
    return X.shape[0], n_h, Y.shape[0]


def initialize_parameters(n_x, n_h, n_y):
    """Exercise 2."""
    return {
        "W1": np.random.randn(n_h, n_x) / np.sqrt(n_x),
        "b1": np.zeros((n_h, 1)),
        "W2": np.random.randn(n_y, n_h) / np.sqrt(n_h),
        "b2": np.zeros((n_y, 1)),
    }


def sigmoid(x):
    """Exercise 3."""
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(x):
    """Exercise 3."""
    return sigmoid(x) * (1 - sigmoid(x))


def forward_propagation(X, parameters):
    """Exercise 4."""
    Z1 = parameters["W1"] @ X + parameters["b1"]
    A1 = sigmoid(Z1)
    Z2 = parameters["W2"] @ A1 + parameters["b2"]
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def compute_cost(A2, Y):
    """Exercise 5."""
    return np.sum((A2 - Y) ** 2) / (2 * Y.shape[1])


def back_propagation(X, Y, parameters, cache):
    """Exercise 6."""
    dZ2 = (cache["A2"] - Y) / Y.shape[1] * sigmoid_derivative(cache["Z2"])
    dZ1 = (parameters["W2"].T @ dZ2) * sigmoid_derivative(cache["Z1"])
    return {
        "dW1": dZ1 @ X.T,
        "db1": np.sum(dZ1, axis=1, keepdims=True),
        "dW2": dZ2 @ cache["A1"].T,
        "db2": np.sum(dZ2, axis=1, keepdims=True),
    }


def update_parameters(parameters, grads, learning_rate):
    """Exercise 7."""
    return {name: parameters[name] - learning_rate * grads["d" + name] for name in ("W1", "b1", "W2", "b2")}


def train_loop(X, Y, n_h, learning_rate, max_iteration, print_cost=True):
    """Exercise 8."""
    parameters = initialize_parameters(*neural_network_structure(X, Y, n_h))
    for _ in range(max_iteration):
        _, cache = forward_propagation(X, parameters)
        parameters = update_parameters(parameters, back_propagation(X, Y, parameters, cache), learning_rate)
    return parameters


def predict(X, parameters):
    """Exercise 9."""
    return (forward_propagation(X, parameters)[0] > 0.5) * 1


computer_cost = compute_cost
back_propogation = backward_propagation = backpropagation = back_propagation
forward_propogation = forward_propagation
