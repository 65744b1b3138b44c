"""What a function returned is read by quantity, and compared with what a lesson or a mistake gives."""

import numpy as np
import pytest

from twolayer.teach.conventions import CONVENTIONS
from twolayer.teach.lessons import COURSES
from twolayer.teach.returned import SEEDS, find_mistake, first_wrong, read_result, relative_error

LESSONS = {lesson.name: lesson for lesson in COURSES["homework2"]}


def array(value):
    """Return an array as the sandbox encodes it."""
    value = np.asarray(value, dtype=float)
    return {"kind": "array", "shape": list(value.shape), "values": value.ravel().tolist(), "type": "float64"}


@pytest.mark.parametrize(
    ("name", "result", "sentence"),
    [
        ("sigmoid", {"kind": "none"}, "returns nothing"),
        ("sigmoid", {"kind": "other", "text": "str"}, "returns a str"),
        ("sigmoid", {"kind": "tuple", "items": []}, "several values"),
        ("neural_network_structure", array([1, 2]), "must return 3 values"),
        ("forward_propagation", array(1), "A2 and the cache"),
        ("forward_propagation", {"kind": "tuple", "items": [{"kind": "dict", "items": {}}, array(1)]},
         "A2 comes first"),
        ("forward_propagation", {"kind": "tuple", "items": [array(1), {"kind": "dict", "items": {}}]}, "lacks Z1"),
        ("forward_propagation", {"kind": "tuple", "items": [array(1), {"kind": "dict", "items": {
            name: array(2) for name in ("Z1", "A1", "Z2", "A2")}}]}, "A2 in the cache is another one"),
        ("back_propagation", array(1), "must return a dictionary of dW2"),
        ("update_parameters", {"kind": "dict", "items": {"W1": array(1)}}, "lacks b1"),
        ("update_parameters", {"kind": "dict", "items": {name: {"kind": "none"} for name in ("W1", "b1", "W2", "b2")}},
         "W1 is not an array"),
    ],
)  # fmt: skip
def test_another_form_is_told(name, result, sentence):
    """One sentence each."""
    assert sentence in read_result(LESSONS[name], result)


def test_numbers_are_read_from_their_convention():
    """Rows are turned into columns."""
    v = LESSONS["forward_propagation"].compute(0)
    items = [array(v["A2"].T), {"kind": "dict", "items": {name: array(value.T) for name, value in v.items()}}]
    found = read_result(LESSONS["forward_propagation"], {"kind": "tuple", "items": items}, CONVENTIONS["rows"])

    assert first_wrong(LESSONS["forward_propagation"], [found], [v]) is None


def test_a_mistake_is_found_by_its_numbers():
    """One edit, or two if asked for; none of what is unknown."""
    lesson = LESSONS["back_propagation"]
    one, two = lesson.edits[0], next(edit for edit in lesson.edits if edit.step == "dW1")
    outputs = [lesson.compute(seed, (one, two)) for seed in SEEDS]

    assert find_mistake(lesson, [lesson.compute(seed, (one,)) for seed in SEEDS]) == (one,)
    assert find_mistake(lesson, outputs) == (one, two)
    assert find_mistake(lesson, outputs, pairs=False) is None
    assert find_mistake(lesson, [{**each, "dW2": each["dW2"] + 0.123} for each in outputs], pairs=False) is None


def test_a_relative_error_needs_equal_shapes():
    """Else there is none."""
    assert relative_error(np.ones(3), np.ones(3)) == 0
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.zeros(3), np.ones(3)) == 1
    assert relative_error(None, np.ones(3)) is None
    assert relative_error(np.ones(2), np.ones(3)) is None
