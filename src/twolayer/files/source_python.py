"""A model as a Python module that needs the standard library alone."""

import keyword
from pathlib import Path

from twolayer.data.table_encoding import Column, NumberColumn
from twolayer.data.tables import MISSING
from twolayer.files.scorer import (
    SPACES,
    THRESHOLD,
    Array,
    Vectors,
    describe,
    enclose,
    fill,
    make_vectors,
    number_texts,
)
from twolayer.model import Model


def to_python(model: Model, name: str) -> str:
    """Return a Python module with `classes`, `predict_proba`, `predict` and `self_test`.

    It computes in float64, and tests itself when it is run as a script.

    Parameters
    ----------
    model : Model
    name : str
        Of the module's file, its ending may be left out.

    Returns
    -------
    str
        In ASCII.

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    two, table = len(model.classes) == 2, model.table is not None
    stem, ending = Path(name).stem, Path(name).suffix
    importable = stem.isidentifier() and stem.isascii() and not keyword.iskeyword(stem) and ending in ("", ".py")
    module = stem if importable else "network"
    return fill(
        _MODULE,
        about="\n".join(f"# {line}" for line in describe(model)),
        name=module,
        where="" if importable else f"  # when this file is called {module}.py",
        row=ABOUT_TABLE_ROW if table else fill(ABOUT_PLAIN_ROW, n_inputs=str(model.n_features)),
        imports="import math\nimport operator\n" + "import re\n" * table + "import sys\n" * (not two),
        classes=enclose(map(python_literal, model.classes), "()"),
        threshold=f"\nTHRESHOLD = {THRESHOLD}" if two else "",
        preprocessing=preprocessing_source(model),
        test_row='dict(zip([column["name"] for column in COLUMNS], row))' if table else "row",
        to_shares=_TO_TWO_SHARES if two else _TO_SHARES,
        decide=DECIDE_TWO if two else DECIDE,
        activation=_ACTIVATIONS[model.activation],
        parameters=_parameters(model),
        vectors=vector_source(make_vectors(model)),
    )


def preprocessing_source(model: Model) -> str:
    """Return Python source that makes the values which enter the network of a row.

    It defines `encode(row) -> list of float` and the constants and functions that it uses, and needs `import math` and,
    for a model of a table, `import operator` and `import re` before it. A row of a plain model is a sequence of
    n_features numbers, which are divided by the scale; one of a table is a mapping of each column's name to a number or
    a text, None or NaN where missing. `encode` raises a ValueError with one sentence for any other row.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
        Lines of code, in ASCII, with two empty lines between definitions and one line end behind the last.
    """
    if model.table is None:
        return fill(_ENCODE_PLAIN, n_inputs=str(model.n_features), scale=repr(model.scale))
    return fill(
        _ENCODE_TABLE,
        missing=enclose(map(python_text, MISSING), "()"),
        spaces=python_text(SPACES),
        columns="\n".join(f"    {_column(column)}," for column in model.table.columns),
    )


def python_text(text: str) -> str:
    """Return the literal of a text, in double quotes and in ASCII."""
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'


def python_literal(value: str | float | None) -> str:
    """Return the literal of a text, a number or None."""
    if isinstance(value, str):
        return python_text(value)
    return repr(value).removesuffix(".0")


def _column(column: Column) -> str:
    """Return the dict of a column."""
    start = f'"name": {python_text(column.name)}'
    if isinstance(column, NumberColumn):
        own = f'"mean": {column.mean!r}, "deviation": {column.deviation!r}'
    else:
        own = f'"levels": [{", ".join(map(python_text, column.levels))}], "rare": {column.rare}'
    return f'{{{start}, {own}, "flagged": {column.flagged}}}'


def _parameters(model: Model) -> str:
    """Return W1 and W2 as lists of arrays, one a row, b1 and b2 as arrays."""
    parts = []
    for name in ("W1", "b1", "W2", "b2"):
        values = model.parameters[name]
        if name in ("b1", "b2"):
            parts.append(f"{name} = {_array(values)}")
        else:
            rows = "".join(f"    {_array(row, 4)},\n" for row in values)
            parts.append(f"{name} = [\n{rows}]")
    return "\n\n".join(parts)


def _array(values: Array, indent: int = 0) -> str:
    code = "f" if values.dtype == "float32" else "d"
    return f'array("{code}", {enclose(number_texts(values), "[]", indent)})'


def vector_source(vectors: Vectors) -> str:
    """Return pairs of a row and its shares; a table's row is its values in the order of its columns."""
    lines = []
    for row, shares in zip(vectors.rows, vectors.shares.tolist(), strict=True):
        values = row.values() if isinstance(row, dict) else row
        pair = (enclose(map(python_literal, part), "[]", 8) for part in (values, shares))
        lines.append("    (\n" + "".join(f"        {part},\n" for part in pair) + "    ),")
    return "\n".join(lines)


_MODULE = '''\
@about@

"""A trained network that needs no package.

    import @name@@where@

    @name@.predict(row)  # one of @name@.classes
    @name@.predict_proba(row)  # the share of each of them, in their order
    @name@.self_test()  # the largest deviation from what twolayer computes

@row@
Run as a script, this file tests itself.
"""

@imports@from array import array

classes = @classes@@threshold@

@preprocessing@

def predict(row):
    """Return the class of a row."""
    return classes[decide(predict_proba(row))]


def predict_proba(row):
    """Return the share of each class."""
    return to_shares(to_logits(encode(row)))


def self_test():
    """Return the largest deviation of the shares from those that twolayer computed of the samples below."""
    worst = 0.0
    for row, expected in VECTORS:
        for share, value in zip(predict_proba(@test_row@), expected):
            deviation = abs(share - value)
            if deviation > worst or math.isnan(deviation):
                worst = deviation
    return worst


def to_logits(values):
    """Return Z2 = W2 f(W1 x + b1) + b2."""
    hidden = [activation(dot(weights, values) + bias) for weights, bias in zip(W1, b1)]
    return [dot(weights, hidden) + bias for weights, bias in zip(W2, b2)]


def to_shares(logits):
@to_shares@


def decide(shares):
@decide@


def activation(z):
    """Return what a hidden unit makes of its sum."""
    return @activation@


def sigmoid(z):
    """Return 1 / (1 + exp(-z)); the exponential never overflows."""
    e = math.exp(-abs(z))
    return (e if z < 0 else 1.0) / (1.0 + e)


def dot(a, b):
    """Return the sum of the products."""
    return sum(map(operator.mul, a, b))


# The parameters: a row of W1 a hidden unit, a row of W2 an output.
@parameters@

# Rows and the shares of their classes.
VECTORS = [
@vectors@
]

if __name__ == "__main__":
    worst = self_test()
    print(f"worst deviation of {len(VECTORS)} samples: {worst:.1e}")
    raise SystemExit(0 if worst <= 1e-6 else 1)
'''

ABOUT_PLAIN_ROW = "A row is a sequence of @n_inputs@ numbers, as they were in the training data."
ABOUT_TABLE_ROW = "A row is a mapping of each column's name to a number or a text, None or NaN where missing."

_TO_TWO_SHARES = '''\
    """Return the shares of the two classes."""
    share = sigmoid(logits[0])
    return [1.0 - share, share]'''

_TO_SHARES = '''\
    """Return the share of each class: its output divided by the sum of all, none of them quite 0."""
    outputs = [max(sigmoid(z), sys.float_info.min) for z in logits]
    total = sum(outputs)
    return [output / total for output in outputs]'''

DECIDE_TWO = '''\
    """Return the place of the class: the second where its share is greater than the threshold."""
    return int(shares[1] > THRESHOLD)'''

DECIDE = '''\
    """Return the place of the class: the first of the largest share."""
    return shares.index(max(shares))'''

_ACTIVATIONS = {"sigmoid": "sigmoid(z)", "tanh": "math.tanh(z)", "relu": "0.0 if z < 0 else z"}

_ENCODE_PLAIN = '''\
N_INPUTS = @n_inputs@
SCALE = @scale@


def encode(row):
    """Return the values that enter the network: N_INPUTS numbers, divided by SCALE."""
    try:
        values = [float(value) / SCALE for value in row]
    except (TypeError, ValueError, OverflowError):
        raise ValueError("A row must be a sequence of numbers.") from None
    if len(values) != N_INPUTS:
        raise ValueError(f"A row must have {N_INPUTS} numbers, this one has {len(values)}.")
    if not all(map(math.isfinite, values)):
        raise ValueError("A row must have finite numbers only.")
    return values
'''

_ENCODE_TABLE = '''\
# Numbers become (number - mean) / deviation, 0 where missing. Categories become a 1 at the place of their level; behind
# the levels is one place for all other texts where rare is true. Where flagged is true, the last value is 1 for a
# missing number or text.
COLUMNS = (
@columns@
)
MISSING = @missing@
SPACES = @spaces@
NUMBER = re.compile(r"[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?")


def encode(row):
    """Return the values that enter the network, of a mapping of the columns' names to numbers and texts."""
    values = []
    for column in COLUMNS:
        try:
            value = row[column["name"]]
        except (KeyError, TypeError, IndexError):
            raise ValueError(f"The row has no column {column['name']!r}.") from None
        value = without_missing(value)
        values += encode_category(column, value) if "levels" in column else encode_number(column, value)
    return values


def without_missing(value):
    """Return a value, a text without white space at its ends, or None where it is missing."""
    if isinstance(value, str):
        value = value.strip(SPACES)
        return None if value in MISSING else value
    return None if value != value else value  # NaN


def encode_number(column, value):
    """Return the values of a number: how far it is from the mean, and whether it is missing."""
    if value is None:
        return [0.0, 1.0] if column["flagged"] else [0.0]
    is_text = isinstance(value, str)
    try:
        if isinstance(value, bool) or (is_text and not NUMBER.fullmatch(value)):
            raise ValueError
        standardized = (float(value) - column["mean"]) / column["deviation"]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"Column {column['name']!r} takes a number, not {value!r}.") from None
    if not math.isfinite(standardized):
        raise ValueError(f"Column {column['name']!r} takes a number of usual size, not {value!r}.")
    return [standardized, 0.0] if column["flagged"] else [standardized]


def encode_category(column, value):
    """Return the values of a category: 1 at its place, 0 at the others."""
    levels, rare, flagged = column["levels"], column["rare"], column["flagged"]
    values = [0.0] * (len(levels) + rare + flagged)
    if value is None:
        if flagged:
            values[-1] = 1.0
        return values
    if isinstance(value, bool):
        value = str(value).lower()
    elif not isinstance(value, str):
        try:
            value = str(operator.index(value))
        except TypeError:
            raise ValueError(f"Column {column['name']!r} takes a text, not {value!r}.") from None
    if value in levels:
        values[levels.index(value)] = 1.0
    elif rare:
        values[len(levels)] = 1.0
    return values
'''
