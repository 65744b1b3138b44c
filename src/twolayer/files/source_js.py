"""A model as a JavaScript module for Node.js and browsers."""

import json

from twolayer.data.table_encoding import Column, NumberColumn
from twolayer.data.tables import MISSING
from twolayer.files.scorer import (
    SPACES,
    THRESHOLD,
    Array,
    Vectors,
    describe,
    enclose,
    file_name,
    fill,
    make_vectors,
    number_texts,
)
from twolayer.model import Label, Model

_LARGEST_SAFE = 2**53 - 1  # whole number that a number of JavaScript holds


def to_js(model: Model, name: str) -> str:
    """Return an ES module with `classes`, `predictProba`, `predict` and `selfTest`.

    Parameters
    ----------
    model : Model
    name : str
        Of the module's file, its ending may be left out.

    Returns
    -------
    str
        In ASCII, safe also between the script tags of a page.

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    two, table = len(model.classes) == 2, model.table is not None
    numbers = {"n_inputs": str(model.n_features), "scale": repr(model.scale).removesuffix(".0")}
    return fill(
        _MODULE,
        about="\n".join(f" * {line}" for line in describe(model)),
        file=file_name(name, ".mjs"),
        row=_ABOUT_TABLE_ROW if table else fill(_ABOUT_PLAIN_ROW, **numbers),
        row_type="Object<string, (number|string|boolean|bigint|null)>" if table else "ArrayLike<number>",
        classes=enclose(_labels(model.classes), "[]", step=2),
        threshold=f"\nconst THRESHOLD = {THRESHOLD};" if two else "",
        encode=_encode_table(model.table.columns) if model.table is not None else fill(_ENCODE_PLAIN, **numbers),
        test_row="Object.fromEntries(row.map((value, k) => [COLUMNS[k].name, value]))" if table else "row",
        to_shares=_TO_TWO_SHARES if two else _TO_SHARES,
        decide=_DECIDE_TWO if two else _DECIDE,
        activation=_ACTIVATIONS[model.activation],
        parameters=_parameters(model),
        vectors=_vectors(make_vectors(model)),
    )


def js_text(text: str) -> str:
    """Return the literal of a text, in ASCII and without a sign that could begin or end markup."""
    return json.dumps(text).replace("<", "\\u003c").replace(">", "\\u003e")


def _literal(value: str | float | None) -> str:
    if value is None:
        return "null"
    return js_text(value) if isinstance(value, str) else repr(value).removesuffix(".0")


def _labels(classes: tuple[Label, ...]) -> list[str]:
    """Return the literals of labels: numbers, or all of them BigInt where one is too large."""
    large = "n" * any(isinstance(label, int) and abs(label) > _LARGEST_SAFE for label in classes)
    return [js_text(label) if isinstance(label, str) else f"{label}{large}" for label in classes]


def _encode_table(columns: tuple[Column, ...]) -> str:
    return fill(
        _ENCODE_TABLE,
        columns="\n".join(f"  {_column(column)}," for column in columns),
        missing=enclose(map(js_text, MISSING), "[]", step=2),
        spaces=js_text(SPACES),
    )


def _column(column: Column) -> str:
    """Return the object of a column."""
    if isinstance(column, NumberColumn):
        own = f"mean: {_literal(column.mean)}, deviation: {_literal(column.deviation)}"
    else:
        own = f"levels: [{', '.join(map(js_text, column.levels))}], rare: {js_bool(column.rare)}"
    return f"{{ name: {js_text(column.name)}, {own}, flagged: {js_bool(column.flagged)} }}"


def js_bool(value: bool) -> str:  # noqa: FBT001 - its name says all
    """Return the literal of true or false."""
    return "true" if value else "false"


def _parameters(model: Model) -> str:
    """Return W1 and W2 as arrays of typed arrays, one a row, b1 and b2 as typed arrays."""
    parts = []
    for name in ("W1", "b1", "W2", "b2"):
        values = model.parameters[name]
        if name in ("b1", "b2"):
            parts.append(f"const {name} = {_array(values)};")
        else:
            rows = "".join(f"  {_array(row, 2)},\n" for row in values)
            parts.append(f"const {name} = [\n{rows}];")
    return "\n\n".join(parts)


def _array(values: Array, indent: int = 0) -> str:
    kind = "Float32Array" if values.dtype == "float32" else "Float64Array"
    return f"new {kind}({enclose(number_texts(values), '[]', indent, 2)})"


def _vectors(vectors: Vectors) -> str:
    """Return objects of a row and its shares; a table's row is its values in the order of its columns."""
    lines = []
    for row, shares in zip(vectors.rows, vectors.shares.tolist(), strict=True):
        values = row.values() if isinstance(row, dict) else row
        given, expected = (enclose(map(_literal, part), "[]", 4, 2) for part in (values, shares))
        lines.append(f"  {{\n    row: {given},\n    shares: {expected},\n  }},")
    return "\n".join(lines)


_MODULE = """\
/**
@about@
 *
 * An ES module for Node.js and browsers that needs no package:
 *
 *     import { classes, predict, predictProba, selfTest } from "./@file@";
 *
 *     predict(row); // one of classes
 *     predictProba(row); // the share of each of them, in their order
 *     selfTest(); // the largest deviation from what twolayer computes
 *
 * @row@
 */

export const classes = @classes@;@threshold@

@encode@

/**
 * Returns the class of a row.
 *
 * @param {@row_type@} row
 */
export function predict(row) {
  return classes[decide(predictProba(row))];
}

/**
 * Returns the share of each class.
 *
 * @param {@row_type@} row
 * @returns {number[]}
 */
export function predictProba(row) {
  return toShares(toLogits(encode(row)));
}

/**
 * Returns the largest deviation of the shares from those that twolayer computed of the samples below.
 *
 * @returns {number}
 */
export function selfTest() {
  let worst = 0;
  for (const { row, shares } of VECTORS) {
    predictProba(@test_row@).forEach((share, k) => {
      worst = Math.max(worst, Math.abs(share - shares[k]));
    });
  }
  return worst;
}

/** Returns Z2 = W2 f(W1 x + b1) + b2. */
function toLogits(values) {
  const hidden = W1.map((weights, unit) => activation(dot(weights, values) + b1[unit]));
  return W2.map((weights, output) => dot(weights, hidden) + b2[output]);
}

@to_shares@

@decide@

/** Returns what a hidden unit makes of its sum. */
function activation(z) {
  return @activation@;
}

/** Returns 1 / (1 + exp(-z)); the exponential never overflows. */
function sigmoid(z) {
  const e = Math.exp(-Math.abs(z));
  return (z < 0 ? e : 1) / (1 + e);
}

/** Returns the sum of the products. */
function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k += 1) {
    sum += a[k] * b[k];
  }
  return sum;
}

// The parameters: a row of W1 a hidden unit, a row of W2 an output.
@parameters@

// Rows and the shares of their classes.
const VECTORS = [
@vectors@
];
"""

_ABOUT_PLAIN_ROW = "A row is an array of @n_inputs@ numbers, as they were in the training data."
_ABOUT_TABLE_ROW = "A row is an object with a number or a text for each column, null or NaN where missing."

_TO_TWO_SHARES = """\
/** Returns the shares of the two classes. */
function toShares(logits) {
  const share = sigmoid(logits[0]);
  return [1 - share, share];
}"""

_TO_SHARES = """\
/** Returns the share of each class: its output divided by the sum of all, none of them quite 0. */
function toShares(logits) {
  const outputs = logits.map((z) => Math.max(sigmoid(z), 2 ** -1022));
  const total = outputs.reduce((sum, output) => sum + output, 0);
  return outputs.map((output) => output / total);
}"""

_DECIDE_TWO = """\
/** Returns the place of the class: the second where its share is greater than the threshold. */
function decide(shares) {
  return shares[1] > THRESHOLD ? 1 : 0;
}"""

_DECIDE = """\
/** Returns the place of the class: the first of the largest share. */
function decide(shares) {
  return shares.reduce((best, share, k) => (share > shares[best] ? k : best), 0);
}"""

_ACTIVATIONS = {"sigmoid": "sigmoid(z)", "tanh": "Math.tanh(z)", "relu": "z < 0 ? 0 : z"}

_ENCODE_PLAIN = """\
const N_INPUTS = @n_inputs@;
const SCALE = @scale@;

/** Returns the values that enter the network: N_INPUTS numbers, divided by SCALE. */
function encode(row) {
  if (row === null || typeof row !== "object" || typeof row.length !== "number") {
    throw new TypeError("A row must be an array of numbers.");
  }
  if (row.length !== N_INPUTS) {
    throw new RangeError(`A row must have ${N_INPUTS} numbers, this one has ${row.length}.`);
  }
  const values = Array.from(row, (value) => (typeof value === "number" ? value / SCALE : NaN));
  if (!values.every(Number.isFinite)) {
    throw new RangeError("A row must have finite numbers only.");
  }
  return values;
}"""

_ENCODE_TABLE = """\
// Numbers become (number - mean) / deviation, 0 where missing. Categories become a 1 at the place of their level;
// behind the levels is one place for all other texts where rare is true. Where flagged is true, the last value is 1 for
// a missing number or text.
const COLUMNS = [
@columns@
];
const MISSING = @missing@;
const SPACES = @spaces@;
const NUMBER = /^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?$/;

/** Returns the values that enter the network, of an object with a number or a text for each column. */
function encode(row) {
  if (row === null || typeof row !== "object") {
    throw new TypeError("A row must be an object with a value for each column.");
  }
  return COLUMNS.flatMap((column) => {
    if (!Object.hasOwn(row, column.name)) {
      throw new RangeError(`The row has no column ${JSON.stringify(column.name)}.`);
    }
    const value = withoutMissing(row[column.name]);
    return "levels" in column ? encodeCategory(column, value) : encodeNumber(column, value);
  });
}

/** Returns a value, a text without white space at its ends, or null where it is missing. */
function withoutMissing(value) {
  if (typeof value === "string") {
    let [start, end] = [0, value.length];
    while (start < end && SPACES.includes(value[start])) start += 1;
    while (start < end && SPACES.includes(value[end - 1])) end -= 1;
    const text = value.slice(start, end);
    return MISSING.includes(text) ? null : text;
  }
  return value === undefined || Number.isNaN(value) ? null : value;
}

/** Returns the values of a number: how far it is from the mean, and whether it is missing. */
function encodeNumber({ name, mean, deviation, flagged }, value) {
  if (value === null) {
    return flagged ? [0, 1] : [0];
  }
  if (typeof value !== "number" && !(typeof value === "string" && NUMBER.test(value))) {
    throw new TypeError(`Column ${JSON.stringify(name)} takes a number, not ${JSON.stringify(String(value))}.`);
  }
  const standardized = (Number(value) - mean) / deviation;
  if (!Number.isFinite(standardized)) {
    throw new RangeError(`Column ${JSON.stringify(name)} takes a number of usual size, not ${value}.`);
  }
  return flagged ? [standardized, 0] : [standardized];
}

/** Returns the values of a category: 1 at its place, 0 at the others. */
function encodeCategory({ name, levels, rare, flagged }, value) {
  const values = new Array(levels.length + Number(rare) + Number(flagged)).fill(0);
  if (value === null) {
    if (flagged) values[values.length - 1] = 1;
    return values;
  }
  if (!["string", "boolean", "bigint"].includes(typeof value) && !Number.isSafeInteger(value)) {
    throw new TypeError(`Column ${JSON.stringify(name)} takes a text, not ${JSON.stringify(String(value))}.`);
  }
  const level = levels.indexOf(String(value));
  if (level >= 0) values[level] = 1;
  else if (rare) values[levels.length] = 1;
  return values;
}"""
