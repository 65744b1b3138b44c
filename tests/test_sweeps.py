"""A sweep trains each point once, keeps what it knows, and has the same numbers whichever way it runs."""

import json
from pathlib import Path

import numpy as np
import pytest

import twolayer
from twolayer.errors import DataError, SettingError
from twolayer.fit import to_dataset
from twolayer.sweeps import MOST_TRAININGS, RESULTS_FILE, Store, _units_in_use, make_points, run_points, summarize

PLAIN = {"recipe": "none", "max_iter": 20}
GRID = {"n_hidden": [2, 5], "learning_rate": [0.1, 1.0]}


@pytest.fixture(scope="module")
def samples():
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 4))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


def numbers(records):
    """Return what does not depend on the machine."""
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def assert_alike(one, other):
    """Assert that records are the same, figures but for rounding."""
    for a, b in zip(numbers(one), numbers(other), strict=True):
        assert a.pop("log_loss") == pytest.approx(b.pop("log_loss"), rel=1e-6)
        assert a == b


def test_points_are_all_combinations():
    """Of settings, seeds and folds, each once; one alone where nothing differs."""
    points = make_points(GRID, n_seeds=3, n_folds=2)

    assert len(points) == len({point.key for point in points}) == 2 * 2 * 3 * 2
    assert {dict(point.changes)["random_state"] for point in points} == {0, 1, 2}
    assert len(make_points({})) == 1
    assert len(make_points({"n_hidden": [5, 5]})) == 1
    assert len(make_points({"random_state": [7, 8]}, n_seeds=5)) == 2


def test_side_by_side_alone_and_in_processes_are_the_same(samples):
    """Networks together, one by one, and in two processes."""
    together = twolayer.sweep(*samples, GRID, seeds=2, **PLAIN)
    apart = [twolayer.sweep(*samples, {name: [record[name]] for name in (*GRID, "random_state")}, **PLAIN)[0]
             for record in together]  # fmt: skip
    processes = twolayer.sweep(*samples, GRID, seeds=2, jobs=2, **PLAIN)

    assert len(together) == 8
    assert_alike(together, apart)
    assert_alike(together, processes)


def test_a_record_is_that_of_a_training(samples):
    """Trained on four fifths, judged by the rest."""
    from twolayer.data.split import hold_out

    X, y = samples
    (record,) = twolayer.sweep(X, y, {"n_hidden": [3]}, **PLAIN)
    rest, out = hold_out(y.astype(np.int32), 0.2, 0)
    model, result = twolayer.fit_model(X[rest], y[rest], n_hidden=3, n_threads=1, **PLAIN)

    assert record["accuracy"] == (model.predict(X[out]) == y[out]).mean()
    assert record["train_accuracy"] == result.train_correct / result.n_train
    assert (record["iterations"], record["status"]) == (result.n_iter, str(result.status))


def test_cross_validation_judges_by_each_sample_once(samples):
    """Folds differ, and what the recipe chooses can be swept, too."""
    records = twolayer.sweep(*samples, {"recipe": ["quick"]}, cv=4)

    assert [record["fold"] for record in records] == [0, 1, 2, 3]
    assert np.mean([record["accuracy"] for record in records]) > 0.85


def test_what_is_known_is_not_computed_twice(samples, tmp_path):
    """A sweep that was killed goes on; a torn last line is computed again, and damaged ones are."""
    whole = twolayer.sweep(*samples, GRID, folder=tmp_path, **PLAIN)
    path = tmp_path / RESULTS_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4

    path.write_bytes(lines[0] + b"no json\n" + lines[1] + lines[2][:20])
    computed = []
    points = make_points(GRID)
    dataset = twolayer.fit.to_dataset(*samples)
    found = run_points(points, lambda _: dataset, {"n_threads": 1, **PLAIN}, store=Store(tmp_path),
                       on_result=lambda n, record: computed.append((n, record["n_hidden"])))  # fmt: skip
    assert [n for n, _ in computed] == [3, 4]
    assert_alike(found, whole)
    assert len(Store(tmp_path).read()) == 4
    assert_alike(twolayer.sweep(*samples, GRID, folder=tmp_path, **PLAIN), whole)


def test_a_budget_trains_the_better_half_again(samples, tmp_path):
    """Drawn choices, within the budget; the best was trained most often, and the same command again trains nothing."""
    grid = {"n_hidden": "2..8", "learning_rate": "0.001..3"}
    arguments = {"seeds": 3, "draws": 8, "budget": 13, "folder": tmp_path, **PLAIN}
    records = twolayer.sweep(*samples, grid, **arguments)
    found = summarize(records, list(grid))

    assert len(records) == 13
    assert [each.n for each in found] == [3, 2, 2, 2, 1, 1, 1, 1]
    assert all(2 <= record["n_hidden"] <= 8 and 0.001 <= record["learning_rate"] <= 3 for record in records)
    before = (tmp_path / RESULTS_FILE).read_bytes()
    assert twolayer.sweep(*samples, grid, **arguments) == records
    assert (tmp_path / RESULTS_FILE).read_bytes() == before


def test_units_in_use_are_those_that_move_the_logits(samples):
    """From one to all of them; twins count once each, and a unit that is switched off does not."""
    (record,) = twolayer.sweep(*samples, {"n_hidden": [5]}, **PLAIN)
    start = {
        "W1": np.ones((4, 4)),
        "b1": np.zeros((4, 1)),
        "W2": np.array([[1.0, 1.0, 1.0, 0.0]]),
        "b2": np.zeros((1, 1)),
    }
    dataset = to_dataset(*samples)

    assert 1 <= record["units_in_use"] <= 5
    assert _units_in_use(twolayer.Model(start, (0, 1), (4,)), dataset) == pytest.approx(3)


def test_a_summary_is_over_seeds_and_folds(samples):
    """Mean and spread, the most accurate first."""
    records = twolayer.sweep(*samples, GRID, seeds=3, **PLAIN)
    found = summarize(records, list(GRID))

    assert [each.n for each in found] == [3] * 4
    assert [each.accuracy for each in found] == sorted((each.accuracy for each in found), reverse=True)
    best = [r["accuracy"] for r in records if {name: r[name] for name in GRID} == found[0].settings]
    assert found[0].accuracy == pytest.approx(np.mean(best))
    assert found[0].spread == pytest.approx(np.std(best, ddof=1))


def test_what_cannot_be_swept_is_told(samples):
    """One sentence each."""
    for grid, more, sentence in (
        ({"colour": [1]}, {}, "There is no setting `colour`"),
        ({"n_hidden": [0]}, {}, "`n_hidden` must be"),
        ({"n_hidden": []}, {}, "this grid has 0"),
        ({"n_hidden": range(1, 1001), "l2": [k / 999 for k in range(101)]}, {}, f"to {MOST_TRAININGS:,} trainings"),
        ({}, {"seeds": 0}, "`seeds` must be"),
        ({}, {"cv": 2.5}, "`cv` must be"),
    ):
        with pytest.raises(SettingError, match=sentence):
            twolayer.sweep(*samples, grid, **more)
    with pytest.raises(SettingError):
        twolayer.sweep(*samples, {}, solver="magic")


def test_the_command_ends_with_a_table_and_the_best_run(call, refused, tmp_path, monkeypatch):
    """The same command again computes nothing; a TOML file says the same as options."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}" for a, b in random.normal(size=(200, 2))]
    Path("table.csv").write_text("\n".join(["a,b,y", *rows]))
    options = (
        "table.csv",
        "--target",
        "y",
        "--recipe",
        "none",
        "--iterations",
        "20",
        "--hidden",
        "2,4",
        "--seeds",
        "2",
    )

    code, out, err = call("sweep", *options)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == [
        "n",
        "hidden",
        "accuracy",
        "training",
        "units",
        "in",
        "use",
        "trainings",
        "s",
        "each",
    ]
    assert "is the run sweeps/table.csv-" in out
    record = json.loads(call("sweep", *options, "--json")[1])
    assert len(record["trainings"]) == 4
    assert record["best_run"].endswith("best-2")
    assert call("predict", record["best_run"], "table.csv")[0] == 0
    (folder,) = Path("sweeps").iterdir()
    assert (folder / "sweep.png").stat().st_size > 10_000
    assert len((folder / RESULTS_FILE).read_text().splitlines()) == 4

    Path("grid.toml").write_text('recipe = "none"\nmax_iter = 20\nn_hidden = [2, 4]\n')
    again = json.loads(call("sweep", *options[:3], "--grid", "grid.toml", "--seeds", "2", "--out", "o", "--json")[1])
    assert_alike(again["trainings"], record["trainings"])
    Path("wrong.toml").write_text("n_hidden = [2,")
    assert "is no TOML" in refused("sweep", *options[:3], "--grid", "wrong.toml")
    Path("odd.toml").write_text("colour = [2, 3]")
    assert "There is no setting" in refused("sweep", *options[:3], "--grid", "odd.toml")
    assert "--hidden must be" in refused("sweep", *options[:3], "--hidden", "2,x")
    assert "--jobs must be" in refused("sweep", *options[:3], "--jobs", "0")


def test_data_that_memory_does_not_hold_are_told(tmp_path):
    """A sentence, not a crash; nor is a folder that cannot be made."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="choose another one"):
        Store(tmp_path / "file" / "folder")
