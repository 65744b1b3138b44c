"""Marks a submission: each function by itself, with right inputs; what is wrong is named where it can be."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twolayer.aliases import Array
from twolayer.errors import SettingError
from twolayer.teach.choice import (
    TELLING,
    Exam,
    Levels,
    ask_in_others,
    choose,
    identify,
    is_fair_start,
    measure,
    n_several,
)
from twolayer.teach.conventions import OTHERS, STANDARD, Convention, rewrite
from twolayer.teach.lessons import COURSES, Lesson
from twolayer.teach.returned import NAMES, SEEDS, find_mistake, first_wrong, read_result, relative_error
from twolayer.teach.sandbox import Answer, Limits
from twolayer.teach.submission import Submission, read_submission

VERDICTS = ("right", "wrong", "missing", "error", "untouched")
_OF_PLANAR = {"layer_sizes", "nn_model"}
_POINTS = 10  # an exercise
_DIGITS = "TensorFlow's MNIST was answered from the digits that twolayer ships."


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
    convention : str
        "standard" for that of the courses; else the name of another one, in which the submission was judged.
    notes : tuple of str
        What else is to be said.
    """

    course: str
    functions: tuple[Mark, ...]
    points: float
    most_points: float
    n_left_out: int = 0
    convention: str = "standard"
    notes: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """Return the marks as JSON values."""
        functions = [{**vars(mark), "hints": list(mark.hints)} for mark in self.functions]
        record = {"course": self.course, "functions": functions, "points": self.points, "of": self.most_points}
        return {**record, "convention": self.convention, "notes": list(self.notes)}


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
    exam = _prepare(submission, course, lessons, limits or Limits())
    answers = exam.ask([STANDARD])
    convention, levels = _find_convention(exam, answers)
    if convention != STANDARD:
        answers = exam.ask([convention])
    marks = tuple(
        _advise(_mark(lesson, exam, answers, convention), lesson, levels, convention) for lesson in lessons
    )  # fmt: skip
    points, most = _count(marks)
    notes = _notes(submission, marks, convention, digits=answers.digits)
    return Marks(course, marks, points, most, submission.n_left_out, convention.name, notes)


def _notes(submission: Submission, marks: tuple[Mark, ...], convention: Convention, *, digits: bool) -> tuple[str, ...]:
    """Return what is to be said of a submission as a whole."""
    found = []
    if all(mark.verdict == "missing" for mark in marks):
        found.append("It defines none of the functions that are asked for.")
    if submission.unread:
        found.append(f"Pieces of it could not be read. {submission.unread[0]}")
    if convention != STANDARD:
        found.append(f"Judged with {convention.title}.")
    if digits:
        found.append(_DIGITS)
    return tuple(found)


def _prepare(submission: Submission, course: str, lessons: list[Lesson], limits: Limits) -> Exam:
    """Return what is to be asked: the functions that are to be marked, and those that tell a convention."""
    defined = {part.function for part in submission.parts if part.function}
    named = {
        lesson.name: name for lesson in COURSES[course]
        if (lesson in lessons or lesson.name in TELLING) and (name := _own_name(lesson, defined))
    }  # fmt: skip
    return Exam(submission, course, named, limits)


def _find_convention(exam: Exam, answers: Mapping[str, Answer]) -> tuple[Convention, Levels]:
    """Return the convention that a submission keeps; others are tried if something is wrong in the courses' own."""
    levels = {STANDARD.name: measure(exam, answers, STANDARD)}
    blank = {name for name, own in exam.named.items() if own in exam.submission.untouched}
    if all(right for name, (right, _, _) in levels[STANDARD.name].items() if name not in blank):
        return STANDARD, levels
    others = ask_in_others(exam, answers)
    levels |= {each.name: measure(exam, others, each) for each in OTHERS}
    return choose(exam, levels), levels


def _advise(mark: Mark, lesson: Lesson, levels: Levels, convention: Convention) -> Mark:
    """Say of what is wrong in which convention it would be right, if in any."""
    if mark.verdict not in ("wrong", "error"):
        return mark
    other = next((each for each in (STANDARD, *OTHERS) if each != convention
                  and levels.get(each.name, {}).get(lesson.name, (0,))[0]), None)  # fmt: skip
    if other is None:
        return mark
    message = f"{mark.message} With {other.title}, it would be right."
    hints = tuple(message if hint == mark.message else hint for hint in mark.hints)
    return replace(mark, message=message, hints=hints)


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


def _mark(lesson: Lesson, exam: Exam, answers: Mapping[str, Answer], convention: Convention) -> Mark:
    """Return the mark of one function."""
    names, submission = (lesson.name, *lesson.aliases), exam.submission
    name = exam.named.get(lesson.name)
    blank = next((each for each in names if each in submission.untouched), None)
    given = [] if name is None else [answers[identify(lesson, convention, 1, seed)] for seed in SEEDS]
    error = next((answer.error for answer in given if answer.error), None)
    still = Mark(blank or "", lesson.exercise, "untouched", None, None, "Its blanks are still empty.")
    if blank and (name is None or error):
        return still
    if name is None:
        return _mark_missing(lesson, names, submission)
    if error:
        return Mark(name, lesson.exercise, "error", None, None, _explain_error(error))
    several = answers.get(identify(lesson, convention, n_several(convention), SEEDS[0]))
    mark = _mark_numbers(lesson, name, given, several, convention)
    return still if blank and mark.verdict == "wrong" else mark


def _mark_missing(lesson: Lesson, names: tuple[str, ...], submission: Submission) -> Mark:
    """Return the mark of a function that is not there, or cannot be read."""
    broken = next((each for each in names if each in submission.broken), None)
    if broken:
        return Mark(broken, lesson.exercise, "error", None, None, submission.broken[broken])
    return Mark(lesson.name, lesson.exercise, "missing", None, None, f"There is no function {lesson.name}.")


def _mark_numbers(
    lesson: Lesson, name: str, given: list[Answer], several: Answer | None, convention: Convention
) -> Mark:
    """Return the mark of a function by what it returned."""
    found = [read_result(lesson, answer.result, convention) for answer in given]
    true = [lesson.compute(seed, turned=convention.inputs_first) or {} for seed in SEEDS]
    sentence = next((each for each in found if isinstance(each, str)), None)
    if sentence is not None:
        return Mark(name, lesson.exercise, "wrong", None, None, sentence, (sentence,))
    outputs = [each for each in found if not isinstance(each, str)]
    wrong = first_wrong(lesson, outputs, true)
    start = lesson.name == "initialize_parameters"
    fair = wrong is not None and start and is_fair_start(lesson, several, convention)
    if wrong is None or (fair and find_mistake(lesson, outputs, convention) is None):
        return Mark(name, lesson.exercise, "right", None, None, _note(lesson, several, convention))
    return _mark_wrong(lesson, name, outputs, true, wrong, convention)


def _mark_wrong(
    lesson: Lesson,
    name: str,
    outputs: list[dict[str, Array]],
    true: list[dict[str, Any]],
    wrong: str,
    convention: Convention,
) -> Mark:
    """Return the mark of a function whose numbers are wrong."""
    edits = find_mistake(lesson, outputs, convention)
    if edits is None:
        error = relative_error(outputs[0].get(wrong), true[0][wrong])
        size = "" if error is None else f" (relative error {error:.2g})"
        quantity = NAMES.get(wrong, wrong)
        message = f"Wrong from {quantity} on{size}; the cause is unknown."
        hints = _hints_unknown(lesson, wrong, convention)
        return Mark(name, lesson.exercise, "wrong", quantity, None, message, hints)
    first = min(edits, key=lambda edit: [step for step, _ in lesson.steps].index(edit.step))
    quantity = NAMES.get(first.step, first.step)
    message = "; ".join(f"{NAMES.get(edit.step, edit.step)}: {rewrite(edit.term, convention)}" for edit in edits) + "."
    where = " and ".join(dict.fromkeys(NAMES.get(edit.step, edit.step) for edit in edits))
    formulas = "; ".join(dict.fromkeys(rewrite(lesson.formula(edit.step), convention) for edit in edits))
    mistake = " + ".join(edit.mistake for edit in edits)
    return Mark(name, lesson.exercise, "wrong", quantity, mistake, message, (f"Look at {where}.", message, formulas))


def _hints_unknown(lesson: Lesson, wrong: str, convention: Convention) -> tuple[str, ...]:
    """Return the hints for a mistake that is not known."""
    quantity = NAMES.get(wrong, wrong)
    formula = rewrite(lesson.formula(wrong), convention)
    return (f"Look at {quantity}.", f"{quantity} is the first quantity that is wrong.", formula)


def _note(lesson: Lesson, several: Answer | None, convention: Convention) -> str:
    """Return what is to be said of a function that is right: where it would break with more outputs."""
    if lesson.returns == "tuple" or lesson.exercise == "9" or several is None or n_several(convention) == 0:
        return "Right."
    found = None if several.error else read_result(lesson, several.result, convention)
    true = lesson.compute(SEEDS[0], n_y=2) or {}
    breaks = several.error is not None or isinstance(found, str) or (
        lesson.name != "initialize_parameters" and first_wrong(lesson, [found or {}], [true]) is not None
    )  # fmt: skip
    return "Right, for one output; with several it would not be." if breaks else "Right."


def _explain_error(error: str) -> str:
    """Say what an error is, for a student."""
    if error.startswith("NameError"):
        return f"It stops with a {error}. Is it spelled as it is defined, and defined before it is used?"
    if error.startswith("SystemExit"):
        return "It ends the program instead of returning something."
    if error.startswith(("ValueError", "TypeError", "KeyError", "AttributeError", "IndexError")):
        return f"It stops with a {error}."
    return f"It stops: {error.removeprefix('ModuleNotFoundError: ')}"


def _count(marks: tuple[Mark, ...]) -> tuple[float, float]:
    """Return the points, ten an exercise, shared by its functions, and how many there are to be had."""
    exercises: dict[str, list[bool]] = {}
    for mark in marks:
        exercises.setdefault(mark.exercise, []).append(mark.verdict == "right")
    points = sum(_POINTS * sum(right) / len(right) for right in exercises.values())
    return float(points), float(_POINTS * len(exercises))
