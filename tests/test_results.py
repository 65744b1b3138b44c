"""The page of results reports what was measured, misses included."""

import json
import types
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import results
from benchmarks.large import make_npy

DOCS = Path(__file__).parents[1] / "docs"


def constant(label):
    """Return a classifier that predicts one class for every sample."""
    return types.SimpleNamespace(predict=lambda X: np.full(len(X), label))


@pytest.fixture
def one_row(monkeypatch):
    """Measure one row of two contestants, with errors of 25 % and 75 % in each run."""
    part = (np.zeros((4, 1)), np.array([0, 0, 0, 1]), np.zeros((4, 1)), np.array([0, 0, 0, 1]))
    fits = {results.OURS: lambda *_: constant(0), "other": lambda *_: constant(1)}
    row = results.Row("a row", lambda quick: [part] * (1 if quick else 3), fits, "as they are", 20.0, rival_runs=1)
    monkeypatch.setattr(results, "ROWS", {"row": row})
    return row


def test_errors_are_those_of_the_test_samples(one_row):
    """In percent, one per run; the others have as many runs as they are allowed."""
    measured = results.measure(one_row, quick=False)

    assert measured[results.OURS]["errors"] == [25.0] * 3
    assert measured["other"]["errors"] == [75.0]
    assert all(seconds >= 0 for seconds in measured["other"]["seconds"])


@pytest.mark.usefixtures("one_row")
def test_the_page_names_a_miss_and_a_quick_run(tmp_path):
    """A missed target is reported; quick figures are marked as not a measurement; rows already there stay."""
    out = tmp_path / "page.md"
    ended = CliRunner().invoke(results.main, ["--quick", "--rows", "row", "--out", str(out)])

    assert ended.exit_code == 0, ended.output
    assert "MISSED" in out.read_text()
    assert "not a measurement" in out.read_text()
    assert "| other | 75.00 | 1 |" in out.read_text()
    assert json.loads(out.with_suffix(".json").read_text())["rows"]["row"]["other"]["errors"] == [75.0]


def test_an_unknown_row_is_reported():
    """With the list of rows."""
    ended = CliRunner().invoke(results.main, ["--rows", "frob"])

    assert ended.exit_code == 2
    assert "no row 'frob'" in ended.output


def test_a_falling_rate_continues_from_the_last_part():
    """As many passes as all parts together, each from where the last one ended."""
    X = np.random.default_rng(0).standard_normal((60, 3))
    y = (X[:, 0] > 0).astype(int)
    fit = results._falling(((1e-2, 2), (1e-3, 3)), n_hidden=4, loss="log")

    network = fit(X, y, 0)
    alone = results._falling(((1e-2, 2),), n_hidden=4, loss="log")(X, y, 0)

    assert network.history_[0].cost == pytest.approx(alone.loss_)
    assert (network.n_iter_, network.learning_rate) == (3, 1e-3)


def test_the_published_page_is_what_was_measured():
    """`docs/results.md` comes from the record beside it, and from that of the tables, where they have been measured."""
    record, page = json.loads((DOCS / "results.json").read_text()), DOCS / "results.md"

    assert page.read_text() == results.to_markdown(record, results.read_tables(page))
    assert not record["quick"]


def test_only_the_page_is_written_where_no_row_is_asked_for(tmp_path):
    """Figures and machine stay those of the record."""
    for name in ("results.md", "results.json"):
        (tmp_path / name).write_bytes((DOCS / name).read_bytes())
    ended = CliRunner().invoke(results.main, ["--rows", "", "--out", str(tmp_path / "results.md")])

    assert ended.exit_code == 0, ended.output
    assert (tmp_path / "results.json").read_bytes() == (DOCS / "results.json").read_bytes()
    assert "Real tables" not in (tmp_path / "results.md").read_text()


def test_the_large_file_has_the_labels_of_its_plane(tmp_path):
    """Each block as many as it should be, the last one shorter."""
    path = make_npy(tmp_path, 50_100)

    X, y = np.load(path, mmap_mode="r"), np.load(tmp_path / "y.npy")
    assert (X.shape, y.shape, X.dtype) == ((50_100, 100), (50_100,), np.float32)
    side = np.linalg.lstsq(X[:2000].astype(float), y[:2000] - 0.5, rcond=None)[0]
    assert ((X[:2000] @ side > 0) == y[:2000]).mean() > 0.95
