"""The blackboard: each formula of the two-layer network once, as a pure function.

    Z1 = W1 X + b1     A1 = s(Z1)     Z2 = W2 A1 + b2     A2 = s(Z2)

with the sigmoid s(x) = 1 / (1 + exp(-x)) and the square loss L = sum (A2 - Y)^2 / (2 m). Columns are samples:

    X (n_x, m)   W1 (n_h, n_x)   b1 (n_h, 1)   Z1, A1 (n_h, m)
    Y (n_y, m)   W2 (n_y, n_h)   b2 (n_y, 1)   Z2, A2 (n_y, m)

Beyond the assignment: tanh and the rectifier in the hidden layer, the log loss, with softmax outputs for more than two
classes, and samples that count more or less. `ACTIVATIONS` and `LOSSES` are the tables that engines and exports read.

Every function takes the arrays of any Array-API library (NumPy, CuPy, JAX, ...), returns that library's arrays, keeps
their floating type, and changes none of its arguments. Parameters, caches and gradients are dicts with the names above.

Source: "Homework 2: Neural Network Training", exercises 1 to 9.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from twolayer.errors import ArrayTypeError

Array = Any  # of whichever Array-API library the caller uses
Arrays = Mapping[str, Array]


class NormalSource(Protocol):
    """Anything that draws from N(0, 1): `numpy.random.default_rng(seed)`, or the module `numpy.random` itself."""

    def standard_normal(self, size: tuple[int, ...]) -> Array:
        """Return an array of the shape `size`, each entry drawn from N(0, 1)."""


def neural_network_structure(X: Array, Y: Array, n_h: int = 5) -> tuple[int, int, int]:
    """Sizes of the network: inputs, hidden units, outputs.

    Parameters
    ----------
    X : array of shape (n_x, m)
    Y : array of shape (n_y, m)
    n_h : int
        Number of hidden units.

    Returns
    -------
    (n_x, n_h, n_y) : tuple of int
    """
    return X.shape[0], n_h, Y.shape[0]


STARTS = {  # 1 / variance of a weight between n_in and n_out units
    "lecun": lambda n_in, n_out: n_in,  # noqa: ARG005 - the assignment's
    "glorot": lambda n_in, n_out: (n_in + n_out) / 2,
    "he": lambda n_in, n_out: n_in / 2,  # noqa: ARG005
}


def initialize_parameters(n_x: int, n_h: int, n_y: int, random: NormalSource, init: str = "lecun") -> dict[str, Array]:
    """Random weights, zero biases: W1 from N(0, 1/n_x), then W2 from N(0, 1/n_h).

    Parameters
    ----------
    n_x, n_h, n_y : int
        Sizes, at least 1.
    random : NormalSource
        Where the numbers come from; W1 is drawn before W2.
    init : str
        One of `STARTS`: "lecun" as above, "glorot" (Glorot and Bengio, 2010) or "he" (He et al., 2015).

    Returns
    -------
    dict
        W1 (n_h, n_x), b1 (n_h, 1), W2 (n_y, n_h), b2 (n_y, 1), of the type that `random` draws.
    """
    W1 = random.standard_normal((n_h, n_x)) / math.sqrt(STARTS[init](n_x, n_h))
    W2 = random.standard_normal((n_y, n_h)) / math.sqrt(STARTS[init](n_h, n_y))
    xp = _namespace(W1)
    b1 = xp.zeros((n_h, 1), dtype=W1.dtype)
    b2 = xp.zeros((n_y, 1), dtype=W2.dtype)
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}


def sigmoid(x: Array) -> Array:
    """s(x) = 1 / (1 + exp(-x)), element by element.

    Written as exp(x) / (1 + exp(x)) where x < 0, so that the exponential never overflows.

    Parameters
    ----------
    x : floating array of any shape

    Returns
    -------
    array of the same shape and type, values in [0, 1]
    """
    xp = _namespace(x)
    e = xp.exp(-xp.abs(x))
    return xp.where(x < 0, e, xp.ones_like(e)) / (1 + e)


def sigmoid_derivative(x: Array) -> Array:
    """s'(x) = s(x) (1 - s(x)), element by element.

    Parameters
    ----------
    x : floating array of any shape

    Returns
    -------
    array of the same shape and type, values in [0, 0.25]
    """
    s = sigmoid(x)
    return s * (1 - s)


def tanh(x: Array) -> Array:
    """Hyperbolic tangent, element by element: an activation of the hidden units, as are `relu` and the sigmoid."""
    return _namespace(x).tanh(x)


def tanh_derivative(x: Array) -> Array:
    """tanh'(x) = 1 - tanh(x)^2, element by element."""
    return 1 - tanh(x) ** 2


def relu(x: Array) -> Array:
    """Rectifier: x where x > 0, else 0, element by element."""
    xp = _namespace(x)
    return xp.where(x < 0, xp.zeros_like(x), x)


def relu_derivative(x: Array) -> Array:
    """relu'(x) = 1 where x > 0, else 0, element by element."""
    xp = _namespace(x)
    return xp.astype(x > 0, x.dtype)


def softmax(x: Array) -> Array:
    """exp(x) / sum exp(x), the sum over the outputs of each sample, shifted so that no exponential overflows.

    Parameters
    ----------
    x : floating array of shape (n_y, m)

    Returns
    -------
    array of the same shape and type, values in [0, 1]; each column sums to 1
    """
    xp = _namespace(x)
    e = xp.exp(x - xp.max(x, axis=0, keepdims=True))
    return e / xp.sum(e, axis=0, keepdims=True)


@dataclass(frozen=True)
class Activation:
    """A function of the hidden units.

    Attributes
    ----------
    function, derivative : callable
        Of Z1, element by element.
    expression : str
        The function of z as C, JavaScript and Python write it alike, with exp, tanh, log1p and fmax.
    onnx, sklearn : str
        What these call it; PyTorch and Keras call it as here.
    """

    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    expression: str
    onnx: str
    sklearn: str


ACTIVATIONS = {
    "sigmoid": Activation(sigmoid, sigmoid_derivative, "(1 + tanh(z / 2)) / 2", "Sigmoid", "logistic"),
    "tanh": Activation(tanh, tanh_derivative, "tanh(z)", "Tanh", "tanh"),
    "relu": Activation(relu, relu_derivative, "fmax(z, 0.0)", "Relu", "relu"),
}
OUTPUTS = {"sigmoid": sigmoid, "softmax": softmax}


def forward_propagation(
    X: Array, parameters: Arrays, activation: str = "sigmoid", output: str = "sigmoid"
) -> tuple[Array, dict[str, Array]]:
    """Output of the network: Z1 = W1 X + b1, A1 = s(Z1), Z2 = W2 A1 + b2, A2 = s(Z2).

    Parameters
    ----------
    X : array of shape (n_x, m)
    parameters : dict
        W1 (n_h, n_x), b1 (n_h, 1), W2 (n_y, n_h), b2 (n_y, 1).
    activation : str
        What takes the place of s in the hidden layer: one of `ACTIVATIONS`.
    output : str
        What takes the place of s at the outputs: one of `OUTPUTS`.

    Returns
    -------
    A2 : array of shape (n_y, m)
    cache : dict
        Z1, A1 (n_h, m) and Z2, A2 (n_y, m).
    """
    W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    Z1 = W1 @ X + b1
    A1 = ACTIVATIONS[activation].function(Z1)
    Z2 = W2 @ A1 + b2
    A2 = OUTPUTS[output](Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def compute_cost(A2: Array, Y: Array, sample_weight: Array = None) -> Array:
    """Mean square loss: L = sum (A2 - Y)^2 / (2 m), summed over the samples and the outputs.

    Parameters
    ----------
    A2 : array of shape (n_y, m)
    Y : array of shape (n_y, m), values in [0, 1]
    sample_weight : array of shape (m,), optional
        How much each sample counts, at least 0; without it each counts 1. Their sum takes the place of m.

    Returns
    -------
    array of shape (), a scalar
    """
    xp = _namespace(A2)
    m = Y.shape[1]
    losses = (A2 - xp.astype(Y, A2.dtype)) ** 2
    return xp.sum(losses) / (2 * m) if sample_weight is None else xp.sum(losses * _shares(sample_weight)) / 2


def compute_log_cost(Z2: Array, Y: Array, sample_weight: Array = None) -> Array:
    """Mean log loss: L = -sum (Y log A2 + (1 - Y) log(1 - A2)) / m, summed over the samples and the outputs.

    Written with Z2 as log(1 + exp(Z2)) - Y Z2, so that it stays exact where A2 rounds to 0 or 1.

    Parameters
    ----------
    Z2 : array of shape (n_y, m)
    Y : array of shape (n_y, m), values in [0, 1]
    sample_weight : array of shape (m,), optional
        As for `compute_cost`.

    Returns
    -------
    array of shape (), a scalar
    """
    xp = _namespace(Z2)
    m = Y.shape[1]
    losses = xp.where(Z2 < 0, xp.zeros_like(Z2), Z2) - xp.astype(Y, Z2.dtype) * Z2 + xp.log1p(xp.exp(-xp.abs(Z2)))
    return xp.sum(losses) / m if sample_weight is None else xp.sum(losses * _shares(sample_weight))


def compute_softmax_cost(Z2: Array, Y: Array, sample_weight: Array = None) -> Array:
    """Mean log loss of softmax outputs: L = -sum Y log A2 / m, summed over the samples and the outputs.

    Written with Z2 as log(sum exp(Z2)) - sum Y Z2, so that it stays exact where A2 rounds to 0.

    Parameters
    ----------
    Z2 : array of shape (n_y, m)
    Y : array of shape (n_y, m), values in [0, 1], each column sums to 1
    sample_weight : array of shape (m,), optional
        As for `compute_cost`.

    Returns
    -------
    array of shape (), a scalar
    """
    xp = _namespace(Z2)
    m = Y.shape[1]
    largest = xp.max(Z2, axis=0)
    totals = xp.log(xp.sum(xp.exp(Z2 - largest), axis=0))
    losses = totals + largest - xp.sum(xp.astype(Y, Z2.dtype) * Z2, axis=0)
    return xp.sum(losses) / m if sample_weight is None else xp.sum(losses * _shares(sample_weight))


@dataclass(frozen=True)
class Loss:
    """What a training makes small.

    Attributes
    ----------
    output : str
        One of `OUTPUTS`: what makes A2 of Z2.
    cost : callable
        The mean loss, of a cache with Z2 and A2, of Y, and of the weights of the samples or None.
    slope : callable
        The derivative of a sample's loss with respect to its Z2, of the cache and of A2 - Y.
    label : str
        What a plot calls it.
    """

    output: str
    cost: Callable[[Arrays, Array, Array], Array]
    slope: Callable[[Arrays, Array], Array]
    label: str


_SQUARE = Loss(
    "sigmoid",
    lambda cache, Y, weight: compute_cost(cache["A2"], Y, weight),
    lambda cache, error: error * sigmoid_derivative(cache["Z2"]),
    "half the mean square error",
)
_LOG = Loss(
    "sigmoid", lambda cache, Y, weight: compute_log_cost(cache["Z2"], Y, weight), lambda _, error: error, "log loss"
)
_SOFTMAX = Loss(
    "softmax", lambda cache, Y, weight: compute_softmax_cost(cache["Z2"], Y, weight), lambda _, error: error, "log loss"
)
LOSSES = {"square": (_SQUARE, _SQUARE), "log": (_LOG, _SOFTMAX)}  # of one output, and of several


def find_loss(loss: str, n_y: int) -> Loss:
    """Return the loss of a name: "square", or "log" with a sigmoid for one output and softmax for several."""
    return LOSSES[loss][n_y > 1]


def back_propagation(
    X: Array,
    Y: Array,
    parameters: Arrays,
    cache: Arrays,
    *,
    activation: str = "sigmoid",
    loss: str = "square",
    sample_weight: Array = None,
) -> dict[str, Array]:
    """Gradient of the mean loss with respect to the four parameters.

    dZ2 = (A2 - Y)/m * s'(Z2);   dW2 = dZ2 A1.T;  db2 = sum dZ2      (with the log loss, dZ2 = (A2 - Y)/m)
    dZ1 = W2.T dZ2 * s'(Z1);     dW1 = dZ1 X.T;   db1 = sum dZ1

    Parameters
    ----------
    X : array of shape (n_x, m)
    Y : array of shape (n_y, m), values in [0, 1]
    parameters : dict
        W1 (n_h, n_x), b1 (n_h, 1), W2 (n_y, n_h), b2 (n_y, 1).
    cache : dict
        Z1, A1 (n_h, m) and Z2, A2 (n_y, m) of the forward pass with the same parameters and activation.
    activation : str
        That of the hidden layer: one of `ACTIVATIONS`.
    loss : str
        "square" for `compute_cost`; "log" for `compute_log_cost`, or `compute_softmax_cost` for several outputs.
    sample_weight : array of shape (m,), optional
        As for `compute_cost`.

    Returns
    -------
    dict
        dW1, db1, dW2, db2: shapes and type of the parameters they belong to.
    """
    W2 = parameters["W2"]
    Z1, A1, A2 = (cache[name] for name in ("Z1", "A1", "A2"))
    xp = _namespace(A2)
    m = Y.shape[1]
    error = A2 - xp.astype(Y, A2.dtype)
    error = error / m if sample_weight is None else error * _shares(sample_weight)
    dZ2 = find_loss(loss, Y.shape[0]).slope(cache, error)
    dW2 = dZ2 @ A1.T
    db2 = xp.sum(dZ2, axis=1, keepdims=True)
    dZ1 = (W2.T @ dZ2) * ACTIVATIONS[activation].derivative(Z1)
    dW1 = dZ1 @ X.T
    db1 = xp.sum(dZ1, axis=1, keepdims=True)
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}


def update_parameters(parameters: Arrays, grads: Arrays, learning_rate: float) -> dict[str, Array]:
    """One step of gradient descent: p <- p - learning_rate * dp for each parameter p.

    Parameters
    ----------
    parameters : dict
        W1, b1, W2, b2.
    grads : dict
        dW1, db1, dW2, db2, of the same shapes.
    learning_rate : float
        The step, greater than 0.

    Returns
    -------
    dict
        The new W1, b1, W2, b2; the given ones stay as they are.
    """
    return {name: parameters[name] - learning_rate * grads["d" + name] for name in ("W1", "b1", "W2", "b2")}


def predict(X: Array, parameters: Arrays) -> Array:
    """Labels by the threshold: 1 where A2 > 0.5, else 0.

    Parameters
    ----------
    X : array of shape (n_x, m)
    parameters : dict
        W1 (n_h, n_x), b1 (n_h, 1), W2 (n_y, n_h), b2 (n_y, 1).

    Returns
    -------
    integer array of shape (n_y, m)
    """
    A2, _ = forward_propagation(X, parameters)
    xp = _namespace(A2)
    return xp.astype(A2 > 0.5, xp.int64)


def _shares(sample_weight: Array) -> Array:
    """Return the share of each sample in the mean; none where no sample weighs anything."""
    xp = _namespace(sample_weight)
    total = xp.sum(sample_weight)
    return sample_weight / xp.where(total > 0, total, xp.ones_like(total))


def _namespace(x: Array) -> Any:
    """Return the Array-API namespace that `x` belongs to."""
    try:
        return x.__array_namespace__()
    except AttributeError:
        message = (
            f"The equations take arrays of an Array-API library such as NumPy; convert this {type(x).__name__} first."
        )
        raise ArrayTypeError(message) from None
