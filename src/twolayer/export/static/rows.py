"""What the Python programs share: the model, and how a row becomes values and outputs become a class."""

import bisect
import datetime as dt
import json
import math
import operator
import re
import sys

MODEL = json.loads(
    r"""{
  "classes": ["no", "yes"], "class_type": "text", "threshold": 0.5, "sets": null,
  "input": {"shape": [1], "scale": 2.0},
  "activation": "tanh", "expression": "tanh(z)", "output": "sigmoid", "dtype": "float64",
  "W1": [[1.0]], "W2": [[2.0]], "b1": [0.0], "b2": [0.0],
  "tolerance": 1e-6, "test_vectors": [{"row": [0.0], "shares": [0.5, 0.5]}]
}
"""
)
classes = tuple(MODEL["classes"])
THRESHOLD = MODEL["threshold"]  # of two classes the second is predicted where its probability is greater
VECTORS = MODEL["test_vectors"]
N_INPUTS = len(MODEL["W1"][0])
SCALE = MODEL["input"].get("scale", 1.0)
COLUMNS = MODEL["input"].get("columns")
IS_TABLE = "shape" not in MODEL["input"]
FAR = 1e9  # clip bounds from the mean: what is farther becomes the bound itself
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)  # noqa: UP017 - also for an older Python
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def to_set(probabilities):
    """Return the classes that cannot be ruled out."""
    if MODEL["sets"] is None:
        raise ValueError("The model has no prediction sets: export one that 'twolayer calibrate' made.")
    return [label for label, probability in zip(classes, probabilities) if probability >= MODEL["sets"]["least"]]


def encode(row, scale=SCALE):
    """Return the values that enter the network."""
    if COLUMNS is None:
        return encode_numbers(row, scale)
    return encode_columns(row if IS_TABLE else by_place(row))


def encode_numbers(row, scale):
    """Return the numbers of a row, divided by the scale."""
    try:
        values = [float(value) / scale for value in row]
    except (TypeError, ValueError, OverflowError):
        raise ValueError("A row must be a sequence of numbers.") from None
    if len(values) != N_INPUTS:
        raise ValueError(f"A row must have {N_INPUTS} numbers, this one has {len(values)}.")
    if not all(map(math.isfinite, values)):
        raise ValueError("A row must have finite numbers only.")
    return values


def by_place(row):
    """Return a sequence of numbers as a mapping of their places to them."""
    try:
        values = dict(enumerate(row))
    except TypeError:
        raise ValueError("A row must be a sequence of numbers.") from None
    if len(values) != len(COLUMNS):
        raise ValueError(f"A row must have {len(COLUMNS)} numbers, this one has {len(values)}.")
    return values


def encode_columns(row):
    """Return the values of a row that is a mapping of the columns' names, or places, to numbers and texts."""
    values = []
    for place, column in enumerate(COLUMNS):
        if "unused" in column:
            continue
        try:
            value = row[column["name"] if IS_TABLE else place]
        except (KeyError, TypeError, IndexError):
            raise ValueError(f"The row has no column {column['name']!r}.") from None
        value = without_missing(value)
        values += encode_category(column, value) if "levels" in column else encode_number(column, value)
        values += [float(value is None)] * column["flagged"]
    return values


def without_missing(value):
    """Return a value, a text without white space at its ends, or None where it is missing."""
    if isinstance(value, str):
        value = value.strip(MODEL["input"]["spaces"])
        return None if value in MODEL["input"]["missing"] else value
    is_nan = value != value  # noqa: PLR0124 - math.isnan takes numbers only
    return None if is_nan else value


def encode_number(column, value):
    """Return a number in standard deviations from the mean, and its curves; of a missing one what stands for it."""
    curves = column.get("curves", [])
    if value is None:
        return [column["fill"], *(curve["missing"] for curve in curves)]
    try:
        number = to_number(column, value)
    except (TypeError, ValueError, OverflowError):
        kind = "date" if "part" in column else "number"
        raise ValueError(f"Column {column['name']!r} takes a {kind}, not {value!r}.") from None
    standardized = (number - column["mean"]) / column["deviation"]
    if "clip" in column:
        standardized = bend(standardized, column["clip"])
    if not math.isfinite(number) or not math.isfinite(standardized):
        raise ValueError(f"Column {column['name']!r} takes a number within range, not {value!r}.")
    return [standardized, *(interpolate(curve["x"], curve["y"], number) for curve in curves)]


def to_number(column, value):
    """Return a value as a number; of a date, seconds since 1970 or one of `datetime`, the part that is the column's."""
    if "part" in column and isinstance(value, dt.date):
        value = to_seconds(value)
    is_number = bool(NUMBER.fullmatch(value)) if isinstance(value, str) else not isinstance(value, bool)
    number = float(value if is_number else "no number")
    return float(part_of_date(number, column["part"])) if "part" in column else number


def bend(u, clip):
    """Return a number that approaches the bound `clip`."""
    u = max(-FAR * clip, min(u, FAR * clip))
    return u / math.sqrt(1 + (u / clip) ** 2)


def interpolate(x, y, number):
    """Return the value of a curve: constant before its first point and after its last one."""
    if not x[0] <= number < x[-1]:
        return y[0] if number < x[0] else y[-1]
    k = bisect.bisect_right(x, number) - 1
    return y[k] + (y[k + 1] - y[k]) / (x[k + 1] - x[k]) * (number - x[k])


def to_seconds(date):
    """Return the seconds since 1970; a date without a time zone is one in UTC."""
    if not isinstance(date, dt.datetime):
        date = dt.datetime(date.year, date.month, date.day)  # noqa: DTZ001
    return ((date if date.tzinfo else date.replace(tzinfo=EPOCH.tzinfo)) - EPOCH).total_seconds()


def part_of_date(seconds, part):
    """Return a part of a date; its year begins in March while it is computed, so that a leap day is the last one."""
    days = math.floor(seconds / 86400)
    if part == "age":
        return seconds / 86400
    if part == "weekday":
        return (days + 3) % 7
    if part == "hour":
        return math.floor((seconds - 86400 * days) / 3600)
    days += 719468  # from the first of March of the year 0
    century = (4 * days + 3) // 146097
    days -= 146097 * century // 4
    year = (4 * days + 3) // 1461
    days -= 1461 * year // 4
    month = (5 * days + 2) // 153
    if part == "day":
        return days - (153 * month + 2) // 5 + 1
    return month + 3 - 12 * (month > 9) if part == "month" else 100 * century + year + (month > 9)


def encode_category(column, value):
    """Return a 1 at the place of a category, 0 at the others; the last place is for others where `rare` is true."""
    levels, rare = column["levels"], column["rare"]
    if isinstance(value, bool):
        value = str(value).lower()
    elif value is not None and not isinstance(value, str):
        try:
            value = str(operator.index(value))
        except TypeError:
            raise ValueError(f"Column {column['name']!r} takes a text, not {value!r}.") from None
    others = [float(value is not None and value not in levels)] * rare
    return [float(value == level) for level in levels] + others


def to_probabilities(outputs, tiny=sys.float_info.min):
    """Return the probability of each class, given the outputs of the network."""
    if len(outputs) == 1:
        return [1.0 - outputs[0], outputs[0]]
    if MODEL["output"] == "softmax":
        return outputs
    outputs = [max(output, tiny) for output in outputs]  # all of them may round to 0
    total = sum(outputs)
    return [output / total for output in outputs]


def decide(probabilities):
    """Return the place of the class: the first with the largest probability; of two by the threshold."""
    if len(probabilities) == 2:
        return int(probabilities[1] > THRESHOLD)
    return probabilities.index(max(probabilities))


def largest_deviation(probabilities):
    """Return the largest deviation of the test vectors' probabilities from those that twolayer computed."""
    worst = 0.0
    for found, vector in zip(probabilities, VECTORS):
        for value, expected in zip(found, vector["shares"]):
            deviation = abs(value - expected)
            if deviation > worst or math.isnan(deviation):
                worst = deviation
    return worst


def report(worst):
    """Print the largest deviation and exit with 1 if it is too large."""
    print(f"worst deviation of {len(VECTORS)} samples: {worst:.1e}")
    raise SystemExit(0 if worst <= MODEL["tolerance"] else 1)
