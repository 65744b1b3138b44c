"""A model as one JSON document, for people and for other programs."""

import json
from typing import Any

from twolayer.data.table_encoding import Column, NumberColumn
from twolayer.data.tables import MISSING
from twolayer.files.scorer import SPACES, THRESHOLD, describe, make_vectors
from twolayer.model import Model


def to_json(model: Model) -> str:
    """Return a JSON document with parameters, preprocessing, classes, threshold and samples to test with.

    It says in words what it computes. Parameters have all the digits of their float64.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
        In ASCII, without NaN or infinity.

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    parameters = model.parameters
    vectors = make_vectors(model)
    two = len(model.classes) == 2
    fields = {
        "about": _list(describe(model)),
        "computes": _list([*_preprocessing_rules(model), *_NETWORK_RULES, *(_TWO_RULES if two else _RULES)]),
        "classes": _line(list(model.classes)),
        "threshold": _line(THRESHOLD if two else None),
        "input": _input(model),
        "activation": _line(model.activation),
        **{name: _list(parameters[name].tolist()) for name in ("W1", "W2")},
        **{name: _line(parameters[name].ravel().tolist()) for name in ("b1", "b2")},
        "test_vectors": _list(
            [{"row": row, "shares": shares} for row, shares in zip(vectors.rows, vectors.shares.tolist(), strict=True)]
        ),
    }
    return "{\n" + ",\n".join(f'  "{name}": {text}' for name, text in fields.items()) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _list(values: list[Any]) -> str:
    """Return a list with a line for each value."""
    return "[\n" + ",\n".join(f"    {_line(value)}" for value in values) + "\n  ]"


def _input(model: Model) -> str:
    """Return what a row consists of."""
    if model.table is None:
        return _line({"shape": list(model.input_shape), "scale": model.scale})
    columns = [_column(column) for column in model.table.columns]
    missing = f'    "missing": {_line(list(MISSING))},\n    "spaces": {_line(SPACES)},\n'
    return "{\n" + missing + '    "columns": ' + _list(columns).replace("\n", "\n  ") + "\n  }"


def _column(column: Column) -> dict[str, Any]:
    if isinstance(column, NumberColumn):
        own: dict[str, Any] = {"mean": column.mean, "deviation": column.deviation}
    else:
        own = {"levels": list(column.levels), "rare": column.rare}
    return {"name": column.name, **own, "flagged": column.flagged}


def _preprocessing_rules(model: Model) -> list[str]:
    return _PLAIN_RULES if model.table is None else _TABLE_RULES


_PLAIN_RULES = ["x is a row's numbers divided by input.scale."]
_TABLE_RULES = [
    "x is made of a row's values, column by column, in the order of input.columns.",
    "Texts lose the signs of input.spaces at their ends; those in input.missing, null and NaN are missing.",
    "A column with mean and deviation takes a number: (number - mean) / deviation, or 0 where it is missing.",
    "A column with levels takes a text: 1 at the place of its level, 0 at those of the others.",
    "Where rare is true, a place behind them is 1 for all other texts, else 0.",
    "Where flagged is true, one more value of the column is 1 where it is missing, else 0.",
    "In a column with levels, true and false are the texts true and false, whole numbers their digits.",
]
_NETWORK_RULES = [
    "z = W2 f(W1 x + b1) + b2, in float64. A row of W1 is a hidden unit, a row of W2 an output.",
    "f is the activation: tanh, sigmoid s(z) = 1 / (1 + exp(-z)), or relu max(z, 0).",
]
_TWO_RULES = [
    "The share of the second class is s(z), that of the first is 1 - s(z).",
    "The class is the second where its share is greater than threshold, else the first.",
]
_RULES = [
    "The share of each class is its s(z), at least 2.2250738585072014e-308, divided by their sum.",
    "The class is that of the largest share, the first of equals.",
]
