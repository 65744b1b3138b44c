"""Samples for a model that is trained already."""

import json

import numpy as np
import pytest

from twolayer import cli, load
from twolayer.errors import DataError
from twolayer.using import open_samples


@pytest.fixture
def people(tmp_path, monkeypatch):
    """Return the path of a table, a model trained on it in the folder `run`."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    age = random.integers(18, 80, 200)
    rich = np.where(age + random.normal(0, 9, 200) > 50, "yes", "no")
    lines = [f"p{k:03},{a},{r}" for k, (a, r) in enumerate(zip(age, rich, strict=True))]
    (tmp_path / "people.csv").write_text("\n".join(["name,age,rich", *lines]) + "\n")
    assert cli.run(["train", "people.csv", "--target", "rich", "--out", "run", "--quiet", "--no-pictures"]) == 0
    return "people.csv"


def test_the_rows_held_out_are_found_again(people):
    """Where labels are needed, those of the training's own data; all rows of any other."""
    model = load("run/model.safetensors")
    held, table = open_samples(model, people, labelled=True)
    rest, _ = open_samples(model, people, part="train", labelled=True)
    everything, whole = open_samples(model, people)

    assert (held.X.shape[0], rest.X.shape[0], everything.X.shape[0], table) == (40, 160, 200, None)
    assert whole.n_rows == 200
    assert (model.predict(held.X) == held.y).mean() > 0.7


def test_evaluate_counts_the_errors_that_train_printed(people, capfd):
    """Of the rows that were held out."""
    capfd.readouterr()
    assert cli.run(["train", people, "--target", "rich", "--quiet", "--no-pictures", "--seed", "3", "--json"]) == 0
    trained = json.loads(capfd.readouterr().out)
    assert cli.run(["evaluate", trained["run"], people, "--json"]) == 0
    evaluated = json.loads(capfd.readouterr().out)
    assert (evaluated["errors"], evaluated["samples"]) == (trained["test_errors"], trained["test_samples"])


@pytest.mark.usefixtures("people")
def test_predictions_stand_beside_the_columns_that_are_no_features(tmp_path):
    """As CSV and as Parquet, the same; new columns in any order are fine."""
    import duckdb

    (tmp_path / "new.csv").write_text("rich,age,name\n?,20,x\nno,75,y\n,,z\n")
    assert cli.run(["predict", "run/model.safetensors", "new.csv", "--out", "p.csv"]) == 0
    assert cli.run(["predict", "run/model.safetensors", "new.csv", "--out", "p.parquet"]) == 0

    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "rich,name,prediction,share_no,share_yes"
    assert [line.split(",")[1:3] for line in lines[1:3]] == [["x", "no"], ["y", "yes"]]
    rows = duckdb.execute("SELECT name, prediction FROM 'p.parquet'").fetchall()
    assert [list(row) for row in rows] == [line.split(",")[1:3] for line in lines[1:]]


def test_a_frame_is_predicted_as_the_file_it_came_from(people):
    """A model of a table takes pandas and polars frames and mappings."""
    import pandas as pd
    import polars as pl

    model = load("run/model.safetensors")
    frame = pd.read_csv(people)
    expected = model.predict_proba(open_samples(model, people)[0].X)

    for data in (frame, pl.DataFrame({name: frame[name].tolist() for name in frame}), frame.to_dict("list")):
        np.testing.assert_array_equal(expected, model.predict_proba(data))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("name,rich\nx,no\n", "no column 'age', which the model needs"),
        ("name,age\nx,old\ny,3\n", "'age' of new.csv holds text .'old'. where the model takes numbers"),
        ("name,age\nx,2020-01-01\n", "'age' of new.csv holds dates"),
    ],
)
@pytest.mark.usefixtures("people")
def test_new_data_of_another_kind_is_told(tmp_path, content, sentence):
    """The column is named."""
    (tmp_path / "new.csv").write_text(content)
    with pytest.raises(DataError, match=sentence):
        open_samples(load("run/model.safetensors"), "new.csv")


def test_a_table_for_a_model_of_images_and_the_reverse_are_told(people, small_model):
    """In a sentence each."""
    with pytest.raises(DataError, match="not a table"):
        open_samples(small_model, people)
    with pytest.raises(DataError, match="columns of a table"):
        open_samples(load("run/model.safetensors"), "digits")


def test_a_part_that_is_not_there_is_told(people, tmp_path):
    """Another file than that of the training has one part."""
    (tmp_path / "other.csv").write_text((tmp_path / people).read_text())
    with pytest.raises(DataError, match="no test part"):
        open_samples(load("run/model.safetensors"), "other.csv", part="test", labelled=True)
