"""Marks a submission: each function by itself, with right inputs; what is wrong is named where it can be."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.errors import SettingError
from twolayer.teach.lessons import COURSES, Edit, Lesson
from twolayer.teach.sandbox import Answer, Call, Limits, run, to_array
from twolayer.teach.submission import Submission, read_submission

SEEDS = (0, 1, 2)
VERDICTS = ("right", "wrong", "missing", "error", "untouched")
_SAME = 1e-10  # relative
_NEAR = 1e-7  # relative, between what is right and what is right but for rounding
_OF_PLANAR = {"layer_sizes", "nn_model"}
_POINTS = 10  # an exercise
_STATIC = Path(__file__).with_name("static")
_NAMES = {"new_W1": "W1", "new_b1": "b1", "new_W2": "W2", "new_b2": "b2", "end_W1": "W1", "end_b1": "b1",
          "end_W2": "W2", "end_b2": "b2", "first": "n_x", "second": "n_h", "third": "n_y", "trained": "W1",
          "per_m": "dW2", "s": "result"}  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """What is said of one function.

    Attributes
    ----------
    name, exercise, verdict : str
    quantity : str or None
        The first wrong one.
    mistake : str or None
        Its name, where it is known; two with a + between them.
    message : str
    hints : tuple of str
        Where, which term, the formula.
    """

    name: str
    exercise: str
    verdict: str
    quantity: str | None
    mistake: str | None
    message: str
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Marks:
    """What is said of a submission.

    Attributes
    ----------
    course : str
    functions : tuple of Mark
    points, most_points : float
    n_left_out : int
        Statements that were not run, as they load, draw, print or train.
    """

    course: str
    functions: tuple[Mark, ...]
    points: float
    most_points: float
    n_left_out: int = 0

    def to_record(self) -> dict[str, Any]:
        """Return the marks as JSON values."""
        functions = [{**vars(mark), "hints": list(mark.hints)} for mark in self.functions]
        return {"course": self.course, "functions": functions, "points": self.points, "of": self.most_points}


def check_file(path: Path, course: str = "auto", only: str | None = None, limits: Limits | None = None) -> Marks:
    """Check a notebook or a script.

    Parameters
    ----------
    path : Path
    course : str
        "homework2", "planar", or "auto", by the names that are defined.
    only : str, optional
        One function.
    limits : Limits, optional

    Returns
    -------
    Marks

    Raises
    ------
    SettingError
        If there is no such course or function.
    FileFormatError, MissingFileError, StorageError
        If the file cannot be read.
    """
    return check_submission(read_submission(path), course, only, limits)


def check_submission(
    submission: Submission, course: str = "auto", only: str | None = None, limits: Limits | None = None
) -> Marks:
    """Check what a submission defines, as `check_file`."""
    course = _find_course(submission, course)
    lessons = [lesson for lesson in COURSES[course] if only is None or only in (lesson.name, *lesson.aliases)]
    if not lessons:
        known = ", ".join(lesson.name for lesson in COURSES[course])
        raise SettingError(f"`only` must be a function of the course ({known}); got {only!r}.")
    defined = {part.function for part in submission.parts if part.function}
    named = {lesson.name: _own_name(lesson, defined) for lesson in lessons}
    calls = [
        call for lesson in lessons if named[lesson.name] for call in _calls(lesson, named[lesson.name] or "", course)
    ]
    reference = (_STATIC / f"{course}.py").read_text("utf-8")
    answers = run(submission.parts, reference, calls, limits or Limits())
    marks = tuple(_mark(lesson, named[lesson.name], submission, answers) for lesson in lessons)
    points, most = _count(marks)
    return Marks(course, marks, points, most, submission.n_left_out)


def _find_course(submission: Submission, course: str) -> str:
    """Return the course that a submission is of."""
    if course in COURSES:
        return course
    if course != "auto":
        raise SettingError(f"`course` must be auto, {' or '.join(COURSES)}; got {course!r}.")
    return "planar" if submission.functions & _OF_PLANAR else "homework2"


def _own_name(lesson: Lesson, defined: set[str]) -> str | None:
    """Return the name under which a lesson is defined."""
    return next((name for name in (lesson.name, *lesson.aliases) if name in defined), None)


def _calls(lesson: Lesson, function: str, course: str) -> list[Call]:
    """Return the calls by which a function is judged, with one output and with more."""
    others = [name for each in COURSES[course] for name in (each.name, *each.aliases) if each.name != lesson.name]
    if course == "planar":
        others.append("sigmoid")
    calls = []
    for n_y in (1, 2):
        for seed in SEEDS if n_y == 1 else SEEDS[:1]:
            values = lesson.inputs(seed, n_y)
            arguments = tuple(values[name] for name in lesson.arguments)
            calls.append(Call(f"{lesson.name} {n_y} {seed}", function, seed, arguments, tuple(others)))
    return calls


def _mark(lesson: Lesson, name: str | None, submission: Submission, answers: Mapping[str, Answer]) -> Mark:
    """Return the mark of one function."""
    names = (lesson.name, *lesson.aliases)
    blank = next((each for each in names if each in submission.untouched), None)
    given = [] if name is None else [answers[f"{lesson.name} 1 {seed}"] for seed in SEEDS]
    error = next((answer.error for answer in given if answer.error), None)
    still = Mark(blank or "", lesson.exercise, "untouched", None, None, "Its blanks are still empty.")
    if blank and (name is None or error):
        return still
    if name is None:
        return _mark_missing(lesson, names, submission)
    if error:
        return Mark(name, lesson.exercise, "error", None, None, _explain_error(error))
    mark = _mark_numbers(lesson, name, given, answers[f"{lesson.name} 2 0"])
    return still if blank and mark.verdict == "wrong" else mark


def _mark_missing(lesson: Lesson, names: tuple[str, ...], submission: Submission) -> Mark:
    """Return the mark of a function that is not there, or cannot be read."""
    broken = next((each for each in names if each in submission.broken), None)
    if broken:
        return Mark(broken, lesson.exercise, "error", None, None, submission.broken[broken])
    return Mark(lesson.name, lesson.exercise, "missing", None, None, f"There is no function {lesson.name}.")


def _mark_numbers(lesson: Lesson, name: str, given: list[Answer], several: Answer) -> Mark:
    """Return the mark of a function by what it returned."""
    found = [_outputs(lesson, answer.result) for answer in given]
    true = [lesson.compute(seed) or {} for seed in SEEDS]
    sentence = next((each for each in found if isinstance(each, str)), None)
    if sentence is not None:
        return Mark(name, lesson.exercise, "wrong", None, None, sentence, (sentence,))
    outputs = [each for each in found if not isinstance(each, str)]
    wrong = _first_wrong(lesson, outputs, true)
    fair = wrong is not None and lesson.name == "initialize_parameters" and _is_fair_start(lesson, several)
    if wrong is None or (fair and find_mistake(lesson, outputs) is None):
        return Mark(name, lesson.exercise, "right", None, None, _note(lesson, several))
    return _mark_wrong(lesson, name, outputs, true, wrong)


def _mark_wrong(
    lesson: Lesson, name: str, outputs: list[dict[str, Array]], true: list[dict[str, Any]], wrong: str
) -> Mark:
    """Return the mark of a function whose numbers are wrong."""
    edits = find_mistake(lesson, outputs)
    if edits is None:
        error = _relative(outputs[0].get(wrong), true[0][wrong])
        size = "" if error is None else f" (relative error {error:.2g})"
        quantity = _NAMES.get(wrong, wrong)
        message = f"Wrong from {quantity} on{size}; the cause is unknown."
        return Mark(name, lesson.exercise, "wrong", quantity, None, message, _hints_unknown(lesson, wrong))
    first = min(edits, key=lambda edit: [step for step, _ in lesson.steps].index(edit.step))
    quantity = _NAMES.get(first.step, first.step)
    message = "; ".join(f"{_NAMES.get(edit.step, edit.step)}: {edit.term}" for edit in edits) + "."
    where = " and ".join(dict.fromkeys(_NAMES.get(edit.step, edit.step) for edit in edits))
    formulas = "; ".join(dict.fromkeys(lesson.formula(edit.step) for edit in edits))
    mistake = " + ".join(edit.mistake for edit in edits)
    return Mark(name, lesson.exercise, "wrong", quantity, mistake, message, (f"Look at {where}.", message, formulas))


def _hints_unknown(lesson: Lesson, wrong: str) -> tuple[str, ...]:
    """Return the hints for a mistake that is not known."""
    quantity = _NAMES.get(wrong, wrong)
    return (f"Look at {quantity}.", f"{quantity} is the first quantity that is wrong.", lesson.formula(wrong))


def find_mistake(lesson: Lesson, outputs: list[dict[str, Array]]) -> tuple[Edit, ...] | None:
    """Return the edit, or the two, that give a function's numbers for all seeds; None if none do.

    Parameters
    ----------
    lesson : Lesson
    outputs : list of dict
        What the function returned, for each of `SEEDS`.

    Returns
    -------
    tuple of Edit, or None
    """
    for edits in lesson.hypotheses():
        if all(_agrees(lesson.compute(seed, edits), given) for seed, given in zip(SEEDS, outputs, strict=True)):
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


def _first_wrong(lesson: Lesson, outputs: list[dict[str, Array]], true: list[dict[str, Any]]) -> str | None:
    """Return the first quantity that is wrong for any seed."""
    for name in lesson.outputs:
        if not all(_same(given[name], right[name], _NEAR) for given, right in zip(outputs, true, strict=True)):
            return name
    return None


def _is_fair_start(lesson: Lesson, several: Answer) -> bool:
    """Tell whether a random start is right but for the order of its draws, by one of many weights.

    Shapes and biases must be right, and the weights have the mean, the spread and the tails of the right normal
    distribution.
    """
    given = None if several.error else _outputs(lesson, several.result)
    right = lesson.compute(SEEDS[0], n_y=2) or {}
    if given is None or isinstance(given, str) or any(given[name].shape != right[name].shape for name in right):
        return False
    if given["b1"].any() or given["b2"].any():
        return False
    for name in ("W1", "W2"):
        z = given[name].ravel() / float(np.sqrt(np.mean(right[name] ** 2)))
        spread = float(z.std())
        tails = float(np.mean((z - z.mean()) ** 4)) / max(spread, 1e-300) ** 4
        if abs(float(z.mean())) > 0.1 or abs(spread - 1) > 0.1 or abs(tails - 3) > 0.7:
            return False
    return True


def _relative(given: Array | None, wanted: Array) -> float | None:
    """Return the relative error of numbers; None where shapes differ."""
    if given is None or given.shape != np.shape(wanted):
        return None
    size = float(np.linalg.norm(given)) + float(np.linalg.norm(wanted))
    return float(np.linalg.norm(given - wanted)) / size if size else 0.0


def _outputs(lesson: Lesson, result: Any) -> dict[str, Array] | str:
    """Return what a function returned, by quantity; a sentence if it is of another form."""
    kind = (result or {}).get("kind")
    if kind == "none":
        return "It returns nothing: end it with return."
    if kind not in ("array", "tuple", "dict"):
        return f"It returns a {(result or {}).get('text', 'value')}, not what is asked for."
    readers = {"value": _read_value, "tuple": _read_tuple, "forward": _read_forward, "dict": _read_dict}
    return readers[lesson.returns](lesson, result)


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
    return _arrays({**{name: cache[name] for name in lesson.outputs}, "A2": result["items"][0]})


def _read_dict(lesson: Lesson, result: Any) -> dict[str, Array] | str:
    """Return what is in a dictionary."""
    keys = {_NAMES.get(name, name): name for name in lesson.outputs}
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
            return f"{_NAMES.get(name, name)} is not an array of numbers."
        found[name] = array
    return found


def _note(lesson: Lesson, several: Answer) -> str:
    """Return what is to be said of a function that is right: where it would break with more outputs."""
    if lesson.returns == "tuple" or lesson.exercise == "9":
        return "Right."
    found = None if several.error else _outputs(lesson, several.result)
    true = lesson.compute(SEEDS[0], n_y=2) or {}
    breaks = several.error is not None or isinstance(found, str) or (
        lesson.name != "initialize_parameters" and _first_wrong(lesson, [found or {}], [true]) is not None
    )  # fmt: skip
    return "Right, for one output; with several it would not be." if breaks else "Right."


def _explain_error(error: str) -> str:
    """Say what an error is, for a student."""
    if error.startswith("NameError"):
        return f"It stops with a {error}. Is it spelled as it is defined, and defined before it is used?"
    if error.startswith(("ValueError", "TypeError", "KeyError", "AttributeError", "IndexError")):
        return f"It stops with a {error}."
    return f"It stops: {error}"


def _count(marks: tuple[Mark, ...]) -> tuple[float, float]:
    """Return the points, ten an exercise, shared by its functions, and how many there are to be had."""
    exercises: dict[str, list[bool]] = {}
    for mark in marks:
        exercises.setdefault(mark.exercise, []).append(mark.verdict == "right")
    points = sum(_POINTS * sum(right) / len(right) for right in exercises.values())
    return float(points), float(_POINTS * len(exercises))
