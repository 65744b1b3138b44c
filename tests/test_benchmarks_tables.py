"""The benchmark on tables measures what it says, uses what is known, and shows both groups of tables."""

import json
from unittest.mock import patch

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis.extra.numpy import arrays
from scipy.stats import friedmanchisquare
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks import fetch_tables, results
from benchmarks.tables import __main__ as command
from benchmarks.tables.board import Board, covering
from benchmarks.tables.folder import MANIFEST, TARGET, Table, find_tables
from benchmarks.tables.measure import fit_and_score
from benchmarks.tables.methods import METHODS, Method, add_variant
from benchmarks.tables.pictures import _alike, _overlap, _place
from benchmarks.tables.records import FIGURES, OURS, RECORDED, TITLES, TUNED_ON, read_results
from benchmarks.tables.report import PAGE_FILE, RANKS_FILE, RESULTS_FILE, SECONDS_FILE, load, to_markdown
from benchmarks.tables.scores import score
from twolayer.errors import DataError, FileFormatError, SettingError

TUNED, JUDGED = "vehicle", "pond"  # one of TUNED_ON, and one that is not


def make_table(n=90):
    """Return numbers with a gap, categories with a gap, and three classes that both tell."""
    random = np.random.default_rng(0)
    y = np.arange(n) % 3
    size, colour = y + random.normal(0, 0.4, n), np.array(["red", "green", "blue"])[(y + (random.random(n) < 0.1)) % 3]
    table = pd.DataFrame({"size": size, "colour": colour.astype(object), TARGET: np.array(["c", "a", "b"])[y]})
    table.loc[5, "size"], table.loc[7, "colour"] = np.nan, None
    return table


def result(table, split, method, error=10.0, **more):
    return {"table": table, "split": split, "method": method, **dict.fromkeys(FIGURES, 0.5), "error": error, **more}


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two tables, of which a rival's results are known."""
    data = tmp_path / "data"
    data.mkdir()
    for name in (TUNED, JUDGED):
        make_table().to_parquet(data / f"{name}.parquet", index=False)
    listed = [{"name": name, "rows": 90, "columns": 2, "classes": 3} for name in (TUNED, "gone", JUDGED)]
    (data / MANIFEST).write_text(json.dumps(listed))
    known = [result(name, split, "xgb", 20.0) for name in (TUNED, JUDGED) for split in (0, 1)]
    known += [result(JUDGED, 0, "catboost", 5.0)]
    (data / RECORDED).write_text("".join(json.dumps(each) + "\n" for each in known))
    return data


@pytest.fixture
def constant(monkeypatch):
    """Let two methods predict the same for all rows, and two not be installed; return what has been prepared."""
    prepared = []

    def predicting(name, probabilities):
        def prepare(train, _, n_threads):
            prepared.append((name, len(train), n_threads))
            return lambda: lambda frame: np.tile(probabilities, (len(frame), 1))

        return Method(prepare)

    monkeypatch.setitem(METHODS, OURS, predicting(OURS, [0.5, 0.3, 0.2]))
    monkeypatch.setitem(METHODS, "lr", predicting("lr", [0.2, 0.2, 0.6]))
    for name in ("xgb", "catboost"):
        monkeypatch.setitem(METHODS, name, Method(None, "nonesuch", "nonesuch"))
    return prepared


def run(data, out, *arguments, methods=f"{OURS},lr,xgb,catboost"):
    arguments = ["--data", data, "--out", out, "--splits", 2, *arguments, *(["--methods", methods] if methods else [])]
    return CliRunner().invoke(command.main, [str(argument) for argument in arguments])


def test_results_page_and_pictures_are_written(folder, constant, tmp_path):
    """Both groups and all tables, recorded results beside measured ones, and a method with few results apart."""
    out = tmp_path / "out"
    done = run(folder, out, "--threads", 3, "--note", "On a quiet machine.")
    page = (out / PAGE_FILE).read_text()

    assert done.exit_code == 0, done.output
    assert len(constant) == 8
    assert set(constant) == {(OURS, 72, 3), ("lr", 72, 3)}
    assert f"tuned on {TUNED}; it is judged by {JUDGED}." in page
    for title in (
        "Tables judged by** (1 table, 2 splits)",
        "Tables tuned on** (1 table",
        "All tables** (2 tables, 4 s",
    ):
        assert title in page
    assert "| XGBoost | **20.00** |" in page
    assert "| CatBoost | 1 | 1 | 5.00 (66.67) |" in page
    assert "Recorded earlier, not in this run: XGBoost, CatBoost." in page
    assert "On a quiet machine." in page
    assert "3 threads" in page
    for name in (RANKS_FILE, SECONDS_FILE):
        assert (out / name).read_bytes()[:4] == b"\x89PNG"
    assert page == to_markdown(*load(out))


def test_what_is_known_is_not_measured_again(folder, constant, tmp_path):
    """A second call goes on with what the first one left; what is recorded stays unless `--again`."""
    out = tmp_path / "out"
    run(folder, out, "--splits", 1)
    constant.clear()
    again = run(folder, out)
    measured = [name for name, *_ in constant]
    constant.clear()
    METHODS["xgb"] = METHODS["lr"]
    run(folder, out, "--again")

    assert "4 results" in again.stderr
    assert sorted(measured) == ["lr", "lr", OURS, OURS]
    assert [name for name, *_ in constant] == ["lr"] * 4  # in the place of xgb
    last = {(r["table"], r["split"], r["method"]): r for r in read_results(out / RESULTS_FILE)}
    assert "recorded" not in last[JUDGED, 0, "xgb"]
    assert last[JUDGED, 0, "catboost"]["recorded"]


@pytest.mark.usefixtures("constant")
def test_a_method_that_fails_is_reported_and_the_others_go_on(folder, monkeypatch, tmp_path):
    """The exit code is 1, and the method has no result: probabilities that are not numbers are none."""
    monkeypatch.setitem(METHODS, "lr", Method(lambda *_: lambda: lambda frame: np.full((len(frame), 3), np.nan)))
    done = run(folder, tmp_path / "out", "--splits", 1)

    assert done.exit_code == 1
    assert f"{TUNED}, split 0, LogisticRegression FAILED: ValueError: it predicts probabilities that" in done.stderr
    assert {r["method"] for r in read_results(tmp_path / "out" / RESULTS_FILE)} == {OURS, "xgb", "catboost"}


@pytest.mark.usefixtures("constant")
def test_what_is_not_there_is_answered_by_a_sentence(folder, tmp_path):
    """A folder, a table, a method, a library, an output folder; nothing is written."""
    (tmp_path / "file").write_text("")
    out = tmp_path / "out"
    for arguments, sentence in (
        ((tmp_path / "moon", out), "There is no folder"),
        ((tmp_path, out), f"has no {MANIFEST}, the list of its tables"),
        ((folder, out, "--tables", "moon"), f"no table 'moon': choose from {TUNED}, {JUDGED}."),
        ((folder, tmp_path / "file" / "out"), "cannot be created"),
    ):
        done = run(*arguments)
        assert done.exit_code == 2, done.output
        assert sentence in done.stderr
    for methods, sentence in (("moon", "There is no method 'moon'"), ("", "There is no method ''")):
        assert sentence in CliRunner().invoke(command.main, ["--data", str(folder), "--methods", methods]).stderr
    assert not out.exists()
    (folder / RECORDED).unlink()
    done = run(folder, out, methods="xgb")
    assert "XGBoost is not installed: pip install nonesuch, or '.[tables]' for all methods." in done.stderr
    assert done.exit_code == 2


def test_a_damaged_folder_is_reported(folder):
    """A bad manifest, a file that is not Parquet, no target or one with gaps, classes of one row, bad lines."""
    table = find_tables(folder)[0]
    frame = table.read()
    with pytest.raises(DataError, match="leave out classes of few rows"):
        table.split(frame.assign(**{TARGET: ["one", *frame[TARGET][1:]]}), 0)
    frame.rename(columns={TARGET: "class"}).to_parquet(table.path)
    with pytest.raises(DataError, match=r"no column 'target': rename .* it has size, colour, class"):
        table.read()
    frame.assign(**{TARGET: [None, *frame[TARGET][1:]]}).to_parquet(table.path)
    with pytest.raises(DataError, match="rows without a target"):
        table.read()
    table.path.write_text("size,colour")
    with pytest.raises(FileFormatError, match="write it again as Parquet"):
        table.read()
    (folder / RECORDED).write_text(json.dumps(result("a", 0, "lr")) + "\n" + '{"table": "a"}\n')
    with pytest.raises(FileFormatError, match=r"Line 2 of .* is not a result"):
        read_results(folder / RECORDED)
    (folder / MANIFEST).write_text('["moon"]')
    with pytest.raises(FileFormatError, match="is not a list of tables"):
        find_tables(folder)


def test_a_split_is_of_each_class_and_of_bounded_size(tmp_path):
    """80 % to learn from, at most 6,000, and at most 5,000 to test on; no row is in both."""
    table, frame = Table("t", tmp_path, {}), make_table(30_000)
    train, test = table.split(frame, 1)
    small_train, small_test = table.split(frame[:90], 1)

    assert (len(train), len(test)) == (6000, 5000)
    assert not set(train.index) & set(test.index)
    assert (len(small_train), len(small_test)) == (72, 18)
    assert small_test[TARGET].value_counts().tolist() == [6, 6, 6]
    assert not table.split(frame[:90], 2)[1].equals(small_test)


@given(arrays(float, (20, 3), elements=st.floats(0.01, 1)), arrays(int, 20, elements=st.integers(0, 2)))
def test_figures_are_those_of_scikit_learn(weights, codes):
    """Error, log loss, mean area of one against the rest; the calibration error is that of its definition."""
    codes[:3] = 0, 1, 2
    P = weights / weights.sum(axis=1, keepdims=True)
    figures = score(P, codes)
    confidence, correct = P.max(axis=1), P.argmax(axis=1) == codes
    gaps = []
    for low in np.arange(15) / 15:
        inside = (confidence >= low) & (confidence < low + 1 / 15)
        gaps.append(inside.sum() * abs(confidence[inside].mean() - correct[inside].mean()) if inside.any() else 0)

    assert figures["error"] == pytest.approx(100 * (P.argmax(axis=1) != codes).mean())
    assert figures["logloss"] == pytest.approx(log_loss(codes, P, labels=range(3)), rel=1e-5)
    assert figures["auc"] == pytest.approx(100 * roc_auc_score(codes, P, multi_class="ovr"))
    assert figures["ece"] == pytest.approx(100 * sum(gaps) / 20, abs=1e-3) or abs(confidence * 15 % 1).min() < 1e-6


def test_certain_predictions_have_bounded_figures():
    """A right one has no error and no calibration error, a wrong one a finite log loss."""
    right, wrong = score(np.eye(2)[[0, 1]], np.array([0, 1])), score(np.eye(2)[[1, 0]], np.array([0, 1]))

    assert [right[name] for name in ("error", "auc")] == [0, 100]
    assert right["ece"] == pytest.approx(0, abs=1e-4)
    assert wrong["logloss"] == pytest.approx(-np.log(1e-7), rel=1e-6)


@pytest.mark.parametrize("method", [name for name in METHODS if not name.startswith("realmlp")])
def test_each_method_learns_a_table(method, tmp_path):
    """Numbers, categories and missing values go in; the columns that come out are the classes in order."""
    if not METHODS[method].is_installed:
        pytest.skip("not installed")
    train, test = Table("t", tmp_path, {}).split(make_table(240), 0)
    figures = fit_and_score(METHODS[method], train, test, 1)

    assert set(figures) == set(FIGURES)
    assert figures["error"] < 30
    assert figures["seconds"] > 0


def test_a_variant_is_twolayer_with_settings(tmp_path):
    """Each as on the command line; a wrong one is told."""
    train, test = Table("t", tmp_path, {}).split(make_table(240), 0)
    with patch.dict(METHODS):
        name = add_variant("members=1 n_hidden=3")
        assert name == "twolayer members=1 n_hidden=3"
        assert fit_and_score(METHODS[name], train, test, 1)["error"] < 30
        with pytest.raises(SettingError, match="`n_hidden` must be"):
            add_variant("n_hidden=many")


def test_recorded_results_are_reproduced():
    """By the same splits, treatments, seeds and figures; here those of scikit-learn's digits."""
    digits = fetch_tables.to_table(fetch_tables.SOURCES["digits"])
    train, test = Table("digits", None, {}).split(digits, 0)
    lr, rf = (fit_and_score(METHODS[method], train, test, 1) for method in ("lr", "rf"))

    assert [lr[name] for name in FIGURES[:4]] == pytest.approx([3.61111, 0.09738, 99.93369, 2.44294], rel=0.02)
    assert [rf[name] for name in FIGURES[:4]] == pytest.approx([1.94444, 0.30421, 99.90321, 20.24725], rel=0.02)


def test_means_are_over_the_splits_that_all_methods_have():
    """A table with none in common is left out; a method must be on every table to be compared on all."""
    some = [result("a", 0, "x", 1.0), result("a", 1, "x", 3.0), result("a", 0, "y", 2.0), result("b", 0, "x", 4.0)]
    board = Board.of(some, ["a", "b"], ["x", "y"])

    assert (board.tables, board.runs) == (("a",), (1,))
    assert board.mean("error").tolist() == [1.0, 2.0]
    assert Board.of(some, ["a", "b"], ["x"]).mean("error").tolist() == [3.0]
    assert covering(some, ["a", "b"], ["x", "y"]) == ["x"]
    assert board.only(["b"]).tables == ()


def board_of(errors):
    some = [result(f"t{i}", 0, f"m{j}", float(e)) for i, row in enumerate(errors) for j, e in enumerate(row)]
    return Board.of(some, [f"t{i}" for i in range(len(errors))], [f"m{j}" for j in range(len(errors[0]))])


@given(arrays(int, (5, 4), elements=st.integers(0, 3)))
def test_ranks_and_duels_agree(errors):
    """Ranks add up; a mean rank is what its duels say; Friedman's statistic follows from the mean ranks."""
    board = board_of(errors)
    ranks = board.ranks("error")
    duels = [[board.duel("error", f"m{i}", f"m{j}") for j in range(4)] for i in range(4)]

    assert ranks.sum() == pytest.approx(10)
    for i in range(4):
        assert (duels[i][i].equal, duels[i][i].p) == (5, 1.0)
        worse = sum(duels[i][j].worse + duels[i][j].equal / 2 for j in range(4) if j != i)
        assert ranks[i] == pytest.approx(1 + worse / 5)
    if all(len(set(row)) == 4 for row in errors.tolist()):
        expected = 12 * 5 / (4 * 5) * ((ranks - 2.5) ** 2).sum()
        assert friedmanchisquare(*errors.T).statistic == pytest.approx(expected)


def test_the_sign_test_and_the_critical_difference_are_those_of_the_books():
    """Five of five: 2 / 32. Nemenyi's difference for 4 methods on 14 tables: q = 2.569 at 5 %."""
    board = board_of([[1, 2, 3, 4]] * 14)

    assert board_of([[1, 2]] * 5).duel("error", "m0", "m1").p == pytest.approx(1 / 16)
    assert board.critical_difference() == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), rel=1e-3)


def test_bars_join_the_longest_runs_of_ranks_that_are_close():
    """None within another, none of one rank alone."""
    assert _alike(np.array([1.0, 1.5, 2.2, 5.0]), 1.0) == [(0, 1), (1, 2)]
    assert _alike(np.array([1.0, 1.5, 2.0]), 1.0) == [(0, 2)]
    assert _alike(np.array([1.0, 3.0]), 1.0) == []


def test_names_of_points_that_lie_close_do_not_hide_each_other():
    """They go to different sides, and stay within the picture."""
    assert len(set(_place(np.array([[0.5, 0.5], [0.52, 0.5]]), [10, 10]))) == 2
    assert _place(np.array([[0.99, 0.99]]), [10]) == [(False, False)]
    assert _overlap((0, 2, 0, 2), (1, 3, 1, 4)) == 1


def test_each_method_has_a_name():
    """And the tables tuned on are every other one of a list, each once."""
    assert list(TITLES) == list(METHODS)
    assert len(set(TUNED_ON)) == 12


@pytest.mark.usefixtures("constant")
def test_the_page_of_results_begins_with_the_tables(folder, tmp_path):
    """Where they were measured, with their pictures and a link to the whole page."""
    page = tmp_path / "results.md"
    assert results.read_tables(page) == []
    run(folder, tmp_path / results.TABLES)
    lines = results.read_tables(page)

    assert lines[1] == "## Real tables, with nothing set"
    assert f"![mean ranks]({results.TABLES}/{RANKS_FILE})" in lines
    assert f"]({results.TABLES}/{PAGE_FILE})." in lines[-1]
