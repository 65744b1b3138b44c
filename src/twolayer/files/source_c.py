"""A model as a C header that needs the standard library alone."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from twolayer.files.scorer import (
    THRESHOLD,
    Array,
    describe,
    enclose,
    file_name,
    fill,
    identifier,
    make_vectors,
    number_texts,
)
from twolayer.files.source_c_table import ROW_TYPE, c_number, c_text, encoding_template, field_value, table_leaves
from twolayer.model import Label, Model

_PORTABLE_BYTES = 4000  # of a literal, about: a compiler of C99 need not take more


def to_c(model: Model, name: str) -> str:
    """Return a C header with `_predict`, `_class`, `_classes`, `_shares` and `_self_test`, all behind one prefix.

    It is C99 and C++, computes in double, allocates nothing and changes nothing of its own.

    Parameters
    ----------
    model : Model
    name : str
        Of the header's file, its ending may be left out; the prefix is made of it.

    Returns
    -------
    str
        In ASCII.

    Raises
    ------
    DataError
        If the outputs of the network are not finite numbers.
    """
    prefix = identifier(Path(name).stem, "model")
    leaves = _leaves(model) | _row_leaves(model, prefix)
    return fill(_template(model), name=prefix, NAME=prefix.upper(), file=shlex.quote(file_name(name, ".h")), **leaves)


def _template(model: Model) -> str:
    """Return the header of a model with the places of its numbers, literals and comments."""
    row, encode, start, total = _ABOUT_ROW, "", "", _SUM_PLAIN
    if model.table is not None:
        row, encode, start, total = ROW_TYPE, encoding_template(model.table), _START_TABLE, _SUM_TABLE
    network = _FUNCTIONS.replace("@activation@", _ACTIVATIONS[model.activation])
    shares = _TWO_SHARES if len(model.classes) == 2 else _SHARES
    return _START + row + _INTERFACE + encode + network + start + _HIDDEN + total + _OUTPUTS + shares + _REST


def _leaves(model: Model) -> dict[str, str]:
    """Return what stands in the places of any model's header, but for its rows."""
    label, labels = _labels(model.classes)
    long = _longest_text(model) > _PORTABLE_BYTES
    return {
        "about": "\n".join(f" * {line}" for line in describe(model)),
        "pragma": _LONG_TEXTS if long else "",
        "pragma_end": "\n#pragma GCC diagnostic pop\n" if long else "",
        "n_inputs": str(model.n_features),
        "n_hidden": str(len(model.parameters["W1"])),
        "n_outputs": str(len(model.parameters["W2"])),
        "n_classes": str(len(model.classes)),
        "label": f"const {label}" if label.endswith("*") else f"{label} ",
        "element": f"const {label}const " if label.endswith("*") else f"const {label} ",
        "labels": enclose(labels, "{}"),
        "threshold": repr(THRESHOLD),
        "scale": repr(model.scale),
        "real": "float" if model.parameters["W1"].dtype == "float32" else "double",
        **{name: _braces(map(_array, model.parameters[name])) for name in ("W1", "W2")},
        **{name: enclose(_array(model.parameters[name]), "{}") for name in ("b1", "b2")},
    }


def _row_leaves(model: Model, prefix: str) -> dict[str, str]:
    """Return what depends on whether rows are arrays or structs, with the rows of the self test."""
    vectors = make_vectors(model)
    shares = {
        "n_samples": str(len(vectors.rows)),
        "test_shares": _braces(map(repr, row) for row in vectors.shares.tolist()),
    }
    if model.table is None:
        rows = _braces(map(c_number, row) for row in vectors.rows)
        return shares | {"row": "double", "row_size": f"[{prefix}_n_inputs]", "address": "", "test_rows": rows}
    columns = model.table.columns
    rows = _braces((field_value(column, row[column.name]) for column in columns) for row in vectors.rows)
    own = {"row": f"{prefix}_row", "row_size": "", "address": "&", "test_rows": rows}
    return shares | own | table_leaves(model.table, prefix)


def _labels(classes: tuple[Label, ...]) -> tuple[str, list[str]]:
    """Return the type of the labels and their literals: numbers where they fit, else texts."""
    numbers = [label for label in classes if isinstance(label, int)]
    if numbers and min(numbers) > -(2**31) and max(numbers) < 2**31:
        return "int", list(map(str, numbers))
    if numbers and min(numbers) > -(2**63) and max(numbers) < 2**63:
        return "long long", [f"{number}LL" for number in numbers]
    return "char *", [c_text(str(label)) for label in classes]


def _longest_text(model: Model) -> int:
    """Return the bytes of the longest text among the classes and levels."""
    columns = () if model.table is None else model.table.columns
    levels = [level for column in columns for level in getattr(column, "levels", ())]
    return max(len(str(text).encode()) for text in (*model.classes, *levels))


def _array(values: Array) -> list[str]:
    """Return the literals of an array."""
    ending = "f" if values.dtype == "float32" else ""
    texts = (text if set(text) & set(".e") else f"{text}.0" for text in number_texts(values))
    return [text + ending for text in texts]


def _braces(rows: Iterable[Iterable[str]]) -> str:
    """Return indented rows of literals, each in braces."""
    return "\n".join(f"    {enclose(row, '{}', 4)}," for row in rows)


_START = """\
/*
@about@
 *
 * C99 or C++, with the standard library alone. Nothing is allocated and nothing changes: threads may share it.
 *
 * @name@_class(@address@row) is the class of a row, @name@_shares(@address@row, shares) writes the share of each.
 *
 * To test it: cc -x c -D@NAME@_MAIN @file@ -lm -o test && ./test
 */

#ifndef @NAME@_H
#define @NAME@_H

#include <float.h>
#include <math.h>
#include <string.h>
@pragma@
enum {
    @name@_n_inputs = @n_inputs@,
    @name@_n_hidden = @n_hidden@,
    @name@_n_outputs = @n_outputs@,
    @name@_n_classes = @n_classes@
};

static @element@@name@_classes[@name@_n_classes] = @labels@;

"""

_LONG_TEXTS = """
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
"""

_ABOUT_ROW = "/* A row is @name@_n_inputs finite numbers, as they were in the training data; nothing checks that. */\n"

_INTERFACE = """
/* Returns the place in @name@_classes of the class of a row. */
static inline int @name@_predict(const @row@ *row);

/* Returns the class of a row. */
static inline @label@@name@_class(const @row@ *row);

/* Writes the share of each class of a row: @name@_n_classes numbers. */
static inline void @name@_shares(const @row@ *row, double *shares);

/* Returns the largest deviation of the shares from those that twolayer computed of some samples. */
static inline double @name@_self_test(void);

/* The parameters: a row of W1 a hidden unit, a row of W2 an output. */
static const @real@ @name@_W1[@name@_n_hidden][@name@_n_inputs] = {
@W1@
};

static const @real@ @name@_b1[@name@_n_hidden] = @b1@;

static const @real@ @name@_W2[@name@_n_outputs][@name@_n_hidden] = {
@W2@
};

static const @real@ @name@_b2[@name@_n_outputs] = @b2@;

"""

_FUNCTIONS = """\
/* Returns 1 / (1 + exp(-z)); the exponential never overflows. */
static inline double @name@_sigmoid(double z)
{
    const double e = exp(-fabs(z));
    return (z < 0.0 ? e : 1.0) / (1.0 + e);
}

/* Returns what a hidden unit makes of its sum. */
static inline double @name@_activation(double z)
{
    return @activation@;
}

/* Writes Z2 = W2 f(W1 x + b1) + b2, hidden unit by hidden unit. */
static inline void @name@_logits(const @row@ *row, double *logits)
{
"""

_START_TABLE = """\
    @name@_entry entries[@n_columns@];
    @name@_encode(row, entries);
"""

_HIDDEN = """\
    for (int k = 0; k < @name@_n_outputs; k++) {
        logits[k] = @name@_b2[k];
    }
    for (int unit = 0; unit < @name@_n_hidden; unit++) {
        double sum = 0.0;
"""

_SUM_PLAIN = """\
        for (int k = 0; k < @name@_n_inputs; k++) {
            sum += @name@_W1[unit][k] * row[k];
        }
        const double a = @name@_activation(sum / @scale@ + @name@_b1[unit]);
"""

_SUM_TABLE = """\
        for (int k = 0; k < @n_columns@; k++) {
            sum += @name@_W1[unit][entries[k].place] * entries[k].value;
        }
        const double a = @name@_activation(sum + @name@_b1[unit]);
"""

_OUTPUTS = """\
        for (int k = 0; k < @name@_n_outputs; k++) {
            logits[k] += @name@_W2[k][unit] * a;
        }
    }
}

"""

_TWO_SHARES = """\
/* Writes the shares of the two classes. */
static inline void @name@_to_shares(const double *logits, double *shares)
{
    shares[1] = @name@_sigmoid(logits[0]);
    shares[0] = 1.0 - shares[1];
}

static const double @name@_threshold = @threshold@;

/* Returns the place of the class: the second where its share is greater than the threshold. */
static inline int @name@_decide(const double *shares)
{
    return shares[1] > @name@_threshold;
}
"""

_SHARES = """\
/* Writes the share of each class: its output divided by the sum of all, none of them quite 0. */
static inline void @name@_to_shares(const double *logits, double *shares)
{
    double total = 0.0;
    for (int k = 0; k < @name@_n_classes; k++) {
        const double output = @name@_sigmoid(logits[k]);
        shares[k] = output < DBL_MIN ? DBL_MIN : output;
        total += shares[k];
    }
    for (int k = 0; k < @name@_n_classes; k++) {
        shares[k] /= total;
    }
}

/* Returns the place of the class: the first of the largest share. */
static inline int @name@_decide(const double *shares)
{
    int best = 0;
    for (int k = 1; k < @name@_n_classes; k++) {
        best = shares[k] > shares[best] ? k : best;
    }
    return best;
}
"""

_REST = """
static inline void @name@_shares(const @row@ *row, double *shares)
{
    double logits[@name@_n_outputs];
    @name@_logits(row, logits);
    @name@_to_shares(logits, shares);
}

static inline int @name@_predict(const @row@ *row)
{
    double shares[@name@_n_classes];
    @name@_shares(row, shares);
    return @name@_decide(shares);
}

static inline @label@@name@_class(const @row@ *row)
{
    return @name@_classes[@name@_predict(row)];
}

/* Rows and the shares of their classes. */
static const @row@ @name@_test_rows[@n_samples@]@row_size@ = {
@test_rows@
};

static const double @name@_test_shares[@n_samples@][@name@_n_classes] = {
@test_shares@
};

static inline double @name@_self_test(void)
{
    double worst = 0.0;
    for (int row = 0; row < @n_samples@; row++) {
        double shares[@name@_n_classes];
        @name@_shares(@address@@name@_test_rows[row], shares);
        for (int k = 0; k < @name@_n_classes; k++) {
            const double deviation = fabs(shares[k] - @name@_test_shares[row][k]);
            worst = deviation > worst || isnan(deviation) ? deviation : worst;
        }
    }
    return worst;
}
@pragma_end@
#ifdef @NAME@_MAIN
#include <stdio.h>

int main(void)
{
    const double worst = @name@_self_test();
    printf("worst deviation of @n_samples@ samples: %.1e\\n", worst);
    return worst <= 1e-6 ? 0 : 1;
}
#endif

#endif
"""

_ACTIVATIONS = {"sigmoid": "@name@_sigmoid(z)", "tanh": "tanh(z)", "relu": "z < 0.0 ? 0.0 : z"}
