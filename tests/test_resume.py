"""`twolayer train --resume`: a run that was killed at any moment ends as if it had never stopped."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from strategies import timeless
from twolayer import load
from twolayer.training.history import read_history

RUNS = {  # a run of about a second each, with a checkpoint at each iteration
    "gd": ("--solver", "gd", "--learning-rate", "1", "--iterations", "150"),
    "gd auto": ("--solver", "gd", "--iterations", "120"),
    "momentum": ("--solver", "momentum", "--iterations", "120", "--dtype", "float64"),
    "adam": ("--solver", "adam", "--iterations", "60", "--batch-size", "50"),
    "lbfgs": ("--solver", "lbfgs", "--iterations", "120", "--l2", "0.01"),
    "recipe": ("--members", "4", "--hidden", "100"),
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run each command in a folder of its own, beside some samples."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    X = generator.normal(size=(600, 30)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] + 0.5 * generator.normal(size=600) > 0).astype(int)
    np.savez("samples.npz", X=X, y=y)


def start(*arguments):
    """Start a training in a process of its own."""
    command = [sys.executable, "-m", "twolayer", "train", *arguments, "--quiet", "--no-pictures"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(process, path):
    """Wait until a process has written a file."""
    while not Path(path).exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


def finish(*arguments):
    """Train to the end."""
    process = start(*arguments)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")


def assert_same_run(one, other):
    """Assert that model and history are the same to the last bit, but for the time."""
    assert Path(one, "model.safetensors").read_bytes() == Path(other, "model.safetensors").read_bytes()
    histories = [timeless(read_history(Path(run, "history.jsonl"))) for run in (one, other)]
    assert histories[0] == histories[1]


def kill_at_random(generator, n_kills, *settings):
    """Kill a run again and again at random moments, then let it end; return how often it was alive to be killed."""
    began = time.perf_counter()
    finish("samples.npz", *settings, "--checkpoint", "0", "--out", "unbroken")
    whole = time.perf_counter() - began
    process, n_killed = start("samples.npz", *settings, "--checkpoint", "0", "--out", "broken"), 0
    wait_for(process, "broken/run.json")
    for _ in range(n_kills):
        if process.poll() is None:
            time.sleep(generator.uniform(0, 0.6 * whole))
            process.send_signal(signal.SIGKILL)
        _, err = process.communicate(timeout=60)
        if process.returncode == -signal.SIGKILL:
            n_killed += 1
        else:
            assert process.returncode == 0, err
        process = start("--resume", "broken", "--checkpoint", "0")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert_same_run("unbroken", "broken")
    assert not [name for name in os.listdir("broken") if name.startswith(".")]
    return n_killed


@pytest.mark.parametrize("kind", ["lbfgs", "recipe"])
def test_a_run_that_is_killed_goes_on(kind):
    """Five times at random moments; model and history are those of the run that never stopped."""
    n_killed = kill_at_random(random.Random(0), 5, *RUNS[kind])

    assert n_killed >= 1


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["whole", "tiled"])
@pytest.mark.parametrize("solver", RUNS)
def test_a_run_of_any_kind_that_is_killed_goes_on(solver, engine):
    """Seven kills for each solver and engine, seventy in all."""
    n_killed = kill_at_random(random.Random(f"{solver} {engine}"), 7, *RUNS[solver], "--engine", engine)

    assert n_killed >= 1


@pytest.mark.slow
def test_a_run_on_a_file_that_memory_does_not_hold_goes_on():
    """Samples that are read block by block in each pass."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(3000, 2000)).astype(np.float32)
    np.save("X.npy", X)
    np.save("y.npy", (X[:, 0] > 0).astype(int))
    settings = ("X.npy", "--memory", "1MB", "--solver", "adam", "--iterations", "12", "--hidden", "3")
    finish(*settings, "--out", "unbroken")

    process = start(*settings, "--checkpoint", "0", "--out", "broken")
    for kill in range(4):
        wait_for(process, "broken/checkpoint.safetensors")
        time.sleep(0.1 * kill)
        process.kill()
        process.communicate(timeout=60)
        process = start("--resume", "broken", "--checkpoint", "0")
    process.communicate(timeout=120)

    assert load("broken/model.safetensors").settings["engine"].startswith("streamed")
    assert_same_run("unbroken", "broken")


DYING = """
import os, signal, sys
from pathlib import Path
from twolayer import cli

file, count, moment = sys.argv[1], int(sys.argv[2]), sys.argv[3]
write, rename, n = Path.write_bytes, Path.replace, 0

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def write_and_die(path, content):
    global n
    n += path.name.endswith(file)
    if not path.name.endswith(file) or n < count:
        return write(path, content)
    write(path, content[: len(content) // 2] if moment == "half" else content)
    if moment == "half":
        die()
    if moment == "before the disk":
        os.fsync = die
    Path.replace = die if moment == "before the name" else lambda *names: (rename(*names), die())

Path.write_bytes = write_and_die
cli.run(sys.argv[4:])
"""


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("checkpoint.safetensors", 1),
        pytest.param("checkpoint.safetensors", 7, marks=pytest.mark.slow),
        ("model.safetensors", 1),
        pytest.param("history.jsonl", 1, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("moment", ["half", "before the disk", "before the name", "after"])
def test_a_run_that_is_killed_in_the_midst_of_writing_goes_on(call, moment, file, count):
    """Whichever file it writes: the last one is whole, and what was half written is removed."""
    settings = ("samples.npz", "--iterations", "12", "--tol", "0", "--no-pictures", "--quiet")
    call("train", *settings, "--out", "unbroken")
    arguments = [file, str(count), moment, "train", *settings, "--checkpoint", "0", "--out", "broken"]
    killed = subprocess.run([sys.executable, "-c", DYING, *arguments], check=False, capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL

    code, _, err = call("train", "--resume", "broken", "--no-pictures", "--quiet")

    assert code == 0, err
    assert_same_run("unbroken", "broken")
    assert not [name for name in os.listdir("broken") if name.startswith(".")]


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_again(call):
    """From its recorded settings, a table and all; `train` with the same --out says how."""
    lines = [f"{k % 7},{'yes' if k % 3 else 'no'}" for k in range(90)]
    Path("people.csv").write_text("\n".join(["age,income", *lines]))
    settings = ("--target", "income", "--hold-out", "0.3", "--weights", "balanced", "--seed", "4", "--no-pictures")
    call("train", "people.csv", *settings, "--out", "unbroken")
    call("train", "people.csv", *settings, "--out", "broken")
    for name in ("model.safetensors", "history.jsonl"):
        Path("broken", name).unlink()

    code, _, err = call("train", "people.csv", *settings, "--out", "broken")
    assert (code, "--resume broken" in err) == (2, True)
    code, _, err = call("train", "--resume", "broken", "--no-pictures")

    assert code == 0, err
    assert "broken has no checkpoint yet: starting again." in err
    assert_same_run("unbroken", "broken")


def interrupted(*settings):
    """Return the model that a run in `broken` leaves when it is interrupted after its first checkpoint."""
    process = start(*settings, "--out", "broken")
    wait_for(process, "broken/checkpoint.safetensors")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    model = load("broken/model.safetensors")
    assert model.settings["status"] == "interrupted"
    return model


def test_ctrl_c_leaves_a_model_and_a_checkpoint_to_go_on_from(call):
    """The table says how; the run goes on, and ends as if it had not been interrupted."""
    settings = ("samples.npz", "--solver", "adam", "--tol", "0", "--iterations", "30000")
    model = interrupted(*settings, "--checkpoint", "0.2")
    n_iter = model.settings["n_iter"] + 20

    code, out, err = call("train", "--resume", "broken", "--iterations", n_iter, "--json", "--no-pictures")

    assert code == 0, err
    assert "at iteration" in err
    assert (json.loads(out)["iterations"], json.loads(out)["run"]) == (n_iter, "broken")
    call("train", *settings[:-1], n_iter, "--out", "unbroken", "--quiet", "--no-pictures")
    assert_same_run("unbroken", "broken")


def test_ctrl_c_leaves_what_a_committee_has_learned(call, monkeypatch):
    """A model of the networks so far, and a checkpoint from which all of them are trained to their ends."""
    settings = ("samples.npz", *RUNS["recipe"])
    with interruption(monkeypatch, 2):
        assert call("train", *settings, "--out", "broken", "--checkpoint", "0", "--no-pictures")[0] == 130
    model = load("broken/model.safetensors")
    assert model.settings["status"] == "interrupted"
    assert np.isfinite(model.predict_proba(np.zeros((1, 30)))).all()

    code, _, err = call("train", "--resume", "broken")

    assert code == 0, err
    finish(*settings, "--out", "unbroken")
    assert_same_run("unbroken", "broken")
    assert call("train", "--resume", "broken")[2] == "The run broken is complete (stopped early): nothing to resume.\n"


def test_what_cannot_be_resumed_is_told(call, refused):
    """One sentence each, and the run stays as it was."""
    call("train", "samples.npz", "--iterations", "5", "--no-pictures", "--out", "run", "--quiet")
    before = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    for name in ("empty", "older"):
        Path(name).mkdir()
    Path("older/run.json").write_text('{"format_version": 1, "arguments": []}')

    for arguments, sentence in (
        (("--resume", "nothing"), "nothing is not a folder"),
        (("--resume", "empty"), "no run.json"),
        (("--resume", "older"), "twolayer: older/run.json cannot be resumed from"),
        (("--resume", "samples.npz"), "is not a folder"),
        (("--resume", "run", "--hidden", 3), "--hidden cannot be changed when resuming: leave it out"),
        (("--resume", "run", "--learning-rate", 3), "--learning-rate cannot be changed when resuming"),
        (("--resume", "run", "--out", "other"), "--out cannot be changed when resuming"),
        (("samples.npz", "--resume", "run"), "DATA cannot be changed when resuming"),
        (("--resume", "run", "--early-stopping"), "--early-stopping cannot be changed when resuming"),
        (("--resume", "run", "--checkpoint", "-1"), "--checkpoint must be a number of at least 0; got '-1'"),
    ):
        assert sentence in refused("train", *arguments)
    assert {path.name: path.read_bytes() for path in Path("run").iterdir()} == before
    assert (Path("other").exists(), os.listdir("older")) == (False, ["run.json"])


def test_a_run_that_has_ended_is_no_error(call):
    """Who resumes a run until it ends comes to an end; what may be asked is spelled as an option."""
    call("train", "samples.npz", "--iterations", "5", "--tol", "0", "--out", "run", "--quiet", "--no-pictures")

    code, out, err = call("train", "--resume", "run", "--iterations", "5")
    assert (code, out) == (0, "")
    assert err == "The run run is complete (finished): to continue, increase --iterations.\n"
    code, out, err = call("train", "--resume", "run", "--json")
    assert (code, json.loads(out)["status"], json.loads(out)["run"], err) == (0, "finished", "run", "")


def test_data_that_has_changed_is_told(call):
    """The checkpoint belongs to the samples it was made with."""
    settings = ("--iterations", "10", "--tol", "0", "--checkpoint", "0", "--no-pictures", "--quiet")
    call("train", "samples.npz", *settings, "--out", "run")
    arrays = dict(np.load("samples.npz"))
    arrays["X"][5, 5] += 1
    np.savez("samples.npz", **arrays)

    code, _, err = call("train", "--resume", "run", "--iterations", 20)
    assert (code, "other samples" in err) == (2, True)

    Path("samples.npz").unlink()
    code, _, err = call("train", "--resume", "run", "--iterations", 20)
    assert (code, "samples.npz" in err, "from the directory where it was started" in err) == (2, True, True)


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no locks on folders")
def test_two_processes_never_train_in_one_folder(call):
    """The second one is told, whether it starts or goes on."""
    process = start("samples.npz", "--tol", "0", "--iterations", "1000000", "--solver", "adam", "--out", "run")
    wait_for(process, "run/run.json")
    try:
        for arguments in (("--resume", "run"), ("samples.npz", "--out", "run")):
            code, _, err = call("train", *arguments)
            assert (code, "run" in err) == (2, True)
        for arguments in (("--resume", "run"), ("samples.npz", "--out", "run")):
            assert "Another process is using the run" in call("train", *arguments)[2]
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert "Another process" not in call("train", "--resume", "run", "--iterations", "1")[2]


def test_a_full_disk_leaves_the_last_checkpoint(call, monkeypatch):
    """It is told once, the training goes on to its end, and the last sentence says how to go on, which it does."""
    settings = ("samples.npz", "--iterations", "40", "--tol", "0", "--no-pictures")
    call("train", *settings, "--out", "unbroken")
    real, calls = os.fsync, []

    def fill(descriptor):
        calls.append(descriptor)
        if len(calls) > 9:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill)
        code, _, err = call("train", *settings, "--checkpoint", "0", "--out", "run", "--quiet")

    note, sentence = err.splitlines()
    assert code == 2
    assert note.startswith("Note: Cannot write run/checkpoint.safetensors (No space left on device)")
    assert sentence.startswith("twolayer: Cannot write run/history.jsonl (No space left on device)")
    assert "continue from it with --resume run" in sentence
    assert sorted(os.listdir("run")) == ["checkpoint.safetensors", "run.json"]
    assert call("train", "--resume", "run", "--no-pictures")[0] == 0
    assert_same_run("unbroken", "run")


def test_a_disk_without_room_for_checkpoints_does_not_cost_the_training(call, monkeypatch):
    """Nor does it where the training is interrupted: model and history are there, and how it came."""
    real = Path.write_bytes

    def write(path, content):
        if path.name.endswith("checkpoint.safetensors"):
            raise OSError(28, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    settings = ("samples.npz", "--tol", "0", "--no-pictures", "--quiet", "--checkpoint", "0")
    assert call("train", *settings, "--iterations", "40", "--out", "run")[0] == 0
    assert sorted(os.listdir("run")) == ["history.jsonl", "model.safetensors", "run.json"]

    with interruption(monkeypatch, 50):
        code, _, err = call("train", *settings, "--iterations", "9999", "--out", "other")

    assert code == 130
    notes, interrupted = err.splitlines()[:-1], err.splitlines()[-1]
    assert {note[:47] for note in notes} == {"Note: Cannot write other/checkpoint.safetensors"}
    assert interrupted == "Interrupted; the model so far is saved: 'twolayer plot other' draws it."
    assert sorted(os.listdir("other")) == ["history.jsonl", "model.safetensors", "run.json"]


@contextlib.contextmanager
def interruption(monkeypatch, iteration):
    """Press Ctrl-C when the screen is shown an iteration."""
    from twolayer import progress

    pressed = []  # once: a second time ends at once

    def press(event):
        if event.epoch.iteration == iteration and not pressed:
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    @contextlib.contextmanager
    def display(*_, **__):
        yield press

    with monkeypatch.context() as patch:
        patch.setattr(progress, "epoch_display", display)
        yield


def test_a_damaged_model_is_no_hindrance(call):
    """The run goes on from its checkpoint, and the model is written anew."""
    settings = ("samples.npz", "--tol", "0", "--no-pictures", "--checkpoint", "0", "--iterations")
    call("train", *settings, "40", "--out", "unbroken")
    call("train", *settings, "20", "--out", "run")
    Path("run/model.safetensors").write_bytes(b"")

    code, _, err = call("train", "--resume", "run", "--iterations", "40")

    assert (code, "at iteration" in err) == (0, True)
    assert Path("run/model.safetensors").stat().st_size > 0
    assert_same_run("unbroken", "run")


def test_pictures_and_checkpoints_are_the_runs_own(call):
    """Until others are asked for."""
    settings = ("samples.npz", "--tol", "0", "--iterations", "5", "--no-pictures", "--checkpoint", "0", "--out", "run")
    call("train", *settings)
    call("train", "--resume", "run", "--iterations", "10")
    assert not list(Path("run").glob("*.png"))
    record = json.loads(Path("run/run.json").read_text())
    assert (record["pictures"], record["checkpoint_seconds"], record["settings"]["max_iter"]) == (False, 0.0, 10)

    call("train", "--resume", "run", "--iterations", "15", "--pictures")
    assert list(Path("run").glob("*.png"))


def test_columns_of_other_names_are_other_data(call):
    """Though their numbers are the same."""
    lines = [f"{k / 7 % 1:.3f},{'ab'[k % 3 > 0]},{k % 2}" for k in range(100)]
    Path("t.csv").write_text("\n".join(["x,word,label", *lines]))
    settings = ("--tol", "0", "--iterations", "5", "--no-pictures", "--checkpoint", "0", "--out", "run")
    assert call("train", "t.csv", "--target", "label", *settings)[0] == 0

    for old, new in (("x,word", "z,word"), (",a,", ",c,")):
        Path("t.csv").write_text("\n".join(["x,word,label", *lines]).replace(old, new))
        code, _, err = call("train", "--resume", "run", "--iterations", "10")
        assert (code, "other samples than these" in err) == (2, True)
