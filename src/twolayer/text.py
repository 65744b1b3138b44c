"""Words for people: numbers with their nouns, lists in a sentence, long texts made short."""

from collections.abc import Iterable, Sequence
from typing import Any


def count(n: int, noun: str) -> str:
    """Return a number with its noun: 1 error, 1,024 errors."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def percent(part: float, whole: float) -> str:
    """Return a part of a whole in percent: 12.3 %."""
    return f"{100 * part / whole:.1f} %"


def join(items: Iterable[Any], most: int = 10) -> str:
    """Return items with commas between; of more than `most`, the first ones and an ellipsis."""
    words = [str(item) for item in items]
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")


def choices(items: Sequence[Any]) -> str:
    """Return what can be chosen from: gd, adam or lbfgs."""
    words = [str(item) for item in items]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def shorten(value: Any, most: int = 60) -> str:
    """Return a text on one line, cut after so many letters."""
    line = " ".join(str(value).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def is_text(label: str) -> bool:
    """Tell whether a text can be written in UTF-8: it holds no half of a surrogate pair."""
    try:
        label.encode()
    except UnicodeEncodeError:
        return False
    return True


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return the name, or the first of name_2, name_3, ... that is not taken."""
    known, number, free = set(taken), 1, name
    while free in known:
        number += 1
        free = f"{name}_{number}"
    return free
