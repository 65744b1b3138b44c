"""Right code is called right, wrong code is called wrong where it is, and the mistake has its name."""

from functools import cache

import pytest

from tests.teach.variants import HEAD, RIGHT, TWO, WRONG, Variant
from twolayer.errors import SettingError
from twolayer.teach.lessons import COURSES
from twolayer.teach.marking import Mark, check_submission
from twolayer.teach.submission import take_apart


@cache
def mark_all(variants: tuple[Variant, ...]) -> dict[Variant, Mark]:
    """Return the mark of each variant; those of different functions share a submission, and so a process."""
    marks: dict[Variant, Mark] = {}
    rest = list(variants)
    while rest:
        chosen: dict[str, Variant] = {}
        for each in rest:
            if each.course == rest[0].course:
                chosen.setdefault(each.function, each)
        found = check_submission(take_apart("s", [HEAD, *(each.source for each in chosen.values())]), rest[0].course)
        by_name = {mark.name: mark for mark in found.functions}
        lessons = {lesson.name: lesson for lesson in COURSES[rest[0].course]}
        for each in chosen.values():
            names = (each.function, *lessons[each.function].aliases)
            marks[each] = next(by_name[name] for name in names if name in by_name)
        rest = [each for each in rest if each not in marks]
    return marks


def halves(variants: list[Variant]) -> tuple[tuple[Variant, ...], tuple[Variant, ...]]:
    """Return every other variant, and the rest."""
    return tuple(variants[::2]), tuple(variants[1::2])


@pytest.mark.parametrize("half", [0, 1])
def test_no_right_code_is_accused(half):
    """However unusual; what would break with more outputs is said."""
    for variant, mark in mark_all(halves(RIGHT)[half]).items():
        assert mark.verdict == "right", (variant.source, mark)
    notes = {mark.message for mark in mark_all(halves(RIGHT)[half]).values()}
    assert notes <= {"Right.", "Right, for one output; with several it would not be."}


@pytest.mark.parametrize("half", [0, 1])
def test_mistakes_are_found_where_they_are_and_named(half):
    """All are found and placed; nine of ten have their name."""
    named = 0
    marks = mark_all(halves(WRONG)[half])
    for variant, mark in marks.items():
        assert mark.verdict == "wrong", (variant.source, mark)
        assert mark.quantity is not None, (variant.source, mark)
        named += mark.mistake in variant.mistakes
        if mark.mistake in variant.mistakes:
            assert mark.quantity == variant.quantity, (variant.source, mark)
            assert len(mark.hints) == 3
    assert named >= 0.9 * len(marks), [(v.source, m.mistake) for v, m in marks.items() if m.mistake not in v.mistakes]


def test_two_mistakes_at_once_are_named():
    """Six of ten at least."""
    marks = mark_all(tuple(TWO))
    named = [set((mark.mistake or "").split(" + ")) == set(variant.mistakes) for variant, mark in marks.items()]

    assert all(mark.verdict == "wrong" for mark in marks.values())
    assert sum(named) >= 0.6 * len(named)


def test_what_is_unknown_is_said_to_be():
    """With the first wrong quantity, and how far off it is."""
    source = "def compute_cost(A2, Y):\n    return 0.123 + np.sum(np.cos(A2))\n"
    (mark,) = check_submission(take_apart("s", [HEAD, source]), "homework2", "compute_cost").functions

    assert (mark.verdict, mark.quantity, mark.mistake) == ("wrong", "cost", None)
    assert "Wrong from cost on (relative error" in mark.message


def test_an_early_mistake_is_not_held_against_later_functions():
    """A wrong sigmoid costs only itself."""
    sources = [HEAD, "def sigmoid(x):\n    return x\n", *(v.source for v in RIGHT if v.course == "homework2")]
    found = check_submission(take_apart("s", sources[:2] + sources[2:]), "homework2")
    verdicts = {mark.name: mark.verdict for mark in found.functions}
    assert set(verdicts.values()) == {"right"}  # the last sigmoid is the right one
    found = check_submission(take_apart("s", [*sources[2:], sources[1], HEAD]), "homework2")
    verdicts = {mark.name: mark.verdict for mark in found.functions}
    assert {name for name, verdict in verdicts.items() if verdict != "right"} == {"sigmoid"}
    assert (found.points, found.most_points) == (85.0, 90.0)


def test_a_course_is_known_by_its_functions():
    """And must be one that there is; so must a function that is asked for alone."""
    planar = take_apart("s", [HEAD, "def layer_sizes(X, Y):\n    return 1, 4, 1\n"])
    assert check_submission(planar).course == "planar"
    assert check_submission(take_apart("s", [HEAD])).course == "homework2"
    with pytest.raises(SettingError, match="must be auto, homework2 or planar"):
        check_submission(planar, "biology")
    with pytest.raises(SettingError, match="must be a function of the course"):
        check_submission(planar, "planar", "train_loop")
