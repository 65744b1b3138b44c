"""What every export of a model takes from it: exact numbers, text that cannot become code, and samples to test with."""

import json
import math
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.data.table_encoding import NumberColumn, TableEncoding
from twolayer.data.tables import MISSING
from twolayer.errors import DataError
from twolayer.model import Label, Model

THRESHOLD = 0.5  # of two classes it is the second whose share is greater
SPACES = "\t\n\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
N_VECTORS = 10
TOLERANCE = 1e-6  # of shares that are computed exactly
_ROUNDINGS = 10  # how many times the model's own rounding another order of additions may make
_CANDIDATES_EACH = 100
_CANDIDATE_VALUES = 2**22
_LINE_WIDTH = 110
_CLASSES_SHOWN = 10
_TEXT_SHOWN = 60

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Vectors:
    """Samples to test an export with.

    Attributes
    ----------
    rows : list
        Of a plain model lists of n_features numbers, before division by `scale`; of a table dicts of each column's
        name to a number, a text, or None where missing.
    shares : array of shape (n, n_classes), float64
        What the model says of them when it computes in float64.
    deviation : float
        The largest difference between these shares and those of the model as it is, which may compute in float32.
    """

    rows: list[Any]
    shares: Array
    deviation: float


def make_vectors(model: Model, n: int = N_VECTORS) -> Vectors:
    """Return samples that look like data, from one that the model is uncertain of to one that it is certain of.

    Equal models give equal samples. Of a table, one has every value missing and one has texts that are no level; others
    have levels, missing values, and texts with white space at their ends.

    Parameters
    ----------
    model : Model
    n : int
        Number of samples, at least 3.

    Returns
    -------
    Vectors

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    values = b"".join(model.parameters[name].tobytes() for name in sorted(model.parameters))
    random = np.random.default_rng(zlib.crc32(values))
    n_candidates = n + min(_CANDIDATES_EACH * n, _CANDIDATE_VALUES // model.n_features)
    if model.table is None:
        X = _plain_samples(model, n_candidates, random)
        rows, always = X.tolist(), []
    else:
        rows, X = _table_samples(model.table, n_candidates, random)
        always = [0, 1]
    network = replace(model, table=None)
    exact = replace(network, parameters={name: value.astype(np.float64) for name, value in model.parameters.items()})
    order = np.argsort(exact.predict_proba(X).max(axis=1), kind="stable")
    order = order[~np.isin(order, always)]
    steps = np.linspace(0, 1, n - len(always)) ** 3  # where a network is uncertain, a wrong export shows
    chosen = always + order[np.round(steps * (len(order) - 1)).astype(int)].tolist()
    shares = exact.predict_proba(X[chosen])
    if not np.isfinite(shares).all():
        raise DataError("The outputs of the network are not finite numbers: train it again.")
    deviations = np.abs(network.predict_proba(X[chosen]) - shares)
    return Vectors([rows[k] for k in chosen], shares, float(np.nan_to_num(deviations, nan=1.0).max()))


def tolerance(vectors: Vectors) -> float:
    """Return how far the shares of a right export may be from those of the model, with other orders of additions."""
    return TOLERANCE + _ROUNDINGS * vectors.deviation


def _plain_samples(model: Model, n: int, random: np.random.Generator) -> Array:
    """Return samples of numbers: with a scale from 0 to it, of many or few, else normal ones, large or small."""
    shape = (n, model.n_features)
    if model.scale == 1:
        return _rounded(random.standard_normal(shape) * random.choice([0.3, 1.0, 3.0], (n, 1)), 3)
    shares = random.random(shape) * (random.random(shape) < random.random((n, 1)))
    return np.floor(shares * model.scale) if model.scale >= 100 else _rounded(shares, 3) * model.scale


def _rounded(values: Array, decimals: int) -> Array:
    """Return numbers of few digits, none of them -0."""
    return np.round(values, decimals) + 0.0


def _table_samples(table: TableEncoding, n: int, random: np.random.Generator) -> tuple[list[dict[str, Any]], Array]:
    """Return samples by column, and as the values that the encoding makes of them."""
    columns = [
        (_numbers if isinstance(column, NumberColumn) else _categories)(column, n, random) for column in table.columns
    ]
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, values, strict=True)) for values in zip(*(values for values, _ in columns), strict=True)]
    return rows, table.encode([raw for _, raw in columns], np.float64)


def _numbers(column: Any, n: int, random: np.random.Generator) -> tuple[list[float | None], Array]:
    """Return numbers, None where missing, and what the column's `encode` takes."""
    decimals = 2 - math.floor(math.log10(column.deviation))
    numbers = [round(column.mean + column.deviation * z, decimals) + 0.0 for z in random.standard_normal(n).tolist()]
    missing = random.random(n) < 0.1
    missing[0] = True
    values = [None if gone else number for number, gone in zip(numbers, missing.tolist(), strict=True)]
    return values, np.where(missing, np.nan, numbers)


def _categories(column: Any, n: int, random: np.random.Generator) -> tuple[list[str | None], Array]:
    """Return texts, None and others where missing, and what the column's `encode` takes."""
    levels = [(level, code) for code, level in enumerate(column.levels, start=1) if _is_reachable(level)]
    other = "another"
    while other in column.levels:
        other += "!"
    values, codes = [], []
    for k in range(n):
        kind = 0.0 if k == 0 else 0.15 if k == 1 or not levels else random.random()
        if kind < 0.1:
            text, code = [None, "", "NA"][k % 3], -1
        elif kind < 0.2:
            text, code = other, 0
        else:
            text, code = levels[random.integers(len(levels))]
            text = f" {text}\t" if kind < 0.3 else text
        values.append(text)
        codes.append(code)
    return values, np.array(codes)


def _is_reachable(level: str) -> bool:
    """Tell whether a text in a table can be this level, in every language: C's end at NUL."""
    return level.strip(SPACES) == level and level not in MISSING and "\0" not in level


def number_texts(array: Array) -> list[str]:
    """Return decimals that give each number back exactly in its own type, row by row.

    Nine digits of a float32 do so also by way of a float64.
    """
    if array.dtype == np.float32:
        return [f"{value:.9g}" for value in array.ravel().tolist()]
    return [repr(value).removesuffix(".0") for value in array.ravel().tolist()]


def fill(template: str, **parts: str) -> str:
    """Return a template with parts in the places of their names, written as @name@."""
    return re.sub(r"@(\w+)@", lambda found: parts[found[1]], template)


def quote(text: str) -> str:
    r"""Return a text in double quotes, as JSON in ASCII, without any sign that could end a comment or markup."""
    return re.sub(r"[/*?<>]", lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(text))


def quote_label(label: Label) -> str:
    """Return a label for a comment: the digits of a number, the start of a text in quotes."""
    return str(label) if isinstance(label, int) else quote(shorten(label))


def shorten(text: str) -> str:
    """Return a text for a comment."""
    return text if len(text) <= _TEXT_SHOWN else f"{text[: _TEXT_SHOWN - 3]}..."


def describe(model: Model) -> list[str]:
    """Return sentences about a model for the top of a file, in ASCII and safe within a comment of any language."""
    from importlib.metadata import version

    (n_h, n_x), n_y = model.parameters["W1"].shape, len(model.parameters["W2"])
    sizes = f"{n_x} inputs, {n_h} hidden units ({model.activation}), {n_y} output{'s' * (n_y > 1)}"
    if model.table is None:
        shape = " x ".join(map(str, model.input_shape))
        source = f"{model.n_features} numbers" + f" ({shape})" * (len(model.input_shape) > 1)
        source += f", each divided by {model.scale:g}" * (model.scale != 1)
        of = ""
    else:
        n = len(model.table.columns)
        source = f"{n} column{'s' * (n > 1)} of a table, made into {model.n_features} numbers"
        of = f" of {quote(shorten(model.table.target))}"
    labels = ", ".join(map(quote_label, model.classes[:_CLASSES_SHOWN]))
    more = len(model.classes) - _CLASSES_SHOWN
    labels += f" and {more} more" * (more > 0)
    return [
        f"A two-layer network, written by twolayer {version('twolayer')}.",
        f"Input: {source}.",
        f"Network: {sizes}; parameters in {model.parameters['W1'].dtype}.",
        f"Output: the shares of {len(model.classes)} classes{of}: {labels}.",
    ]


def identifier(name: str, start: str) -> str:
    """Return a name for code in any language: lower-case ASCII letters, digits and single underscores.

    Where it would not begin with a letter, `start` stands before it.
    """
    ascii_text = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", ascii_text).strip("_")[:_TEXT_SHOWN]
    return (words if words[:1].isalpha() else f"{start}_{words}").rstrip("_")


def file_name(name: str, ending: str) -> str:
    """Return the name of a file for a comment, with its ending, other letters than those of safe names as `_`."""
    return re.sub(r"[^A-Za-z0-9 .+,=@_-]", "_", name if Path(name).suffix else name + ending)


def enclose(tokens: Iterable[str], brackets: str, indent: int = 0, step: int = 4) -> str:
    """Return tokens in brackets with commas between them: on one line where that is short, else on indented lines.

    Parameters
    ----------
    tokens : iterable of str
    brackets : str
        The opening one and the closing one.
    indent, step : int
        Of the line where the brackets stand, and how much more that of lines between them is.

    Returns
    -------
    str
        Without indentation before the opening bracket.
    """
    lines = list(_iter_lines(tokens, _LINE_WIDTH - indent - step))
    if len(lines) == 1:
        return brackets[0] + lines[0] + brackets[1]
    inner = "".join(f"{' ' * (indent + step)}{line},\n" for line in lines)
    return f"{brackets[0]}\n{inner}{' ' * indent}{brackets[1]}"


def _iter_lines(tokens: Iterable[str], width: int) -> Iterator[str]:
    line: list[str] = []
    length = 0
    for token in tokens:
        if line and length + len(token) > width:
            yield ", ".join(line)
            line, length = [], 0
        line.append(token)
        length += len(token) + 2
    if line:
        yield ", ".join(line)
