"""The assignment as a notebook: in words of our own, with blanks to fill in, real digits, and cells that check."""

import json
from dataclasses import dataclass
from typing import Any

_BEGIN, _END = "    ### Code start here ###", "    ### End code here ###"
_CHECK = 'check_notebook(only="{name}")'


@dataclass(frozen=True)
class _Exercise:
    """One exercise: what it is about, the function with its answer, and what shows that it works."""

    title: str
    text: str
    name: str
    before: str
    answer: str
    after: str
    use: str


_EXERCISES = (
    _Exercise(
        "1. The sizes",
        "A network with one hidden layer takes $n_x$ numbers, has $n_h$ hidden units and gives $n_y$ numbers. Samples are "
        "the columns of $X$, of shape $(n_x, m)$, and of $Y$, of shape $(n_y, m)$. Read the sizes off their shapes.",
        "neural_network_structure",
        "def neural_network_structure(X, Y, n_h=5):\n    n_x = X.shape[0]\n",
        "    n_y = Y.shape[0]\n",
        "    return (n_x, n_h, n_y)\n",
        "X = np.random.randn(2, 3)\nY = np.random.randn(1, 3)\nn_x, n_h, n_y = neural_network_structure(X, Y, 10)\n"
        "print(n_x, n_h, n_y)  # 2 10 1",
    ),
    _Exercise(
        "2. A random start",
        "If all weights began alike, all hidden units would learn the same. Draw $W_1$ from a normal distribution with the "
        "deviation $1/\\sqrt{n_x}$, then $W_2$ with $1/\\sqrt{n_h}$, by `np.random.randn`. Biases begin at zero, as columns.",
        "initialize_parameters",
        "def initialize_parameters(n_x, n_h, n_y):\n    W1 = np.random.randn(n_h, n_x) / np.sqrt(n_x)\n"
        "    b1 = np.zeros((n_h, 1))\n",
        "    W2 = np.random.randn(n_y, n_h) / np.sqrt(n_h)\n    b2 = np.zeros((n_y, 1))\n",
        '    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}\n',
        'parameters = initialize_parameters(n_x, n_h, n_y)\nprint(parameters["W1"][0])  # [-0.17633148  1.03386644]',
    ),
    _Exercise(
        "3. The sigmoid",
        "The hidden units and the output squeeze any number between 0 and 1: $\\sigma(x) = 1 / (1 + e^{-x})$. Its slope is "
        "$\\sigma'(x) = \\sigma(x) (1 - \\sigma(x))$, and is given.",
        "sigmoid",
        "def sigmoid(x):\n    x = np.asarray(x)\n",
        "    return 1 / (1 + np.exp(-x))\n",
        "",
        "def sigmoid_derivative(x):\n    return sigmoid(x) * (1 - sigmoid(x))\n\n\n"
        "print(sigmoid(np.linspace(-5, 5, 10))[:3])  # [0.00669285 0.02005754 0.0585369 ]",
    ),
    _Exercise(
        "4. Forward",
        "From the samples to the output: $Z_1 = W_1 X + b_1$, $A_1 = \\sigma(Z_1)$, $Z_2 = W_2 A_1 + b_2$, "
        "$A_2 = \\sigma(Z_2)$. The first layer is given. Keep all four: the way back needs them.",
        "forward_propagation",
        'def forward_propagation(X, parameters):\n    W1, b1 = parameters["W1"], parameters["b1"]\n'
        '    W2, b2 = parameters["W2"], parameters["b2"]\n    Z1 = W1 @ X + b1\n    A1 = sigmoid(Z1)\n',
        "    Z2 = W2 @ A1 + b2\n    A2 = sigmoid(Z2)\n",
        '    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}\n',
        'A2, cache = forward_propagation(X, parameters)\nprint(np.mean(cache["Z1"]), np.mean(cache["A2"]))  # -0.1915... 0.4226...',
    ),
    _Exercise(
        "5. The cost",
        "How far the outputs are from the labels: the mean square loss, $L = \\frac{1}{2m} \\sum_i (a_i - y_i)^2$.",
        "computer_cost",
        "def computer_cost(A2, Y):\n    m = Y.shape[1]\n",
        "    cost = np.sum((A2 - Y) ** 2) / (2 * m)\n",
        "    return cost\n",
        "print(computer_cost(A2, Y))  # 0.5239053069310721",
    ),
    _Exercise(
        "6. Backward",
        "The chain rule, from the cost back to the weights: $dZ_2 = \\frac{1}{m} (A_2 - Y) \\odot \\sigma'(Z_2)$, "
        "$dW_2 = dZ_2 A_1^\\top$, $db_2 = \\sum_i dZ_{2,i}$; then $dZ_1 = (W_2^\\top dZ_2) \\odot \\sigma'(Z_1)$, "
        "$dW_1 = dZ_1 X^\\top$, $db_1 = \\sum_i dZ_{1,i}$. The output layer is given; sums over the samples are "
        "`np.sum(..., axis=1, keepdims=True)`.",
        "back_propogation",
        'def back_propogation(X, Y, parameters, cache):\n    W2 = parameters["W2"]\n    Z1, A1 = cache["Z1"], cache["A1"]\n'
        '    Z2, A2 = cache["Z2"], cache["A2"]\n    m = Y.shape[1]\n    dZ2 = (A2 - Y) / m * sigmoid_derivative(Z2)\n'
        "    dW2 = dZ2 @ A1.T\n    db2 = np.sum(dZ2, axis=1, keepdims=True)\n",
        "    dZ1 = (W2.T @ dZ2) * sigmoid_derivative(Z1)\n    dW1 = dZ1 @ X.T\n"
        "    db1 = np.sum(dZ1, axis=1, keepdims=True)\n",
        '    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}\n',
        'grads = back_propogation(X, Y, parameters, cache)\nprint(grads["dW1"][0])  # [-0.00664941  0.00551946]',
    ),
    _Exercise(
        "7. A step",
        "Gradient descent takes a step against the gradient: $\\theta \\leftarrow \\theta - \\eta\\, d\\theta$, for all four.",
        "update_parameters",
        "def update_parameters(parameters, grads, learning_rate):\n"
        '    W1 = parameters["W1"] - learning_rate * grads["dW1"]\n'
        '    b1 = parameters["b1"] - learning_rate * grads["db1"]\n',
        '    W2 = parameters["W2"] - learning_rate * grads["dW2"]\n    b2 = parameters["b2"] - learning_rate * grads["db2"]\n',
        '    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}\n',
        'parameters = update_parameters(parameters, grads, 0.01)\nprint(parameters["W1"][0])  # [-0.17626499  1.03381124]',
    ),
    _Exercise(
        "8. Training",
        "Put it together: in each iteration forward, backward, and a step.",
        "train_loop",
        "def train_loop(X, Y, n_h, learning_rate, max_iteration, print_cost=True):\n"
        "    n_x, n_h, n_y = neural_network_structure(X, Y, n_h)\n    parameters = initialize_parameters(n_x, n_h, n_y)\n",
        "    for iteration in range(max_iteration):\n        A2, cache = forward_propagation(X, parameters)\n"
        "        if print_cost:\n"
        '            print(f"Epoch {iteration}: Loss = {computer_cost(A2, Y)}")\n'
        "        grads = back_propogation(X, Y, parameters, cache)\n"
        "        parameters = update_parameters(parameters, grads, learning_rate)\n",
        "    return parameters\n",
        "parameters = train_loop(X, Y, 10, 0.01, 10)  # from 0.5413416581298806 to 0.5397437383925353",
    ),
    _Exercise(
        "9. Prediction",
        "A sample is a 1 if the output is above one half.",
        "predict",
        "def predict(X, parameters):\n    A2, cache = forward_propagation(X, parameters)\n",
        "    predictions = A2 > 0.5\n",
        "    return predictions\n",
        "X_train, Y_train, X_test, Y_test = load_mnist()\nparameters = train_loop(X_train, Y_train, 10, 1.0, 100, print_cost=False)\n"
        "print(np.mean(predict(X_test, parameters) == Y_test))",
    ),
)
_INTRODUCTION = (
    "# A two-layer network, written from its equations\n\n"
    "You write a neural network with one hidden layer, function by function, and train it to tell handwritten zeros from "
    "ones. Fill in the lines between *Code start here* and *End code here*; the cell after each exercise checks your "
    "function by itself, with numbers of its own, and says where it is wrong. You need NumPy and `twolayer`, which brings "
    "the digits."
)
_PACKAGES = (
    "import numpy as np\n\nfrom twolayer.course import load_mnist\nfrom twolayer.teach import check_notebook, show_figures\n\n"
    "np.random.seed(1)  # the same numbers for everybody"
)
_TUNING = (
    "## 10. Sizes\n\nHow many hidden units does it take? With a step of 0.01 and ten iterations every network still gives all "
    "digits the same class: the step is too small. Try larger ones, and see what changes.",
    "for n_h in (5, 10, 20, 50):\n    trained = train_loop(X_train, Y_train, n_h, 0.01, 10, False)\n"
    "    print(n_h, np.mean(predict(X_train, trained) == Y_train), np.mean(predict(X_test, trained) == Y_test))",
)
_ALL = (
    "## All figures\n\nThe last cell takes your functions through the whole assignment and compares each printed figure.",
    "show_figures()",
)  # fmt: skip


def make_handout(*, solution: bool = False) -> dict[str, Any]:
    """Return the assignment as a notebook, with blanks, or with the answers.

    Parameters
    ----------
    solution : bool

    Returns
    -------
    dict
        As JSON holds a notebook of version 4.
    """
    cells = [_text(_INTRODUCTION), _code(_PACKAGES)]
    for each in _EXERCISES:
        answer = each.answer if solution else "\n"
        cells += [
            _text(f"## {each.title}\n\n{each.text}"),
            _code(f"{each.before}{_BEGIN}\n{answer}{_END}\n{each.after}".rstrip("\n")),
            _code(_CHECK.format(name=each.name)),
            _code(each.use),
        ]
    for title, source in (_TUNING, _ALL):
        cells += [_text(title), _code(source)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def to_json(notebook: dict[str, Any]) -> bytes:
    """Return a notebook as its file holds it."""
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _text(source: str) -> dict[str, Any]:
    """Return a cell of text."""
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str) -> dict[str, Any]:
    """Return a cell of code that was not run."""
    lines = source.splitlines(keepends=True)
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": lines}
