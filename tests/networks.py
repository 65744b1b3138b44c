"""Models with random weights, and what the formulas of explanations are compared with."""

from typing import Any

import numpy as np

from twolayer.data.encoding import CategoryColumn, Encoding, NumberColumn
from twolayer.equations import ACTIVATIONS
from twolayer.model import Model
from twolayer.parameters import Sizes

TABLE = Encoding(
    "y", (NumberColumn("age", 40.0, 10.0, flagged=True, clip=3.0), CategoryColumn("town", ("Ulm", "Bern"), rare=True))
)
PEOPLE = {"age": [25.0, 61.0, None, 40.0], "town": ["Ulm", "Bern", "Rome", "Ulm"]}


def model_of(
    n_x: int, n_h: int, n_y: int = 1, activation: str = "sigmoid", *, seed: int = 0, spread: float = 1.0, **more: Any
) -> Model:
    """Return a model of random weights in float64; `spread` is the standard deviation of W1."""
    random = np.random.default_rng(seed)
    shapes = Sizes(n_x, n_h, n_y).shapes
    parameters = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    parameters["W1"] *= spread
    classes = more.pop("classes", (0, 1) if n_y == 1 else tuple(range(n_y)))
    return Model(parameters, classes, more.pop("input_shape", (n_x,)), activation=activation, **more)


def table_model(n_y: int = 1, activation: str = "sigmoid") -> Model:
    """Return a model of a table with a number, which may be missing, and a category."""
    return model_of(TABLE.n_values, 4, n_y, activation, encoding=TABLE, input_shape=(TABLE.n_values,))


def logits_of(model: Model, X: Any) -> Any:
    """Return Z2 of rows, by the formula."""
    p = model.parameters
    return (p["W2"] @ ACTIVATIONS[model.activation].function(p["W1"] @ np.asarray(X).T + p["b1"]) + p["b2"]).T
