"""Functions that are defined already are checked by their source."""

import types

import pytest

from tests.teach.variants import HEAD, RIGHT
from twolayer.errors import DataError
from twolayer.teach import check, check_notebook


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
