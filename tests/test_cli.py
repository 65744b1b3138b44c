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
import pytest

from twolayer import cli, load
from twolayer.history import read_history

ENDLESS = ("train", "--learning-rate", "1", "--tol", "0", "--iterations", "1000000")
RUN_FILES = ["history.jsonl", "loss.png", "model.safetensors", "samples.png", "units.png"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run each command in a folder of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def call(capfd):
    """Return a function that runs a command and gives exit code, stdout and stderr."""

    def call(*arguments):
        capfd.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return call


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


def test_a_table_is_reported_on_trained_on_and_predicted(call):
    """The report stands on stderr before the epochs, in the JSON too; the model file alone predicts, CSV as it came."""
    rows = [f"{k},{'yes' if k % 7 > 3 else 'no'},{k % 7}" for k in range(200)]
    Path("people.csv").write_text("\n".join(["id,rich,age", *rows]) + "\n")

    code, out, err = call("train", "people.csv", "--target", "rich", "--out", "people")
    assert code == 0
    assert "counts the rows" in err
    assert "160 samples to learn from, 40 to test on" in err
    assert err.index("column") < err.index("Epoch 0")
    assert "1 input, 10 hidden units, 1 output" in out
    assert sorted(os.listdir("people")) == ["history.jsonl", "loss.png", "model.safetensors", "units.png"]

    record = json.loads(call("train", "people.csv", "--target", "rich", "--json", "--quiet")[1])
    assert record["report"]["columns"][0] == {"name": "id", "kind": "ignored", "summary": "counts the rows"}
    assert record["run"] == str(Path("runs", "people"))

    shutil.copy("people/model.safetensors", "alone.safetensors")
    lines = call("predict", "alone.safetensors", "people.csv")[1].splitlines()
    assert lines[0] == "id,rich,prediction,share_no,share_yes"
    assert [line.split(",")[:2] for line in lines[1:]] == [row.split(",")[:2] for row in rows]
    assert all(line.split(",")[1] == line.split(",")[2] for line in lines[1:])


def test_images_in_folders_are_trained_on_and_predicted(call):
    """A folder a class; predictions name the files."""
    from PIL import Image

    random = np.random.default_rng(0)
    for name, shade in (("dark", 40), ("light", 200)):
        Path("pictures", name).mkdir(parents=True)
        for k in range(12):
            pixels = np.clip(random.normal(shade, 20, (5, 4)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(Path("pictures", name, f"{k}.png"))

    assert call("train", "pictures", "--out", "run", "--quiet")[0] == 0
    assert sorted(os.listdir("run")) == RUN_FILES
    lines = call("predict", "run", "pictures")[1].splitlines()
    assert lines[0] == "sample,file,prediction,share_dark,share_light,label"
    assert all(line.split(",")[1].startswith(line.split(",")[2] + "/") for line in lines[1:])


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
    """Exit code 130, status interrupted, all files written."""
    process = start(*ENDLESS, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_for_epoch(process)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Interrupted at iteration" in out
    assert "Traceback" not in err
    assert sorted(os.listdir("runs/mnist-0-1")) == RUN_FILES
    assert load("runs/mnist-0-1/model.safetensors").settings["status"] == "interrupted"


def test_an_interruption_while_drawing_keeps_the_model(call, idx_folder, monkeypatch):
    """The model and the history are written before the pictures, and the sentence says how to draw them."""
    from twolayer import plots

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(plots, "pictures", interrupt)
    code, out, err = call("train", idx_folder, "--out", "here", "--quiet")

    assert (code, sorted(os.listdir("here"))) == (130, ["history.jsonl", "model.safetensors"])
    assert "onverged" in out
    assert "twolayer plot here" in err


def test_a_polite_request_to_end_is_an_interruption():
    """SIGTERM ends a training as Ctrl-C does."""
    process = start(*ENDLESS, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    wait_for_epoch(process)
    process.terminate()
    process.communicate(timeout=60)

    assert process.returncode == 130
    assert sorted(os.listdir("runs/mnist-0-1")) == RUN_FILES


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


@pytest.mark.parametrize("closing", ["2>&1 | head -1", "2>&- >&-", "2>/dev/full >/dev/full", ">&-"])
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
