"""The command line on tables: what is reported, trained, predicted, and refused."""

import io
import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from twolayer import cli, load, save

TRAIN = ("train", "people.csv", "--target", "income", "--ignore", "when,id", "--iterations", 40, "--no-pictures")
PROBABILITIES = ["probability_high", "probability_low"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run each command in a folder of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def people(m=300, seed=0):
    """Return a table with an id, numbers, categories, dates, missing values, and a class that can be learned."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": [f"{k:05}" for k in range(m)],
            "age": random.integers(20, 70, m),
            "pay": random.normal(size=m).round(3),
            "job": random.choice(["baker", "a, b", 'say "x"'], m).astype(object),
            "when": pd.date_range("2020", periods=m).astype(str),
        }
    )
    frame["income"] = np.where(frame["age"] / 50 + frame["pay"] + (frame["job"] == "baker") > 1.3, "low", "high")
    frame.loc[::17, "pay"] = np.nan
    frame.loc[::23, "job"] = None
    return frame


@pytest.fixture
def table(nothing_temporary):  # noqa: ARG001
    """Write the table."""
    people().to_csv("people.csv", index=False)
    return people()


@pytest.fixture
def earner(call, table):  # noqa: ARG001 - which it is made of
    """Return the folder of a run on the table."""
    assert call(*TRAIN, "--out", "earner", "--quiet")[0] == 0
    return "earner"


def train_json(call, *arguments):
    """Train on the table, and return what is printed as JSON."""
    code, out, err = call(*TRAIN, *arguments, "--json", "--quiet")
    assert (code, err) == (0, "")
    return json.loads(out)


def evaluate_json(call, *arguments):
    """Evaluate, and return what is printed as JSON."""
    return json.loads(call("evaluate", *arguments, "--json")[1])


def test_train_on_a_table_shows_what_it_holds(call, table):
    """Each column with its kind, the classes, the notes; then it trains and writes the run."""
    table.assign(always=1).to_csv("people.csv", index=False)
    code, out, err = call(*TRAIN)
    lines = [line.split(maxsplit=2) for line in err.splitlines()]

    files = sorted(name for name in os.listdir("runs/people") if not name.startswith("checkpoint"))
    assert (code, files) == (0, ["history.jsonl", "model.safetensors", "run.json"])
    assert lines[0] == ["column", "kind", "values"]
    kinds = {name: kind for name, kind, _ in lines[1:7]}
    assert [kinds[name] for name in ("age", "pay", "job")] == ["number", "number", "category"]
    assert list(kinds) == ["id", "age", "pay", "job", "when", "always"]
    assert err.splitlines()[7].startswith("people.csv: 240 training samples, 60 test samples; income high (")
    assert "Note: Column 'always'" in err
    assert err.index("column") < err.index("Note: ") < err.index("Network 1 of 8")
    assert "512 hidden units, 1 output" in out
    settings = load("runs/people/model.safetensors").settings
    assert (settings["data"], settings["hold_out"]) == ("people.csv", 0.2)


@pytest.mark.usefixtures("table")
def test_train_on_a_table_in_json(call):
    """The report is in it, and stderr stays empty."""
    record = train_json(call)

    assert (record["test_samples"], record["train_samples"], record["run"]) == (60, 240, str(Path("runs", "people")))
    assert [column["name"] for column in record["report"]["columns"]] == ["id", "age", "pay", "job", "when"]
    assert record["report"]["classes"].keys() == {"high", "low"}


def test_notes_name_options(call):
    """What the library says of a setting is spelled as one types it."""
    frame = pd.DataFrame({"x": np.arange(200) / 7, "y": ["rare"] * 4 + ["common"] * 196})
    frame.to_csv("uneven.csv", index=False)
    _, _, err = call("train", "uneven.csv", "--target", "y", "--no-pictures", "--iterations", 2)

    notes = [line for line in err.splitlines() if line.startswith("Note: ")]
    assert any("--weights" in note for note in notes)
    assert not any("`" in note for note in notes)


@pytest.mark.usefixtures("table")
def test_evaluate_counts_the_rows_held_out(call):
    """As many errors as the training told; all others on request; every row of another file."""
    record = train_json(call, "--seed", 5, "--out", "seeded")
    parts = {part: evaluate_json(call, "seeded", "people.csv", *part) for part in ((), ("--part", "test"))}
    train = evaluate_json(call, "seeded", "people.csv", "--part", "train")
    for same in ("./people.csv", Path("people.csv").resolve()):
        assert evaluate_json(call, "seeded", same)["errors"] == record["test_errors"]
    shutil.copy("people.csv", "others.csv")

    assert parts[()] == parts["--part", "test"]
    assert (parts[()]["samples"], parts[()]["errors"]) == (60, record["test_errors"])
    assert (train["samples"], train["errors"]) == (240, record["train_errors"])
    assert evaluate_json(call, "seeded", "others.csv")["errors"] == record["test_errors"] + record["train_errors"]


def test_what_predictions_are_made_of_is_never_replaced(refused, earner):
    """Neither the table nor the model."""
    people(20).to_csv("new.csv", index=False)
    before = {path: Path(path).read_bytes() for path in ("new.csv", f"{earner}/model.safetensors")}
    for out in before:
        assert "choose another --out" in refused("predict", earner, "new.csv", "--out", out)

    assert {path: Path(path).read_bytes() for path in before} == before


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_predictions_on_a_full_disk(refused, earner, monkeypatch, name):
    """The place is what is told, not the data; nothing half-written stays. While a table is read, room is asked for."""
    people(20).to_csv("new.csv", index=False)
    connect = duckdb.connect

    class Full:
        def __init__(self):
            self._connection = connect()

        def execute(self, query, *more):
            if query.startswith(failing):
                raise duckdb.IOException("IO Error: Could not write file: No space left on device")
            return self._connection.execute(query, *more)

        def __getattr__(self, name):
            return getattr(self._connection, name)

    monkeypatch.setattr(duckdb, "connect", Full)
    sentences = {"COPY": f"Cannot write {name} (No space left on device)", "SELECT": "new.csv"}
    for failing, sentence in sentences.items():  # noqa: B007 - which Full looks at
        assert sentence in refused("predict", earner, "new.csv", "--out", name)
    assert not [each for each in os.listdir() if name in each]


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", None])
def test_a_model_file_is_all_that_predictions_need(call, earner, name):
    """Predictions are those of the model in memory; the columns that it does not use come first."""
    model = load(f"{earner}/model.safetensors")
    Path("alone").mkdir()
    shutil.move(f"{earner}/model.safetensors", "alone")
    new = people(50, seed=1).drop(columns="income")
    new.to_csv("alone/new.csv", index=False)
    shutil.rmtree(earner)
    Path("people.csv").unlink()
    os.chdir("alone")
    code, out, err = call("predict", "model.safetensors", "new.csv", *(() if name is None else ("--out", name)))
    read = pd.read_parquet(name) if name == "p.parquet" else pd.read_csv(name or io.StringIO(out), dtype={"id": str})

    assert (code, err) == (0, "")
    assert sorted(os.listdir()) == sorted({"model.safetensors", "new.csv", name} - {None})
    assert list(read) == ["id", "when", "prediction", *PROBABILITIES]
    assert read["id"].astype(str).tolist() == new["id"].tolist()
    assert read["prediction"].tolist() == model.predict(new).tolist()
    np.testing.assert_allclose(read[PROBABILITIES], model.predict_proba(new), rtol=1e-5, atol=1e-30)


def test_a_model_of_a_table_takes_frames(call, earner, table):
    """Of pandas and polars and as a dict of columns, with the columns in any order and others among them."""
    model = load(f"{earner}/model.safetensors")
    call("predict", earner, "people.csv", "--out", "p.csv")
    expected = pd.read_csv("p.csv")["prediction"].tolist()
    backwards = table[table.columns[::-1]]

    for data in (table, backwards, pl.from_pandas(table), table.to_dict("list"), table[["age", "pay", "job"]]):
        assert model.predict(data).tolist() == expected


def test_columns_named_like_predictions_do_not_clash(call, earner, table):
    """What is there keeps its name."""
    table.assign(prediction=1, probability_low=2, prediction_2=3).to_csv("new.csv", index=False)
    code, out, _ = call("predict", earner, "new.csv")
    kept = ["id", "when", "income", "prediction", "probability_low", "prediction_2"]

    assert code == 0
    assert out.splitlines()[0].split(",") == [*kept, "prediction_3", "probability_high", "probability_low_2"]


def test_predictions_of_a_part_and_in_json(call, earner):
    """With the labels of the part; counted by class."""
    lines = call("predict", earner, "people.csv", "--part", "test")[1].splitlines()
    record = json.loads(call("predict", earner, "people.csv", "--json")[1])

    assert (lines[0].split(","), len(lines)) == (["sample", "prediction", *PROBABILITIES, "label"], 61)
    assert record["samples"] == sum(record["predicted"].values()) == 300


@pytest.mark.parametrize("ending", ["tsv", "jsonl", "query"])
def test_a_table_in_another_form_gives_the_same_model(call, table, ending):
    """But for its name."""
    name = "select * from 'people.parquet' -- all of them" if ending == "query" else f"people.{ending}"
    table.to_csv("people.tsv", index=False, sep="\t")
    table.to_parquet("people.parquet")
    table.to_json("people.jsonl", orient="records", lines=True)
    for source, out in (("people.csv", "a"), (name, "b")):
        assert call("train", source, *TRAIN[2:], "--out", out, "--quiet")[0] == 0
    a, b = load("a/model.safetensors"), load("b/model.safetensors")

    assert a.table == b.table
    for parameter, value in a.parameters.items():
        np.testing.assert_array_equal(value, b.parameters[parameter])
    assert evaluate_json(call, "b", name)["samples"] == 60


def test_options_of_a_table(call, table):
    """The positive class, balanced weights, rows to test on, spellings, an encoding, and a little memory."""
    record = train_json(call, "--positive", "high", "--weights", "balanced", "--hold-out", 0.5, "--out", "a")
    assert load("a/model.safetensors").classes == ("low", "high")
    assert (record["test_samples"], record["settings"]["class_weight"]) == (150, "balanced")

    people(40, seed=2).to_parquet("test.parquet")
    record = train_json(call, "--test", "test.parquet", "--out", "b")
    assert (record["train_samples"], record["test_samples"]) == (300, 40)
    assert evaluate_json(call, "b", "test.parquet")["errors"] == record["test_errors"]
    assert "hold_out" not in record["settings"]

    table.assign(income=table["income"].replace("high", "größer")).to_csv("people.csv", index=False, encoding="latin-1")
    assert "--encoding" in call(*TRAIN)[2]
    assert call(*TRAIN, "--encoding", "latin-1", "--out", "c", "--quiet")[0] == 0
    assert load("c/model.safetensors").classes == ("größer", "low")
    assert call("evaluate", "c", "people.csv", "--encoding", "latin-1")[0] == 0
    assert call("predict", "c", "people.csv", "--encoding", "latin-1", "--out", "c.csv")[0] == 0

    table.loc[3, "income"] = "Low"
    table.to_csv("people.csv", index=False)
    assert "--keep-spellings" in call(*TRAIN)[2]
    assert call(*TRAIN, "--keep-spellings", "--memory", "300MB", "--out", "d", "--quiet")[0] == 0
    assert load("d/model.safetensors").classes == ("Low", "high", "low")


def test_columns_whose_names_have_commas_are_ignored_in_quotes(call, table):
    """As in a line of CSV."""
    table.rename(columns={"id": "number, name", "when": "then"}).to_csv("people.csv", index=False)
    ignored = ("--ignore", 'then, "number, name"', "--ignore", "pay")
    code, out, _ = call("train", "people.csv", "--target", "income", *ignored, "--json", "--quiet", *TRAIN[-3:])

    assert code == 0
    shown = {column["name"]: column["kind"] for column in json.loads(out)["report"]["columns"]}
    assert {name for name, kind in shown.items() if kind == "ignored"} >= {"number, name", "pay", "then"}


@pytest.mark.usefixtures("table")
def test_the_run_of_a_long_query_has_a_name(call):
    """Which is no longer than a file's may be."""
    query = "select * from 'people.csv' where " + " and ".join(f"age <> {k}::INT" for k in range(100, 200))

    assert call("train", query, *TRAIN[2:], "--quiet")[0] == 0
    (name,) = os.listdir("runs")
    assert len(name) <= 80
    assert call("evaluate", f"runs/{name}", query)[0] == 0


def test_the_pictures_of_a_table_are_drawn_again(call, earner):
    """Loss and units, whether the table is still there or not."""
    Path("people.csv").unlink()
    code, out, err = call("plot", earner, "--format", "svg")

    assert (code, err) == (0, "")
    assert out.splitlines() == ["earner/loss.svg", "earner/units.svg"]


def test_class_names_are_printed_as_they_are(call, table):
    """Whatever they would mean to a terminal's library."""
    table.assign(income=table["income"].replace({"high": "[/b]", "low": "[red]x"})).to_csv("people.csv", index=False)
    code, _, err = call(*TRAIN, "--out", "odd")
    out = call("evaluate", "odd", "people.csv")[1]

    assert code == 0
    assert "income [/b] (" in err
    assert ["true", "\\", "predicted", "[/b]", "[red]x"] in [line.split() for line in out.splitlines()]


GOOD = "train people.csv --target income --ignore when,id"
WRONG = {
    "train people.csv": "--target",
    "train people.csv --target nothing": "no column 'nothing'",
    "train people.csv --target income --ignore nothing": "no column 'nothing'",
    "train people.csv --target pay --ignore when": "'pay'",
    "train people.csv --target when": "'when' holds dates",
    "train one.csv --target y": "All samples belong to one class, a",
    "train spellings.csv --target y": "--keep-spellings",
    "train empty.csv --target y": "empty.csv is empty",
    "train header.csv --target y": "header.csv has no rows",
    "train latin.csv --target y": "--encoding",
    "train short.csv --target y": "Line 3 of short.csv has 1 value",
    "train cut.csv.gz --target y": "cut.csv.gz",
    "train cut.parquet --target y": "cut.parquet",
    "train nowhere.csv --target y": "no file nowhere.csv",
    "train nowhere*.csv --target y": "no files like nowhere*.csv",
    "train \"from 'nowhere.csv'\" --target y": "the query cannot be read: ",
    f"{GOOD} --positive middle": "'middle'",
    f"{GOOD} --test mnist": "mnist is not a table",
    f"{GOOD} --test renamed.csv": "renamed.csv has no column 'pay'",
    f"{GOOD} --test people.csv --hold-out 0.5": "--hold-out and --test cannot be used together",
    f"{GOOD} --hold-out 1": "--hold-out must be a number of at least 0 and less than 1",
    f"{GOOD} --memory much": "--memory must be an amount of memory like 800MB",
    f"{GOOD} --encoding ascii": "--encoding must be one of",
    f"{GOOD} --size 0x5": "like 28x28",
    f"{GOOD} --size 3x3": "--size is for images: leave it out for people.csv",
    f"{GOOD} --labels y.npy": "--labels is for an NPY of samples",
    f"{GOOD} --ignore income": "'income'",
    "train digits --encoding utf-16": "--encoding is for tables",
    "predict earner renamed.csv": "renamed.csv has no column 'pay'",
    "predict earner words.csv": "'pay' of words.csv",
    "predict earner header.csv": "header.csv has no rows",
    "predict earner mnist:0,1": "mnist:0,1 cannot be used: the model was trained on the columns of a table",
    "predict earner people.csv --out nowhere/p.csv": "Cannot write nowhere/p.csv",
    "predict earner people.csv --out folder.csv": "folder.csv is a folder",
    "predict model.safetensors people.csv": "trained on samples such as images, not a table",
    "evaluate earner unlabelled.csv": "unlabelled.csv has no column 'income'",
    "evaluate earner unknown.csv": "'middle'",
    "evaluate earner others.csv --part test": "others.csv",
    "plot model.safetensors --data people.csv": "trained on samples such as images, not a table",
}


def write_wrong_tables():
    """Write what the commands above cannot use."""
    frame = people(40)
    tables = {
        "renamed": frame.rename(columns={"pay": "Pay"}),
        "words": frame.assign(pay="much"),
        "unlabelled": frame.drop(columns="income"),
        "unknown": frame.assign(income="middle"),
        "others": frame,
        "one": pd.DataFrame({"x": range(9), "y": "a"}),
        "spellings": pd.DataFrame({"x": range(9), "y": ["Yes", "yes", "no"] * 3}),
    }
    for name, table in tables.items():
        table.to_csv(f"{name}.csv", index=False)
    files = {
        "empty.csv": b"",
        "header.csv": ",".join(frame.columns).encode() + b"\n",
        "short.csv": b"x,y\n1,2\n3\n",
        "latin.csv": "x,y\nü,2\n".encode("latin-1"),
        "cut.csv.gz": b"\x1f\x8b\x08",
        "cut.parquet": b"PAR1" + bytes(30),
    }
    for name, content in files.items():
        Path(name).write_bytes(content)
    Path("folder.csv").mkdir()


@pytest.fixture(scope="module")
def wrong_tables(tmp_path_factory):
    """Return a folder of what the commands above cannot use, with the run of a table."""
    folder = tmp_path_factory.mktemp("wrong")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        people().to_csv("people.csv", index=False)
        assert cli.run([*map(str, TRAIN), "--out", "earner", "--quiet"]) == 0
        write_wrong_tables()
    return folder


@pytest.mark.parametrize("command", WRONG)
def test_each_wrong_table_gets_one_sentence_and_leaves_nothing(
    refused, command, wrong_tables, small_model, monkeypatch, tmp_path
):
    """Exit code 2, nothing on stdout, one line on stderr, and no file more, also no temporary."""
    monkeypatch.chdir(wrong_tables)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    save(small_model, "model.safetensors")
    before = sorted(os.walk(wrong_tables)), sorted(os.walk(tmp_path))

    assert WRONG[command] in refused(*shlex.split(command))
    assert (sorted(os.walk(wrong_tables)), sorted(os.walk(tmp_path))) == before


@pytest.mark.usefixtures("table")
def test_an_interruption_while_a_table_is_read_leaves_nothing(call, monkeypatch):
    """No run, no temporary folder."""
    from twolayer.data import sources

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "load", interrupt)
    code, out, err = call(*TRAIN)

    assert (code, out, err) == (130, "", "Interrupted.\n")
    assert os.listdir() == ["people.csv"]
