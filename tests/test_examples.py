"""The examples work: with the graders themselves where these are installed, and without them as far as that goes."""

import csv
import importlib.util
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest

from tests.teach.variants import COST, HEAD, RIGHT
from twolayer.teach.handout import make_handout, to_json

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = re.findall(r"def test_(\w+)", (EXAMPLES / "otter/tests/homework2.py").read_text())


def needs(module):
    """Return the mark of a test that runs a grader: minutes with all of Jupyter, in processes of their own."""
    there = importlib.util.find_spec(module) is not None
    return [pytest.mark.slow, pytest.mark.skipif(not there, reason=f"{module} is not installed: pip install .[teach]")]


def run(*command):
    """Run a grader, which is beside this Python, and return what it prints."""
    program = (
        [sys.executable, command[0]] if command[0].endswith(".py") else [Path(sys.executable).with_name(command[0])]
    )
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ended = subprocess.run([*program, *command[1:]], capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture
def example(tmp_path, monkeypatch, request):
    """Return a copy of an example's folder, to work in."""
    folder = Path(shutil.copytree(EXAMPLES / request.param, tmp_path / request.param))
    monkeypatch.chdir(folder)
    return folder


def solved(change=("", "")):
    """Return the solution as a notebook, with a mistake."""
    return to_json(make_handout(solution=True)).decode().replace(*change)


@pytest.mark.parametrize("example", ["otter"], indirect=True)
def test_the_tests_of_otter_ask_twolayer(example, monkeypatch):
    """Each passes for a right function, and says of a wrong one what is wrong; without Otter-Grader."""
    monkeypatch.setitem(sys.modules, "otter", types.ModuleType("otter"))
    stand_in = types.SimpleNamespace(test_case=lambda **_: lambda function: function)
    monkeypatch.setitem(sys.modules, "otter.test_files", stand_in)
    tests = runpy.run_path(str(example / "tests/homework2.py"))
    own = {v.function: v.source for v in reversed(RIGHT) if v.course == "homework2"}
    (example / "own.py").write_text(HEAD + "".join(own.values()).replace(COST, COST.replace("(2*m)", "m")))
    environment = runpy.run_path("own.py")

    assert len(NAMES) == 10
    for name in NAMES:
        if name == "computer_cost":
            with pytest.raises(AssertionError, match="computer_cost: cost: the factor 1/2 is missing"):
                tests[f"test_{name}"](environment)
        else:
            tests[f"test_{name}"](environment)


@pytest.mark.parametrize("example", [pytest.param("otter", marks=needs("otter"))], indirect=True)
def test_otter_grades_a_notebook(example):
    """All pass for the solution, and one does not for a mistake, with its name."""
    (example / "good.ipynb").write_text(solved())
    (example / "bad.ipynb").write_text(solved(("(2 * m)", "m")))

    assert "All tests passed!" in run("otter", "check", "good.ipynb", "--tests-path", "tests")
    text = run("otter", "check", "bad.ipynb", "--tests-path", "tests")
    assert text.count("Test case failed") == 1
    assert "cost: the factor 1/2 is missing." in text


@pytest.mark.parametrize("example", ["nbgrader"], indirect=True)
def test_the_source_for_nbgrader_is_a_notebook_with_its_marks(example):
    """Nine tests of ten points, nine answers between marks, each with a name of its own; without nbgrader."""
    run("make_source.py")
    notebook = nbformat.read(example / "source/homework2/homework2.ipynb", as_version=4)
    nbformat.validate(notebook)
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    points = [cell.metadata.nbgrader.points for cell in marked if cell.metadata.nbgrader.grade]

    assert points == [10] * 9
    assert sum("### BEGIN SOLUTION" in cell.source and "### END SOLUTION" in cell.source for cell in marked) == 9
    assert len({cell.metadata.nbgrader.grade_id for cell in marked}) == len(marked) == 18


@pytest.mark.parametrize("example", [pytest.param("nbgrader", marks=needs("nbgrader"))], indirect=True)
def test_nbgrader_releases_grades_and_exports(example):
    """No points for blanks, all for the solution, ten less for a mistake, which is named in what is handed back."""
    run("make_source.py")
    run("nbgrader", "generate_assignment", "homework2")
    blank = json.loads((example / "release/homework2/homework2.ipynb").read_text())
    source = json.loads((example / "source/homework2/homework2.ipynb").read_text())
    text = json.dumps(fill(blank, source))
    for who, content in {"ada": json.dumps(blank), "ben": text, "cyd": text.replace("(2 * m)", "m")}.items():
        path = example / "submitted" / who / "homework2/homework2.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(content)
    run("nbgrader", "autograde", "homework2")
    run("nbgrader", "export")

    rows = csv.DictReader(Path("grades.csv").read_text().splitlines())
    assert {row["student_id"]: float(row["score"]) for row in rows} == {"ada": 0, "ben": 90, "cyd": 80}
    assert "the factor 1/2 is missing" in Path("autograded/cyd/homework2/homework2.ipynb").read_text()
    assert "Its blanks are still empty" in Path("autograded/ada/homework2/homework2.ipynb").read_text()


def fill(blank, source):
    """Return a released notebook with the answers of its source."""
    cells = [
        {**cell, "source": [line for line in whole["source"] if "SOLUTION" not in line]}
        if "answer" in str(cell["metadata"]) else cell
        for cell, whole in zip(blank["cells"], source["cells"], strict=True)
    ]  # fmt: skip
    return {**blank, "cells": cells}
