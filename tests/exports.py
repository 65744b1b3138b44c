"""Models of every kind, what each predicts, and what exported code predicts when its own language runs it."""

import dataclasses
import json
import math
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import strategies as st

from twolayer.data.encoding import DATE_PARTS, CategoryColumn, Curve, Encoding, NumberColumn, UnusedColumn
from twolayer.data.tables import TableRows, as_table
from twolayer.equations import ACTIVATIONS
from twolayer.export.c import field_names, identifier
from twolayer.export.samples import SPACES
from twolayer.export.targets import export_model
from twolayer.model import Model

LABELS_OF_TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
HOSTILE = [
    "*/ int x; /*",
    '"; abort(); "',
    "'''); exit(3) #",
    '"""\nraise SystemExit(3)\n"""',
    "??/\nabort();",
    "//\\",
    "\\",
    "\n#error no\n",
    "</script><script>process.exit(3)</script>",
    "<!--",
    "`${process.exit(3)}`",
    "\u2028process.exit(3)//",
    "@name@ @W1@ \\g<0> {name} %s",
    "__proto__",
    "\N{GRINNING FACE} \N{LATIN SMALL LETTER E WITH ACUTE}\x7f\x01",
    "\\u0022; \\x22 \\N{DIGIT ONE}",
    "return tanh(z)",
    "from rows import x\nnet_x NET_MAIN",
    "long " * 1000,
]
WIDE_SPACE = "\N{IDEOGRAPHIC SPACE}"


def make_model(seed, n_x, n_h, classes, *, dtype="float32", weight=1.0, output="sigmoid", **others):
    """Return a network of random parameters; two classes have a sigmoid whatever the output is to be."""
    random = np.random.default_rng(seed)
    n_y = 1 if len(classes) == 2 else len(classes)
    shapes = {"W1": (n_h, n_x), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
    parameters = {name: (weight * random.standard_normal(shape)).astype(dtype) for name, shape in shapes.items()}
    output = output if n_y > 1 else "sigmoid"
    return Model(parameters, tuple(classes), others.pop("input_shape", (n_x,)), output=output, **others)


def make_table_model(seed, columns, n_h, classes, **others):
    """Return a network of random parameters behind columns of a table."""
    table = Encoding("target", tuple(columns))
    return make_model(seed, table.n_values, n_h, classes, encoding=table, **others)


def make_array_model(seed, columns, n_h, classes, **others):
    """Return a network of random parameters behind columns of an array."""
    encoding = Encoding(None, tuple(columns))
    shape = (len(columns),)
    return make_model(seed, encoding.n_values, n_h, classes, encoding=encoding, input_shape=shape, **others)


CLASSES = st.one_of(
    st.lists(st.integers(-(2**70), 2**70), min_size=2, max_size=4, unique=True),
    st.lists(st.integers(-5, 5), min_size=2, max_size=4, unique=True),
    st.lists(LABELS_OF_TEXT, min_size=2, max_size=4, unique=True),
)
SETTINGS = {
    "seed": st.integers(0, 2**32 - 1),
    "n_h": st.integers(1, 5),
    "classes": CLASSES,
    "dtype": st.sampled_from(["float32", "float64"]),
    "activation": st.sampled_from(list(ACTIVATIONS)),
    "output": st.sampled_from(["sigmoid", "softmax"]),
    "weight": st.sampled_from([0.1, 1.0, 30.0, 1e30]),
}
PLAIN_MODELS = st.builds(make_model, n_x=st.integers(1, 5), scale=st.sampled_from([1.0, 255.0, 0.1, 7.0]), **SETTINGS)


@st.composite
def curves(draw):
    """Draw a curve; its knots are not so close that a rounding error of a number shows."""
    x = draw(st.lists(st.integers(-5000, 5000), min_size=1, max_size=6, unique=True))
    y = draw(st.lists(st.floats(-3, 3), min_size=len(x), max_size=len(x)))
    return Curve(draw(st.sampled_from("abc")), tuple(k / 4 for k in sorted(x)), tuple(y), draw(st.floats(-3, 3)))


def numbers(name):
    """Draw a column of numbers of a name."""
    numbers = st.tuples(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.booleans(), st.sampled_from([0.0, 3.0, 0.5]))
    return st.builds(
        lambda own, curves: NumberColumn(name, *own, tuple(curves)), numbers, st.lists(curves(), max_size=2)
    )


@st.composite
def dates(draw, name):
    """Draw the parts of a column of dates."""
    parts = [part for part in DATE_PARTS if draw(st.booleans())] or ["age"]
    flagged = draw(st.booleans())
    drawn = [dataclasses.replace(draw(numbers(name)), part=part, flagged=False) for part in parts]
    return [*drawn[:-1], dataclasses.replace(drawn[-1], flagged=flagged)]


@st.composite
def array_columns(draw):
    """Draw columns of an array, at least one of which is used."""
    kinds = draw(st.lists(st.booleans(), min_size=1, max_size=4).filter(any))
    return [draw(numbers(f"x{k}")) if used else UnusedColumn(f"x{k}") for k, used in enumerate(kinds)]


@st.composite
def columns(draw):
    """Draw columns of a table with names that DuckDB, too, tells apart."""
    names = draw(
        st.lists(LABELS_OF_TEXT.filter(len), min_size=1, max_size=4, unique_by=lambda name: name.casefold().strip())
    )
    levels = LABELS_OF_TEXT.filter(lambda level: level and level == level.strip(SPACES))
    drawn = []
    for name in names:
        kind = draw(st.sampled_from(["number", "category", "date"]))
        if kind == "number":
            drawn.append(draw(numbers(name)))
        elif kind == "date":
            drawn += draw(dates(name))
        else:
            own = tuple(draw(st.lists(levels, min_size=1, max_size=4, unique=True)))
            drawn.append(CategoryColumn(name, own, draw(st.booleans()), draw(st.booleans())))
    return drawn


TABLE_MODELS = st.builds(make_table_model, columns=columns(), **SETTINGS)
ARRAY_MODELS = st.builds(make_array_model, columns=array_columns(), **SETTINGS)
MODELS = PLAIN_MODELS | ARRAY_MODELS | TABLE_MODELS


def make_rows(model, n, seed=0):
    """Return rows for a model: numbers, or a dict of numbers and texts, with missing and unknown ones among them."""
    random = np.random.default_rng(seed)
    if model.encoding is None:
        return (random.standard_normal((n, model.n_features)) * model.scale).tolist()
    if model.table is None:
        return [[_value(column, random) for column in model.encoding.columns] for _ in range(n)]
    return [{column.name: _value(column, random) for column, *_ in model.table.fields} for _ in range(n)]


def _value(column, random):
    if isinstance(column, UnusedColumn):
        return random.choice([0.0, 1e300, -5.0]).item()
    if isinstance(column, NumberColumn) and column.part:
        return (
            None
            if random.random() < 0.2
            else random.choice([random.integers(-240_000_000_000, 10**12) / 4, 86_400.0]).item()
        )
    if isinstance(column, NumberColumn) and (column.clip or column.curves) and random.random() < 0.3:
        return random.choice([-1e5, 1e7, *(x for curve in column.curves for x in curve.x)]).item()
    if isinstance(column, NumberColumn):
        return None if random.random() < 0.2 else column.mean + column.deviation * random.standard_normal()
    texts = [None, "", "NA", " ? ", "none of them", *column.levels]
    text = texts[random.integers(len(texts))]
    if text is None or "\0" in text or random.random() < 0.5:
        return None if text and "\0" in text else text
    return random.choice([f" {text}", f"{text}\t\n", f"{WIDE_SPACE}{text}\r", f"\f{text}\N{NO-BREAK SPACE}"]).item()


def as_columns(model, rows):
    """Return rows of a table as the mapping of columns that a model takes."""
    return {column.name: _as_column(column, [row[column.name] for row in rows]) for column, *_ in model.table.fields}


def _as_column(column, values):
    if not isinstance(column, NumberColumn):
        return np.array(values, object)
    numbers = np.array(values, float)
    if not column.part:
        return numbers
    microseconds = (np.nan_to_num(numbers) * 1e6).astype(np.int64).astype("datetime64[us]")
    return np.where(np.isnan(numbers), np.datetime64("NaT"), microseconds)


def exact_probabilities(model, rows):
    """Return what a model predicts of rows when it computes in float64, tables by way of DuckDB."""
    parameters = {name: value.astype(np.float64) for name, value in model.parameters.items()}
    exact = dataclasses.replace(model, parameters=parameters)
    if model.table is None:
        return exact.predict_proba(np.array(rows, float))
    return exact.predict_proba(TableRows(as_table(as_columns(model, rows)), model.table, dtype=np.float64))


def check(model, rows, answer, tolerance=1e-6):
    """Hold probabilities and classes of exported code to what the model predicts."""
    expected = exact_probabilities(model, rows)
    probabilities, classes = np.array([each for each, _ in answer], float), [label for _, label in answer]
    assert np.abs(probabilities - expected).max() <= tolerance
    for label, of_row in zip(classes, expected.tolist(), strict=True):
        most, second = sorted(of_row, reverse=True)[:2]
        if most - second > 2e-6:
            assert label == model.classes[of_row.index(most)]


def change_number(source, place):
    """Return code with another digit in the first number after a text."""
    digit = re.compile("[1-9]").search(source, source.index(place) + len(place)).start()
    return source[:digit] + str(int(source[digit]) % 9 + 1) + source[digit + 1 :]


def find(program):
    """Return the path of a program, or skip the test."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"there is no {program} here")
    return path


def run_python(model, rows, folder, name="net"):
    """Return pairs of probabilities and class by an interpreter that has the standard library alone."""
    (folder / f"{name}.py").write_bytes(export_model(model, "python", name))
    code = (
        f"import json, sys; sys.path.insert(0, {str(folder)!r}); import {name} as net\n"
        "rows = json.load(sys.stdin)\n"
        "print(json.dumps([net.self_test(), [[net.predict_proba(row), net.predict(row)] for row in rows]]))"
    )
    return _answer(model, [sys.executable, "-I", "-S", "-B", "-c", code], rows)


def run_js(model, rows, folder, name="net"):
    """Return pairs of probabilities and class by Node.js."""
    (folder / f"{name}.mjs").write_bytes(export_model(model, "js", name))
    code = (
        'import { readFileSync } from "node:fs";\n'
        f"const net = await import({json.dumps((folder / name).as_uri() + '.mjs')});\n"
        'const rows = JSON.parse(readFileSync(0, "utf8"));\n'
        "const plain = (label) => (typeof label === 'bigint' ? String(label) : label);\n"
        "const answer = rows.map((row) => [net.predictProba(row), plain(net.predict(row))]);\n"
        "console.log(JSON.stringify([net.selfTest(), answer]));"
    )
    return _answer(model, [find("node"), "--input-type=module", "-e", code], rows)


def _answer(model, command, rows):
    """Run a program on rows; check its self test, and return what it predicts."""
    run = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    worst, answer = json.loads(run.stdout)
    assert worst <= 1e-6
    numbers = {str(label): label for label in model.classes}
    return [(each, numbers[str(label)]) for each, label in answer]


STRICT_C = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1")
_DRIVER = """\
#include "@name@.h"
#include <stdio.h>
#include <stdlib.h>

static double read_number(void)
{
    char text[64];
    if (scanf("%63s", text) != 1) exit(2);
    return strtod(text, NULL);
}

static char *read_text(char *text)
{
    int length, byte;
    if (scanf("%d", &length) != 1) exit(2);
    for (int k = 0; k < length; k++) {
        if (scanf("%d", &byte) != 1) exit(2);
        text[k] = (char)byte;
    }
    if (length < 0) return NULL;
    text[length] = 0;
    return text;
}

int main(void)
{
    int n;
    static char texts[@n_columns@][8192];
    (void)texts;
    (void)read_number, (void)read_text;
    if (scanf("%d", &n) != 1) exit(2);
    printf("%.17g\\n", @name@_self_test());
    while (n-- > 0) {
        double shares[@name@_n_classes];
        @row@
        @name@_shares(ROW, shares);
        printf("%d", @name@_predict(ROW));
        for (int k = 0; k < @name@_n_classes; k++) printf(" %.17g", shares[k]);
        printf("\\n");
    }
    return 0;
}
"""


def run_c(model, rows, folder, name="net", compiler="gcc", flags=(*STRICT_C, *SANITIZERS)):
    """Return pairs of probabilities and class by a compiled program."""
    compiler = find(compiler)
    (folder / f"{name}.h").write_bytes(export_model(model, "c", name))
    prefix = identifier(name, "model")
    if model.table is None:
        n = 1
        read = f"double row[{prefix}_row_size];\n#define ROW row\n"
        read += f"for (int k = 0; k < {prefix}_row_size; k++) row[k] = read_number();"
    else:
        n = len(model.table.fields)
        read = f"{prefix}_row row;\n#define ROW &row\n"
        for k, (column, field) in enumerate(_fields(model)):
            how = "number()" if isinstance(column, NumberColumn) else f"text(texts[{k}])"
            read += f"row.{field} = read_{how};\n"
    code = _DRIVER.replace("@row@", read).replace("@name@", prefix).replace("@n_columns@", str(n))
    source, program = folder / ("driver.c" if "++" not in compiler else "driver.cc"), folder / "driver"
    source.write_text(code)
    built = subprocess.run(
        [compiler, *flags, source, "-o", program, "-lm"], capture_output=True, text=True, check=False
    )
    assert built.stderr == ""
    given = " ".join([str(len(rows)), *(_token(value) for row in rows for value in _values(model, row))])
    run = subprocess.run([program], input=given, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    worst, *lines = run.stdout.splitlines()
    assert float(worst) <= 1e-6
    parsed = [line.split() for line in lines]
    return [([float(share) for share in shares], model.classes[int(index)]) for index, *shares in parsed]


def _fields(model):
    columns = [column for column, *_ in model.table.fields]
    return zip(columns, field_names(column.name for column in columns), strict=True)


def _values(model, row):
    if model.table is None:
        return [math.nan if value is None else value for value in row]
    return [
        math.nan if isinstance(column, NumberColumn) and row[column.name] is None else row[column.name]
        for column, *_ in model.table.fields
    ]


def _token(value):
    """Return a number, or the length of a text and its bytes, as the driver reads them."""
    if value is None:
        return "-1"
    if isinstance(value, str):
        return " ".join(map(str, [len(value.encode()), *value.encode()]))
    return repr(value)


LANGUAGES = {"python": run_python, "js": run_js, "c": run_c}
