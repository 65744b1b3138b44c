"""Asks a submission's functions, and chooses the convention that they are to be judged in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twolayer.teach import conventions
from twolayer.teach.conventions import OTHERS, STANDARD, Convention, to_convention
from twolayer.teach.lessons import COURSES, Lesson
from twolayer.teach.returned import SEEDS, find_mistake, first_wrong, read_result
from twolayer.teach.sandbox import Answer, Answers, Call, Limits, run
from twolayer.teach.submission import Submission

_STATIC = Path(__file__).with_name("static")
TELLING = ("initialize_parameters", "forward_propagation", "back_propagation", "backward_propagation")
_MOST_SECONDS = 5.0  # for all other conventions
Level = tuple[int, int, int]  # right; wrong by a known mistake, or right; of the right shapes
Levels = Mapping[str, Mapping[str, Level]]  # by convention, then by lesson
_NOTHING: Level = (0, 0, 0)


@dataclass(frozen=True)
class Exam:
    """A submission that is asked.

    Attributes
    ----------
    submission : Submission
    course : str
    named : dict of str to str
        The lessons that are asked for, and the names that they have in the submission.
    limits : Limits
    """

    submission: Submission
    course: str
    named: Mapping[str, str]
    limits: Limits

    @property
    def lessons(self) -> list[Lesson]:
        """The lessons that there is a function for."""
        return [lesson for lesson in COURSES[self.course] if lesson.name in self.named]

    def ask(self, kinds: Iterable[Convention], *, once: bool = False, without: Iterable[str] = ()) -> Answers:
        """Make all calls in some conventions, or one each; leave some lessons out."""
        calls = [
            call for convention in kinds for lesson in self.lessons if lesson.name not in set(without)
            for call in self._calls(lesson, convention, once=once)
        ]  # fmt: skip
        sources = [Path(conventions.__file__), _STATIC / f"{self.course}.py"]
        reference = "\n".join(path.read_text("utf-8") for path in sources)
        return run(self.submission.parts, reference, calls, self.limits)

    def _calls(self, lesson: Lesson, convention: Convention, *, once: bool) -> list[Call]:
        """Return the calls by which a function is judged, with one output and with more."""
        others = [name for each in COURSES[self.course] for name in (each.name, *each.aliases) if each != lesson]
        if self.course == "planar":
            others.append("sigmoid")
        start = lesson.name == "initialize_parameters"
        kinds = [(1, seed) for seed in (SEEDS[:1] if once else SEEDS)]
        if start or (not once and convention.labels == "table"):
            kinds.append((n_several(convention), SEEDS[0]))
        calls = []
        for n_y, seed in kinds:
            values = lesson.inputs(seed, n_y)
            arguments = tuple(to_convention(name, values[name], convention) for name in lesson.arguments)
            name = "" if convention == STANDARD else convention.name
            calls.append(Call(identify(lesson, convention, n_y, seed), self.named[lesson.name], seed, arguments,
                              tuple(others), name))  # fmt: skip
        return calls


def n_several(convention: Convention) -> int:
    """Return how many outputs are asked for beside one; 0 for one, with many weights, where there can be only one.

    Parameters
    ----------
    convention : Convention

    Returns
    -------
    int
    """
    return 0 if convention.outputs == "flat" else 2


def identify(lesson: Lesson, convention: Convention, n_y: int, seed: int) -> str:
    """Return the name of a call.

    Parameters
    ----------
    lesson : Lesson
    convention : Convention
    n_y, seed : int

    Returns
    -------
    str
    """
    return f"{convention.name}: {lesson.name} {n_y} {seed}"


def measure(exam: Exam, answers: Mapping[str, Answer], convention: Convention) -> dict[str, Level]:
    """Return how well each function does in a convention, by its first call.

    Parameters
    ----------
    exam : Exam
    answers : mapping
    convention : Convention

    Returns
    -------
    dict of str to Level
    """
    return {lesson.name: _level(lesson, answers, convention) for lesson in exam.lessons}


def _level(lesson: Lesson, answers: Mapping[str, Answer], convention: Convention) -> Level:
    """Return how well a function does in a convention."""
    answer = answers.get(identify(lesson, convention, 1, SEEDS[0]), Answer(error="it was not asked"))
    found = read_result(lesson, answer.result, convention) if answer.error is None else "error"
    true = lesson.compute(SEEDS[0], turned=convention.inputs_first) or {}
    if isinstance(found, str):
        return _NOTHING
    shaped = all(found[name].shape == np.shape(true[name]) or found[name].size == np.size(true[name]) == 1
                 for name in true)  # fmt: skip
    several = answers.get(identify(lesson, convention, n_several(convention), SEEDS[0]))
    named = find_mistake(lesson, [found], convention, pairs=False) is not None
    right = first_wrong(lesson, [found], [true]) is None
    if not right and not named and lesson.name == "initialize_parameters":
        right = is_fair_start(lesson, several, convention)
    return int(right), int(right or named), int(shaped)


def choose(exam: Exam, levels: Levels) -> Convention:
    """Return the convention in which the functions that tell one do best: the courses' own unless another is better.

    Parameters
    ----------
    exam : Exam
    levels : Levels

    Returns
    -------
    Convention
    """
    names = [lesson.name for lesson in exam.lessons]
    telling, rest = [name for name in names if name in TELLING], [name for name in names if name not in TELLING]

    def add(kind: Convention, of: list[str]) -> Level:
        found = [levels[kind.name][name] for name in of]
        return sum(a for a, _, _ in found), sum(b for _, b, _ in found), sum(c for _, _, c in found)

    def may(kind: Convention) -> bool:
        """Tell whether a convention is shown: a start alone shows only all in rows, where nothing speaks against it."""
        better = [name for name in telling if levels[kind.name][name] > levels[STANDARD.name][name]]
        if better != ["initialize_parameters"]:
            return bool(better)
        whole = kind.rows and kind.inputs_first and kind.biases != "column"
        whole = whole and bool(levels[kind.name][better[0]][0])
        return whole and add(kind, rest) >= add(STANDARD, rest)

    def score(kind: Convention) -> tuple[Level, Level]:
        return add(kind, telling), add(kind, rest)

    best = max(filter(may, OTHERS), key=score, default=STANDARD)
    return best if add(best, telling) > add(STANDARD, telling) else STANDARD


def ask_in_others(exam: Exam, answers: Mapping[str, Answer]) -> Answers:
    """Return what the functions answer in all other conventions, but those that did not come back in the courses' own.

    Parameters
    ----------
    exam : Exam
    answers : mapping
        In the courses' own convention.

    Returns
    -------
    Answers
    """
    lost = {
        lesson.name for lesson in exam.lessons
        if (answers[identify(lesson, STANDARD, 1, SEEDS[0])].error or "").startswith("it did not come back")
    }  # fmt: skip
    limits = replace(exam.limits, seconds=min(exam.limits.seconds, _MOST_SECONDS))
    return replace(exam, limits=limits).ask(OTHERS, once=True, without=lost)


def is_fair_start(lesson: Lesson, several: Answer | None, convention: Convention) -> bool:
    """Tell whether a random start is right but for the order of its draws, by one of many weights.

    Shapes and biases must be right, and the weights have the mean, the spread and the tails of the right normal
    distribution.

    Parameters
    ----------
    lesson : Lesson
    several : Answer, or None
    convention : Convention

    Returns
    -------
    bool
    """
    given = None if several is None or several.error else read_result(lesson, several.result, convention)
    right = lesson.compute(SEEDS[0], n_y=n_several(convention)) or {}
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
