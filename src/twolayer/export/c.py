"""A model as a C header: the program `static/scorer.h` with its names and constants in the places for them."""

import re
import shlex
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from twolayer.aliases import Label
from twolayer.data.encoding import FAR
from twolayer.equations import ACTIVATIONS
from twolayer.export.description import THRESHOLD, describe, quote, summarize
from twolayer.export.programs import STAND_IN, comment, file_name, read
from twolayer.model import Model
from twolayer.text import shorten

_PORTABLE_BYTES = 4000  # of a literal, about: a compiler of C99 need not take more
_NAME_LENGTH = 60
_RESERVED = (  # words of C and C++, and macros in lower case
    "alignas alignof and and_eq asm assert atomic auto bitand bitor bool break case catch char class co_await co_return"
    " co_yield compl complex concept const consteval constexpr constinit const_cast continue decltype default delete do"
    " double dynamic_cast else enum errno explicit export extern false far final float for friend goto huge i386 if"
    " imaginary import inline int interface linux long module mutable namespace near new noexcept noreturn not not_eq"
    " nullptr operator or or_eq override private protected public register reinterpret_cast requires restrict return"
    " short signed sizeof small static static_assert static_cast stderr stdin stdout struct switch template this"
    " thread_local throw true try typedef typeid typename typeof union unix unsigned using virtual void volatile"
    " wchar_t while xor xor_eq"
)


def to_c(model: Model, name: str) -> str:
    """Return a header for C99 and C++ whose names begin with that of the file; it computes in double."""
    prefix = identifier(Path(name).stem, "model")
    test = f"cc -x c -D{prefix.upper()}_MAIN {shlex.quote(file_name(name, '.h'))} -lm -o test && ./test"
    expression = ACTIVATIONS[model.activation].expression.replace("fmax", "net_fmax")
    program = read("scorer.h").replace(STAND_IN, f"return {expression}")
    program = re.sub(r"\b(net|NET)_", lambda found: f"{prefix if found[1] == 'net' else prefix.upper()}_", program)
    places = _places(describe(model), prefix)
    program = re.sub(r"@(\w+)@", lambda found: places[found[1]], program)
    return comment([*summarize(model), "", f"To test it: {test}"], "// ") + program


def identifier(name: str, start: str) -> str:
    """Return a name for code: lower-case ASCII letters, digits and single underscores, after `start` if need be."""
    ascii_text = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", ascii_text).strip("_")[:_NAME_LENGTH]
    return (words if words[:1].isalpha() else f"{start}_{words}").rstrip("_")


def c_text(text: str) -> str:
    """Return the literal of a text in UTF-8; quotes, backslashes, signs of trigraphs and all but ASCII are escaped."""
    signs = [
        f"\\{chr(byte)}" if byte in b'"?\\' else chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
        for byte in text.encode()
    ]
    return f'"{"".join(signs)}"'


def field_names(names: Iterable[str]) -> list[str]:
    """Return an identifier for each name, all different and none a word of C or C++."""
    fields, taken = [], set(_RESERVED.split())
    counters: dict[str, Iterator[int]] = defaultdict(lambda: count(2))
    for name in names:
        field = stem = identifier(name, "column")
        while field in taken:
            field = f"{stem}_{next(counters[stem])}"
        taken.add(field)
        fields.append(field)
    return fields


def _places(description: dict[str, Any], prefix: str) -> dict[str, str]:
    """Return what stands in the places of the program."""
    vectors, columns = description["test_vectors"], description["input"].get("columns", [])
    is_table = bool(columns) and "shape" not in description["input"]
    label, labels = _labels(description["classes"])
    ending = "f" if description["dtype"] == "float32" else ""
    literals = {name: [f"{value}{ending}" for value in description[name]] for name in ("b1", "b2")}
    weights = {name: [[f"{value}{ending}" for value in row] for row in description[name]] for name in ("W1", "W2")}
    texts = [*map(str, description["classes"]), *(level for column in columns for level in column.get("levels", ()))]
    numbers = {
        "n_inputs": len(weights["W1"][0]),
        "n_hidden": len(literals["b1"]),
        "n_outputs": len(literals["b2"]),
        "n_classes": len(labels),
        "n_columns": sum("unused" not in column for column in columns),
        "n_entries": sum(1 if "levels" in column else _n_values(column) for column in columns),
        "most_values": max((_n_values(column) for column in columns if "mean" in column), default=1),
        "n_samples": len(vectors),
        "row_size": 1 if is_table else len(vectors[0]["row"]),
        "is_softmax": int(description["output"] == "softmax"),
        "is_table": int(is_table),
        "has_columns": int(bool(columns)),
        "far": FAR,
        "has_long_texts": int(max(len(text.encode()) for text in texts) > _PORTABLE_BYTES),
        "threshold": THRESHOLD,
        "has_sets": int(description["sets"] is not None),
        "least_in_set": description["sets"]["least"] if description["sets"] else 0,
        "tolerance": description["tolerance"],
        "scale": description["input"].get("scale", 1),
    }
    return {
        **{name: str(number) for name, number in numbers.items()},
        "real": "float" if ending else "double",
        "label": label,
        "classes": _lines(labels, 1),
        **{name: _lines(values) for name, values in literals.items()},
        **{name: _rows(values) for name, values in weights.items()},
        "test_shares": _rows(map(str, vector["shares"]) for vector in vectors),
        **(_table_places(description, prefix) if is_table else _array_places(description, prefix)),
    }


def _array_places(description: dict[str, Any], prefix: str) -> dict[str, str]:
    """Return what stands in the places of columns and rows where these are arrays."""
    columns, rows = description["input"].get("columns", []), [vector["row"] for vector in description["test_vectors"]]
    return {
        **dict.fromkeys(("fields", "missing", "spaces"), ""),
        **_column_places(columns, [f"{k} * sizeof(double)" for k in range(len(columns))], prefix),
        "test_rows": "\n".join(f"    {_lines(map(_number, row))}," for row in rows),
    }


def _table_places(description: dict[str, Any], prefix: str) -> dict[str, str]:
    """Return what stands in the places of columns and rows where these are structs: a date is one field."""
    columns, rows = description["input"]["columns"], [vector["row"] for vector in description["test_vectors"]]
    known = {column["name"]: column for column in columns}
    fields = dict(zip(known, field_names(known), strict=True))
    lines = [
        f"    {'const char *' if 'levels' in column else 'double '}{fields[name]}; /* {quote(shorten(name))} */"
        for name, column in known.items()
    ]
    return {
        "fields": "\n".join(lines),
        **_column_places(columns, [f"offsetof({prefix}_row, {fields[column['name']]})" for column in columns], prefix),
        **{name: _texts(description["input"][name]) for name in ("missing", "spaces")},
        "test_rows": _rows([_value(column, row[name]) for name, column in known.items()] for row in rows),
    }


def _column_places(columns: Sequence[dict[str, Any]], offsets: Sequence[str], prefix: str) -> dict[str, str]:
    """Return what stands in the place of the columns, and of their levels and curves, which are arrays of their own."""
    parts, entries, place = [], [], 0
    for k, (column, offset) in enumerate(zip(columns, offsets, strict=True)):
        if "unused" in column:
            continue
        levels, curves = column.get("levels", []), column.get("curves", [])
        if levels:
            parts.append(f"static const {prefix}_text {prefix}_levels_{k}[] = {{{_texts(levels)}}};")
        names = [f"{prefix}_points_{k}_{j}" for j in range(len(curves))]
        for name, curve in zip(names, curves, strict=True):
            parts.append(f"static const double {name}[] = {{{_lines(map(str, [*curve['x'], *curve['y']]))}}};")
        if curves:
            of = (f"{{{n}, {len(c['x'])}, {c['missing']}}}" for n, c in zip(names, curves, strict=True))
            parts.append(f"static const {prefix}_curve {prefix}_curves_{k}[] = {{{_lines(of, 1)}}};")
        kind = "c" if "levels" in column else column.get("part", "n")[0]
        start = f"{offset}, '{kind}', {place}, {_n_values(column)}, {column['flagged']:d}"
        number = ", ".join(str(column.get(name, 0)) for name in ("mean", "deviation", "fill", "clip"))
        lists = (
            f"{f'{prefix}_{name}_{k}' if each else 'NULL'}, {len(each)}"
            for name, each in (("curves", curves), ("levels", levels))
        )
        entries.append(f"    {{{start}, {number}, {', '.join(lists)}, {column.get('rare', False):d}}},")
        place += _n_values(column)
    return {"parts": "\n".join(parts), "columns": "\n".join(entries)}


def _n_values(column: dict[str, Any]) -> int:
    """Return the number of values of a column."""
    if "unused" in column:
        return 0
    own = len(column["levels"]) + column["rare"] if "levels" in column else 1 + len(column.get("curves", []))
    return int(own + column["flagged"])


def _number(value: float | None) -> str:
    """Return the literal of a number, NAN where it is missing."""
    return "NAN" if value is None else str(value)


def _value(column: dict[str, Any], value: Any) -> str:
    """Return the literal of a value in a row."""
    if "levels" not in column:
        return _number(value)
    return "NULL" if value is None else c_text(value)


def _labels(classes: Sequence[Label]) -> tuple[str, list[str]]:
    """Return the type of the labels and their literals: numbers where they fit, else texts."""
    numbers = [label for label in classes if isinstance(label, int)]
    if numbers and min(numbers) > -(2**31) and max(numbers) < 2**31:
        return "int ", list(map(str, numbers))
    if numbers and min(numbers) > -(2**63) and max(numbers) < 2**63:
        return "long long ", [f"{number}LL" for number in numbers]
    return "const char *", [c_text(str(label)) for label in classes]


def _texts(texts: Iterable[str]) -> str:
    """Return the literals of texts with their lengths, as one may hold NUL."""
    return _lines((f"{{{c_text(text)}, {len(text.encode())}}}" for text in texts), 1)


def _rows(rows: Iterable[Iterable[str]]) -> str:
    """Return lines of rows, each in braces."""
    return "\n".join(f"    {{{_lines(row)}}}," for row in rows)


def _lines(tokens: Iterable[str], each: int = 8) -> str:
    """Return tokens with commas between them, some on each line."""
    known = list(tokens)
    return ",\n    ".join(", ".join(known[start : start + each]) for start in range(0, len(known), each))
