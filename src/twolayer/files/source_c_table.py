"""The columns of a table in C: the struct of a row, and the functions that make values of it."""

import itertools
from collections.abc import Iterable, Iterator

from twolayer.data.table_encoding import Column, NumberColumn, TableEncoding
from twolayer.data.tables import MISSING
from twolayer.files.scorer import SPACES, enclose, identifier, quote, shorten

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


def c_text(text: str) -> str:
    """Return the literal of a text in UTF-8; quotes, backslashes, signs of trigraphs and all but ASCII are escaped."""
    signs = []
    for byte in text.encode():
        plain = chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
        signs.append(f"\\{plain}" if plain in '"?\\' else plain)
    return f'"{"".join(signs)}"'


def c_number(value: float) -> str:
    """Return the literal of a number."""
    return repr(value).removesuffix(".0")


def field_names(names: Iterable[str]) -> list[str]:
    """Return an identifier for each name, all different and none a word of C or C++."""
    fields: list[str] = []
    taken = set(_RESERVED.split())
    counters: dict[str, Iterator[int]] = {}
    for name in names:
        stem = identifier(name, "column")
        numbers = counters.setdefault(stem, itertools.count(2))
        candidates = itertools.chain([stem], (f"{stem}_{n}" for n in numbers))
        field = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(field)
        fields.append(field)
    return fields


def encoding_template(table: TableEncoding) -> str:
    """Return the functions that make entries of a row, those for the kinds of columns that there are."""
    kinds = {isinstance(column, NumberColumn) for column in table.columns}
    return _ENTRY + _NUMBER * (True in kinds) + _CATEGORY * (False in kinds) + _ENCODE


def table_leaves(table: TableEncoding, prefix: str) -> dict[str, str]:
    """Return the fields of a row, the levels of its categories and the calls that encode them, for the templates."""
    fields, levels, calls = [], [], []
    place = 0
    for k, (column, field) in enumerate(zip(table.columns, field_names(c.name for c in table.columns), strict=True)):
        comment = f"/* {quote(shorten(column.name))} */"
        if isinstance(column, NumberColumn):
            fields.append(f"    double {field}; {comment}")
            call = f"number(row->{field}, {column.mean!r}, {column.deviation!r}, {place}, {column.flagged:d})"
        else:
            fields.append(f"    const char *{field}; {comment}")
            known, n = (f"{prefix}_levels_{k}", len(column.levels)) if column.levels else ("NULL", 0)
            if column.levels:
                levels.append(f"static const {prefix}_text {known}[{n}] = {_texts(column.levels)};\n\n")
            call = f"category(row->{field}, {known}, {n}, {place}, {column.rare:d}, {column.flagged:d})"
        calls.append(f"    entries[{k}] = {prefix}_{call};")
        place += len(column.value_names)
    return {
        "n_columns": str(len(table.columns)),
        "fields": "\n".join(fields),
        "missing": _texts(MISSING),
        "spaces": _texts(SPACES),
        "levels": "".join(levels),
        "calls": "\n".join(calls),
    }


def field_value(column: Column, value: str | float | None) -> str:
    """Return the literal of a value in a row."""
    if value is None:
        return "NAN" if isinstance(column, NumberColumn) else "NULL"
    return c_text(value) if isinstance(value, str) else c_number(value)


def _texts(texts: Iterable[str]) -> str:
    """Return the literals of texts with their lengths, as one may hold NUL."""
    return enclose((f"{{{c_text(text)}, {len(text.encode())}}}" for text in texts), "{}")


ROW_TYPE = """\
/* A row of the table: finite numbers, NAN where missing, and texts in UTF-8, NULL where missing.
   With -ffast-math NAN is not told from other numbers. */
typedef struct {
@fields@
} @name@_row;
"""

_ENTRY = """\
/* The value of a sample that a column sets; the others of that column are 0. */
typedef struct {
    int place;
    double value;
} @name@_entry;

"""

_NUMBER = """\
/* Returns how far a number is from the mean; of a missing one 0, or where flagged a 1 at the place behind. */
static inline @name@_entry @name@_number(double number, double mean, double deviation, int place, int flagged)
{
    @name@_entry entry = {place, 0.0};
    if (!isnan(number)) {
        entry.value = (number - mean) / deviation;
    } else if (flagged) {
        entry.place += 1;
        entry.value = 1.0;
    }
    return entry;
}

"""

_CATEGORY = """\
/* Bytes and their number. */
typedef struct {
    const char *bytes;
    size_t length;
} @name@_text;

static const @name@_text @name@_missing[] = @missing@;

static const @name@_text @name@_spaces[] = @spaces@;

@levels@/* Returns a text without white space at its ends. */
static inline @name@_text @name@_trim(const char *bytes)
{
    @name@_text text = {bytes ? bytes : "", bytes ? strlen(bytes) : 0};
    size_t k = 0;
    while (k < sizeof @name@_spaces / sizeof @name@_spaces[0]) {
        const char *space = @name@_spaces[k].bytes;
        const size_t length = @name@_spaces[k].length;
        k++;
        if (text.length >= length && memcmp(text.bytes, space, length) == 0) {
            text.bytes += length;
        } else if (text.length < length || memcmp(text.bytes + text.length - length, space, length) != 0) {
            continue;
        }
        text.length -= length;
        k = 0;
    }
    return text;
}

/* Returns the place of a text among others, their number where it is none of them. */
static inline int @name@_find(@name@_text text, const @name@_text *texts, int n)
{
    int k = 0;
    while (k < n && (texts[k].length != text.length || memcmp(texts[k].bytes, text.bytes, text.length) != 0)) {
        k++;
    }
    return k;
}

/* Returns a 1 at the place of a level; behind the levels is that of all others where rare, then that of a missing text
   where flagged. */
static inline @name@_entry @name@_category(
    const char *bytes, const @name@_text *levels, int n_levels, int place, int rare, int flagged)
{
    const int n_missing = (int)(sizeof @name@_missing / sizeof @name@_missing[0]);
    const @name@_text text = @name@_trim(bytes);
    const int missing = @name@_find(text, @name@_missing, n_missing) < n_missing;
    const int level = missing ? n_levels + rare : @name@_find(text, levels, n_levels);
    @name@_entry entry = {place, 0.0};
    if (missing ? flagged : level < n_levels || rare) {
        entry.place += level;
        entry.value = 1.0;
    }
    return entry;
}

"""

_ENCODE = """\
/* Writes the entry of each column. */
static inline void @name@_encode(const @name@_row *row, @name@_entry *entries)
{
@calls@
}

"""
