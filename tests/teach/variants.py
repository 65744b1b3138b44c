"""Right and wrong variants of the functions of both courses.

A variant is a function as somebody might write it: the right one with some lines replaced, or one of another form. Of
wrong ones it is known which quantities are wrong and what the mistake is called; where two are combined, both.
"""

from dataclasses import dataclass

HEAD = "import numpy as np\n"

FORWARD = """
def forward_propagation(X, parameters):
    W1 = parameters["W1"]
    b1 = parameters["b1"]
    W2 = parameters["W2"]
    b2 = parameters["b2"]
    Z1 = W1 @ X + b1
    A1 = sigmoid(Z1)
    Z2 = W2 @ A1 + b2
    A2 = sigmoid(Z2)
    cache = {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}
    return A2, cache
"""
BACK = """
def back_propogation(X, Y, parameters, cache):
    W1 = parameters["W1"]
    b1 = parameters["b1"]
    W2 = parameters["W2"]
    b2 = parameters["b2"]
    Z1 = cache["Z1"]
    A1 = cache["A1"]
    Z2 = cache["Z2"]
    A2 = cache["A2"]
    m = Y.shape[1]
    dZ2 = (A2 - Y)/m * sigmoid_derivative(Z2)
    dW2 = dZ2 @ A1.T
    db2 = np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = (W2.T @ dZ2) * sigmoid_derivative(Z1)
    dW1 = dZ1 @ X.T
    db1 = np.sum(dZ1, axis=1, keepdims=True)
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
"""
UPDATE = """
def update_parameters(parameters, grads, learning_rate):
    W1 = parameters["W1"]
    b1 = parameters["b1"]
    W2 = parameters["W2"]
    b2 = parameters["b2"]
    W1 = W1 - learning_rate * grads["dW1"]
    b1 = b1 - learning_rate * grads["db1"]
    W2 = W2 - learning_rate * grads["dW2"]
    b2 = b2 - learning_rate * grads["db2"]
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
"""
START = """
def initialize_parameters(n_x, n_h, n_y):
    W1 = np.random.randn(n_h, n_x) / np.sqrt(n_x)
    b1 = np.zeros((n_h, 1))
    W2 = np.random.randn(n_y, n_h) / np.sqrt(n_h)
    b2 = np.zeros((n_y, 1))
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
"""
LOOP = """
def train_loop(X, Y, n_h, learning_rate, max_iteration, print_cost=True):
    n_x, n_h, n_y = neural_network_structure(X, Y, n_h)
    parameters = initialize_parameters(n_x, n_h, n_y)
    for iter in range(max_iteration):
        A2, cache = forward_propagation(X, parameters)
        cost = computer_cost(A2, Y)
        if print_cost:
            print(f"Epoch {iter}: Loss = {cost}")
        grads = back_propogation(X, Y, parameters, cache)
        parameters = update_parameters(parameters, grads, learning_rate)
    return parameters
"""
PREDICT = """
def predict(X, parameters):
    A2, cache = forward_propagation(X, parameters)
    predictions = A2 > 0.5
    return predictions
"""
COST = """
def computer_cost(A2, Y):
    m = Y.shape[1]
    cost = np.sum((A2 - Y)**2) / (2*m)
    return cost
"""
SIGMOID = """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))
"""
SLOPE = """
def sigmoid_derivative(x):
    return sigmoid(x) * (1 - sigmoid(x))
"""
SIZES = """
def neural_network_structure(X, Y, n_h=5):
    n_x = X.shape[0]
    n_y = Y.shape[0]
    return (n_x, n_h, n_y)
"""
P_BACK = """
def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    W1 = parameters["W1"]
    W2 = parameters["W2"]
    A1 = cache["A1"]
    A2 = cache["A2"]
    dZ2 = A2 - Y
    dW2 = 1/m * np.dot(dZ2, A1.T)
    db2 = 1/m * np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))
    dW1 = 1/m * np.dot(dZ1, X.T)
    db1 = 1/m * np.sum(dZ1, axis=1, keepdims=True)
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
"""
P_COST = """
def compute_cost(A2, Y):
    m = Y.shape[1]
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    return float(-np.sum(logprobs) / m)
"""
P_FORWARD = """
def forward_propagation(X, parameters):
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = np.tanh(Z1)
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}
"""
P_START = """
def initialize_parameters(n_x, n_h, n_y):
    W1 = np.random.randn(n_h, n_x) * 0.01
    b1 = np.zeros((n_h, 1))
    W2 = np.random.randn(n_y, n_h) * 0.01
    b2 = np.zeros((n_y, 1))
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
"""
P_LOOP = """
def nn_model(X, Y, n_h, num_iterations=10000, print_cost=False):
    n_x = layer_sizes(X, Y)[0]
    n_y = layer_sizes(X, Y)[2]
    parameters = initialize_parameters(n_x, n_h, n_y)
    for i in range(0, num_iterations):
        A2, cache = forward_propagation(X, parameters)
        cost = compute_cost(A2, Y)
        grads = backward_propagation(parameters, cache, X, Y)
        parameters = update_parameters(parameters, grads)
    return parameters
"""


@dataclass(frozen=True)
class Variant:
    """A function as somebody wrote it; of a wrong one the first wrong quantities and the mistakes that are true."""

    course: str
    function: str
    source: str
    quantity: str = ""
    mistakes: tuple[str, ...] = ()


def _wrong(course, function, base, old, new, quantity, *mistakes):
    assert old in base, (function, old)
    return Variant(course, function, base.replace(old, new, 1), quantity, mistakes)


def _two(course, function, base, changes, quantity, *mistakes):
    for old, new in changes:
        assert old in base, (function, old)
        base = base.replace(old, new, 1)
    return Variant(course, function, base, quantity, mistakes)


H, P = "homework2", "planar"
B, PB = ("back_propagation", BACK), ("backward_propagation", P_BACK)

WRONG = [
    _wrong(H, *B, "(A2 - Y)/m *", "(A2 - Y) *", "dZ2", "1/m-missing"),
    _wrong(H, *B, "(A2 - Y)/m * sigmoid_derivative(Z2)", "(A2 - Y)/m", "dZ2", "slope-missing"),
    _wrong(H, *B, "(A2 - Y)/m * sigmoid_derivative(Z2)", "A2 - Y", "dZ2", "slope-and-1/m-missing"),
    _wrong(H, *B, "(A2 - Y)/m", "(Y - A2)/m", "dZ2", "sign-wrong"),
    _wrong(H, *B, "sigmoid_derivative(Z2)", "sigmoid_derivative(A2)", "dZ2", "slope-at-activation"),
    _wrong(H, *B, "sigmoid_derivative(Z2)", "sigmoid(Z2)", "dZ2", "function-for-slope"),
    _wrong(H, *B, "m = Y.shape[1]", "m = Y.shape[0]", "dZ2", "m-of-wrong-axis", "1/m-missing"),
    _wrong(H, *B, "m = Y.shape[1]", "m = X.shape[0]", "dZ2", "m-of-wrong-array"),
    _wrong(H, *B, "(A2 - Y)/m", "2*(A2 - Y)/m", "dZ2", "factor-2-extra"),
    _wrong(H, *B, "dZ2 @ A1.T", "dZ2 @ Z1.T", "dW2", "Z-for-A"),
    _wrong(H, *B, "dZ2 @ A1.T", "dZ2 @ A1.T / m", "dW2", "1/m-twice"),
    _wrong(H, *B, "dZ2 @ A1.T", "A1 @ dZ2.T", "dW2", "product-transposed"),
    _wrong(H, *B, "np.sum(dZ2, axis=1, keepdims=True)", "np.sum(dZ2, axis=1, keepdims=True)/m", "db2", "1/m-twice"),
    _wrong(H, *B, "np.sum(dZ2, axis=1, keepdims=True)", "np.sum(dZ2, axis=0, keepdims=True)", "db2", "axis-wrong",
           "sum-missing"),
    _wrong(H, *B, "np.sum(dZ2, axis=1, keepdims=True)", "dZ2", "db2", "sum-missing", "axis-wrong"),
    _wrong(H, *B, "sigmoid_derivative(Z1)", "sigmoid_derivative(A1)", "dZ1", "slope-at-activation"),
    _wrong(H, *B, "sigmoid_derivative(Z1)", "sigmoid_derivative(Z2)", "dZ1", "slope-of-wrong-layer"),
    _wrong(H, *B, "(W2.T @ dZ2) * sigmoid_derivative(Z1)", "W2.T @ dZ2", "dZ1", "slope-missing"),
    _wrong(H, *B, "(W2.T @ dZ2) * sigmoid_derivative(Z1)", "(dW2.T @ dZ2) * sigmoid_derivative(Z1)", "dZ1", "dW2-for-W2"),
    _wrong(H, *B, "(W2.T @ dZ2)", "(W2.T @ (A2 - Y))", "dZ1", "error-for-dZ2"),
    _wrong(H, *B, "sigmoid_derivative(Z1)", "(1 - A1**2)", "dZ1", "slope-of-tanh"),
    _wrong(H, *B, "sigmoid_derivative(Z1)", "sigmoid(Z1)", "dZ1", "function-for-slope"),
    _wrong(H, *B, "dZ1 @ X.T", "dZ1 @ X.T / m", "dW1", "1/m-twice"),
    _wrong(H, *B, "dZ1 @ X.T", "X @ dZ1.T", "dW1", "product-transposed"),
    _wrong(H, *B, "np.sum(dZ1, axis=1, keepdims=True)", "np.sum(dZ1, axis=0, keepdims=True)", "db1", "axis-wrong"),
    _wrong(H, *B, "np.sum(dZ1, axis=1, keepdims=True)", "np.sum(dZ1)", "db1", "axis-missing"),
    _wrong(H, *B, "np.sum(dZ1, axis=1, keepdims=True)", "np.sum(dZ1, axis=1)", "db1", "keepdims-missing"),
    _wrong(H, *B, "np.sum(dZ1, axis=1, keepdims=True)", "np.mean(dZ1, axis=1, keepdims=True)", "db1", "1/m-twice"),
    _wrong(H, *B, "np.sum(dZ1, axis=1, keepdims=True)", "dZ1", "db1", "sum-missing"),
    _wrong(H, "compute_cost", COST, "(2*m)", "m", "cost", "factor-2-missing"),
    _wrong(H, "compute_cost", COST, " / (2*m)", " / 2", "cost", "1/m-missing"),
    _wrong(H, "compute_cost", COST, "np.sum((A2 - Y)**2) / (2*m)", "np.mean((A2 - Y)**2)", "cost", "factor-2-missing"),
    _wrong(H, "compute_cost", COST, "np.sum((A2 - Y)**2) / (2*m)", "1/2*m * np.sum((A2 - Y)**2)", "cost", "precedence"),
    _wrong(H, "compute_cost", COST, "m = Y.shape[1]", "m = Y.shape[0]", "cost", "m-of-wrong-axis", "1/m-missing"),
    _wrong(H, "compute_cost", COST, "np.sum((A2 - Y)**2)", "np.sum(A2 - Y)**2", "cost", "squared-sum"),
    _wrong(H, "compute_cost", COST, "np.sum((A2 - Y)**2) / (2*m)",
           "-np.sum(Y*np.log(A2) + (1-Y)*np.log(1-A2)) / m", "cost", "log-loss-for-square"),
    _wrong(H, "compute_cost", COST, "np.sum((A2 - Y)**2)", "(A2 - Y)**2", "cost", "sum-missing"),
    _wrong(H, "forward_propagation", FORWARD, "W1 @ X + b1", "W1 @ X", "Z1", "bias-missing"),
    _wrong(H, "forward_propagation", FORWARD, "W2 @ A1 + b2", "W2 @ Z1 + b2", "Z2", "Z-for-A"),
    _wrong(H, "forward_propagation", FORWARD, "A2 = sigmoid(Z2)", "A2 = Z2", "A2", "activation-missing"),
    _wrong(H, "forward_propagation", FORWARD, "A1 = sigmoid(Z1)", "A1 = np.tanh(Z1)", "A1", "tanh-for-sigmoid"),
    _wrong(H, "forward_propagation", FORWARD, "W2 @ A1 + b2", "W2 @ A1", "Z2", "bias-missing"),
    _wrong(H, "forward_propagation", FORWARD, "A1 = sigmoid(Z1)", "A1 = sigmoid_derivative(Z1)", "A1", "slope-for-function"),
    _wrong(H, "update_parameters", UPDATE, "W2 - learning_rate", "W2 + learning_rate", "W2", "sign-wrong"),
    _wrong(H, "update_parameters", UPDATE, 'b1 - learning_rate * grads["db1"]', 'b1 - grads["db1"]', "b1", "rate-missing"),
    _wrong(H, "update_parameters", UPDATE, '"b2": b2}', '"b2": parameters["b2"]}', "b2", "not-updated"),
    _wrong(H, "update_parameters", UPDATE, 'W1 - learning_rate * grads["dW1"]', 'learning_rate * W1 - grads["dW1"]', "W1",
           "rate-on-weights"),
    _wrong(H, "initialize_parameters", START, "np.random.randn(n_h, n_x)", "np.random.rand(n_h, n_x)", "W1",
           "distribution-wrong"),
    _wrong(H, "initialize_parameters", START, "np.random.randn(n_y, n_h) / np.sqrt(n_h)", "np.random.randn(n_y, n_h)", "W2",
           "scale-missing"),
    _wrong(H, "initialize_parameters", START, "/ np.sqrt(n_h)", "/ np.sqrt(n_x)", "W2", "scale-of-wrong-layer"),
    _wrong(H, "initialize_parameters", START, "/ np.sqrt(n_h)", "* 0.01", "W2", "scale-constant"),
    _wrong(H, "initialize_parameters", START, "/ np.sqrt(n_h)", "/ n_h", "W2", "root-missing"),
    _wrong(H, "initialize_parameters", START, "b2 = np.zeros((n_y, 1))", "b2 = np.zeros((n_h, 1))", "b2", "size-wrong"),
    _wrong(H, "initialize_parameters", START, "b1 = np.zeros((n_h, 1))", "b1 = np.zeros(n_h)", "b1", "shape-wrong"),
    _wrong(H, "sigmoid", SIGMOID, "np.exp(-x)", "np.exp(x)", "result", "sign-wrong", "numerator-wrong"),
    _wrong(H, "sigmoid", SIGMOID, "1 / (1 + np.exp(-x))", "1 / 1 + np.exp(-x)", "result", "parentheses-missing", "inverted"),
    _wrong(H, "sigmoid_derivative", SLOPE, "sigmoid(x) * (1 - sigmoid(x))", "x * (1 - x)", "result", "slope-at-activation"),
    _wrong(H, "sigmoid_derivative", SLOPE, "(1 - sigmoid(x))", "(1 - x)", "result", "second-sigmoid-missing"),
    _wrong(H, "neural_network_structure", SIZES, "n_x = X.shape[0]", "n_x = X.shape[1]", "n_x", "axis-wrong"),
    _wrong(H, "neural_network_structure", SIZES, "n_y = Y.shape[0]", "n_y = Y.shape[1]", "n_y", "axis-wrong"),
    _wrong(H, "predict", PREDICT, "A2 > 0.5", "A2", "predictions", "threshold-missing"),
    _wrong(H, "predict", PREDICT, "A2 > 0.5", "(A2 < 0.5).astype(int)", "predictions", "side-wrong"),
    _wrong(H, "predict", PREDICT, "A2 > 0.5", "np.argmax(A2, axis=0).reshape(1, -1)", "predictions", "argmax-for-threshold"),
    _wrong(H, "train_loop", LOOP, "parameters = update_parameters(", "update_parameters(", "W1", "not-updated"),
    _wrong(H, "train_loop", LOOP, "grads, learning_rate)", "grads, 0.01)", "W1", "rate-constant"),
    _wrong(H, "train_loop", LOOP, "range(max_iteration)", "range(1, max_iteration)", "W1", "one-iteration-less"),
    _wrong(H, "train_loop", LOOP, "    return parameters", "        return parameters", "W1", "returns-in-loop"),
    _wrong(P, *PB, "dZ2 = A2 - Y", "dZ2 = (A2 - Y) * A2 * (1 - A2)", "dZ2", "slope-extra"),
    _wrong(P, *PB, "1/m * np.dot(dZ2, A1.T)", "np.dot(dZ2, A1.T)", "dW2", "1/m-missing"),
    _wrong(P, *PB, "1/m * np.dot(dZ1, X.T)", "np.dot(dZ1, X.T)", "dW1", "1/m-missing"),
    _wrong(P, *PB, "(1 - np.power(A1, 2))", "A1 * (1 - A1)", "dZ1", "slope-of-sigmoid"),
    _wrong(P, *PB, "(1 - np.power(A1, 2))", '(1 - np.power(cache["Z1"], 2))', "dZ1", "slope-at-pre-activation"),
    _wrong(P, *PB, "(1 - np.power(A1, 2))", "(1 - A1)", "dZ1", "square-missing"),
    _wrong(P, *PB, "np.sum(dZ1, axis=1, keepdims=True)", "np.sum(dZ1, axis=0, keepdims=True)", "db1", "axis-wrong"),
    _wrong(P, *PB, "dZ2 = A2 - Y", "dZ2 = Y - A2", "dZ2", "sign-wrong"),
    _wrong(P, "compute_cost", P_COST, " + np.multiply(np.log(1 - A2), 1 - Y)", "", "cost", "term-missing"),
    _wrong(P, "compute_cost", P_COST, "-np.sum(logprobs) / m", "np.sum(logprobs) / m", "cost", "sign-wrong"),
    _wrong(P, "compute_cost", P_COST, "-np.sum(logprobs) / m", "-np.sum(logprobs)", "cost", "1/m-missing"),
    _wrong(P, "forward_propagation", P_FORWARD, "np.tanh(Z1)", "sigmoid(Z1)", "A1", "sigmoid-for-tanh"),
    _wrong(P, "initialize_parameters", P_START, "np.random.randn(n_h, n_x) * 0.01", "np.random.randn(n_h, n_x)", "W1",
           "scale-missing"),
    _wrong(P, "nn_model", P_LOOP, "parameters = update_parameters(", "update_parameters(", "W1", "not-updated"),
]  # fmt: skip

TWO = [
    _two(H, *B, [("(A2 - Y)/m", "(A2 - Y)"), ("sigmoid_derivative(Z1)", "sigmoid_derivative(A1)")], "dZ2",
         "1/m-missing", "slope-at-activation"),
    _two(H, *B, [("(A2 - Y)/m", "(Y - A2)/m"), ("np.sum(dZ1, axis=1, keepdims=True)", "np.sum(dZ1)")], "dZ2",
         "sign-wrong", "axis-missing"),
    _two(H, *B, [("dZ2 @ A1.T", "dZ2 @ Z1.T"), ("dZ1 @ X.T", "dZ1 @ X.T / m")], "dW2", "Z-for-A", "1/m-twice"),
    _two(H, *B, [("sigmoid_derivative(Z2)", "sigmoid(Z2)"), ("sigmoid_derivative(Z1)", "sigmoid(Z1)")], "dZ2",
         "function-for-slope", "function-for-slope"),
    _two(H, *B, [(" * sigmoid_derivative(Z2)", ""), (" * sigmoid_derivative(Z1)", "")], "dZ2", "slope-missing",
         "slope-missing"),
    _two(H, *B, [("np.sum(dZ2, axis=1, keepdims=True)", "np.mean(dZ2, axis=1, keepdims=True)"),
                 ("np.sum(dZ1, axis=1, keepdims=True)", "np.mean(dZ1, axis=1, keepdims=True)")], "db2", "1/m-twice",
         "1/m-twice"),
    _two(H, *B, [("(W2.T @ dZ2)", "(W2.T @ (A2 - Y))"), ("np.sum(dZ1, axis=1, keepdims=True)",
                                                         "np.sum(dZ1, axis=0, keepdims=True)")], "dZ1",
         "error-for-dZ2", "axis-wrong"),
    _two(H, "forward_propagation", FORWARD, [("W1 @ X + b1", "W1 @ X"), ("A2 = sigmoid(Z2)", "A2 = Z2")], "Z1",
         "bias-missing", "activation-missing"),
    _two(H, "update_parameters", UPDATE, [("W1 - learning", "W1 + learning"), ('b2 - learning_rate * grads["db2"]',
                                                                               'b2 - grads["db2"]')], "W1",
         "sign-wrong", "rate-missing"),
    _two(H, "initialize_parameters", START, [("np.random.randn(n_h, n_x)", "np.random.rand(n_h, n_x)"),
                                             ("/ np.sqrt(n_h)", "* 0.01")], "W1", "distribution-wrong",
         "scale-constant"),
    _two(P, *PB, [("1/m * np.dot(dZ2, A1.T)", "np.dot(dZ2, A1.T)"), ("(1 - np.power(A1, 2))", "A1 * (1 - A1)")],
         "dW2", "1/m-missing", "slope-of-sigmoid"),
    _two(P, *PB, [("dZ2 = A2 - Y", "dZ2 = Y - A2"), ("1/m * np.sum(dZ1", "np.sum(dZ1")], "dZ2", "sign-wrong",
         "1/m-missing"),
]  # fmt: skip


def _right(course, function, base, *changes):
    for old, new in changes:
        assert old in base, (function, old)
        base = base.replace(old, new)
    return Variant(course, function, base)


RIGHT = [
    _right(H, *B),
    _right(H, *B, ("@ A1.T", "@ np.transpose(A1)"), ("(W2.T @ dZ2)", "np.dot(W2.T, dZ2)")),
    _right(H, *B, ("(A2 - Y)/m * sigmoid_derivative(Z2)", "sigmoid_derivative(Z2) * (A2 - Y) * m**-1")),
    _right(H, *B, ("(A2 - Y)/m * sigmoid_derivative(Z2)", "(A2 - Y)/m * A2 * (1 - A2)")),
    _right(H, *B, ("sigmoid_derivative(Z1)", "(A1 - A1**2)")),
    _right(H, *B, ("(A2 - Y)/m *", "(A2 - Y) *"), ("dW2 = dZ2 @ A1.T", "dW2 = dZ2 @ A1.T / m"),
           ("db2 = np.sum(dZ2, axis=1, keepdims=True)", "db2 = np.sum(dZ2, axis=1, keepdims=True) / m"),
           ("dW1 = dZ1 @ X.T", "dW1 = dZ1 @ X.T / m"),
           ("db1 = np.sum(dZ1, axis=1, keepdims=True)", "db1 = np.sum(dZ1, axis=1, keepdims=True) / m")),
    _right(H, *B, ("np.sum(dZ2, axis=1, keepdims=True)", "np.sum(dZ2)")),
    _right(H, *B, ("np.sum(dZ2, axis=1, keepdims=True)", "np.sum(dZ2, axis=1)")),
    _right(H, *B, ("np.sum(dZ1, axis=1, keepdims=True)", "np.sum(dZ1, axis=1).reshape(-1, 1)")),
    _right(H, *B, ("np.sum(dZ1, axis=1, keepdims=True)", "dZ1 @ np.ones((m, 1))")),
    _right(H, *B, ("(W2.T @ dZ2)", "(W2.T * dZ2)")),
    _right(H, *B, ("return {", 'return {"dZ1": dZ1, "dZ2": dZ2, ')),
    _right(H, *B, ('"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2', '"db2": db2, "dW2": dW2, "db1": db1, "dW1": dW1')),
    _right(H, *B, ("dW1 = dZ1 @ X.T", "dW1 = (X @ dZ1.T).T")),
    _right(H, *B, ("m = Y.shape[1]", "m = X.shape[1]")),
    _right(H, *B, ('    Z1 = cache["Z1"]\n', '    Z1 = parameters["W1"] @ X + b1\n')),
    _right(H, *B, ("dW1 = dZ1 @ X.T", 'dW1 = np.einsum("im,jm->ij", dZ1, X)')),
    _right(H, "compute_cost", COST),
    _right(H, "compute_cost", COST, ("np.sum((A2 - Y)**2) / (2*m)", "0.5 * np.mean((A2 - Y)**2)")),
    _right(H, "compute_cost", COST, ("np.sum((A2 - Y)**2) / (2*m)", "(1/(2*m)) * np.sum(np.square(Y - A2))")),
    _right(H, "compute_cost", COST, ("np.sum((A2 - Y)**2) / (2*m)", "((A2 - Y) @ (A2 - Y).T).item() / 2 / m")),
    _right(H, "compute_cost", COST, ("np.sum((A2 - Y)**2) / (2*m)", "np.linalg.norm(A2 - Y)**2 / 2 / m")),
    _right(H, "compute_cost", COST, ("np.sum((A2 - Y)**2) / (2*m)", "sum((a - y)**2 for a, y in zip(A2[0], Y[0])) / (2*m)")),
    _right(H, "forward_propagation", FORWARD),
    _right(H, "forward_propagation", FORWARD, ("W1 @ X", "np.dot(W1, X)"), ("W2 @ A1", "np.matmul(W2, A1)")),
    _right(H, "forward_propagation", FORWARD, ("A1 = sigmoid(Z1)", "A1 = 1/(1+np.exp(-Z1))")),
    _right(H, "forward_propagation", FORWARD, ('"A2": A2}', '"A2": A2, "W1": W1, "X": X}')),
    _right(H, "forward_propagation", FORWARD, ("Z1 = W1 @ X + b1", "Z1 = np.add(b1, W1.dot(X))")),
    _right(H, "update_parameters", UPDATE),
    Variant(H, "update_parameters", "\ndef update_parameters(parameters, grads, learning_rate):\n"
            "    for k in parameters:\n        parameters[k] -= learning_rate * grads['d' + k]\n    return parameters\n"),
    _right(H, "update_parameters", UPDATE, ("W1 = W1 - learning_rate * grads", "W1 = W1 + (-learning_rate) * grads")),
    _right(H, "initialize_parameters", START),
    _right(H, "initialize_parameters", START, ("np.random.randn(n_h, n_x) / np.sqrt(n_x)",
                                               "np.random.normal(0, 1/np.sqrt(n_x), (n_h, n_x))")),
    _right(H, "initialize_parameters", START, ("/ np.sqrt(n_h)", "* (1.0/np.sqrt(n_h)) + 0.0")),
    Variant(H, "initialize_parameters", "\ndef initialize_parameters(n_x, n_h, n_y):\n"
            "    W2 = np.random.randn(n_y, n_h) * n_h**-0.5\n    W1 = np.random.randn(n_h, n_x) * n_x**-0.5\n"
            "    return dict(W1=W1, W2=W2, b1=np.zeros((n_h, 1)), b2=np.zeros((n_y, 1)))\n"),
    _right(H, "sigmoid", SIGMOID),
    _right(H, "sigmoid", SIGMOID, ("1 / (1 + np.exp(-x))", "np.exp(x) / (np.exp(x) + 1)")),
    _right(H, "sigmoid", SIGMOID, ("1 / (1 + np.exp(-x))", "0.5 * (1 + np.tanh(x / 2))")),
    _right(H, "sigmoid_derivative", SLOPE, ("return sigmoid(x) * (1 - sigmoid(x))", "s = sigmoid(x)\n    return s - s * s")),
    _right(H, "sigmoid_derivative", SLOPE, ("sigmoid(x) * (1 - sigmoid(x))", "np.exp(-x) / (1 + np.exp(-x))**2")),
    _right(H, "neural_network_structure", SIZES),
    _right(H, "neural_network_structure", SIZES, ("return (n_x, n_h, n_y)", "return [len(X), n_h, len(Y)]")),
    _right(H, "predict", PREDICT),
    _right(H, "predict", PREDICT, ("A2 > 0.5", "np.where(A2 > 0.5, 1, 0)")),
    _right(H, "predict", PREDICT, ("A2 > 0.5", "np.round(A2)")),
    _right(H, "predict", PREDICT, ("predictions = A2 > 0.5",
                                   "predictions = [[1 if a > 0.5 else 0 for a in A2[0]]]")),
    _right(H, "train_loop", LOOP),
    _right(H, "train_loop", LOOP, ("neural_network_structure(X, Y, n_h)", "X.shape[0], n_h, Y.shape[0]")),
    _right(P, *PB),
    _right(P, *PB, ("(1 - np.power(A1, 2))", "(1 - A1**2)"), ("1/m * np.dot(dZ1, X.T)", "np.dot(dZ1, X.T)/m")),
    _right(P, *PB, ("dZ2 = A2 - Y", "dZ2 = (A2 - Y)/m"), ("1/m * ", "")),
    _right(P, "compute_cost", P_COST),
    _right(P, "compute_cost", P_COST, ("float(-np.sum(logprobs) / m)", "np.squeeze(-np.mean(logprobs))")),
    _right(P, "forward_propagation", P_FORWARD),
    _right(P, "initialize_parameters", P_START, ("* 0.01", "/ 100")),
    _right(P, "nn_model", P_LOOP),
]  # fmt: skip
