"""The one description of a model that every export is made of: all that a program needs to predict, in JSON values."""

import dataclasses
import json
import re
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.data.encoding import FAR, Column, Encoding, NumberColumn, UnusedColumn
from twolayer.data.tables import MISSING
from twolayer.equations import ACTIVATIONS
from twolayer.export.samples import SPACES, TOLERANCE, make_samples
from twolayer.model import Model, PredictionSets
from twolayer.text import count, shorten

THRESHOLD = 0.5  # the class is the second of two where its probability is greater
_CLASSES_SHOWN = 10


def describe(model: Model, *, tolerance: float = TOLERANCE, every_digit: bool = False) -> dict[str, Any]:
    """Return the description of a model.

    Parameters
    ----------
    model : Model
    tolerance : float
        How far the probabilities of the test vectors may be off in the program that the description is for.
    every_digit : bool
        Whether parameters in float32 have all digits of the same number in float64; else they have nine, which give
        the number back once they are rounded to float32.

    Returns
    -------
    dict
        JSON values, without NaN or infinity.

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    samples = make_samples(model)
    short = model.parameters["W1"].dtype == np.float32 and not every_digit
    numbers = {name: _numbers(model.parameters[name], short=short) for name in ("W1", "W2", "b1", "b2")}
    return {
        "classes": list(model.classes),
        "class_type": "integer" if isinstance(model.classes[0], int) else "text",
        "threshold": THRESHOLD if len(model.classes) == 2 else None,
        "sets": None if model.sets is None else {"coverage": model.sets.coverage, "least": model.sets.least},
        "input": _input(model),
        "activation": model.activation,
        "expression": ACTIVATIONS[model.activation].expression,
        "output": model.output,
        "dtype": str(model.parameters["W1"].dtype),
        **{name: numbers[name] for name in ("W1", "W2")},
        **{name: [value for row in numbers[name] for value in row] for name in ("b1", "b2")},
        "tolerance": tolerance,
        "test_vectors": [
            {"row": row, "shares": probabilities}
            for row, probabilities in zip(samples.rows, samples.probabilities.tolist(), strict=True)
        ],
    }


def to_json(model: Model, name: str) -> str:  # noqa: ARG001 - every target takes the name of the file
    """Return the description as a document in ASCII that also says in words what it computes."""
    description = describe(model, every_digit=True)
    preprocessing = _PLAIN_RULES if model.encoding is None else _encoding_rules(model.encoding)
    outputs = _TWO_RULES if len(model.classes) == 2 else _SEVERAL_RULES[model.output]
    rules = [*preprocessing, *_NETWORK_RULES, *outputs, *([] if model.sets is None else [_SETS_RULE])]
    return write({"about": summarize(model), "computes": rules, **description})


def write(description: dict[str, Any]) -> str:
    """Return a description as JSON, a line for each row of weights, test vector and column."""
    texts = {name: _write_value(name, value) for name, value in description.items()}
    return "{\n" + ",\n".join(f'  "{name}": {text}' for name, text in texts.items()) + "\n}\n"


def summarize(model: Model) -> list[str]:
    """Return sentences about a model, in ASCII and safe within a comment of any language."""
    from importlib.metadata import version

    (n_h, n_x), n_y = model.parameters["W1"].shape, len(model.parameters["W2"])
    sizes = f"{n_x} inputs, {n_h} hidden units ({model.activation}), {count(n_y, 'output')} ({model.output})"
    labels = ", ".join(map(quote_label, model.classes[:_CLASSES_SHOWN]))
    more = len(model.classes) - _CLASSES_SHOWN
    of = "" if model.table is None else f" of {quote(shorten(model.table.target))}"
    sets = [] if model.sets is None else [_sets_in_words(model.sets)]
    return [
        f"A two-layer network, written by twolayer {version('twolayer')}.",
        f"Input: {_input_in_words(model)}.",
        f"Network: {sizes}; parameters in {model.parameters['W1'].dtype}.",
        f"Output: the probabilities of {len(model.classes)} classes{of}: {labels}{f' and {more} more' * (more > 0)}.",
        *sets,
    ]


def _sets_in_words(sets: PredictionSets) -> str:
    """Return which classes are in a prediction set."""
    least = f"those of a probability of at least {sets.least:.4g}"
    return f"Prediction sets: {least}, which hold the true class {100 * sets.coverage:g} % of the time or more."


def fill_of(column: NumberColumn) -> float:
    """Return what stands for a missing number among the inputs of the network: what its own encoding says."""
    values = np.zeros((1, len(column.value_names)))
    column.encode(np.array([np.nan]), values)
    return float(values[0, 0])


def quote(text: str) -> str:
    r"""Return a text as JSON in ASCII, without any character that could end a comment or markup."""
    return re.sub(r"[/*?<>]", lambda character: f"\\u{ord(character[0]):04x}", json.dumps(text))


def quote_label(label: Label) -> str:
    """Return a label for a comment: the digits of a number, the beginning of a text in quotes."""
    return str(label) if isinstance(label, int) else quote(shorten(label))


def _input_in_words(model: Model) -> str:
    """Return what a row consists of."""
    if model.table is not None:
        return f"{count(len(model.table.fields), 'column')} of a table, encoded as {model.n_inputs} numbers"
    shape = f" ({' x '.join(map(str, model.input_shape))})" * (len(model.input_shape) > 1)
    encoded = f", encoded as {model.n_inputs}" * (model.encoding is not None)
    return f"{model.n_features} numbers{shape}{encoded}" + f", each divided by {model.scale:g}" * (model.scale != 1)


def _numbers(values: Array, *, short: bool) -> list[list[float]]:
    """Return rows of numbers, rounded to nine digits if they are to be short."""
    if short:
        return [[float(f"{value:.9g}") for value in row] for row in values.tolist()]
    rows: list[list[float]] = values.astype(np.float64).tolist()
    return rows


def _input(model: Model) -> dict[str, Any]:
    """Return what a row consists of, and how it becomes the values that enter the network."""
    if model.encoding is None:
        return {"shape": list(model.input_shape), "scale": model.scale}
    shape = {"shape": list(model.input_shape)} if model.table is None else {}
    columns = [_column(column) for column in model.encoding.columns]
    return {**shape, "missing": list(MISSING), "spaces": SPACES, "columns": columns}


def _column(column: Column) -> dict[str, Any]:
    """Return how a column is encoded."""
    if isinstance(column, UnusedColumn):
        return {"name": column.name, "unused": True}
    if isinstance(column, NumberColumn):
        own: dict[str, Any] = {"part": column.part} if column.part else {}
        own |= {"mean": column.mean, "deviation": column.deviation, "fill": fill_of(column)}
        own |= {"clip": column.clip} if column.clip else {}
        own |= {"curves": [dataclasses.asdict(curve) for curve in column.curves]} if column.curves else {}
    else:
        own = {"levels": list(column.levels), "rare": column.rare}
    return {"name": column.name, **own, "flagged": column.flagged}


def _encoding_rules(encoding: Encoding) -> list[str]:
    """Return sentences about how a row becomes the values that enter the network, those that apply."""
    numbers = [column for column in encoding.columns if isinstance(column, NumberColumn)]
    rules = [_TABLE_RULE if encoding.target is not None else _ARRAY_RULE, *_MISSING_RULES]
    rules += [_UNUSED_RULE] * any(isinstance(column, UnusedColumn) for column in encoding.columns)
    rules += _DATE_RULES if any(column.part for column in numbers) else []
    rules += _NUMBER_RULES
    rules += [_CLIP_RULE] * any(column.clip for column in numbers)
    rules += _CURVE_RULES if any(column.curves for column in numbers) else []
    rules += _CATEGORY_RULES if encoding.target is not None else []
    return [*rules, _FLAG_RULE]


def _write_value(name: str, value: Any) -> str:
    """Return JSON on one line, but on several if it is long under this name."""
    if name in ("about", "computes", "W1", "W2", "test_vectors", "columns"):
        return "[\n" + ",\n".join(f"    {json.dumps(part, allow_nan=False)}" for part in value) + "\n  ]"
    if name == "input":
        inner = ",\n".join(f'  "{key}": {_write_value(key, part)}' for key, part in value.items())
        return f"{{\n{inner}\n}}".replace("\n", "\n  ")
    return json.dumps(value, allow_nan=False)


_PLAIN_RULES = ["x is a row's numbers divided by input.scale."]
_TABLE_RULE = "x is made of a row's values, column by column, in the order of input.columns."
_ARRAY_RULE = "x is made of a row's numbers, the first by the first of input.columns, and so on."
_MISSING_RULES = [
    "The characters of input.spaces are removed from both ends of a text.",
    "A value is missing if it is null, NaN or one of the texts of input.missing.",
]
_UNUSED_RULE = "A column that is unused makes no value."
_DATE_RULES = [
    "A column with part takes a date, seconds since the beginning of 1970 in UTC: its number is that part of the date.",
    "Weekdays count from Monday, 0; hours are whole; age is the date in days, seconds / 86400.",
    "Columns with part that have the same name take the same date.",
]
_NUMBER_RULES = [
    "A column with mean and deviation takes a number: (number - mean) / deviation, or fill where it is missing.",
]
_CLIP_RULE = (
    "If it has clip, this u becomes u / sqrt(1 + (u / clip)^2), with u kept"
    f" from -{FAR:g} * clip to {FAR:g} * clip before."
)
_CURVE_RULES = [
    "If it has curves, each adds a value made of the number itself, or its missing where that is missing.",
    "A curve is linear from each of its points (x, y) to the next; before the first and after the last it is constant.",
]
_CATEGORY_RULES = [
    "A column with levels takes a text: 1 at the place of its level, 0 at those of the others.",
    "If rare is true, a place after the levels is 1 for all other texts, else 0.",
    "In a column with levels, true and false are the texts true and false, and whole numbers their digits.",
]
_FLAG_RULE = "If flagged is true, one more value of the column is 1 where it is missing, else 0."
_NETWORK_RULES = [
    "z = W2 f(W1 x + b1) + b2, in float64. A row of W1 is a hidden unit, a row of W2 an output.",
    "f is the activation, element by element: expression, where fmax is the larger of two numbers.",
    "s(z) = 1 / (1 + exp(-z)).",
]
_TWO_RULES = [
    "The probability of the second class is s(z), that of the first is 1 - s(z).",
    "The class is the second if its probability is greater than threshold, else the first.",
]
_SETS_RULE = "The prediction set of a row has the classes whose probability is at least sets.least."
_LARGEST_RULE = "The class is the one with the largest probability, the first of equals."
_SEVERAL_RULES = {
    "sigmoid": [
        "The probability of each class is its s(z), at least 2.2250738585072014e-308, divided by their sum.",
        _LARGEST_RULE,
    ],
    "softmax": ["The probability of each class is its exp(z - max z) divided by their sum.", _LARGEST_RULE],
}
