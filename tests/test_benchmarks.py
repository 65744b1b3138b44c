"""The benchmark compares results: the times vary, the verdicts follow from them."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks import races
from benchmarks.attributions import exact, make_network
from benchmarks.calls import race_calls
from benchmarks.job import Job, dense
from benchmarks.limits import WORK, Work
from benchmarks.report import draw_ratios, to_markdown, verdict
from benchmarks.rivals.ours import BLACKBOARD, OURS
from benchmarks.rivals.scikit_learn import RIVALS as SCIKIT_LEARN
from benchmarks.rows import ROWS
from benchmarks.timing import run_in_turn, summarize
from twolayer.explain.account import account_for

PNG = b"\x89PNG"


@pytest.fixture
def job():
    X, y, scale = dense(80, 6)
    return Job(X, scale, y, 3, "float64", 0.5, 1)


def run(*arguments):
    return CliRunner().invoke(command.main, [str(argument) for argument in arguments])


@pytest.mark.slow
def test_the_command_writes_record_table_and_pictures(tmp_path, monkeypatch):
    """With the rivals that are installed; a quick run is marked as one."""
    monkeypatch.setattr(command, "find_rivals", lambda: (list(SCIKIT_LEARN), ["PyTorch", "JAX"]))
    rows = "mnist-10-float32,dense-10-float32,side-by-side,memory,scaling"
    done = run("--quick", "--repeats", 1, "--threads", 1, "--rows", rows, "--out", tmp_path)
    record = json.loads((tmp_path / "benchmarks.json").read_text())

    assert done.exit_code == 0, done.output
    assert record["quick"]
    assert "MISS" not in done.output
    assert "the same result" in done.output
    assert [name for name, row in record["rows"].items() if not row["same_cost"]] == []
    assert record["rows"]["mnist-10-float32"]["best_rival"].startswith("scikit-learn")
    assert "not a measurement" in (tmp_path / "benchmarks.md").read_text()
    assert "PyTorch is not installed" in done.stderr
    assert (tmp_path / "benchmarks.png").read_bytes()[:4] == (tmp_path / "scaling.png").read_bytes()[:4] == PNG


@pytest.mark.slow
def test_calls_and_tables_are_raced_too(tmp_path):
    """Probabilities, a step, and whole processes on a table; each contestant comes to the same, or to the accuracy."""
    pytest.importorskip("pandas")
    rows = "partial-fit,predict-one,small-8,table-csv,table-predict"
    done = run("--quick", "--repeats", 1, "--threads", 1, "--rows", rows, "--out", tmp_path)
    record = json.loads((tmp_path / "benchmarks.json").read_text())["rows"]

    assert done.exit_code == 0, done.output
    assert [name for name, row in record.items() if not row["same_cost"]] == []
    assert {row["best_rival"] for name, row in record.items() if name.startswith("table")} == {"scikit-learn"}


def test_calls_that_return_other_numbers_fail_the_row():
    """Within 1e-4: a time without the same result is worth nothing."""
    calls = {"twolayer": lambda: np.array([0.5]), "near": lambda: np.array([0.50001]), "far": lambda: np.array([0.6])}
    row = race_calls(calls, 3, 2, 1)

    assert {name: facts["same_cost"] for name, facts in row["contestants"].items()} == {
        "twolayer": True, "near": True, "far": False,
    }  # fmt: skip
    assert not row["same_cost"]


def test_products_of_a_row_are_those_of_both_directions():
    """Of samples, features that are not zero, units and outputs; twice."""
    work = Work(100, 10, 5, 2, nonzero=0.5)

    assert work.products == 2 * (100 * 5 * 5 + 100 * 5 * 2)
    assert work.n_bytes == 4000
    assert set(WORK) <= set(ROWS)


@pytest.mark.parametrize("method", ["gradients", "shapley"])
def test_attributions_are_judged_by_their_definition(method):
    """The path in 200 points, or all subsets: ours are within 1e-8 of it, another baseline's are not."""
    view, x, baseline = make_network(6, 4)
    true = exact(view, x, baseline, f"twolayer, {method}")

    assert np.abs(account_for(view, x[None], baseline[None], method).shares[0, 0] - true).max() < 1e-8
    assert np.abs(account_for(view, x[None], x[None] / 2, method).shares[0, 0] - true).max() > 1e-3
    assert exact(*make_network(15, 2), "twolayer, shapley") is None


class Cheat:
    """A rival that makes one step less."""

    name = "cheat"

    def does(self, job):
        """Do the square loss."""
        return job.loss == "square"

    def prepare(self, job):
        """Let the blackboard train, and stop it early."""
        train = BLACKBOARD.prepare(job)
        return lambda n_iter: train(max(1, n_iter - 1))


def test_a_rival_with_another_result_fails_the_row(tmp_path, monkeypatch):
    """Loudly, with exit code 1: a time without the same result is worth nothing."""
    monkeypatch.setattr(command, "find_rivals", lambda: ([Cheat()], []))
    done = run("--quick", "--repeats", 1, "--rows", "mnist-10-float64", "--out", tmp_path)

    assert done.exit_code == 1
    assert "FAILED: not the same result" in done.stdout


def test_an_unknown_row_is_reported(tmp_path):
    """With the list of rows, and nothing is run."""
    done = run("--rows", "mnist-10-float32,moon", "--out", tmp_path / "none")

    assert done.exit_code == 2
    assert "no row 'moon': choose from mnist-10-float32" in done.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("rival", SCIKIT_LEARN, ids=lambda rival: rival.name)
def test_scikit_learn_does_the_same_work(job, rival):
    """From the same start, so many iterations, the same parameters as ours with the log loss; again on a second run."""
    job = Job(**{**vars(job), "loss": "log"})
    ours, theirs = OURS.prepare(job), rival.prepare(job)

    for n_iter in (7, 3):
        expected = ours(n_iter)
        for name, value in theirs(n_iter).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_all_that_are_installed_do_the_same_work(tmp_path):
    """In a process of its own, as JAX's threads forbid any later fork: each reaches the blackboard's cost to 1e-9."""
    rows = "mnist-10-float64,dense-10-float32"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--repeats", "1", "--rows", rows, "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = json.loads((tmp_path / "benchmarks.json").read_text())["rows"].values()

    assert done.returncode == 0, done.stderr
    for row in rows:
        names = {name.partition(",")[0] for name in row["contestants"]}
        installed = {name for name, library in (("PyTorch", "torch"), ("JAX", "jax")) if find_spec(library)}
        assert names == {"twolayer", "NumPy", "scikit-learn", *installed}


def test_a_folder_that_cannot_be_created_is_reported_before_anything_runs(tmp_path):
    """Not after minutes of measuring."""
    (tmp_path / "file").write_text("")
    done = run("--out", tmp_path / "file" / "folder")

    assert done.exit_code == 2
    assert "Choose another --out." in done.stderr


def test_a_library_that_is_not_there_is_no_rival(monkeypatch):
    """Its name is reported, and the others race."""
    monkeypatch.setattr(races, "RIVALS", {"scikit-learn": "scikit_learn", "Nonesuch": "nonesuch"})
    monkeypatch.delitem(sys.modules, "benchmarks.rivals.nonesuch", raising=False)

    rivals, missing = races.find_rivals()

    assert [rival.name for rival in rivals] == [rival.name for rival in SCIKIT_LEARN]
    assert missing == ["Nonesuch"]


def measured(ratio, *, same_cost=True):
    facts = {"median_ms": 1.0, "min_ms": 1.0, "max_ms": 1.0}
    rival = {**facts, "median_ms": ratio or 0.0, "cost": 0.1, "prepare_seconds": 1.0, "ratio": ratio or 0.0}
    return {
        "contestants": {"twolayer": facts, "Rival": rival},
        "same_cost": same_cost,
        "best_rival": "Rival" if ratio else None,
        "ours_ms": 1.0,
        "ratio": ratio,
    }


@pytest.mark.parametrize(
    ("ratio", "expected"), [(4.9, "MISS"), (5.0, "target"), (8.0, "stretch"), (None, "no rival installed")]
)
def test_a_verdict_compares_with_the_targets(ratio, expected):
    """The target, and the stretch goal."""
    assert verdict(ROWS["mnist-10-float32"], measured(ratio)) == expected


def test_memory_is_better_the_less_it_is():
    """The target is at most two copies, the stretch goal at most one."""
    for copies, expected in ((2.5, "MISS"), (2.0, "target"), (0.4, "stretch")):
        assert verdict(ROWS["memory"], {"ours_copies": copies, "ratio": None, "same_cost": True}) == expected


def test_a_row_that_failed_or_was_not_measured_says_so():
    """No ratio makes up for another result."""
    assert verdict(ROWS["mnist-10-float32"], measured(99.0, same_cost=False)).startswith("FAILED")
    assert verdict(ROWS["process-torch"], None) == "not measured"


def test_the_table_shows_hits_misses_and_what_is_missing():
    """One line per row, with both times, the ratio, the target and the stretch goal."""
    machine = {"date": "2026-01-01", "processor": "P", "processors_usable": 2, "kernel": "avx2", "system": "S",
               "python": "3", "versions": {"jax": None}, "blas": ["b"]}  # fmt: skip
    rows = {"mnist-10-float32": measured(6.0), "mnist-10-float64": measured(1.0), "process-torch": None}
    record = {"machine": machine, "quick": False, "repeats": 5, "threads": 2, "rows": rows, "scaling": None}

    table = to_markdown(record)

    assert "| MNIST 0-1, n_h = 10, float32 | 1.00 ms | Rival 6.00 ms | 6.00 | 5 | 8 | target |" in table
    assert "| MNIST 0-1, n_h = 10, float64 | 1.00 ms | Rival 1.00 ms | 1.00 | 4 | 6 | MISS |" in table
    assert "| - | - | - | 5 | 8 | not measured |" in table
    assert "jax not installed" in table
    assert draw_ratios(record)[:4] == PNG


def test_tasks_run_in_turn_after_one_run_that_does_not_count():
    """So that a machine that drifts drifts for all."""
    order = []
    times = run_in_turn({name: lambda name=name: order.append(name) for name in "ab"}, 2)

    assert "".join(order) == "ababab"
    assert [len(each) for each in times.values()] == [2, 2]
    summary = summarize([0.1, 0.3, 0.2], 10)
    assert [summary[key] for key in ("median_ms", "min_ms", "max_ms")] == pytest.approx([20.0, 10.0, 30.0])
    assert summary["all_ms"] == pytest.approx([10.0, 30.0, 20.0])


def test_the_documented_figures_are_those_of_the_record():
    """Not retyped, not improved: the page shows the table that the record gives."""
    docs = Path(__file__).parents[1] / "docs"
    table = to_markdown(json.loads((docs / "benchmarks" / "benchmarks.json").read_text()))
    summary = table[table.index("\n\n") + 2 : table.index("\n\n", table.index("|---"))]

    assert (docs / "benchmarks" / "benchmarks.md").read_text() == table
    assert summary in (docs / "performance.md").read_text()
