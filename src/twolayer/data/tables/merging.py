"""Surveys of the partitions of a table put together: the same functions judge what all hold as judge one table.

Numbers have the same encoding as from one table, but for the rounding of sums: their curves are made of the same rows,
evenly spaced. So have categories with at most `MOST_COUNTED` different values in a partition; of others the frequent
ones are counted approximately.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.encoding import Encoding, choose_scaling
from twolayer.data.report import DataReport, warn_of_classes
from twolayer.data.tables.columns import (
    LEAST_COUNTED,
    ON_REQUEST,
    Findings,
    Number,
    NumberFigures,
    check_no_flaws,
    describe_category,
    describe_date,
    describe_number,
    fitted_every,
    is_mostly_text,
    numbers_of_date,
)
from twolayer.data.tables.partitions import (
    MOST_COUNTED,
    SPLITS,
    Answer,
    Columns,
    Figures,
    Question,
    Schema,
    Wanted,
    estimate,
    smallest,
)
from twolayer.data.tables.survey import make_encoding, shown_columns, warn_of_far, warn_of_gaps, warn_of_target
from twolayer.data.tables.tables import check_names
from twolayer.errors import DataError

_COUNTS_ROWS = 0.9  # as in `columns`


def merge_schemas(schemas: Sequence[Schema | None], question: Question, empty: Sequence[set[str]]) -> Columns:
    """Return the columns of partitions; `empty` are those of each that hold nothing.

    Raises
    ------
    DataError
        If partitions have other columns than the first, or of another kind, named.
    """
    some = [(schema, holds) for schema, holds in zip(schemas, empty, strict=True) if schema is not None]
    first = some[0][0]
    check_names(first.path, first.kinds, [question.target], "the `target`")
    check_names(first.path, first.kinds, list(question.ignore), "to `ignore`")
    kinds: dict[str, str] = {}
    for name in first.kinds:
        given = [schema for schema, holds in some if name not in holds]
        kinds[name] = "other" if name in question.ignore else _merge_kinds(name, given or [first])
    whole = [schema.whole_numbers | holds for schema, holds in some]
    starts = np.cumsum([0, *(0 if schema is None else schema.n_rows for schema in schemas)]).tolist()
    notes = tuple(dict.fromkeys(note for schema, _ in some for note in schema.notes))
    durations = frozenset(name for schema, _ in some for name in schema.durations)
    return Columns(kinds, frozenset.intersection(*whole), durations, (), tuple(starts[:-1]), starts[-1], notes)


def check_same_columns(schemas: Sequence[Schema | None]) -> None:
    """Check that partitions with rows have the columns of the first one; DataError names one that differs.

    Raises
    ------
    DataError
        If there are no rows at all, too.
    """
    some = [schema for schema in schemas if schema is not None]
    if not some:
        raise DataError("None of the files has rows: name files that have some.")
    for schema in some:
        odd = sorted(schema.kinds.keys() ^ some[0].kinds.keys())
        if odd:
            have, lack = (schema, some[0]) if odd[0] in schema.kinds else (some[0], schema)
            raise DataError(f"{have.path} has a column {odd[0]!r} and {lack.path} has not: use matching files.")


def differing(schemas: Sequence[Schema | None]) -> list[str]:
    """Return the columns that are not of one kind in all partitions: they may be empty in some."""
    some = [schema for schema in schemas if schema is not None]
    return [name for name, kind in some[0].kinds.items() if any(each.kinds[name] != kind for each in some)]


def _merge_kinds(name: str, schemas: Sequence[Schema]) -> str:
    """Return the kind of a column in all partitions; whole numbers may stand for categories."""
    first = schemas[0]
    for other in schemas:
        pair = {each.kinds[name]: each for each in (first, other)}
        if len(pair) == 1:
            continue
        number = pair.get("number")
        if set(pair) != {"number", "category"} or number is None or name not in number.whole_numbers:
            words = {"number": "numbers", "category": "text", "date": "dates", "other": "neither numbers nor text"}
            a, b = (f"{words[each.kinds[name]]} in {each.path}" for each in (first, other))
            raise DataError(f"Column {name!r} holds {a} and {b}: repair it, or leave it out with `ignore`.")
    kinds = {schema.kinds[name] for schema in schemas}
    return "category" if "category" in kinds else kinds.pop()


def merge_labels(schemas: Sequence[Schema | None], target: str, kind: str) -> list[Any]:
    """Return the different labels of partitions, whole numbers as text where others have text."""
    labels: set[Any] = set()
    for schema in schemas:
        if schema is not None:
            as_texts = kind == "category" and schema.kinds[target] == "number"
            labels.update(str(int(label)) if as_texts else label for label in schema.labels)
    return list(labels)


def merge_figures(*each: Figures | None) -> Figures | None:
    """Return what is counted in partitions together, in their order."""
    merged: Figures | None = None
    for other in each:
        merged = other if merged is None else merged if other is None else _merge(merged, other)
    return merged


def _merge(a: Figures, b: Figures) -> Figures:
    return Figures(
        {name: a.samples[name] + b.samples[name] for name in SPLITS},
        a.n_unlabelled + b.n_unlabelled,
        tuple(map(merge_numbers, a.numbers, b.numbers)),
        tuple(x.merged(y) for x, y in zip(a.tallies, b.tallies, strict=True)),
        tuple(map(_merge_spans, a.spans, b.spans)),
    )


def _merge_spans(a: tuple[int, float, float], b: tuple[int, float, float]) -> tuple[int, float, float]:
    if not a[0] or not b[0]:
        return a if a[0] else b
    return a[0] + b[0], min(a[1], b[1]), max(a[2], b[2])


def merge_numbers(a: NumberFigures, b: NumberFigures) -> NumberFigures:
    """Return the figures of two parts of a column together; of different values, how many there are at least."""
    if not a.n or not b.n:
        return a if a.n else b
    assert a.mean is not None
    assert b.mean is not None
    n, difference = a.n + b.n, b.mean - a.mean
    low, high = min(a.low or 0.0, b.low or 0.0), max(a.high or 0.0, b.high or 0.0)
    squares = a.n * (a.deviation or 0.0) ** 2 + b.n * (b.deviation or 0.0) ** 2 + difference**2 * a.n * b.n / n
    n_different = max(a.n_different, b.n_different, 1 + (low < high))
    return NumberFigures(n, low, high, n_different, a.mean + difference * b.n / n, float(np.sqrt(squares / n)))


def merge_answers(*each: Answer | None) -> Answer | None:
    """Return the answers of partitions together, in their order."""
    some = [answer for answer in each if answer is not None]
    if not some:
        return None
    values = tuple(np.concatenate(parts) for parts in zip(*(answer.values for answer in some), strict=True))
    flaws = tuple(
        (
            sum(n for n, _, _ in parts),
            sum(n for _, n, _ in parts),
            next((x for _, _, x in parts if x is not None), None),
        )
        for parts in zip(*(answer.flaws for answer in some), strict=True)
    )
    hashes = tuple(smallest(*parts) for parts in zip(*(answer.hashes for answer in some), strict=True))
    return Answer(values, flaws, hashes)


@dataclass(frozen=True)
class Merged:
    """A survey of partitions.

    Attributes
    ----------
    encoding : Encoding
    samples : dict of arrays
        Of each class, by the names of `SPLITS`.
    report : DataReport
    """

    encoding: Encoding
    samples: Mapping[str, Array]
    report: DataReport


@dataclass
class Judge:
    """Puts together what partitions answer: first `wanted` by the figures, then `survey` by the answers.

    Attributes
    ----------
    name : str
        What to call the table.
    question, columns, figures
    scaling : str or None
        As for `survey_table`.
    """

    name: str
    question: Question
    columns: Columns
    figures: Figures
    scaling: str | None = None
    _numbers: list[Number] = field(init=False)

    def __post_init__(self) -> None:
        """Work out what follows from the figures."""
        self._ignore = [self.question.target, *self.question.ignore]
        self._numbers = self.columns.numbers(self._ignore)
        self._categories = self.columns.categories(self._ignore)
        self._n_train = int(self.figures.samples["train"].sum())
        self._scaling = choose_scaling(self.scaling, len(self._numbers))
        tallies = dict(zip(self._categories, self.figures.tallies, strict=True))
        self._uncertain = [name for name, tally in tallies.items() if tally.hashes is not None]
        self._of_categories = {name: tally.figures(self._n_train) for name, tally in tallies.items()}

    def wanted(self) -> Wanted:
        """Return what is to be asked next."""
        n, spans = self.columns.n_rows, zip(self.columns.counters(self._ignore), self.figures.spans, strict=True)
        counters = [name for name, (some, low, high) in spans if some == n >= LEAST_COUNTED and high - low == n - 1]
        texts = [name for name, figures in self._of_categories.items() if is_mostly_text(figures)]
        numbers = self._numbers if self._scaling != "standard" else []
        return Wanted(fitted_every(self._n_train), tuple(numbers), tuple(texts), tuple(counters))

    def survey(self, wanted: Wanted, answer: Answer) -> Merged:
        """Return the survey; DataError as of `survey_table`."""
        for name, (n, n_texts, example) in zip(wanted.texts, answer.flaws, strict=True):
            check_no_flaws(self.name, name, n, n_texts, example)
        counted = zip(wanted.counters, map(estimate, answer.hashes), strict=True)
        counters = {name for name, n_different in counted if n_different >= _COUNTS_ROWS * self.columns.n_rows}
        values = dict(zip(wanted.numbers, answer.values, strict=True))
        numbers = {
            number: describe_number(
                self.name, number, figures, values.get(number), number.name in counters, self._n_train, self._scaling
            )
            for number, figures in zip(self._numbers, self.figures.numbers, strict=True)
        }
        found = [self._describe(name, kind, numbers) for name, kind in self.columns.kinds.items()
                 if name != self.question.target]  # fmt: skip
        encoding = make_encoding(self.name, self.question.target, found)
        return Merged(encoding, self.figures.samples, self._report(found))

    def _describe(self, name: str, kind: str, numbers: Mapping[Number, Findings]) -> Findings:
        """Return what a column holds."""
        if name in self.question.ignore:
            return Findings(name, kind, 0, 0, "left out on request", (), ignored=ON_REQUEST)
        if kind == "other":
            raise DataError(
                f"Column {name!r} of {self.name} holds neither numbers nor text: leave it out with `ignore`."
            )
        if kind == "number":
            return numbers[Number(name)]
        if kind == "date":
            is_duration = name in self.columns.durations
            parts = [numbers[number] for number in numbers_of_date(name, is_duration=is_duration)]
            return describe_date(name, parts, is_duration=is_duration)
        return describe_category(name, self._of_categories[name], self._n_train, self._scaling)

    def _report(self, found: Sequence[Findings]) -> DataReport:
        """Return the report: what needs all rows at once, such as equal ones, is not looked for."""
        columns, target, samples = self.columns, self.question.target, self.figures.samples
        warnings = [
            *columns.notes,
            *warn_of_target(
                target, columns.kinds[target], len(columns.classes), self.figures.n_unlabelled, columns.n_rows
            ),
            *warn_of_classes(columns.classes, samples["train"], samples["test"]),
            *warn_of_gaps(found, self._n_train),
            *warn_of_far(found),
            *(
                f"Column {name!r} has more than {MOST_COUNTED:,} different values: which are frequent, and how many "
                "there are, is counted approximately."
                for name in self._uncertain
            ),
        ]
        classes = dict(zip(map(str, columns.classes), samples["train"].tolist(), strict=True))
        shown = shown_columns(found)
        return DataReport(self._n_train, int(samples["test"].sum()), target, classes, shown, tuple(warnings))
