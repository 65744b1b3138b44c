"""Functions that are defined already are checked by their source."""

import types

import numpy as np
import pytest

from tests.teach.variants import HEAD, RIGHT
from twolayer.errors import DataError
from twolayer.teach import assert_right, check, check_notebook


def test_a_module_is_checked(tmp_path):
    """As its file would be."""
    (tmp_path / "work.py").write_text(HEAD + "".join(v.source for v in RIGHT if v.course == "homework2"))
    module = types.ModuleType("work")
    exec(compile((tmp_path / "work.py").read_text(), str(tmp_path / "work.py"), "exec"), vars(module))

    marks = check(module)
    assert (marks.course, marks.points) == ("homework2", 90.0)


def compute_cost(A2, Y):
    return ((A2 - Y) ** 2).sum() / Y.shape[1]


def test_a_notebook_asks_for_what_is_defined_in_it(capsys):
    """By its own names; as much is told as is asked for."""
    check_notebook("homework2", hint=3)
    out = capsys.readouterr().out

    assert "the factor 1/2 is missing" in out
    assert "It should be cost = np.sum((A2 - Y) ** 2) / (2 * m)" in out


def test_without_functions_there_is_nothing_to_check():
    """One sentence."""
    with pytest.raises(DataError, match="No function was found"):
        check({"x": 3, "len": len})


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_test_can_demand_that_a_function_is_right():
    """Of those that are given, or that are defined where it is asked for; a mistake is named as far as is allowed."""
    with pytest.raises(AssertionError, match=r"^compute_cost: cost: the factor 1/2 is missing\.$"):
        assert_right("compute_cost")
    with pytest.raises(AssertionError, match=r"^compute_cost: Look at cost\.$"):
        assert_right("compute_cost", hint=1)
    with pytest.raises(AssertionError, match=r"^predict: There is no function predict\.$"):
        assert_right("predict", {"sigmoid": sigmoid})
    assert_right("sigmoid", {"sigmoid": sigmoid})
