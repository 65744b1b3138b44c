"""The command line, used as from a shell: results on stdout, progress on stderr, a sentence for each wrong input."""

import gc
import gzip
import io
import itertools
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

from twolayer import cli, load
from twolayer.files import run_folder
from twolayer.history import read_history

ENDLESS = ("train", "--learning-rate", "1", "--tol", "0", "--iterations", "1000000")
RUN_FILES = ["history.jsonl", "loss.png", "model.safetensors", "run.json", "samples.png", "units.png"]
INTERRUPTED_FILES = ["checkpoint.safetensors", *RUN_FILES]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run each command in a folder of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def run(call, idx_folder):
    """Return the folder of a small finished run."""
    code, _, _ = call("train", idx_folder, "--iterations", 60, "--out", "small-run", "--quiet")
    assert code == 0
    return "small-run"


def test_train_writes_a_run_and_a_table(call):
    """The default trains digits 0 and 1 to at least 99.8 % and says where everything is."""
    code, out, err = call("train")

    assert code == 0
    assert sorted(os.listdir("runs/mnist-0-1")) == RUN_FILES
    assert "runs/mnist-0-1" in out
    assert "784 inputs, 10 hidden units, 1 output" in out
    assert 2 <= len(err.splitlines()) < 40
    assert "engine" in out
    assert err.splitlines()[0].endswith("12,665 samples to learn from, 2,115 to test on; label 0 (5,923), 1 (6,742)")
    assert err.splitlines()[1].startswith("Epoch 0: cost 0.")
    settings = load("runs/mnist-0-1/model.safetensors").settings
    assert (settings["data"], settings["n_hidden"], settings["status"]) == ("mnist:0,1", 10, "converged")


def test_train_prints_one_json_object(call):
    """With keys in words; quiet means that stderr stays empty."""
    code, out, err = call("train", "--json", "--quiet", "--out", "here")
    record = json.loads(out)

    assert (code, err, record["run"], record["status"]) == (0, "", "here", "converged")
    assert record["test_errors"] <= 2
    assert record["test_accuracy"] == 1 - record["test_errors"] / 2115
    assert record["engine"].startswith(("tiled: the C kernel", "whole: the formulas"))
    assert {"train_accuracy", "seconds", "cost"} <= set(record)


def test_the_assignments_run_gives_the_assignments_kind_of_result(call):
    """With the assignment's step the network still gives every digit one class; the costs fall slowly."""
    code, out, _ = call(
        "train", "--hidden", 10, "--learning-rate", 0.01, "--iterations", 10, "--tol", 0, "--dtype", "float64", "--json"
    )

    assert code == 0
    assert json.loads(out)["iterations"] == 10
    costs = [epoch.cost for epoch in read_history("runs/mnist-0-1/history.jsonl")]
    assert len(costs) == 10
    assert all(0 < a - b < 1e-3 for a, b in itertools.pairwise(costs))


def test_the_same_seed_gives_the_same_model_file(call, idx_folder):
    """Byte by byte; another seed gives another."""
    for out, seed in (("a", 3), ("b", 3), ("c", 4)):
        call("train", idx_folder, "--seed", seed, "--out", out, "--quiet")
    a, b, c = (Path(out, "model.safetensors").read_bytes() for out in "abc")

    assert a == b != c


def test_several_classes_of_a_folder_of_files(call, run, idx_folder):
    """One output a class; prediction and evaluation use the same files."""
    code, out, _ = call("evaluate", run, idx_folder, "--json")
    record = json.loads(out)

    assert (code, record["samples"], record["classes"]) == (0, 30, [0, 1, 2])
    assert record["accuracy"] > 0.9
    assert np.sum(record["confusion_matrix"]) == 30
    assert record["accuracy_interval"][0] < record["accuracy"] <= record["accuracy_interval"][1]


def test_evaluate_prints_the_interval_and_the_confusion_matrix(call, run, idx_folder):
    """In a table with a row for each true class."""
    _, out, _ = call("evaluate", run, idx_folder, "--part", "train")

    assert "95 % interval" in out
    assert "of 60" in out
    assert [line.split()[0] for line in out.splitlines()[-4:]] == ["true", "0", "1", "2"]


def test_predict_prints_a_line_a_sample(call, run, idx_folder):
    """As CSV: number, class, share of each class; to a file on request; counted in JSON."""
    code, out, _ = call("predict", run, idx_folder)
    lines = out.splitlines()

    assert (code, lines[0], len(lines)) == (0, "sample,prediction,share_0,share_1,share_2,label", 31)
    assert all(abs(sum(map(float, line.split(",")[2:5])) - 1) < 1e-4 for line in lines[1:])
    assert call("predict", run, idx_folder, "--out", "p.csv")[1] == ""
    assert Path("p.csv").read_text() == out
    assert call("predict", run, idx_folder, "--json", "--out", "p.json")[1] == ""
    record = json.loads(Path("p.json").read_text())
    assert sum(record["predicted"].values()) == len(record["predictions"]) == 30


def test_images_without_labels_are_predicted_but_not_evaluated(call, run, write_idx):
    """The sentence says which file is missed."""
    path = write_idx("bare/images", np.zeros((4, 2, 3), np.uint8))

    assert len(call("predict", run, path)[1].splitlines()) == 5
    code, out, err = call("evaluate", run, path)
    assert (code, out) == (2, "")
    assert "no labels" in err


def test_plot_draws_a_run_again(call, run):
    """In another format and folder on request; a model file alone has no loss to draw."""
    assert call("plot", run, "--out", "pictures", "--format", "svg")[0] == 0
    assert sorted(os.listdir("pictures")) == ["loss.svg", "samples.svg", "units.svg"]
    shutil.copy(f"{run}/model.safetensors", "alone.safetensors")
    code, out, _ = call("plot", "alone.safetensors")
    assert (code, sorted(out.split())) == (0, ["samples.png", "units.png"])


def test_a_diverged_training_ends_with_code_1_and_a_usable_model(call):
    """The last good parameters are written, and the sentence names the cure."""
    code, out, _ = call("train", "--learning-rate", "1e308", "--quiet")

    assert code == 1
    assert "Diverged" in out
    assert "smaller learning rate" in out
    assert call("evaluate", "runs/mnist-0-1", "mnist:0,1")[0] == 0


@pytest.mark.slow
def test_proof_agrees(call):
    """Every number, both readings of exercise 10, exit code 0."""
    code, out, _ = call("proof")

    assert code == 0
    assert "207 of 207 printed numbers agree" in out
    assert "DIFFERS" not in out
    assert "0.74370 / 0.73428" in out


def test_proof_in_json_and_number_by_number(call, monkeypatch):
    """A figure that differs ends with exit code 1, wherever it is shown."""
    import twolayer.proof

    sheet = twolayer.proof.Sheet()
    twolayer.proof._compare(sheet, "3", "sigmoid", "[0.5 0.25]", np.array([0.5, np.nan]), (2,))
    twolayer.proof._compare(sheet, "5", "cost", "0.5", twolayer.proof._Failure(KeyError("dW1")))
    monkeypatch.setattr(twolayer.proof, "prove", lambda **_: sheet)

    code, out, _ = call("proof", "--json")
    assert (code, json.loads(out)["agrees"], json.loads(out)["figures"][0]["computed"]) == (1, False, [0.5, None])
    code, out, _ = call("proof", "--all")
    assert code == 1
    assert [line.split()[-1] for line in out.splitlines()[2:5]] == ["DIFFERS"] * 3
    assert "KeyError" in out
    assert "0 of 3 printed numbers agree" in call("proof")[1]


def test_version_and_help(call):
    """The version is one line; help names every command."""
    assert call("--version")[1].startswith("twolayer 0.")
    code, out, _ = call("--help")
    assert code == 0
    assert all(command in out for command in ("train", "predict", "evaluate", "plot", "proof"))
    for command in ("train", "predict", "evaluate", "plot", "proof"):
        assert call(command, "--help")[0] == 0


WRONG = {
    "frob": "No such command",
    "train --frob": "No such option",
    "train --hidden 0": "whole number of at least 1",
    "train --hidden -3": "whole number of at least 1",
    "train --hidden 2.5": "whole number of at least 1",
    "train --iterations 0": "whole number of at least 1",
    "train --seed -1": "whole number of at least 0",
    "train --learning-rate 0": "number greater than 0",
    "train --learning-rate nan": "number greater than 0",
    "train --learning-rate x": "number greater than 0",
    "train --learning-rate 1 --solver lbfgs": "leave the learning rate at auto",
    "train --batch-size 5": "take adam",
    "train --tol -1": "number of at least 0",
    "train --l2 nan": "number of at least 0",
    "train --threads 0": "whole number of at least 1",
    "train --loss hinge": "not one of",
    "train --dtype int8": "not one of",
    "train --hidden 1000000000": "not enough memory",
    "train --hidden 1000000000000": "whole number of at most 2147483647",
    "train nowhere": "no dataset or file",
    "train mnist:5": "two classes",
    "train mnist:0,12": "digits 0 to 9",
    "train .": "train-images-idx3-ubyte",
    "train bare": "no labels",
    "train nan:0,1": "NaN",
    "train ok --out ok": "already has files",
    "train ok --out text": "is a file",
    "train people.csv": "Say it by --target",
    "train people.csv --target income": "no column 'income', the target: it has age, rich",
    "train people.csv --target rich --ignore name": "no column 'name', to be ignored",
    "train people.csv --target rich --positive maybe": "one of two classes",
    "train people.csv --target rich --hold-out 1": "at most 0.99",
    "train people.csv --target rich --hold-out 0.1 --test people.csv": "not both",
    "train people.csv --target rich --memory much": "like 800MB",
    "train people.csv --target rich --size 28": "like 28x28",
    "train people.csv --target rich --hidden 0": "whole number of at least 1",
    "train people.csv --target rich --batch-size 5": "take adam",
    "train ragged.csv --target rich": "Line 2 of ragged.csv has 1 value where the first has 2",
    "train zero.csv --target rich": "has no rows",
    "train no*.csv --target rich": "no files like no*.csv",
    "train ok --target rich": "for tables",
    "predict model.safetensors people.csv": "not a table",
    "predict model.safetensors": "Missing argument 'DATA'",
    "predict nowhere mnist": "no file nowhere",
    "predict empty mnist": "no model.safetensors",
    "predict text mnist": "not a twolayer model",
    "predict model.safetensors mnist": "rows of 6 values (2 x 3), these have 784",
    "predict model.safetensors shares": "divided by 255",
    "predict model.safetensors ok --part test --out .": "is a folder",
    "evaluate model.safetensors ok": "label 2 that the network does not know",
    "evaluate model.safetensors bare": "no labels",
    "plot nowhere": "no file nowhere",
    "plot model.safetensors --data nowhere": "no dataset or file",
    "plot model.safetensors --format gif": "not one of",
    "plot model.safetensors --out text": "Cannot make",
    "plot broken": "not epoch 0",
}


TABLES = {
    "people.csv": "age,rich\n20,no\n30,yes\n40,no\n50,yes\n",
    "ragged.csv": "age,rich\n20\n30,yes\n",
    "zero.csv": "age,rich\n",
}


@pytest.mark.parametrize("command", WRONG)
def test_each_wrong_input_gets_one_sentence_and_leaves_nothing(call, command, idx_folder, write_idx, small_model):
    """Exit code 2, nothing on stdout, one line on stderr, and no file or folder more than before."""
    from twolayer import save

    shutil.copytree(idx_folder, "ok")
    save(small_model, "model.safetensors")
    Path("broken").mkdir()
    Path("empty").mkdir()
    save(small_model, "broken/model.safetensors")
    for path, content in (("text", "hello"), ("broken/history.jsonl", "{}\n"), *TABLES.items()):
        Path(path).write_text(content)
    images = np.full((2, 2, 3), np.nan, np.float32)
    for name, array in (("bare", np.ones((2, 2, 3), np.uint8)), ("nan", images), ("shares", np.ones((2, 2, 3), "f4"))):
        shutil.copy(write_idx(f"made/{name}", array), name)
    before = sorted(os.walk("."))

    code, out, err = call(*command.split())

    assert (code, out) == (2, "")
    assert WRONG[command] in err
    assert err.startswith("twolayer: ")
    assert len(err.splitlines()) == 1
    assert sorted(os.walk(".")) == before


def test_without_a_command_help_is_shown(call):
    """And the exit code tells that nothing was done."""
    code, out, err = call()

    assert (code, out) == (2, "")
    assert "Commands:" in err


def start(*arguments, **options):
    """Start the command in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "twolayer", *arguments], text=True, **options)


def wait_for_epoch(process):
    """Wait until the training has begun."""
    assert any(line.startswith("Epoch 0") for line in iter(process.stderr.readline, ""))


def test_ctrl_c_ends_with_the_model_so_far():
    """Exit code 130, status interrupted, all files written, a checkpoint among them."""
    process = start(*ENDLESS, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_for_epoch(process)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Interrupted at iteration" in out
    assert "Traceback" not in err
    assert sorted(os.listdir("runs/mnist-0-1")) == INTERRUPTED_FILES
    assert load("runs/mnist-0-1/model.safetensors").settings["status"] == "interrupted"


def test_an_interruption_while_writing_waits_for_the_model(call, idx_folder, monkeypatch):
    """History and model are written whole, and the sentence says how to draw the pictures."""
    real = run_folder.replace_file

    def interrupt_and_write(path, content):
        if path.name == "history.jsonl":
            os.kill(os.getpid(), signal.SIGINT)
        real(path, content)

    monkeypatch.setattr(run_folder, "replace_file", interrupt_and_write)
    code, out, err = call("train", idx_folder, "--out", "here", "--quiet")

    assert (code, err) == (130, "Interrupted; the model is safe: 'twolayer plot here' draws it.\n")
    assert "written to" in out
    assert set(os.listdir("here")) == set(RUN_FILES) - {name for name in RUN_FILES if name.endswith(".png")}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interruption_while_drawing_keeps_the_model(call, idx_folder, monkeypatch):
    """The model and the history are written before the pictures, and the sentence says how to draw them."""
    from twolayer import plots

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(plots, "pictures", interrupt)
    code, out, err = call("train", idx_folder, "--out", "here", "--quiet")

    assert (code, sorted(os.listdir("here"))) == (130, ["history.jsonl", "model.safetensors", "run.json"])
    assert "onverged" in out
    assert "twolayer plot here" in err


def test_a_polite_request_to_end_is_an_interruption():
    """SIGTERM ends a training as Ctrl-C does."""
    process = start(*ENDLESS, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    wait_for_epoch(process)
    process.terminate()
    process.communicate(timeout=60)

    assert process.returncode == 130
    assert sorted(os.listdir("runs/mnist-0-1")) == INTERRUPTED_FILES


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no terminals that hang up")
def test_a_terminal_that_hangs_up_is_an_interruption_unless_told_to_go_on():
    """Under nohup, which has SIGHUP ignored, the training goes on to its end."""
    for ignored, iterations, code in ((False, "1000000", 130), (True, "600", 0)):
        ignore = (lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) if ignored else None
        process = start(
            *("train", "--learning-rate", "1", "--tol", "0", "--iterations", iterations),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            preexec_fn=ignore,
        )
        wait_for_epoch(process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
        assert process.returncode == code


def test_a_reader_that_goes_away_is_no_error(small_model, write_idx):
    """`twolayer predict ... | head -1` ends quietly."""
    from twolayer import save

    save(small_model, "model.safetensors")
    path = write_idx("images", np.zeros((100_000, 2, 3), np.uint8))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with start(
        *("predict", "model.safetensors", str(path)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        process.stdout.readline()
        process.stdout.close()

        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 141


@pytest.mark.parametrize(
    "closing",
    [
        "2>&1 | head -1",
        "2>&- >&-",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("2>/dev/full >/dev/full", ">&-")),
    ],
)
def test_progress_that_nobody_reads_does_not_cost_the_training(idx_folder, closing):
    """The run is written whole, whatever becomes of the output; no traceback."""
    command = f"{sys.executable} -m twolayer train {idx_folder} --out here {closing}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)

    assert sorted(os.listdir("here")) == RUN_FILES
    assert "Traceback" not in ended.stdout + ended.stderr


def test_the_backend_of_a_notebook_does_not_matter(idx_folder, monkeypatch):
    """MPLBACKEND may name what is not installed."""
    monkeypatch.setenv("MPLBACKEND", "module://nothing.here")
    with start("train", str(idx_folder), "--out", "here", "--quiet", stdout=subprocess.DEVNULL) as process:
        assert process.wait(timeout=60) == 0

    assert sorted(os.listdir("here")) == RUN_FILES


def test_a_terminal_shows_a_live_bar(idx_folder):
    """With cost and accuracy, and no plain lines."""
    ours, theirs = pty.openpty()
    process = start(
        "train", str(idx_folder), stderr=theirs, stdout=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:
        pass  # the other end is closed
    finally:
        os.close(ours)

    assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert "/200" in text
    assert "cost 0." in text
    assert "\nEpoch" not in text


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


TRAIN_PEOPLE = ("train", "people.csv", "--target", "income", "--ignore", "when,id", "--iterations", 40, "--no-pictures")


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Write the table, and see that no command leaves anything where temporary files go."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    people().to_csv("people.csv", index=False)
    yield people()
    if os.listdir(temporary):  # a test that fails holds what it used
        gc.collect()
    assert os.listdir(temporary) == []


@pytest.fixture
def earner(call, table):  # noqa: ARG001 - which it is made of
    """Return the folder of a run on the table."""
    assert call(*TRAIN_PEOPLE, "--out", "earner", "--quiet")[0] == 0
    return "earner"


def test_train_on_a_table_shows_what_it_holds(call, table):
    """Each column with its kind, the classes, the notes; then it trains and writes the run."""
    table.assign(always=1).to_csv("people.csv", index=False)
    code, out, err = call(*TRAIN_PEOPLE[:-1])
    lines = [line.split(maxsplit=2) for line in err.splitlines()]

    assert (code, sorted(os.listdir("runs/people"))) == (0, [name for name in RUN_FILES if name != "samples.png"])
    assert lines[0] == ["column", "kind", "values"]
    kinds = {name: kind for name, kind, _ in lines[1:7]}
    assert kinds == {
        "id": "ignored",
        "age": "number",
        "pay": "number",
        "job": "category",
        "when": "ignored",
        "always": "ignored",
    }
    assert err.splitlines()[7].startswith("people.csv: 240 samples to learn from, 60 to test on; income high (")
    assert "Note: Column 'always' is left out: always 1." in err
    assert err.index("column") < err.index("Note: ") < err.index("Epoch 0")
    assert "7 inputs, 10 hidden units, 1 output" in out
    settings = load("runs/people/model.safetensors").settings
    assert (settings["data"], settings["hold_out"]) == ("people.csv", 0.2)


@pytest.mark.usefixtures("table")
def test_train_on_a_table_in_json(call):
    """The report is in it, and stderr stays empty."""
    code, out, err = call(*TRAIN_PEOPLE, "--json", "--quiet")
    record = json.loads(out)

    assert (code, err, record["test_samples"], record["train_samples"]) == (0, "", 60, 240)
    assert record["run"] == str(Path("runs", "people"))
    assert [column["name"] for column in record["report"]["columns"]] == ["id", "age", "pay", "job", "when"]
    assert record["report"]["classes"].keys() == {"high", "low"}


@pytest.mark.usefixtures("table")
def test_evaluate_counts_the_rows_held_out(call):
    """As many errors as the training told; all others on request; every row of another file."""
    record = json.loads(call(*TRAIN_PEOPLE, "--json", "--quiet", "--seed", 5, "--out", "seeded")[1])
    counts = {
        part: json.loads(call("evaluate", "seeded", "people.csv", "--json", *part)[1])
        for part in ((), ("--part", "test"), ("--part", "train"))
    }
    for same in ("./people.csv", Path("people.csv").resolve()):
        assert json.loads(call("evaluate", "seeded", same, "--json")[1])["errors"] == record["test_errors"]
    shutil.copy("people.csv", "others.csv")
    others = json.loads(call("evaluate", "seeded", "others.csv", "--json")[1])

    assert counts[()] == counts["--part", "test"]
    assert (counts[()]["samples"], counts[()]["errors"]) == (60, record["test_errors"])
    assert (counts["--part", "train"]["samples"], counts["--part", "train"]["errors"]) == (240, record["train_errors"])
    assert others["errors"] == record["test_errors"] + record["train_errors"]


def test_what_predictions_are_made_of_is_never_replaced(call, earner):
    """Neither the table nor the model."""
    people(20).to_csv("new.csv", index=False)
    before = {path: Path(path).read_bytes() for path in ("new.csv", f"{earner}/model.safetensors")}
    for out in before:
        code, _, err = call("predict", earner, "new.csv", "--out", out)
        assert (code, "choose another --out" in err) == (2, True)

    assert {path: Path(path).read_bytes() for path in before} == before


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_predictions_on_a_full_disk(call, earner, monkeypatch, name):
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
    sentences = {"COPY": f"Cannot write {name} (No space left on device)", "SELECT": "There is no room for new.csv"}
    for failing, sentence in sentences.items():  # noqa: B007 - which Full looks at
        code, _, err = call("predict", earner, "new.csv", "--out", name)
        assert (code, sentence in err) == (2, True)
    assert not [each for each in os.listdir() if name in each]


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", None])
def test_a_model_file_is_all_that_predictions_need(call, earner, name):
    """Predictions are those of the model in memory; the columns that it does not use stand before them."""
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
    assert list(read) == ["id", "when", "prediction", "share_high", "share_low"]
    assert read["id"].astype(str).tolist() == new["id"].tolist()
    assert read["prediction"].tolist() == model.predict(new).tolist()
    np.testing.assert_allclose(read[["share_high", "share_low"]], model.predict_proba(new), rtol=1e-5, atol=1e-30)


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
    table.assign(prediction=1, share_low=2, prediction_=3).to_csv("new.csv", index=False)
    code, out, _ = call("predict", earner, "new.csv")
    names = [
        "id",
        "when",
        "income",
        "prediction",
        "share_low",
        "prediction_",
        "prediction__",
        "share_high",
        "share_low_",
    ]

    assert code == 0
    assert out.splitlines()[0].split(",") == names


def test_predictions_of_a_part_and_in_json(call, earner):
    """With the labels of the part; counted by class."""
    lines = call("predict", earner, "people.csv", "--part", "test")[1].splitlines()
    record = json.loads(call("predict", earner, "people.csv", "--json")[1])

    assert (lines[0], len(lines)) == ("sample,prediction,share_high,share_low,label", 61)
    assert record["samples"] == sum(record["predicted"].values()) == 300


@pytest.mark.parametrize("ending", ["tsv", "jsonl", "query"])
def test_a_table_in_another_form_gives_the_same_model(call, table, ending):
    """But for its name."""
    name = "select * from 'people.parquet' -- all of them" if ending == "query" else f"people.{ending}"
    table.to_csv("people.tsv", index=False, sep="\t")
    table.to_parquet("people.parquet")
    table.to_json("people.jsonl", orient="records", lines=True)
    for source, out in (("people.csv", "a"), (name, "b")):
        assert call("train", source, *TRAIN_PEOPLE[2:], "--out", out, "--quiet")[0] == 0
    a, b = load("a/model.safetensors"), load("b/model.safetensors")

    assert a.table == b.table
    for parameter, value in a.parameters.items():
        np.testing.assert_array_equal(value, b.parameters[parameter])
    assert json.loads(call("evaluate", "b", name, "--json")[1])["samples"] == 60


def test_options_of_a_table(call, table):
    """The positive class, balanced weights, rows to test on, spellings, an encoding, and a little memory."""
    positive = ("--positive", "high", "--weights", "balanced", "--hold-out", 0.5)
    record = json.loads(call(*TRAIN_PEOPLE, *positive, "--json", "--quiet", "--out", "a")[1])
    assert load("a/model.safetensors").classes == ("low", "high")
    assert (record["test_samples"], record["settings"]["class_weight"]) == (150, "balanced")

    people(40, seed=2).to_parquet("test.parquet")
    record = json.loads(call(*TRAIN_PEOPLE, "--test", "test.parquet", "--json", "--quiet", "--out", "b")[1])
    assert (record["train_samples"], record["test_samples"]) == (300, 40)
    evaluated = json.loads(call("evaluate", "b", "test.parquet", "--json")[1])
    assert evaluated["errors"] == record["test_errors"]
    assert "hold_out" not in record["settings"]

    table.assign(income=table["income"].replace("high", "größer")).to_csv("people.csv", index=False, encoding="latin-1")
    assert "not utf-8; say --encoding" in call(*TRAIN_PEOPLE)[2]
    assert call(*TRAIN_PEOPLE, "--encoding", "latin-1", "--out", "c", "--quiet")[0] == 0
    assert load("c/model.safetensors").classes == ("größer", "low")
    assert call("evaluate", "c", "people.csv", "--encoding", "latin-1")[0] == 0
    assert call("predict", "c", "people.csv", "--encoding", "latin-1", "--out", "c.csv")[0] == 0

    table.loc[3, "income"] = "Low"
    table.to_csv("people.csv", index=False)
    assert "two spellings of one class" in call(*TRAIN_PEOPLE)[2]
    assert call(*TRAIN_PEOPLE, "--keep-spellings", "--memory", "300MB", "--out", "d", "--quiet")[0] == 0
    assert load("d/model.safetensors").classes == ("Low", "high", "low")


def test_columns_whose_names_have_commas_are_ignored_in_quotes(call, table):
    """As in a line of CSV."""
    table.rename(columns={"id": "number, name", "when": "then"}).to_csv("people.csv", index=False)
    ignored = ("--ignore", 'then, "number, name"', "--ignore", "pay")
    code, out, _ = call("train", "people.csv", "--target", "income", *ignored, "--json", "--quiet", *TRAIN_PEOPLE[-3:])

    assert code == 0
    shown = {column["name"]: column["kind"] for column in json.loads(out)["report"]["columns"]}
    assert [name for name, kind in shown.items() if kind == "ignored"] == ["number, name", "pay", "then"]


@pytest.mark.usefixtures("table")
def test_the_run_of_a_long_query_has_a_name(call):
    """Which is no longer than a file's may be."""
    query = "select * from 'people.csv' where " + " and ".join(f"age <> {k}::INT" for k in range(100, 200))

    assert call("train", query, *TRAIN_PEOPLE[2:], "--quiet")[0] == 0
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
    code, _, err = call(*TRAIN_PEOPLE, "--out", "odd")
    out = call("evaluate", "odd", "people.csv")[1]

    assert code == 0
    assert "income [/b] (" in err
    assert out.splitlines()[2].split() == ["true", "\\", "predicted", "[/b]", "[red]x"]


def write_pictures(folder, m, random):
    """Write a folder of pictures in colour for each of two classes: red ones and blue ones."""
    for name, channel in (("red", 0), ("blue", 2)):
        (folder / name).mkdir(parents=True)
        for k in range(m):
            pixels = random.integers(0, 100, (6, 5, 3)).astype(np.uint8)
            pixels[:, :, channel] += 150
            Image.fromarray(pixels).save(folder / name / f"{k}.png")


@pytest.mark.parametrize("parts", [True, False])
def test_own_pictures(call, parts):
    """A folder a class, with a part to test on or without; predictions name the files."""
    random = np.random.default_rng(0)
    if parts:
        write_pictures(Path("pets/train"), 20, random)
        write_pictures(Path("pets/test"), 5, random)
    else:
        write_pictures(Path("pets"), 25, random)
    code, out, _ = call("train", "pets", "--json", "--quiet", "--out", "run")
    record = json.loads(out)

    assert (code, record["train_samples"], record["test_samples"], record["test_errors"]) == (0, 40, 10, 0)
    assert sorted(os.listdir("run")) == RUN_FILES
    evaluated = json.loads(call("evaluate", "run", "pets", "--json")[1])
    assert (evaluated["samples"], evaluated["errors"]) == (10, 0)
    lines = call("predict", "run", "pets/test" if parts else "pets")[1].splitlines()
    assert lines[0] == "sample,file,prediction,share_blue,share_red,label"
    assert lines[1].split(",")[:3] == ["0", "blue/0.png", "blue"]
    one = "pets/test/red/1.png" if parts else "pets/red/1.png"
    assert call("predict", "run", one)[1].splitlines()[1].split(",")[:3] == ["0", "1.png", "red"]
    call("predict", "run", "pets", "--out", "p.parquet")
    assert list(pd.read_parquet("p.parquet")) == ["sample", "file", "prediction", "share_blue", "share_red", "label"]


def test_own_pictures_in_grey_and_in_another_size(call):
    """On request; the model brings others to the same."""
    write_pictures(Path("pets"), 5, np.random.default_rng(0))
    code, _, err = call("train", "pets", "--size", "4x3", "--colour", "grey", "--out", "run", "--no-pictures")

    assert code == 0
    assert load("run/model.safetensors").input_shape == (4, 3)
    assert "Note: " in err
    assert call("evaluate", "run", "pets")[0] == 0


def test_own_arrays(call):
    """NPZ, and NPY with the labels that are named; a choice of labels."""
    random = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = random.normal(size=(90, 4)) + 3 * y[:, None]
    np.savez("own.npz", X=X, y=y)
    np.save("X.npy", X)
    np.save("t.npy", y)
    trained = {
        name: json.loads(call("train", *name.split(), "--json", "--quiet", "--no-pictures", "--out", f"run{k}")[1])
        for k, name in enumerate(("own.npz", "X.npy --labels t.npy", "own.npz:0,2"))
    }

    assert [record["train_samples"] for record in trained.values()] == [72, 72, 48]
    assert trained["own.npz"]["cost"] == trained["X.npy --labels t.npy"]["cost"]
    assert load("run2/model.safetensors").classes == (0, 2)
    evaluated = json.loads(call("evaluate", "run0", "own.npz", "--json")[1])
    assert (evaluated["samples"], evaluated["errors"]) == (18, trained["own.npz"]["test_errors"])
    assert len(call("predict", "run0", "X.npy")[1].splitlines()) == 91


GOOD = "train people.csv --target income --ignore when,id"
WRONG_TABLES = {
    "train people.csv": "Which column of people.csv tells the class? Say it by --target; it has id, age",
    "train people.csv --target nothing": "no column 'nothing', the target: it has id, age",
    "train people.csv --target income": "Column 'when' of people.csv with dates cannot be used",
    "train people.csv --target income --ignore nothing": "no column 'nothing', to be ignored",
    "train people.csv --target pay --ignore when": "'pay' holds numbers that are not whole",
    "train people.csv --target when": "The target 'when' holds dates",
    "train one.csv --target y": "All samples are of one class, a",
    "train many.csv --target y": "more than 1,000 values",
    "train spellings.csv --target y": "two spellings of one class",
    "train infinite.csv --target y": "'x' of infinite.csv has 1 infinite value",
    "train texts.csv --target y": "holds numbers, but text such as 'none' in",
    "train lists.jsonl --target y": "'x' of lists.jsonl holds no single values",
    "train empty.csv --target y": "empty.csv is empty",
    "train header.csv --target y": "header.csv has no rows",
    "train noise.csv --target y": "not utf-8",
    "train short.csv --target y": "Line 3 of short.csv has 1 value where the first has 2",
    "train long.csv --target y": "Line 40,002 of long.csv has 3 values",
    "train latin.csv --target y": "not utf-8; say --encoding utf-16 or --encoding latin-1",
    "train cut.csv.gz --target y": "no gzip file, or is damaged",
    "train cut.parquet --target y": "no Parquet file, or is damaged",
    "train folder.csv --target y": "is a folder: name its files",
    "train nowhere.csv --target y": "no file nowhere.csv",
    "train nowhere*.csv --target y": "no files like nowhere*.csv",
    "train part*.csv --target y": "part1.csv and part2.csv do not have the same columns ('x')",
    f"{GOOD} --positive middle": "positive class must be one of two classes; got 'middle'",
    f"{GOOD} --test mnist": "mnist is no table",
    f"{GOOD} --test renamed.csv": "renamed.csv has no column 'pay'",
    f"{GOOD} --test people.csv --hold-out 0.5": "a share to hold out or samples to test on, not both",
    f"{GOOD} --hold-out 1": "at most 0.99",
    f"{GOOD} --memory much": "An amount of memory is written like 800MB",
    f"{GOOD} --encoding ascii": "not one of",
    f"{GOOD} --size 0x5": "like 28x28",
    f"{GOOD} --size 3x3": "--size is for images: leave it out for people.csv",
    f"{GOOD} --colour rgb": "--colour is for images",
    f"{GOOD} --labels y.npy": "--labels is for an NPY of samples",
    f"{GOOD} --ignore income": "'income' is the target and cannot be ignored",
    "train digits --encoding utf-16": "--encoding is for tables",
    "train bare.npz --labels y.npy": "--labels is for an NPY of samples",
    "train mnist:0,1 --size 9x9": "--size is for images: leave it out for mnist:0,1",
    "train digits --target x": "digits has no columns by name",
    "train people --target x": "no dataset or file 'people'",
    "train digits --test people.csv": "people.csv is a table, and digits is none",
    "train pets": "no images",
    "train bare.npz": "bare.npz has no labels",
    "predict earner renamed.csv": "renamed.csv has no column 'pay', which the model needs",
    "predict earner words.csv": "'pay' of words.csv holds text ('much') where the model takes numbers",
    "predict earner dates.csv": "'pay' of dates.csv holds dates where the model takes numbers",
    "predict earner decimals.csv": "'job' of decimals.csv holds decimal numbers where the model takes categories",
    "predict earner header.csv": "header.csv has no rows",
    "predict earner mnist:0,1": "mnist:0,1 cannot be used: the model was trained on the columns of a table",
    "predict earner people.csv --out nowhere/p.csv": "Cannot write nowhere/p.csv",
    "predict earner people.csv --out folder.csv": "folder.csv is a folder",
    "predict model.safetensors people.csv": "trained on samples such as images, not a table",
    "evaluate earner unlabelled.csv": "unlabelled.csv has no column 'income', the target",
    "evaluate earner unknown.csv": "unknown.csv has a class 'middle' in 'income' that is not known",
    "evaluate earner unknown.csv --part test": "'middle' in 'income' that is not known",
    "evaluate earner others.csv --part test": "no test part",
    "plot model.safetensors --data people.csv": "trained on samples such as images, not a table",
}


def write_wrong_tables():
    """Write what the commands above cannot use."""
    frame = people(40)
    tables = {
        "renamed": frame.rename(columns={"pay": "Pay"}),
        "words": frame.assign(pay="much"),
        "dates": frame.assign(pay="2020-01-01"),
        "decimals": frame.assign(job=1.5),
        "unlabelled": frame.drop(columns="income"),
        "unknown": frame.assign(income="middle"),
        "others": frame,
        "one": pd.DataFrame({"x": range(9), "y": "a"}),
        "many": pd.DataFrame({"x": range(1500), "y": range(1500)}),
        "spellings": pd.DataFrame({"x": range(9), "y": ["Yes", "yes", "no"] * 3}),
        "infinite": pd.DataFrame({"x": [1.5, 2.5, np.inf] + [1] * 6, "y": [1, 2, 3] * 3}),
        "texts": pd.DataFrame({"x": [*np.arange(1, 40) / 7, "none"], "y": [1, 2] * 20}),
        "part1": pd.DataFrame({"x": range(9), "y": [1, 2, 3] * 3}),
        "part2": pd.DataFrame({"z": range(9), "y": [1, 2, 3] * 3}),
    }
    for name, table in tables.items():
        table.to_csv(f"{name}.csv", index=False)
    files = {
        "lists.jsonl": b'{"x": [1], "y": 1}\n{"x": [2], "y": 2}\n',
        "empty.csv": b"",
        "header.csv": ",".join(frame.columns).encode() + b"\n",
        "noise.csv": np.random.default_rng(0).bytes(5000),
        "short.csv": b"x,y\n1,2\n3\n",
        "long.csv": b"x,y\n" + b"1,2\n" * 40_000 + b"1,2,3\n",
        "latin.csv": "x,y\nü,2\n".encode("latin-1"),
        "cut.csv.gz": gzip.compress(b"x,y\n1,2\n")[:-5],
        "cut.parquet": b"PAR1" + bytes(30),
    }
    for name, content in files.items():
        Path(name).write_bytes(content)
    np.savez("bare.npz", X=np.ones((3, 2)))
    Path("folder.csv").mkdir()
    Path("pets").mkdir()


@pytest.fixture(scope="module")
def wrong_tables(tmp_path_factory):
    """Return a folder of what the commands above cannot use, with a model of a table and one of images."""
    folder = tmp_path_factory.mktemp("wrong")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        people().to_csv("people.csv", index=False)
        assert cli.run([*map(str, TRAIN_PEOPLE), "--out", "earner", "--quiet"]) == 0
        write_wrong_tables()
    return folder


@pytest.mark.parametrize("command", WRONG_TABLES)
def test_each_wrong_table_gets_one_sentence_and_leaves_nothing(
    call, command, wrong_tables, small_model, monkeypatch, tmp_path
):
    """Exit code 2, nothing on stdout, one line on stderr, and no file or folder more than before, also no temporary."""
    from twolayer import save

    monkeypatch.chdir(wrong_tables)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    save(small_model, "model.safetensors")
    before = sorted(os.walk(wrong_tables)), sorted(os.walk(tmp_path))

    code, out, err = call(*command.split())

    assert (code, out) == (2, "")
    assert WRONG_TABLES[command] in err
    assert err.startswith("twolayer: ")
    assert len(err.splitlines()) == 1
    assert (sorted(os.walk(wrong_tables)), sorted(os.walk(tmp_path))) == before


def test_a_wrong_query_gets_one_sentence(call):
    """In DuckDB's words."""
    code, out, err = call("train", "select * from 'nowhere.csv'", "--target", "y")

    assert (code, out) == (2, "")
    assert err.startswith("twolayer: the query cannot be read: No files found")
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("table")
def test_an_interruption_while_a_table_is_read_leaves_nothing(call, monkeypatch):
    """No run, no temporary folder."""
    from twolayer.data import training_set

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training_set, "survey_table", interrupt)
    code, out, err = call(*TRAIN_PEOPLE)

    assert (code, out, err) == (130, "", "Interrupted.\n")
    assert os.listdir() == ["people.csv"]


def test_ctrl_c_while_the_command_loads_is_no_traceback():
    """Exit code 130 and one word, as later."""
    code = (
        "import runpy, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "runpy.run_module('twolayer', run_name='__main__')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "Interrupted.\n")
