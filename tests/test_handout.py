"""The handout and its solution run from top to bottom: the one asks for answers, the other has every printed figure."""

import io
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from twolayer.teach.handout import make_handout, to_json
from twolayer.teach.marking import check_file


def run(notebook, *, stop):
    """Run a notebook, and return the texts that its cells print; an error stops it, or costs only its cell."""
    found = nbformat.reads(to_json(notebook).decode(), 4)
    NotebookClient(found, timeout=120, allow_errors=not stop).execute()
    outputs = (output for cell in found.cells if cell.cell_type == "code" for output in cell.outputs)
    return io.StringIO("".join(output.get("text", "") for output in outputs)).getvalue()


@pytest.mark.slow
def test_the_solution_has_every_printed_figure():
    """Each function is right, and so are the numbers beside the code."""
    text = run(make_handout(solution=True), stop=True)

    assert "207 of the 207 printed numbers agree." in text
    assert text.count("right      Right") == 9
    for number in ("2 10 1", "1.03386644", "0.5239053069310721", "0.00551946", "1.03381124"):
        assert number in text
    assert "Epoch 9: Loss = 0.53974373839253" in text


@pytest.mark.slow
def test_the_handout_runs_with_its_blanks():
    """Each check says that they are still empty."""
    text = run(make_handout(), stop=False)

    assert text.count("untouched") == 9
    assert "of the 207 printed numbers agree." in text


def test_the_handout_is_a_valid_notebook():
    """And the check knows its blanks."""
    for solution in (False, True):
        nbformat.validate(nbformat.reads(to_json(make_handout(solution=solution)).decode(), 4))
    sources = ["".join(cell["source"]) for cell in make_handout()["cells"] if cell["cell_type"] == "code"]
    assert sum("### Code start here ###" in source for source in sources) == 9
    assert not any(re.search(r"here ###\n.*\S.*\n    ### End", source) for source in sources)


def test_the_command_writes_both(call, refused, tmp_path, monkeypatch):
    """What was filled in is never written over; the check gives no points for blanks, and all for the solution."""
    monkeypatch.chdir(tmp_path)
    assert call("homework", "new/folder") == (0, "The notebook is new/folder/homework2.ipynb.\n", "")
    assert call("homework", "new/folder", "--solution")[0] == 0

    assert "perhaps with answers in it" in refused("homework", "new/folder")
    assert json.loads(Path("new/folder/homework2.ipynb").read_text())["nbformat"] == 4
    verdicts = [mark.verdict for mark in check_file(Path("new/folder/homework2.ipynb")).functions]
    assert verdicts.count("untouched") == 9
    assert check_file(Path("new/folder/homework2-solution.ipynb")).points == 90
