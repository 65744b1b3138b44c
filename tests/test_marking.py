"""Right code is called right, wrong code is called wrong where it is, and the mistake has its name."""

from functools import cache

import pytest

from tests.teach import transposed
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


def mark_whole(*sources, course="auto"):
    """Return the marks of a submission."""
    return check_submission(take_apart("s", [HEAD, *sources]), course)


@pytest.mark.parametrize("name", transposed.WHOLE)
def test_a_whole_submission_is_right_in_its_own_convention(name):
    """It is said in which; and so is each of its functions that tells one, alone."""
    whole = transposed.WHOLE[name]
    marks = mark_whole(*whole.values())

    assert {mark.verdict for mark in marks.functions} == {"right"}, marks
    assert marks.convention in (name, name.replace(", flat biases", "")), "a row is taken for flat biases too"
    assert marks.notes[0].startswith("Judged with samples as")
    for function in ("forward_propagation", "back_propagation"):
        (mark,) = [each for each in mark_whole(whole[function]).functions if each.verdict != "missing"]
        assert mark.verdict == "right", (function, mark)


def test_the_planar_course_has_conventions_too():
    """With its tanh and its log loss."""
    marks = mark_whole(*transposed.PLANAR_ROWS.values())

    assert (marks.course, marks.convention) == ("planar", "rows")
    assert {mark.verdict for mark in marks.functions} == {"right"}


@pytest.mark.parametrize("half", [0, 1])
def test_mistakes_are_named_in_every_convention(half):
    """The rest of the submission is right; nine of ten have their name, and formulas are in the convention."""
    named = 0
    variants = halves(transposed.WRONG)[half]
    for variant in variants:
        marks = mark_whole(variant.source)
        (mark,) = [each for each in marks.functions if each.verdict != "right"]
        assert (mark.verdict, mark.quantity) == ("wrong", variant.quantity), (variant.source, mark)
        assert marks.convention != "standard"
        named += mark.mistake in variant.mistakes
    assert named >= 0.9 * len(variants)


def test_two_mistakes_at_once_are_named_in_every_convention():
    """As in the courses' own."""
    for variant in transposed.TWO:
        (mark,) = [each for each in mark_whole(variant.source).functions if each.verdict != "right"]
        assert (mark.verdict, mark.quantity) == ("wrong", variant.quantity)
        assert set((mark.mistake or "").split(" + ")) == set(variant.mistakes), (variant.source, mark)


def test_formulas_are_in_the_convention():
    """As the student would write it."""
    product = next(each for each in transposed.WRONG if "product-transposed" in each.mistakes)
    (mark,) = [each for each in mark_whole(product.source).functions if each.verdict != "right"]
    assert mark.hints[2] == "dW2 = A1.T @ dZ2"


def test_a_function_in_another_convention_than_the_rest_is_not_right():
    """The submission as a whole would not work; it is said that it would be right by itself."""
    base = {v.function: v.source for v in reversed(RIGHT) if v.course == "homework2"}
    for function in ("forward_propagation", "back_propagation", "initialize_parameters", "compute_cost"):
        marks = mark_whole(*{**base, function: transposed.ROWS[function]}.values())
        (mark,) = [each for each in marks.functions if each.verdict != "right"]
        assert marks.convention == "standard"
        assert "With samples as rows" in mark.message
        assert marks.points == 80

    turned = {**transposed.ROWS, "back_propagation": base["back_propagation"]}
    (mark,) = [each for each in mark_whole(*turned.values()).functions if each.verdict != "right"]
    assert "With samples as columns" in mark.message


def test_a_few_functions_alone_tell_no_convention():
    """A cost that takes m from the other axis is wrong; a start all in rows is right, half of one is not."""
    cost = mark_whole(transposed.ROWS["compute_cost"])
    start = mark_whole(transposed.ROWS["initialize_parameters"])
    half = mark_whole(transposed.INPUTS_FIRST["initialize_parameters"])
    sizes = next(v.source for v in RIGHT if v.function == "neural_network_structure")
    against = mark_whole(sizes, transposed.ROWS["initialize_parameters"])

    assert next(m for m in cost.functions if m.name == "compute_cost").mistake == "1/m-missing"
    assert (start.convention, start.points) == ("rows", 10)
    assert (half.convention, half.points) == ("standard", 0)
    assert (against.convention, against.points) == ("standard", 10)
