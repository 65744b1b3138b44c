"""A model as one Python file for PyTorch, Keras or scikit-learn, with the framework's own object in it."""

import base64
from dataclasses import dataclass, replace

import numpy as np

from twolayer.files.scorer import THRESHOLD, Array, describe, enclose, fill, make_vectors, tolerance
from twolayer.files.source_python import (
    ABOUT_PLAIN_ROW,
    ABOUT_TABLE_ROW,
    DECIDE,
    DECIDE_TWO,
    preprocessing_source,
    python_literal,
    vector_source,
)
from twolayer.model import Model

_BASE64_WIDTH = 116


def to_torch(model: Model) -> str:
    """Return a Python file that makes a model a `torch.nn.Sequential`.

    The file defines `classes`, `network()`, `predict_proba(rows)`, `predict(rows)` and `self_test()`, needs PyTorch and
    the standard library, and tests itself when it is run as a script. The parameters are in it bit by bit, in their own
    type. `network()` takes what `encode(row)` makes of rows.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
        In ASCII; equal models give equal files.

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    activation = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "ReLU"}[model.activation]
    return _fill(model, model, _TORCH, activation=activation)


def to_keras(model: Model) -> str:
    """Return a Python file that makes a model a `keras.Sequential`, for Keras 3 with any backend.

    It defines the names that the one of `to_torch` does. Plain rows are divided by their scale in `network()` itself.
    Keras multiplies matrices in float32 with any backend but TensorFlow, those of float64 too.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
        In ASCII; equal models give equal files.

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    dtype = str(model.parameters["W1"].dtype)
    scaling = "" if model.scale == 1 else fill(_KERAS_SCALING, scale=repr(model.scale), dtype=dtype)
    with np.errstate(over="ignore"):
        rounded = {name: value.astype(np.float32) for name, value in model.parameters.items()}
    return _fill(
        model,
        replace(model, scale=1.0),
        _KERAS,
        activation=model.activation,
        scaling=scaling,
        tolerance=f"{tolerance(make_vectors(replace(model, parameters=rounded))):.1e}",
    )


def to_sklearn(model: Model) -> str:
    """Return a Python file that makes a model a scikit-learn pipeline that ends in an `MLPClassifier`.

    It defines the names that the one of `to_torch` does. Plain rows are divided by their scale in `network()` itself,
    whose `predict` and `predict_proba` say what the model says. With more than two classes it ends in a class of its
    own, an `MLPClassifier` with one sigmoid a class.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
        In ASCII; equal models give equal files.

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    two, scaled = len(model.classes) == 2, model.scale != 1
    return _fill(
        model,
        replace(model, scale=1.0),
        _SKLEARN,
        activation={"sigmoid": "logistic"}.get(model.activation, model.activation),
        class_definition="" if two else _SKLEARN_CLASS,
        estimator="MLPClassifier" if two else "OneAgainstRest",
        kind="binary" if two else "multiclass",
        scaler=", MaxAbsScaler" if scaled else "",
        scaling=fill(_SKLEARN_SCALING, scale=repr(model.scale)) if scaled else "",
        steps='("scale", scaler), ' * scaled + '("network", perceptron)',
    )


@dataclass(frozen=True)
class _Framework:
    """What the file of one framework has of its own.

    Attributes
    ----------
    what : str
        What `network` returns.
    imports : str
        Lines behind those of the standard library.
    network : str
        Source of `network` and `predict_proba`, with places to fill.
    """

    what: str
    imports: str
    network: str


def _fill(model: Model, encoded: Model, framework: _Framework, **parts: str) -> str:
    """Return the file of a model; `encoded` is the model as far as `encode` prepares its rows."""
    (n_hidden, n_values), n_outputs = model.parameters["W1"].shape, len(model.parameters["W2"])
    two, table, dtype = len(model.classes) == 2, model.table is not None, model.parameters["W1"].dtype
    vectors = make_vectors(model)
    parts |= {
        "dtype": str(dtype),
        "takes": "what `encode` makes of rows" if table or encoded is model else f"rows of {n_values} numbers",
        "to_shares": _TO_TWO_SHARES if two else fill(_TO_SHARES, tiny=repr(float(np.finfo(dtype).tiny))),
    }
    return fill(
        _MODULE,
        about="\n".join(f"# {line}" for line in describe(model)),
        what=framework.what,
        row=ABOUT_TABLE_ROW if table else fill(ABOUT_PLAIN_ROW, n_inputs=str(n_values)),
        imports="import operator\nimport re\n" * table + "import struct\n\n" + fill(framework.imports, **parts),
        classes=enclose(map(python_literal, model.classes), "()"),
        threshold=f"THRESHOLD = {THRESHOLD}\n" if two else "",
        sizes=f"N_VALUES, N_HIDDEN, N_OUTPUTS = {n_values}, {n_hidden}, {n_outputs}",
        preprocessing=preprocessing_source(encoded),
        network=fill(framework.network, **parts),
        decide=DECIDE_TWO if two else DECIDE,
        test_row='dict(zip([column["name"] for column in COLUMNS], row))' if table else "row",
        parameters="\n".join(_to_base64(name, model.parameters[name]) for name in ("W1", "b1", "W2", "b2")),
        dtype=str(dtype),
        n_bytes=str(dtype.itemsize),
        code="f" if dtype == np.float32 else "d",
        vectors=vector_source(vectors),
        tolerance=parts.get("tolerance", f"{tolerance(vectors):.1e}"),
    )


def _to_base64(name: str, values: Array) -> str:
    """Return the entry of an array, row by row."""
    encoded = base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()
    lines = [encoded[start : start + _BASE64_WIDTH] for start in range(0, len(encoded), _BASE64_WIDTH)]
    return f'    "{name}": """\n' + "\n".join(lines) + '\n""",'


_MODULE = '''\
@about@

"""A trained network as @what@.

    network()  # a new one each time
    predict(rows)  # the class of each row, one of `classes`
    predict_proba(rows)  # the share of each class in their order, for each row
    self_test()  # the largest deviation from what twolayer computes

@row@
Run as a script, this file tests itself.
"""

import base64
import functools
import math
@imports@
classes = @classes@
@threshold@@sizes@

@preprocessing@

@network@

def predict(rows):
    """Return the class of each row."""
    return [classes[decide(shares)] for shares in predict_proba(rows)]


def self_test():
    """Return the largest deviation of the shares from those that twolayer computed of the samples below."""
    rows = [@test_row@ for row, _ in VECTORS]
    worst = 0.0
    for shares, (_, expected) in zip(predict_proba(rows), VECTORS):
        for share, value in zip(shares, expected):
            deviation = abs(share - value)
            if deviation > worst or math.isnan(deviation):
                worst = deviation
    return worst


def decide(shares):
@decide@


@functools.cache
def own_network():
    """Return the network that `predict_proba` uses."""
    return network()


def numbers(name):
    """Return the numbers of a parameter, row by row."""
    data = base64.b64decode(PARAMETERS[name])
    return struct.unpack(f"<{len(data) // @n_bytes@}@code@", data)


# W1 (N_HIDDEN, N_VALUES), b1 (N_HIDDEN, 1), W2 (N_OUTPUTS, N_HIDDEN), b2 (N_OUTPUTS, 1): @dtype@, little endian, row by
# row, in base64.
PARAMETERS = {
@parameters@
}

# Rows and the shares of their classes.
VECTORS = [
@vectors@
]

if __name__ == "__main__":
    worst = self_test()
    print(f"worst deviation of {len(VECTORS)} samples: {worst:.1e}")
    raise SystemExit(0 if worst <= @tolerance@ else 1)
'''

_PREDICT_PROBA = '''\
def predict_proba(rows):
    """Return the share of each class, for each row."""
    return [to_shares(outputs) for outputs in compute([encode(row) for row in rows])]


def to_shares(outputs):
@to_shares@
'''

_TO_TWO_SHARES = '''\
    """Return the shares of the two classes."""
    return [1.0 - outputs[0], outputs[0]]'''

_TO_SHARES = '''\
    """Return the share of each class: its output divided by the sum of all, none of them quite 0."""
    outputs = [max(output, @tiny@) for output in outputs]
    total = sum(outputs)
    return [output / total for output in outputs]'''

_TORCH = _Framework(
    "a torch.nn.Sequential",
    "import torch\n",
    '''\
def network():
    """Return the network, which takes @takes@ and gives a sigmoid for each output."""
    layers = torch.nn.Sequential(
        torch.nn.Linear(N_VALUES, N_HIDDEN, dtype=torch.@dtype@),
        torch.nn.@activation@(),
        torch.nn.Linear(N_HIDDEN, N_OUTPUTS, dtype=torch.@dtype@),
        torch.nn.Sigmoid(),
    )
    layers.load_state_dict(
        {
            "0.weight": tensor(numbers("W1"), N_HIDDEN, N_VALUES),
            "0.bias": tensor(numbers("b1"), N_HIDDEN),
            "2.weight": tensor(numbers("W2"), N_OUTPUTS, N_HIDDEN),
            "2.bias": tensor(numbers("b2"), N_OUTPUTS),
        }
    )
    return layers


def tensor(values, *shape):
    """Return values as a tensor."""
    return torch.tensor(values, dtype=torch.@dtype@).reshape(shape)


def compute(values):
    """Return the outputs of the network."""
    with torch.no_grad():
        return own_network()(tensor(values, len(values), N_VALUES)).tolist()


'''
    + _PREDICT_PROBA,
)

_KERAS = _Framework(
    "a keras.Sequential",
    "import keras\nimport numpy as np\n",
    '''\
def network():
    """Return the network, which takes @takes@ and gives a sigmoid for each output."""
    layers = [
        keras.Input((N_VALUES,), dtype="@dtype@"),
@scaling@\
        keras.layers.Dense(N_HIDDEN, activation="@activation@", dtype="@dtype@"),
        keras.layers.Dense(N_OUTPUTS, activation="sigmoid", dtype="@dtype@"),
    ]
    sequential = keras.Sequential(layers)
    layers[-2].set_weights([array(numbers("W1"), N_HIDDEN, N_VALUES).T, array(numbers("b1"), N_HIDDEN)])
    layers[-1].set_weights([array(numbers("W2"), N_OUTPUTS, N_HIDDEN).T, array(numbers("b2"), N_OUTPUTS)])
    return sequential


def array(values, *shape):
    """Return values as an array."""
    return np.array(values, "@dtype@").reshape(shape)


def compute(values):
    """Return the outputs of the network."""
    outputs = own_network()(array(values, len(values), N_VALUES))
    return keras.ops.convert_to_numpy(outputs).tolist()


'''
    + _PREDICT_PROBA,
)
_KERAS_SCALING = '        keras.layers.Rescaling(1 / @scale@, dtype="@dtype@"),\n'

_SKLEARN = _Framework(
    "a scikit-learn pipeline",
    """\
import numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelBinarizer@scaler@
""",
    '''\
@class_definition@\
def network():
    """Return the network, which takes @takes@ and has `predict` and `predict_proba`."""
    perceptron = @estimator@(hidden_layer_sizes=(N_HIDDEN,), activation="@activation@")
    perceptron.coefs_ = [array(numbers("W1"), N_HIDDEN, N_VALUES).T, array(numbers("W2"), N_OUTPUTS, N_HIDDEN).T]
    perceptron.intercepts_ = [array(numbers("b1"), N_HIDDEN), array(numbers("b2"), N_OUTPUTS)]
    perceptron.n_features_in_, perceptron.n_layers_, perceptron.n_outputs_ = N_VALUES, 3, N_OUTPUTS
    perceptron.out_activation_ = "logistic"
    perceptron.classes_ = np.array(classes)
    perceptron._label_binarizer = binarizer = LabelBinarizer()
    binarizer.classes_, binarizer.y_type_, binarizer.sparse_input_ = perceptron.classes_, "@kind@", False
@scaling@\
    return Pipeline([@steps@])


def array(values, *shape):
    """Return values as an array."""
    return np.array(values, "@dtype@").reshape(shape)


def predict_proba(rows):
    """Return the share of each class, for each row."""
    values = [encode(row) for row in rows]
    return own_network().predict_proba(np.array(values)).tolist() if values else []
''',
)
_SKLEARN_SCALING = """\
    scaler = MaxAbsScaler()
    scaler.scale_ = np.full(N_VALUES, @scale@)
    scaler.n_features_in_ = N_VALUES
"""
_SKLEARN_CLASS = '''\
class OneAgainstRest(MLPClassifier):
    """A network with a sigmoid for each class, whose shares are these divided by their sum."""

    def predict_proba(self, X):
        outputs = super().predict_proba(X)
        outputs = np.maximum(outputs, np.finfo(outputs.dtype).tiny)
        return outputs / outputs.sum(axis=1, keepdims=True)


'''
