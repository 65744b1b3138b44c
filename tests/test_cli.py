"""The command line, used as from a shell: results on stdout, progress on stderr, a sentence for each wrong input."""

import itertools
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from twolayer import load, save
from twolayer.training.history import read_history

ENDLESS = ("train", "--learning-rate", "1", "--tol", "0", "--iterations", "1000000")
QUICK = ("--iterations", "20", "--quiet")
RUN_FILES = ["history.jsonl", "loss.png", "model.safetensors", "run.json", "samples.png", "units.png"]
INTERRUPTED_FILES = ["checkpoint.safetensors", "history.jsonl", "model.safetensors", "run.json"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run each command in a folder of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def run(call, idx_folder):
    """Return the folder of a small finished run, without pictures."""
    code, _, _ = call("train", idx_folder, "--iterations", 60, "--out", "small-run", "--quiet", "--no-pictures")
    assert code == 0
    return "small-run"


def test_train_writes_a_run_and_a_table(call):
    """The default trains digits 0 and 1 to at least 99.8 % and says where everything is."""
    code, out, err = call("train", "--pictures")
    figures = dict(line.split(maxsplit=1) for line in out.splitlines())

    assert code == 0
    assert sorted(os.listdir("runs/mnist-0-1")) == RUN_FILES
    assert {"data", "network", "training", "cost", "test", "time", "engine", "written"} <= set(figures)
    assert figures["network"] == "784 inputs, 384 hidden units, 1 output"
    assert figures["written"] == "to         runs/mnist-0-1"
    assert 2 <= len(err.splitlines()) < 20
    assert err.splitlines()[0].endswith("12,665 training samples, 2,115 test samples; label 0 (5,923), 1 (6,742)")
    assert err.splitlines()[1].startswith("Epoch 0: cost 0.")
    settings = load("runs/mnist-0-1/model.safetensors").settings
    assert (settings["data"], settings["n_hidden"], settings["status"]) == ("mnist:0,1", 384, "converged")


def test_train_prints_one_json_object(call):
    """With keys in words; quiet means that stderr stays empty."""
    code, out, err = call("train", "--json", "--quiet", "--out", "here", "--no-pictures")
    record = json.loads(out)

    assert (code, err, record["run"], record["status"]) == (0, "", "here", "converged")
    assert record["test_errors"] <= 2
    assert record["test_accuracy"] == 1 - record["test_errors"] / 2115
    assert record["engine"].startswith(("tiled: the C kernel", "whole: the formulas"))
    accuracies = {f"{part}_{what}" for part in ("train", "test") for what in ("accuracy", "errors", "samples")}
    keys = {"data", "status", "message", "iterations", "cost", "seconds", "engine", "run", "settings", "report"}
    assert accuracies | keys <= set(record)


def test_the_assignments_run_gives_the_assignments_kind_of_result(call):
    """With the assignment's step the network still gives every digit one class; the costs fall slowly."""
    rate = ("--hidden", 10, "--learning-rate", 0.01, "--iterations", 10, "--tol", 0, "--dtype", "float64")
    code, out, _ = call("train", *rate, "--json", "--no-pictures")

    assert (code, json.loads(out)["iterations"]) == (0, 10)
    costs = [epoch.cost for epoch in read_history("runs/mnist-0-1/history.jsonl")]
    assert len(costs) == 10
    assert all(0 < a - b < 1e-3 for a, b in itertools.pairwise(costs))


def test_a_training_stops_early(call):
    """Samples are held out, and the best parameters are kept, by the options of the settings."""
    stopping = ("--early-stopping", "--validation-fraction", 0.3, "--n-iter-no-change", 2)
    code, out, err = call("train", "iris", *stopping, "--init", "he", "--no-pictures", "--json")
    record = json.loads(out)

    assert (code, record["status"]) == (0, "stopped early")
    assert record["train_samples"] == 84
    assert "validation score" in err
    assert sorted(os.listdir("runs/iris")) == ["history.jsonl", "model.safetensors", "run.json"]


def test_evaluate_prints_the_interval_and_the_confusion_matrix(call, run, idx_folder):
    """In a table with a row for each true class, or as JSON; the test part is used unless another is named."""
    code, out, _ = call("evaluate", run, idx_folder, "--json")
    record = json.loads(out)
    assert (code, record["samples"], record["classes"]) == (0, 30, [0, 1, 2])
    assert record["accuracy"] > 0.9
    assert np.sum(record["confusion_matrix"]) == 30
    assert record["accuracy_interval"][0] < record["accuracy"] <= record["accuracy_interval"][1]

    _, out, _ = call("evaluate", run, idx_folder, "--part", "train")
    assert "95 % interval" in out
    assert "of 60" in out
    assert [line.split()[0] for line in out.splitlines()[-4:]] == ["true", "0", "1", "2"]


def test_predict_prints_a_line_for_each_sample(call, run, idx_folder):
    """As CSV: number, class, probability of each class; to a file on request; counted in JSON."""
    code, out, _ = call("predict", run, idx_folder)
    header, *lines = out.splitlines()

    assert (code, header) == (0, "sample,prediction,probability_0,probability_1,probability_2,label")
    assert [int(line.split(",")[0]) for line in lines] == list(range(30))
    assert all(abs(sum(map(float, line.split(",")[2:5])) - 1) < 1e-4 for line in lines)
    assert call("predict", run, idx_folder, "--out", "p.csv")[1] == ""
    assert Path("p.csv").read_text() == out
    assert call("predict", run, idx_folder, "--json", "--out", "p.json")[1] == ""
    record = json.loads(Path("p.json").read_text())
    assert sum(record["predicted"].values()) == len(record["predictions"]) == record["samples"] == 30


def test_images_without_labels_are_predicted_but_not_evaluated(call, refused, run, write_idx):
    """The sentence says which file is missed."""
    path = write_idx("bare/images", np.zeros((4, 2, 3), np.uint8))

    assert len(call("predict", run, path)[1].splitlines()) == 5
    assert "no labels" in refused("evaluate", run, path)


def test_plot_draws_a_run_again(call, run):
    """In another format and folder on request; a model file alone has no loss to draw."""
    assert call("plot", run, "--out", "pictures", "--format", "svg")[0] == 0
    assert sorted(os.listdir("pictures")) == ["loss.svg", "samples.svg", "units.svg"]
    shutil.copy(f"{run}/model.safetensors", "alone.safetensors")
    code, out, err = call("plot", "alone.safetensors")
    assert (code, sorted(out.split())) == (0, ["samples.png", "units.png"])
    assert "no history.jsonl" in err


def test_a_diverged_training_ends_with_code_1_and_a_usable_model(call, idx_folder):
    """The last good parameters are written, and the sentence names the cure."""
    code, out, _ = call("train", idx_folder, "--learning-rate", "1e308", "--quiet", "--no-pictures", "--out", "run")

    assert code == 1
    assert "Diverged" in out
    assert "smaller learning rate" in out
    assert call("evaluate", "run", idx_folder)[0] == 0


def test_version_and_help(call):
    """The version is one line; help names every command."""
    assert call("--version")[1].startswith("twolayer 0.")
    code, out, _ = call("--help")
    assert code == 0
    for command in (
        "train",
        "sweep",
        "predict",
        "evaluate",
        "compare",
        "explain",
        "doctor",
        "report",
        "prune",
        "export",
        "plot",
        "proof",
        "check",
        "homework",
    ):
        assert command in out
        assert call(command, "--help")[0] == 0


def test_help_of_train_lists_what_can_be_read(call):
    """The list of the readers is that of the help."""
    from twolayer.data.sources import READERS

    _, out, _ = call("train", "--help")

    assert all(example in " ".join(out.split()) for reader in READERS for example in reader.examples)


def test_without_a_command_it_says_how_to_begin(call):
    """And the exit code tells that nothing was done."""
    code, out, err = call()

    assert (code, out) == (2, "")
    assert "twolayer train people.csv --target income" in err
    assert "twolayer --help" in err


WRONG = {
    "frob": "No such command",
    "train --frob": "No such option",
    "train --hidden 2.5": "--hidden must be a whole number",
    "train --hidden 1000000000": "Not enough memory",
    "train --learning-rate 1 --solver lbfgs": "leave --learning-rate at auto, or set --solver to gd",
    "train --batch-size 5": "leave out --batch-size, or set --solver to adam",
    "train --weights 5": "--weights must be one of balanced",
    "train nowhere": "no dataset or file",
    "train nowhere --out text": "no dataset or file",
    "train mnist:5": "two classes",
    "train bare": "no labels",
    "train ok --out ok": "is not empty: choose another --out",
    "train ok --out text": "is a file, not a folder: choose another --out",
    "train ok --target rich": "--target is for tables",
    "train mnist:0,1 --size 9x9": "--size is for images",
    "train ok --hold-out 0.1 --test ok": "--hold-out",
    "predict model.safetensors": "Missing argument 'DATA'",
    "predict nowhere mnist": "no file nowhere",
    "predict empty mnist": "no model.safetensors",
    "predict text mnist": "text",
    "predict model.safetensors mnist": "rows of 6 values (2 x 3)",
    "predict model.safetensors fractions": "divided by 255",
    "predict model.safetensors ok --out .": "is a folder",
    "predict model.safetensors ok --out model.safetensors": "choose another --out",
    "evaluate model.safetensors ok": "label 2",
    "evaluate model.safetensors bare": "no labels",
    "evaluate model.safetensors bare --part test": "--part",
    "plot nowhere": "no file nowhere",
    "plot model.safetensors --data nowhere": "no dataset or file",
    "plot model.safetensors --format gif": "not one of",
    "plot model.safetensors --out text": "Cannot create",
    "plot broken": "not epoch 0",
}


@pytest.mark.parametrize("command", WRONG)
def test_each_wrong_input_gets_one_sentence_and_leaves_nothing(refused, command, idx_folder, write_idx, small_model):
    """Exit code 2, nothing on stdout, one line on stderr, and no file or folder more than before."""
    shutil.copytree(idx_folder, "ok")
    Path("broken").mkdir()
    Path("empty").mkdir()
    for path in ("model.safetensors", "broken/model.safetensors"):
        save(small_model, path)
    for path, content in (("text", "hello"), ("broken/history.jsonl", "{}\n")):
        Path(path).write_text(content)
    for name, array in (("bare", np.ones((2, 2, 3), np.uint8)), ("fractions", np.ones((2, 2, 3), "f4"))):
        shutil.copy(write_idx(f"made/{name}", array), name)
    before = sorted(os.walk("."))

    assert WRONG[command] in refused(*command.split())
    assert sorted(os.walk(".")) == before


def start(*arguments, **options):
    """Start the command in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "twolayer", *map(str, arguments)], text=True, **options)


def wait_for_epoch(process):
    """Wait until the training has begun."""
    assert any(line.startswith("Epoch 0") for line in iter(process.stderr.readline, ""))


@pytest.mark.parametrize("request_to_end", ["SIGINT", "SIGTERM"])
def test_a_request_to_end_leaves_the_model_so_far(request_to_end, idx_folder):
    """Exit code 130, status interrupted, model and checkpoint written, and a word on how to continue and to draw."""
    process = start(*ENDLESS, idx_folder, "--out", "run", stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_for_epoch(process)
    time.sleep(0.1)
    process.send_signal(getattr(signal, request_to_end))
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Interrupted at iteration" in out
    assert "twolayer train --resume run" in out
    assert err.splitlines()[-1] == "Interrupted; the model so far is saved: 'twolayer plot run' draws it."
    assert sorted(os.listdir("run")) == INTERRUPTED_FILES
    assert load("run/model.safetensors").settings["status"] == "interrupted"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no terminals that hang up")
def test_a_terminal_that_hangs_up_is_an_interruption_unless_told_to_go_on():
    """Under nohup, which has SIGHUP ignored, the training goes on to its end."""
    for ignored, iterations, code in ((False, "1000000", 130), (True, "600", 0)):
        ignore = (lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) if ignored else None
        arguments = ("train", "--learning-rate", "1", "--tol", "0", "--iterations", iterations)
        process = start(*arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, preexec_fn=ignore)
        wait_for_epoch(process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
        assert process.returncode == code


@pytest.mark.parametrize("moment", [0, *(pytest.param(each, marks=pytest.mark.slow) for each in (0.05, 0.1, 0.2, 0.4))])
def test_ctrl_c_while_a_table_is_read_is_no_traceback(moment):
    """Exit code 130 and one word, whatever the database is doing; nothing is left."""
    query = "SELECT i % 2 AS y, sum(i) AS x FROM range(100000000000) t(i) GROUP BY ALL"
    environment = {**os.environ, "PYTHONVERBOSE": "1"}  # which tells what is being loaded
    process = start("train", query, "--target", "y", stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert any("duckdb" in line for line in iter(process.stderr.readline, ""))
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=15)
    except subprocess.TimeoutExpired:  # it came while Python cleaned up a library, which ignores it: press it again
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (130, "")
    assert "Interrupted.\n" in err
    assert "Traceback" not in err
    assert os.listdir() == []


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


def test_a_reader_that_goes_away_is_no_error(small_model, write_idx):
    """`twolayer predict ... | head -1` ends quietly."""
    save(small_model, "model.safetensors")
    path = write_idx("images", np.zeros((100_000, 2, 3), np.uint8))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with start(
        *("predict", "model.safetensors", path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        process.stdout.readline()
        process.stdout.close()

        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 141


SLOW_CLOSINGS = [pytest.param(each, marks=pytest.mark.slow) for each in ("2>/dev/full >/dev/full", ">&-")]


@pytest.mark.parametrize("closing", ["2>&1 | head -1", "2>&- >&-", *SLOW_CLOSINGS])
def test_progress_that_nobody_reads_does_not_cost_the_training(idx_folder, closing):
    """The run is written whole, whatever becomes of the output; no traceback. Nor does a notebook's backend matter."""
    train = f"{sys.executable} -m twolayer train {idx_folder} --pictures --out here"
    command = f"MPLBACKEND=module://nothing.here {train} {closing}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)

    assert sorted(set(os.listdir("here")) - {"checkpoint.safetensors"}) == RUN_FILES
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_terminal_shows_a_live_bar(idx_folder):
    """With cost and accuracy, and no plain lines; and says what is being done, one after the other."""
    ours, theirs = pty.openpty()
    arguments = ("train", idx_folder, "--tol", "0", "--no-pictures")
    process = start(*arguments, stderr=theirs, stdout=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"})
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
    assert text.index("training samples") < text.index("/200")
    assert "cost 0." in text
    assert "\nEpoch" not in text


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
    code, out, _ = call("train", "pets", "--json", "--out", "run", "--no-pictures", "--quiet")
    record = json.loads(out)

    assert (code, record["train_samples"], record["test_samples"], record["test_errors"]) == (0, 40, 10, 0)
    evaluated = json.loads(call("evaluate", "run", "pets", "--json")[1])
    assert (evaluated["samples"], evaluated["errors"]) == (10, 0)
    columns = ["sample", "file", "prediction", "probability_blue", "probability_red", "label"]
    lines = call("predict", "run", "pets/test" if parts else "pets")[1].splitlines()
    assert lines[0].split(",") == columns
    assert lines[1].split(",")[:3] == ["0", "blue/0.png", "blue"]
    one = "pets/test/red/1.png" if parts else "pets/red/1.png"
    assert call("predict", "run", one)[1].splitlines()[1].split(",")[:3] == ["0", "1.png", "red"]
    call("predict", "run", "pets", "--out", "p.parquet")
    assert list(pd.read_parquet("p.parquet")) == columns


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
