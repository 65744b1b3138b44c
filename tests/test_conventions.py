"""Arrays go from the courses' layout to any other, and come back the same."""

import numpy as np
import pytest

from twolayer import course
from twolayer.teach.conventions import (
    CONVENTIONS,
    OTHERS,
    STANDARD,
    in_convention,
    rewrite,
    to_convention,
    to_standard,
)
from twolayer.teach.lessons import COURSES, make_parameters

LESSONS = {lesson.name: lesson for lesson in COURSES["homework2"]}


def values():
    """Return arrays of all kinds, with one output."""
    forward = LESSONS["forward_propagation"].compute(0)
    grads = LESSONS["back_propagation"].compute(0)
    v = make_parameters(0)
    return {**{name: v[name] for name in ("X", "Y", "W1", "b1", "W2", "b2")}, **forward, **grads}


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
def test_there_and_back_nothing_changes(convention):
    """To the last bit and shape, dictionaries included."""
    given = {**values(), "inner": values(), "n_h": 3}
    back = to_standard("", to_convention("", given, convention), convention)

    for name in values():
        np.testing.assert_array_equal(back[name], given[name])
        np.testing.assert_array_equal(back["inner"][name], given[name])
    assert back["n_h"] == 3


def test_shapes_are_those_that_are_told():
    """Of rows, of flat labels and of flat biases."""
    given = values()
    rows = to_convention("", given, CONVENTIONS["rows"])
    flat = to_convention("", given, CONVENTIONS["rows, flat outputs and W2"])

    assert rows["X"].shape == given["X"].shape[::-1]
    assert (rows["b1"].shape, rows["Y"].shape) == ((1, given["b1"].size), (given["Y"].size, 1))
    assert (flat["b1"].shape, flat["W2"].shape, flat["A2"].shape) == (
        (given["b1"].size,), (given["W2"].size,), (given["A2"].size,),
    )  # fmt: skip
    assert "W1 (n_x, n_h), b1 (n_h,), Y (m,)" in CONVENTIONS["rows, flat outputs and W2"].title


def test_what_is_of_another_shape_stays_wrong():
    """A flat answer among tables, a table among flat ones, a flat gradient of a table."""
    A2 = values()["A2"]
    flat, rows = CONVENTIONS["rows, flat outputs and W2"], CONVENTIONS["rows"]

    assert to_standard("A2", A2.ravel(), rows).shape != A2.shape
    for name in ("A2", "Y", "W2"):
        assert to_standard(name, A2.T, flat).ndim > 2
    assert to_standard("dW2", A2.ravel(), rows).ndim > 2
    assert to_standard("b1", np.ones((3, 1)), CONVENTIONS["rows"]).shape == (1, 3)


@pytest.mark.parametrize("convention", OTHERS, ids=lambda each: each.name)
def test_a_course_works_in_any_convention(convention):
    """A gradient by wrapped functions is the course's own."""
    v = values()
    parameters = {name: v[name] for name in ("W1", "b1", "W2", "b2")}
    X, Y, own = (to_convention(name, value, convention) for name, value in
                 (("X", v["X"]), ("Y", v["Y"]), ("parameters", parameters)))  # fmt: skip
    forward, back, predict = (
        in_convention(each, convention.name)
        for each in (course.forward_propagation, course.back_propagation, course.predict)
    )
    A2, cache = forward(X, own)
    grads = back(X, Y, parameters=own, cache=cache)

    np.testing.assert_allclose(to_standard("A2", A2, convention), v["A2"])
    for name in ("dW1", "db1", "dW2", "db2"):
        np.testing.assert_allclose(to_standard(name, grads[name], convention), v[name])
    assert predict(X, own).shape == Y.shape


def test_formulas_are_rewritten():
    """Products, axes and shapes; those of the courses stay."""
    assert rewrite("dW1 = dZ1 @ X.T", STANDARD) == "dW1 = dZ1 @ X.T"
    assert rewrite("m = Y.shape[1]; sum(dZ1, axis=1)", CONVENTIONS["rows"]) == "m = Y.shape[0]; sum(dZ1, axis=0)"
    assert rewrite("(W2.T @ dZ2)", CONVENTIONS["columns, inputs first"]) == "(W2 @ dZ2)"
    assert rewrite("Z1 = W1 @ X + b1", CONVENTIONS["rows, outputs first, column biases"]) == "Z1 = X @ W1.T + b1.T"
    assert rewrite("zeros((n_h, 1))", CONVENTIONS["rows, flat labels"]) == "zeros((1, n_h))"
