"""Whole submissions in other conventions than the courses' own, and wrong variants of their functions.

Samples are rows, weights are transposed, biases and labels are flat: each submission keeps its convention, so that all
of it is right.
"""

from tests.teach.variants import SIGMOID, SLOPE, UPDATE, Variant

ROWS = {
    "neural_network_structure": """
def neural_network_structure(X, Y, n_h=5):
    return X.shape[1], n_h, Y.shape[1]
""",
    "initialize_parameters": """
def initialize_parameters(n_x, n_h, n_y):
    W1 = np.random.randn(n_x, n_h) / np.sqrt(n_x)
    b1 = np.zeros((1, n_h))
    W2 = np.random.randn(n_h, n_y) / np.sqrt(n_h)
    b2 = np.zeros((1, n_y))
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
""",
    "sigmoid": SIGMOID,
    "sigmoid_derivative": SLOPE,
    "forward_propagation": """
def forward_propagation(X, parameters):
    Z1 = X @ parameters["W1"] + parameters["b1"]
    A1 = sigmoid(Z1)
    Z2 = A1 @ parameters["W2"] + parameters["b2"]
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}
""",
    "compute_cost": """
def compute_cost(A2, Y):
    m = Y.shape[0]
    return np.sum((A2 - Y)**2) / (2*m)
""",
    "back_propagation": """
def back_propagation(X, Y, parameters, cache):
    W2 = parameters["W2"]
    Z1, A1, Z2, A2 = cache["Z1"], cache["A1"], cache["Z2"], cache["A2"]
    m = Y.shape[0]
    dZ2 = (A2 - Y)/m * sigmoid_derivative(Z2)
    dW2 = A1.T @ dZ2
    db2 = np.sum(dZ2, axis=0, keepdims=True)
    dZ1 = (dZ2 @ W2.T) * sigmoid_derivative(Z1)
    dW1 = X.T @ dZ1
    db1 = np.sum(dZ1, axis=0, keepdims=True)
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
""",
    "update_parameters": UPDATE,
    "train_loop": """
def train_loop(X, Y, n_h, learning_rate, max_iteration, print_cost=True):
    n_x, n_h, n_y = neural_network_structure(X, Y, n_h)
    parameters = initialize_parameters(n_x, n_h, n_y)
    for iter in range(max_iteration):
        A2, cache = forward_propagation(X, parameters)
        cost = compute_cost(A2, Y)
        grads = back_propagation(X, Y, parameters, cache)
        parameters = update_parameters(parameters, grads, learning_rate)
    return parameters
""",
    "predict": """
def predict(X, parameters):
    A2, cache = forward_propagation(X, parameters)
    return A2 > 0.5
""",
}


def change(base, *changes):
    """Return a submission with texts replaced wherever they stand; each must stand somewhere."""
    found = dict(base)
    for old, new in changes:
        assert any(old in source for source in found.values()), old
        found = {name: source.replace(old, new) for name, source in found.items()}
    return found


OUTPUTS_FIRST = change(
    ROWS, ("randn(n_x, n_h)", "randn(n_h, n_x)"), ("randn(n_h, n_y)", "randn(n_y, n_h)"),
    ('parameters["W1"] +', 'parameters["W1"].T +'), ('parameters["W2"] +', 'parameters["W2"].T +'),
    ("A1.T @ dZ2", "dZ2.T @ A1"), ("dZ2 @ W2.T", "dZ2 @ W2"), ("X.T @ dZ1", "dZ1.T @ X"),
)  # fmt: skip
INPUTS_FIRST = change(
    ROWS, ('X @ parameters["W1"]', 'parameters["W1"].T @ X'), ('A1 @ parameters["W2"]', 'parameters["W2"].T @ A1'),
    ("np.zeros((1, n_h))", "np.zeros((n_h, 1))"), ("np.zeros((1, n_y))", "np.zeros((n_y, 1))"), ("axis=0", "axis=1"),
    ("A1.T @ dZ2", "A1 @ dZ2.T"), ("dZ2 @ W2.T", "W2 @ dZ2"), ("X.T @ dZ1", "X @ dZ1.T"),
    ("X.shape[1]", "X.shape[0]"), ("n_h, Y.shape[1]", "n_h, Y.shape[0]"), ("m = Y.shape[0]", "m = Y.shape[1]"),
)  # fmt: skip
COLUMN_BIASES = change(
    OUTPUTS_FIRST, ("np.zeros((1, n_h))", "np.zeros((n_h, 1))"), ("np.zeros((1, n_y))", "np.zeros((n_y, 1))"),
    ('parameters["b1"]\n    A1', 'parameters["b1"].T\n    A1'), ('parameters["b2"]\n    A2', 'parameters["b2"].T\n    A2'),
    ("axis=0, keepdims=True)", "axis=0, keepdims=True).T"),
)  # fmt: skip
INPUTS_FIRST_ROWS_COLUMN_BIASES = change(
    ROWS, ("np.zeros((1, n_h))", "np.zeros((n_h, 1))"), ("np.zeros((1, n_y))", "np.zeros((n_y, 1))"),
    ('parameters["b1"]\n    A1', 'parameters["b1"].T\n    A1'), ('parameters["b2"]\n    A2', 'parameters["b2"].T\n    A2'),
    ("np.sum(dZ2, axis=0, keepdims=True)", "dZ2.T.sum(axis=1, keepdims=True)"),
    ("np.sum(dZ1, axis=0, keepdims=True)", "dZ1.T.sum(axis=1, keepdims=True)"),
)  # fmt: skip
FLAT_BIASES = change(
    ROWS, ("np.zeros((1, n_h))", "np.zeros(n_h)"), ("np.zeros((1, n_y))", "np.zeros(n_y)"), (", keepdims=True", ""),
)  # fmt: skip
OUTPUTS_FIRST_FLAT = change(
    OUTPUTS_FIRST, ("np.zeros((1, n_h))", "np.zeros(n_h)"), ("np.zeros((1, n_y))", "np.zeros(n_y)"),
    (", keepdims=True", ""),
)  # fmt: skip
FLAT_LABELS = change(
    ROWS, ("n_h, Y.shape[1]", "n_h, 1"), ("np.sum((A2 - Y)**2)", "np.sum((A2 - Y.reshape(-1, 1))**2)"),
    ("dZ2 = (A2 - Y)", "dZ2 = (A2 - Y[:, None])"), ("return A2 > 0.5", "return (A2 > 0.5).ravel()"),
)  # fmt: skip
FLAT_OUTPUTS = change(
    FLAT_BIASES, ("n_h, Y.shape[1]", "n_h, 1"), ("A2 = sigmoid(Z2)", "A2 = sigmoid(Z2)"),
    ('Z2 = A1 @ parameters["W2"] + parameters["b2"]', 'Z2 = (A1 @ parameters["W2"] + parameters["b2"]).ravel()'),
    ("A1.T @ dZ2", "A1.T @ dZ2[:, None]"), ("dZ2 @ W2.T", "dZ2[:, None] @ W2.T"),
)  # fmt: skip
FLAT_W2 = change(
    FLAT_BIASES, ("n_h, Y.shape[1]", "n_h, 1"), ("np.random.randn(n_h, n_y)", "np.random.randn(n_h)"),
    ("np.zeros(n_y)", "0.0"), ("(dZ2 @ W2.T)", "np.outer(dZ2, W2)"),
)  # fmt: skip
COLUMNS_FLAT_OUTPUTS = change(
    INPUTS_FIRST, ("randn(n_x, n_h)", "randn(n_h, n_x)"), ("randn(n_h, n_y)", "randn(n_y, n_h)"),
    ("n_h, Y.shape[0]", "n_h, 1"), ("m = Y.shape[1]", "m = Y.size"), ('parameters["W1"].T @', 'parameters["W1"] @'),
    ('Z2 = parameters["W2"].T @ A1 + parameters["b2"]', 'Z2 = (parameters["W2"] @ A1 + parameters["b2"])[0]'),
    ("A1 @ dZ2.T", "dZ2[None] @ A1.T"), ("np.sum(dZ2, axis=1, keepdims=True)", "np.sum(dZ2)"),
    ("(W2 @ dZ2)", "(W2.T * dZ2)"), ("X @ dZ1.T", "dZ1 @ X.T"),
)  # fmt: skip
_LOG = (
    ("A1 = sigmoid(Z1)", "A1 = np.tanh(Z1)"), ("compute_cost(A2, Y)", "compute_cost(A2, Y)"),
    ("np.sum((A2 - Y)**2) / (2*m)", "-np.sum(Y*np.log(A2) + (1 - Y)*np.log(1 - A2)) / m"),
    ("(A2 - Y)/m * sigmoid_derivative(Z2)", "(A2 - Y)/m"), ("sigmoid_derivative(Z1)", "(1 - A1**2)"),
    ("back_propagation(X, Y, parameters, cache)", "backward_propagation(parameters, cache, X, Y)"),
    ("(X, Y, n_h=5)", "(X, Y)"), ("shape[1], n_h, Y", "shape[1], 4, Y"), ("neural_network_structure", "layer_sizes"),
    ("n_x, n_h, n_y = layer_sizes(X, Y, n_h)", "n_x, _, n_y = layer_sizes(X, Y)"), (", learning_rate)", ", learning_rate=1.2)"),
    ("grads, learning_rate=1.2)\n    return", "grads)\n    return"), ("/ np.sqrt(n_x)", "* 0.01"), ("/ np.sqrt(n_h)", "* 0.01"),
    ("train_loop(X, Y, n_h, learning_rate, max_iteration, print_cost=True)",
     "nn_model(X, Y, n_h, max_iteration=10000, print_cost=False)"), ("predict(X, parameters)", "predict(parameters, X)"),
)  # fmt: skip
_PLANAR_NAMES = {"neural_network_structure": "layer_sizes", "back_propagation": "backward_propagation",
                 "train_loop": "nn_model"}  # fmt: skip
PLANAR_ROWS = {
    _PLANAR_NAMES.get(name, name): source for name, source in change(ROWS, *_LOG).items() if name != "sigmoid_derivative"
}  # fmt: skip

WHOLE = {  # by the name of the convention
    "rows": ROWS, "rows, outputs first": OUTPUTS_FIRST, "columns, inputs first": INPUTS_FIRST,
    "rows, outputs first, column biases": COLUMN_BIASES, "rows, column biases": INPUTS_FIRST_ROWS_COLUMN_BIASES,
    "rows, flat biases": FLAT_BIASES, "rows, outputs first, flat biases": OUTPUTS_FIRST_FLAT,
    "rows, flat labels": FLAT_LABELS, "rows, flat outputs": FLAT_OUTPUTS, "rows, flat outputs and W2": FLAT_W2,
    "columns, flat outputs": COLUMNS_FLAT_OUTPUTS,
}  # fmt: skip


def _wrong(whole, function, old, new, quantity, *mistakes):
    """Return a submission of which one function is wrong."""
    assert old in whole[function], (function, old)
    source = "".join({**whole, function: whole[function].replace(old, new, 1)}.values())
    return Variant("planar" if whole is PLANAR_ROWS else "homework2", function, source, quantity, mistakes)


_B, _F, _I = "back_propagation", "forward_propagation", "initialize_parameters"
WRONG = [
    _wrong(ROWS, _B, "(A2 - Y)/m *", "(A2 - Y) *", "dZ2", "1/m-missing"),
    _wrong(ROWS, _B, "m = Y.shape[0]", "m = Y.shape[1]", "dZ2", "m-of-wrong-axis", "1/m-missing"),
    _wrong(ROWS, _B, "A1.T @ dZ2", "dZ2.T @ A1", "dW2", "product-transposed"),
    _wrong(ROWS, _B, "X.T @ dZ1", "X.T @ dZ1 / m", "dW1", "1/m-twice"),
    _wrong(ROWS, _B, "np.sum(dZ1, axis=0, keepdims=True)", "np.sum(dZ1, axis=1, keepdims=True)", "db1", "axis-wrong"),
    _wrong(ROWS, _B, "np.sum(dZ1, axis=0, keepdims=True)", "np.sum(dZ1)", "db1", "axis-missing"),
    _wrong(ROWS, _B, "sigmoid_derivative(Z1)", "sigmoid_derivative(A1)", "dZ1", "slope-at-activation"),
    _wrong(ROWS, _B, " * sigmoid_derivative(Z2)", "", "dZ2", "slope-missing"),
    _wrong(ROWS, _F, ' + parameters["b1"]', "", "Z1", "bias-missing"),
    _wrong(ROWS, _F, "A1 @ param", "Z1 @ param", "Z2", "Z-for-A"),
    _wrong(ROWS, _I, "np.zeros((1, n_h))", "np.zeros((n_h, 1))", "b1", "shape-transposed"),
    _wrong(ROWS, _I, "np.random.randn(n_x, n_h)", "np.random.randn(n_h, n_x)", "W1", "shape-transposed"),
    _wrong(ROWS, _I, "np.random.randn(n_x, n_h)", "np.random.rand(n_x, n_h)", "W1", "distribution-wrong"),
    _wrong(ROWS, "compute_cost", "m = Y.shape[0]", "m = Y.shape[1]", "cost", "m-of-wrong-axis", "1/m-missing"),
    _wrong(ROWS, "neural_network_structure", "X.shape[1]", "X.shape[0]", "n_x", "axis-wrong"),
    _wrong(ROWS, "update_parameters", "W2 - learning_rate", "W2 + learning_rate", "W2", "sign-wrong"),
    _wrong(ROWS, "train_loop", "parameters = update_parameters(", "update_parameters(", "W1", "not-updated"),
    _wrong(ROWS, "predict", "A2 > 0.5", "A2 < 0.5", "predictions", "side-wrong"),
    _wrong(OUTPUTS_FIRST, _B, "dZ1.T @ X", "X.T @ dZ1", "dW1", "product-transposed"),
    _wrong(OUTPUTS_FIRST, _B, "(A2 - Y)/m", "(Y - A2)/m", "dZ2", "sign-wrong"),
    _wrong(INPUTS_FIRST, _B, "sigmoid_derivative(Z1)", "sigmoid(Z1)", "dZ1", "function-for-slope"),
    _wrong(INPUTS_FIRST, _I, "np.random.randn(n_h, n_y) / np.sqrt(n_h)", "np.random.randn(n_h, n_y)", "W2",
           "scale-missing"),
    _wrong(COLUMN_BIASES, _B, "np.sum(dZ1, axis=0, keepdims=True).T", "np.sum(dZ1, axis=0, keepdims=True)", "db1",
           "shape-transposed"),
    _wrong(FLAT_BIASES, _F, "A1 = sigmoid(Z1)", "A1 = np.tanh(Z1)", "A1", "tanh-for-sigmoid"),
    _wrong(FLAT_LABELS, _B, "(A2 - Y[:, None])/m", "(A2 - Y[:, None])", "dZ2", "1/m-missing"),
    _wrong(FLAT_LABELS, "compute_cost", "(2*m)", "m", "cost", "factor-2-missing"),
    _wrong(FLAT_LABELS, "compute_cost", "Y.reshape(-1, 1)", "Y", "cost"),
    _wrong(FLAT_OUTPUTS, _B, "sigmoid_derivative(Z1)", "sigmoid_derivative(A1)", "dZ1", "slope-at-activation"),
    _wrong(FLAT_W2, _B, "X.T @ dZ1", "X.T @ dZ1 / m", "dW1", "1/m-twice"),
    _wrong(COLUMNS_FLAT_OUTPUTS, _B, "np.sum(dZ1, axis=1, keepdims=True)", "np.sum(dZ1)", "db1", "axis-missing"),
    _wrong(PLANAR_ROWS, "backward_propagation", "(1 - A1**2)", "(1 - A1)", "dZ1", "square-missing"),
    _wrong(PLANAR_ROWS, "compute_cost", "-np.sum(", "np.sum(", "cost", "sign-wrong"),
    _wrong(PLANAR_ROWS, "forward_propagation", "np.tanh(Z1)", "sigmoid(Z1)", "A1", "sigmoid-for-tanh"),
]  # fmt: skip


TWO = [
    _wrong({**ROWS, _B: ROWS[_B].replace("(A2 - Y)/m *", "(A2 - Y) *")}, _B, "sigmoid_derivative(Z1)",
           "sigmoid_derivative(A1)", "dZ2", "1/m-missing", "slope-at-activation"),
    _wrong({**OUTPUTS_FIRST, _B: OUTPUTS_FIRST[_B].replace("dZ1.T @ X", "dZ1.T @ X / m")}, _B, "dZ2.T @ A1",
           "dZ2.T @ Z1", "dW2", "Z-for-A", "1/m-twice"),
    _wrong({**INPUTS_FIRST, _F: INPUTS_FIRST[_F].replace(' + parameters["b1"]', "")}, _F, "A2 = sigmoid(Z2)", "A2 = Z2",
           "Z1", "bias-missing", "activation-missing"),
    _wrong({**FLAT_W2, _B: FLAT_W2[_B].replace("(A2 - Y)/m", "(Y - A2)/m")}, _B, "np.sum(dZ1, axis=0)", "np.sum(dZ1)",
           "dZ2", "sign-wrong", "axis-missing"),
]  # fmt: skip
