"""A run as a library call: a request in, a folder and an outcome out, and nothing printed."""

import os
import signal
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from twolayer import load, plots
from twolayer.data.request import DataRequest
from twolayer.errors import MissingFileError, SettingError, StorageError
from twolayer.runs import folder as folder_module
from twolayer.runs.request import Request
from twolayer.runs.run import Hooks, resume, run
from twolayer.settings import Settings
from twolayer.training.stop import StopRequest

PICTURES = ["loss.png", "samples.png", "units.png"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch, capfd):
    """Work in a folder with some samples, and see that nothing is printed."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    X = generator.normal(size=(80, 4)).astype(np.float32)
    np.savez("samples.npz", X=X, y=(X[:, 0] * X[:, 1] > 0).astype(int))
    yield
    assert capfd.readouterr() == ("", "")


def request(*, pictures=False, **settings):
    """Return a request that trains for a moment."""
    chosen = Settings(**{"n_hidden": 3, "max_iter": 9, "tol": 0, "n_threads": 1, **settings})
    return Request(DataRequest("samples.npz"), chosen, pictures=pictures)


def files(path):
    """Return the names of the files in a folder."""
    return sorted(os.listdir(path))


def same_model(one, other):
    """Tell whether two runs have the same model, to the last bit."""
    contents = [(path / "model.safetensors").read_bytes() for path in (one, other)]
    return contents[0] == contents[1]


def ask_at(iteration, ask):
    """Return a listener that does something at an iteration."""
    return lambda event: ask() if event.epoch.iteration == iteration else None


def test_a_run_leaves_a_folder_and_an_outcome():
    """The first free one in `runs`; the model remembers its data, and of the outcome all can be shown."""
    outcomes = [run(request(pictures=True)) for _ in range(2)]
    outcome = outcomes[0]

    assert [str(each.folder) for each in outcomes] == ["runs/samples", "runs/samples-2"]
    assert files(outcome.folder) == sorted(["history.jsonl", "model.safetensors", "run.json", *PICTURES])
    assert (outcome.status, outcome.result.n_iter, outcome.interrupted) == ("finished", 9, False)
    assert outcome.message == outcome.result.message
    assert (outcome.report.n_train, outcome.report.n_test) == (64, 16)
    assert outcome.model.settings["data"] == "samples.npz"
    assert outcome.model.settings["hold_out"] == 0.2
    assert load(outcome.folder / "model.safetensors").settings == outcome.model.settings
    assert same_model(*(each.folder for each in outcomes))


def test_a_converged_run_leaves_no_checkpoint():
    """Nothing is left to resume."""
    outcome = run(request(max_iter=400, tol=0.05), "here")

    assert outcome.status == "converged"
    assert files("here") == ["history.jsonl", "model.safetensors", "run.json"]


def test_hooks_see_a_run_from_its_reading_to_its_pictures():
    """What is being done, the start with the report, then each event, in this order."""
    seen = []

    @contextmanager
    def working(what):
        seen.append(what)
        yield
        seen.append("done")

    hooks = Hooks(
        [lambda event: seen.append(event.epoch.iteration), lambda _: None],
        lambda start: seen.append((start.iteration, start.again, start.report.n_train, start.folder.name)),
        working,
    )
    run(request(pictures=True, max_iter=2), "here", hooks)

    start = (0, False, 64, "here")
    assert seen == ["Reading the data", "done", start, 0, 1, "Drawing the pictures", "done"]


def test_a_run_that_a_listener_ends_can_be_resumed():
    """It ends as the run that nobody ended."""
    run(request(), "unbroken")
    outcome = run(request(), "here", Hooks([ask_at(4, lambda: True)]))
    assert (outcome.status, outcome.interrupted) == ("stopped early", False)

    resumed = resume("here")

    assert resumed.status == "finished"
    assert same_model(outcome.folder, run(request(), "again").folder)


@pytest.mark.parametrize("by", ["request", "Ctrl-C"])
def test_a_request_to_stop_ends_a_run_that_can_be_resumed(by):
    """The model so far and a checkpoint are written, pictures are not; the handler of Ctrl-C is the one of before."""
    stop = StopRequest()
    ask = stop.ask if by == "request" else lambda: os.kill(os.getpid(), signal.SIGINT)

    outcome = run(request(pictures=True), "here", Hooks([ask_at(4, ask)], stop=stop))

    assert (outcome.status, outcome.interrupted) == ("interrupted", True)
    assert files("here") == ["checkpoint.safetensors", "history.jsonl", "model.safetensors", "run.json"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert resume("here", pictures=False).status == "finished"
    assert same_model(outcome.folder, run(request(), "unbroken").folder)


@pytest.mark.parametrize("file", ["history.jsonl", "model.safetensors"])
def test_an_interruption_while_writing_waits_for_the_model(monkeypatch, file):
    """History and model are written whole; the pictures are left out."""
    real = folder_module.replace_file

    def interrupt_and_write(path, content):
        if path.name == file:
            os.kill(os.getpid(), signal.SIGINT)
        real(path, content)

    monkeypatch.setattr(folder_module, "replace_file", interrupt_and_write)
    outcome = run(request(pictures=True, max_iter=400, tol=0.05), "here")

    assert (outcome.status, outcome.interrupted) == ("converged", True)
    assert files("here") == ["history.jsonl", "model.safetensors", "run.json"]


def test_an_interruption_while_drawing_keeps_the_model(monkeypatch):
    """It is written before the pictures."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(plots, "pictures", interrupt)
    outcome = run(request(pictures=True, max_iter=400, tol=0.05), "here")

    assert (outcome.status, outcome.interrupted) == ("converged", True)
    assert files("here") == ["history.jsonl", "model.safetensors", "run.json"]


def test_an_interruption_while_the_data_are_read_leaves_nothing():
    """Neither a folder nor anything in one."""

    @contextmanager
    def working(_):
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        run(request(), "here", Hooks(working=working))

    assert files(".") == ["samples.npz"]


def test_what_cannot_be_trained_leaves_nothing():
    """The error names settings, as the library calls them."""
    with pytest.raises(StorageError, match=r"samples\.npz is a file, not a folder: choose another `out`"):
        run(request(), "samples.npz")
    with pytest.raises(MissingFileError):
        run(replace(request(), data=DataRequest("nothing.npz")), "here")

    assert files(".") == ["samples.npz"]


def test_a_run_that_has_ended_is_left_as_it_is():
    """Its outcome has no result; of a finished one, more iterations can be asked for."""
    run(request(max_iter=400, tol=0.05), "converged")
    run(request(), "finished")
    before = {
        path: path.read_bytes() for name in ("converged", "finished") for path in folder_module.Path(name).iterdir()
    }

    outcomes = {name: resume(name) for name in ("converged", "finished")}

    assert all(path.read_bytes() == content for path, content in before.items())
    assert all(outcome.result is None for outcome in outcomes.values())
    assert outcomes["converged"].message == "The run converged is complete (converged): nothing to resume."
    assert outcomes["finished"].message == "The run finished is complete (finished): to continue, increase `max_iter`."
    assert outcomes["finished"].model.settings["n_iter"] == 9


def test_more_iterations_continue_a_finished_run():
    """As many as are asked for in all: the end is that of a run which made them at once."""
    first, unbroken = run(request(), "here"), run(request(max_iter=20), "unbroken")

    outcome = resume("here", max_iter=20)

    assert outcome.result.n_iter == 20
    assert same_model(first.folder, unbroken.folder)
    assert folder_module.RunFolder(first.folder, resume=True).read_request() == outcome.request


def test_a_run_stopped_early_by_its_validation_score_is_complete():
    """No checkpoint stays."""
    outcome = run(request(early_stopping=True, n_iter_no_change=2, max_iter=400, validation_fraction=0.3), "here")

    assert outcome.status == "stopped early"
    assert files("here") == ["history.jsonl", "model.safetensors", "run.json"]
    assert resume("here").message == "The run here is complete (stopped early): nothing to resume."


def test_what_is_refused_changes_nothing():
    """A number of iterations that were made already is not taken down; the run can be resumed as before."""
    run(request(max_iter=99), "here", Hooks([ask_at(50, lambda: True)]))
    before = folder_module.Path("here/run.json").read_bytes()

    with pytest.raises(SettingError, match="already made 50 iterations: `max_iter` must be at least that, not 3"):
        resume("here", max_iter=3)
    with pytest.raises(SettingError, match="`max_iter` must be a whole number of at least 1"):
        resume("here", max_iter=0)

    assert folder_module.Path("here/run.json").read_bytes() == before


def test_a_start_tells_where_a_resumed_run_begins():
    """At an iteration, or again where there is no checkpoint."""
    starts = []
    hooks = Hooks(on_start=starts.append)
    run(request(), "here", Hooks([ask_at(4, lambda: True)]))
    resume("here", hooks=hooks)
    for name in ("model.safetensors", "checkpoint.safetensors"):
        folder_module.Path("here", name).unlink()
    resume("here", hooks=hooks)

    assert [(start.iteration, start.again) for start in starts] == [(4, False), (0, True)]
