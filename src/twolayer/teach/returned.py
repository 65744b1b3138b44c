"""What a student's function returned, by quantity, and whether it is what a lesson, or a mistake in it, gives."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.teach.conventions import STANDARD, Convention, to_standard
from twolayer.teach.lessons import Edit, Lesson
from twolayer.teach.sandbox import to_array

SEEDS = (0, 1, 2)
NAMES = {"new_W1": "W1", "new_b1": "b1", "new_W2": "W2", "new_b2": "b2", "end_W1": "W1", "end_b1": "b1",
         "end_W2": "W2", "end_b2": "b2", "first": "n_x", "second": "n_h", "third": "n_y", "trained": "W1",
         "per_m": "dW2", "s": "result"}  # fmt: skip
_SAME = 1e-10  # relative
_NEAR = 1e-7  # relative, between what is right and what is right but for rounding


def read_result(lesson: Lesson, result: Any, convention: Convention = STANDARD) -> dict[str, Array] | str:
    """Return what a function returned, by quantity, as the courses lay it out; a sentence if it is of another form.

    Parameters
    ----------
    lesson : Lesson
    result : Any
        As the sandbox encodes it.
    convention : Convention

    Returns
    -------
    dict of str to array, or str
    """
    kind = (result or {}).get("kind")
    if kind == "none":
        return "It returns nothing: end it with return."
    if kind not in ("array", "tuple", "dict"):
        return f"It returns a {(result or {}).get('text', 'value')}, not what is asked for."
    readers = {"value": _read_value, "tuple": _read_tuple, "forward": _read_forward, "dict": _read_dict}
    found = readers[lesson.returns](lesson, result)
    return found if isinstance(found, str) else to_standard("", found, convention)


def _read_value(lesson: Lesson, result: Any) -> dict[str, Array] | str:
    """Return one array."""
    array = to_array(result)
    return "It returns several values: one is asked for." if array is None else {lesson.outputs[0]: array}


def _read_tuple(lesson: Lesson, result: Any) -> dict[str, Array] | str:
    """Return several numbers, in a tuple or a list."""
    names = lesson.outputs
    if result["kind"] == "array" and result["shape"] == [len(names)]:
        return {name: np.array(value) for name, value in zip(names, result["values"], strict=True)}
    if result["kind"] != "tuple" or len(result["items"]) != len(names):
        return f"It must return {len(names)} values, in the order that is asked for."
    return _arrays(dict(zip(names, result["items"], strict=True)))


def _read_forward(lesson: Lesson, result: Any) -> dict[str, Array] | str:
    """Return what is in the cache, with A2 as it is returned beside it."""
    kinds = [item["kind"] for item in result["items"]] if result["kind"] == "tuple" else []
    if kinds == ["dict", "array"]:
        return "It returns the cache before A2: A2 comes first."
    if kinds != ["array", "dict"]:
        return "It must return A2 and the cache, in this order."
    cache = dict(result["items"][1]["items"])
    missing = [name for name in lesson.outputs if name not in cache]
    if missing:
        return f"The cache lacks {' and '.join(missing)}."
    found, returned = _arrays({name: cache[name] for name in lesson.outputs}), to_array(result["items"][0])
    if (
        not isinstance(found, str)
        and returned is not None
        and not np.array_equal(found["A2"], returned, equal_nan=True)
    ):
        return "A2 in the cache is another one than the A2 that is returned."
    return found


def _read_dict(lesson: Lesson, result: Any) -> dict[str, Array] | str:
    """Return what is in a dictionary."""
    keys = {NAMES.get(name, name): name for name in lesson.outputs}
    if result["kind"] != "dict":
        return f"It must return a dictionary of {', '.join(keys)}."
    missing = [key for key in keys if key not in result["items"]]
    if missing:
        return f"The dictionary lacks {' and '.join(missing)}."
    return _arrays({name: result["items"][key] for key, name in keys.items()})


def _arrays(items: Mapping[str, Any]) -> dict[str, Array] | str:
    """Return encoded arrays; a sentence if one is none."""
    found = {}
    for name, item in items.items():
        array = to_array(item)
        if array is None:
            return f"{NAMES.get(name, name)} is not an array of numbers."
        found[name] = array
    return found


def find_mistake(
    lesson: Lesson, outputs: list[dict[str, Array]], convention: Convention = STANDARD, *, pairs: bool = True
) -> tuple[Edit, ...] | None:
    """Return the edit, or the two, that give a function's numbers for all seeds; None if none do.

    Parameters
    ----------
    lesson : Lesson
    outputs : list of dict
        What the function returned, for each of `SEEDS` from the first on.
    convention : Convention
        In which it draws its weights.
    pairs : bool
        Try two edits at once too.

    Returns
    -------
    tuple of Edit, or None
    """
    for edits in lesson.hypotheses():
        if len(edits) > 1 and not pairs:
            return None
        if all(
            _agrees(lesson.compute(seed, edits, turned=convention.inputs_first), given)
            for seed, given in zip(SEEDS, outputs, strict=False)
        ):
            return edits
    return None


def _agrees(computed: Mapping[str, Any] | None, given: Mapping[str, Array]) -> bool:
    """Tell whether all numbers are the same, to ten digits, in arrays of the same shapes."""
    if computed is None or set(computed) != set(given):
        return False
    return all(_same(given[name], value, _SAME) for name, value in computed.items())


def _same(given: Array, wanted: Array, tolerance: float) -> bool:
    """Tell whether two arrays are the same; one number may be an array of one."""
    if given.shape != wanted.shape and not (given.size == wanted.size == 1):
        return False
    a, b = given.ravel(), wanted.ravel()
    with np.errstate(invalid="ignore"):
        return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance * max(1e-3, float(np.abs(b).max(initial=0)))))


def first_wrong(lesson: Lesson, outputs: list[dict[str, Array]], true: list[dict[str, Any]]) -> str | None:
    """Return the first quantity that is wrong for any seed.

    Parameters
    ----------
    lesson : Lesson
    outputs, true : list of dict
        What was returned and what is right, for each seed.

    Returns
    -------
    str or None
    """
    for name in lesson.outputs:
        if not all(_same(given[name], right[name], _NEAR) for given, right in zip(outputs, true, strict=True)):
            return name
    return None


def relative_error(given: Array | None, wanted: Array) -> float | None:
    """Return the relative error of numbers; None where shapes differ.

    Parameters
    ----------
    given : array, or None
    wanted : array

    Returns
    -------
    float or None
    """
    if given is None or given.shape != np.shape(wanted):
        return None
    size = float(np.linalg.norm(given)) + float(np.linalg.norm(wanted))
    return float(np.linalg.norm(given - wanted)) / size if size else 0.0
