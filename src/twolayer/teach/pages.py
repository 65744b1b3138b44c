"""Marks as lines of text, as a page to hand back, and as a table of a class."""

import csv
import io
from collections.abc import Mapping
from importlib.resources import files

from twolayer.errors import SettingError
from twolayer.teach.marking import Mark, Marks

_SIGNS = {
    "right": "\N{CHECK MARK}",
    "wrong": "\N{BALLOT X}",
    "error": "!",
    "missing": "-",
    "untouched": "\N{MIDDLE DOT}",
}
MOST_HINTS = 3


def say(mark: Mark, hint: int = 2) -> str:
    """Return what is told of a function, up to a hint: 1 where, 2 which term, 3 the formula."""
    if not 1 <= hint <= MOST_HINTS:
        raise SettingError(f"`hint` must be 1, 2 or 3; got {hint}.")
    if mark.verdict != "wrong" or not mark.hints:
        return mark.message
    told = mark.hints[min(hint, 2, len(mark.hints)) - 1]
    formula = f" It should be {mark.hints[2]}" if hint == MOST_HINTS and len(mark.hints) == MOST_HINTS else ""
    return f"{told}{formula}"


def to_lines(marks: Marks, hint: int = 2) -> list[str]:
    """Return marks as lines of text."""
    width = max(len(mark.name) for mark in marks.functions)
    lines = [
        f"{_SIGNS[mark.verdict]} {mark.name:<{width}}  {mark.verdict:<9}  {say(mark, hint)}" for mark in marks.functions
    ]
    lines += ["", f"{marks.points:g} of {marks.most_points:g} points ({marks.course})."]
    lines += marks.notes
    if marks.n_left_out:
        were = "statement that loads, draws, prints or trains was" if marks.n_left_out == 1 else (
            "statements that load, draw, print or train were")  # fmt: skip
        lines.append(f"{marks.n_left_out} {were} left out.")
    return lines


def to_page(name: str, marks: Marks, hint: int = 2) -> str:
    """Return marks as a page of HTML that needs nothing else."""
    from jinja2 import Environment, StrictUndefined

    template = files(__package__).joinpath("static/marks.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    rows = [(mark, _SIGNS[mark.verdict], say(mark, hint)) for mark in marks.functions]
    return environment.from_string(template).render(name=name, marks=marks, rows=rows)


def to_csv(students: Mapping[str, Marks | str]) -> str:
    """Return a class as CSV: a row a student, a column a function, points; a sentence where nothing could be read."""
    names = list(dict.fromkeys(
        mark.exercise for marks in students.values() if isinstance(marks, Marks) for mark in marks.functions
    ))  # fmt: skip
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "points", "of", *(f"exercise {name}" for name in names), "note"])
    for student, marks in students.items():
        if isinstance(marks, str):
            writer.writerow([student, 0, "", *("" for _ in names), marks])
            continue
        cells = []
        for name in names:
            of = [mark for mark in marks.functions if mark.exercise == name]
            cells.append("; ".join(dict.fromkeys(mark.mistake or mark.verdict for mark in of)))
        writer.writerow([student, f"{marks.points:g}", f"{marks.most_points:g}", *cells, ""])
    return text.getvalue()
