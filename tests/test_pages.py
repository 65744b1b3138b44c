"""Marks are told as far as is asked for: as lines, as a page, and as the table of a class."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.browser import look, needs_chromium
from tests.teach.variants import HEAD, RIGHT, WRONG
from twolayer.errors import SettingError
from twolayer.teach.marking import Mark, Marks
from twolayer.teach.pages import say, to_csv, to_lines, to_page

BACK = Mark(
    "back",
    "6",
    "wrong",
    "dZ1",
    "slope-missing",
    "dZ1: it is <missing>.",
    ("Look at dZ1.", "dZ1: it is <missing>.", "dZ1 = ..."),
)
GOOD = Mark("predict", "9", "right", None, None, "Right.")
MARKS = Marks("homework2", (BACK, GOOD), 10.0, 20.0, 4)


def test_a_hint_tells_as_much_as_it_should():
    """Where, which term, the formula."""
    assert [say(BACK, hint) for hint in (1, 2, 3)] == [
        "Look at dZ1.", "dZ1: it is <missing>.", "dZ1: it is <missing>. It should be dZ1 = ...",
    ]  # fmt: skip
    assert say(GOOD, 1) == "Right."
    with pytest.raises(SettingError, match="must be 1, 2 or 3"):
        say(BACK, 4)


def test_lines_page_and_table_say_the_same():
    """And a page takes nothing for HTML that is none."""
    assert "10 of 20 points (homework2)." in to_lines(MARKS)
    page = to_page("me.py", MARKS, 2)
    assert "it is &lt;missing&gt;" in page
    assert "<script" not in page
    rows = list(csv.DictReader(io.StringIO(to_csv({"me": MARKS, "you": "It is no notebook."}))))
    assert [row["points"] for row in rows] == ["10", "0"]
    assert (rows[0]["exercise 6"], rows[0]["exercise 9"]) == ("slope-missing", "right")
    assert rows[1]["note"] == "It is no notebook."


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_browser_shows_the_page(tmp_path, dark):
    """Nothing is asked for, and axe-core finds nothing wrong."""
    (tmp_path / "me.html").write_text(to_page("me.py", MARKS, 3))

    assert look(tmp_path / "me.html", dark=dark) == {"violations": [], "requests": [], "errors": [], "pictures": []}


def source(variants):
    """Return a script of the variants of the assignment."""
    return HEAD + "".join(v.source for v in variants if v.course == "homework2")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("class").mkdir()
    Path("class/good.py").write_text(source(RIGHT))
    Path("class/bad.py").write_text(source([*RIGHT, WRONG[0]]))
    Path("class/loop.py").write_text(source(RIGHT) + "\ndef predict(X, parameters):\n    while True: pass\n")
    Path("class/odd.ipynb").write_text("{")
    Path("empty").mkdir()
    return tmp_path


def test_the_command_checks_one_or_a_class(call, folder):
    """A page each, a row each; one student's endless loop or damaged file is theirs alone."""
    assert call("check", "class/good.py")[0] == 0
    code, out, err = call("check", "class/bad.py", "--json", "--html", "out/bad.html")
    record = json.loads(out)
    assert (code, err) == (1, "")
    assert (record["course"], record["points"], record["of"]) == ("homework2", 80.0, 90.0)
    found = {each["name"]: each for each in record["functions"]}["back_propogation"]
    assert (found["verdict"], found["quantity"], found["mistake"], len(found["hints"])) == (
        "wrong",
        "dZ2",
        "1/m-missing",
        3,
    )
    assert "1/m is missing" in (folder / "out/bad.html").read_text()
    assert "Look at dZ2." in call("check", "class/bad.py", "--hint", "1", "--only", "back_propogation")[1]

    code, out, _ = call("check", "class", "--out", "grades.csv", "--html", "pages", "--seconds", "3")
    rows = {row["student"]: row for row in csv.DictReader(Path("grades.csv").read_text().splitlines())}
    assert code == 1
    assert {name: row["points"] for name, row in rows.items()} == {
        "good.py": "90", "bad.py": "80", "loop.py": "80", "odd.ipynb": "0",
    }  # fmt: skip
    assert rows["loop.py"]["exercise 9"] == "error"
    assert sorted(path.name for path in Path("pages").iterdir()) == ["bad.py.html", "good.py.html", "loop.py.html"]


def test_the_command_refuses_in_a_sentence(refused, folder):  # noqa: ARG001
    """An empty folder, a table of one, a file that is none, a function that is none."""
    assert "has no notebook" in refused("check", "empty")
    assert "leave out --out" in refused("check", "class/good.py", "--out", "x.csv")
    assert "it is not JSON" in refused("check", "class/odd.ipynb")
    assert "none.py" in refused("check", "none.py")
    assert "must be a function of the course" in refused("check", "class/good.py", "--only", "fly")
    assert "--seconds must be" in refused("check", "class/good.py", "--seconds", "0")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "It defines none of the functions that are asked for."),
        ("x <- function(a) { a }", "Pieces of it could not be read. It is no valid Python in line 1: invalid syntax."),
        ("def sigmoid(): return 3", "takes 0 positional arguments"),
        ("def predict(X): return X", "takes 1 positional argument but 2 were given"),
        ("def sigmoid(x): print(x)", "It returns nothing: end it with return."),
        ("def sigmoid(x): return 'z' * 10**8", "It returns a str, not what is asked for."),
        ("import sys\ndef sigmoid(x): sys.exit(3)", "It ends the program instead of returning something."),
        ("import os\ndef sigmoid(x): os._exit(0)", "or ended the process"),
        ("def sigmoid(x): yield x", "It returns a generator, not what is asked for."),
        ("import numpy as np\ndef sigmoid(x): return x * np.nan\nprint(3)",
         "1 statement that loads, draws, prints or trains was left out."),
    ],
)  # fmt: skip
def test_odd_submissions_have_a_verdict(call, tmp_path, source, sentence):
    """A sentence each, at every hint, and exit code 1."""
    (tmp_path / "odd.py").write_text(source)
    for hint in ("1", "2", "3"):
        code, out, err = call("check", str(tmp_path / "odd.py"), "--seconds", "3", "--hint", hint)
        assert (code, err) == (1, "")
        assert sentence in out
