"""A checkpoint holds all that it takes: whoever goes on from it ends with the same bits; no other file is taken."""

import json
import math
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from tests.strategies import timeless
from twolayer.data.rows import ArrayRows, MemoryRows
from twolayer.errors import CheckpointWarning, DataError, FileFormatError, SettingError, StorageError
from twolayer.files import checkpoint as module
from twolayer.files.checkpoint import FORM, Purpose, seal
from twolayer.files.model_file import to_bytes
from twolayer.fit import fit_model
from twolayer.training.result import Status
from twolayer.training.stop import StopRequest

SOLVERS = (("gd", 1.0), ("gd", "auto"), ("momentum", 0.5), ("adam", "auto"), ("lbfgs", "auto"))


class KilledError(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.fixture(scope="module")
def samples():
    """Return samples of two classes that no line parts."""
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 12))
    return X, (X[:, 0] * X[:, 1] + 0.3 * random.normal(size=400) > 0).astype(int)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


def fit(samples, **changes):
    """Train without a word about the end: 25 iterations."""
    X, y = samples
    options = {"n_hidden": 6, "max_iter": 25, "tol": 0.0, "n_threads": 2, "X_test": X[:40], "y_test": y[:40]}
    return fit_model(X, y, **{**options, **changes})


def fit_and_die(samples, path, at, **changes):
    """Train with a checkpoint at each iteration, and die at one of them."""

    def die(epoch):
        if epoch.iteration == at:
            raise KilledError

    with pytest.raises(KilledError):
        fit(samples, checkpoint=path, checkpoint_seconds=0, on_epoch=die, **changes)


def assert_same(one, other):
    """Assert that the model's file, the history and the figures are the same to the last bit."""
    assert to_bytes(one[0]) == to_bytes(other[0])
    assert timeless(one[1].history) == timeless(other[1].history)
    figures = ("status", "message", "n_iter", "cost", "train_correct", "test_correct", "engine", "validation_score")
    assert [getattr(one[1], name) for name in figures] == [getattr(other[1], name) for name in figures]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["whole", "tiled", "streamed"])
@pytest.mark.parametrize(("solver", "rate"), SOLVERS)
def test_who_goes_on_ends_with_the_same_bits(samples, path, solver, rate, engine, dtype):
    """For every solver and engine, after several deaths."""
    settings = {"solver": solver, "learning_rate": rate, "engine": engine, "dtype": dtype}
    unbroken = fit(samples, **settings)

    for at in (0, 7, 8, 19):
        fit_and_die(samples, path, at, **settings)

    assert_same(fit(samples, checkpoint=path, **settings), unbroken)


@settings(max_examples=settings.default.max_examples // 5)
@given(
    at=st.integers(0, 24),
    solver=st.sampled_from(SOLVERS),
    loss=st.sampled_from(["square", "log"]),
    activation=st.sampled_from(["sigmoid", "tanh", "relu"]),
    l2=st.sampled_from([0.0, 0.01]),
    batch_size=st.sampled_from([7, 100]),
)
def test_wherever_it_dies(tmp_path_factory, samples, at, solver, loss, activation, l2, batch_size):
    """At any iteration, with any loss, activation, penalty and mini-batches."""
    path = tmp_path_factory.mktemp("run") / "checkpoint"
    settings = {"solver": solver[0], "learning_rate": solver[1], "loss": loss, "activation": activation, "l2": l2}
    if solver[0] == "adam":
        settings["batch_size"] = batch_size
    unbroken = fit(samples, **settings)

    fit_and_die(samples, path, at, **settings)

    assert_same(fit(samples, checkpoint=path, **settings), unbroken)


@pytest.mark.parametrize("scores", [None, [0.5, 0.7, 0.6, math.nan, 0.7, 0.65, 0.6, 0.6, 0.6, 0.6]])
def test_the_wait_for_a_better_score_goes_on(samples, path, scores):
    """The best parameters, the score to beat and the time waited come back; a score may be no number."""
    X, y = samples

    def watch(done=0):
        given = iter(scores[done:]) if scores else None
        score = None if given is None else lambda _: next(given)
        return {"X_val": X[:80], "y_val": y[:80], "score": score, "early_stopping": True, "n_iter_no_change": 4}

    unbroken = fit(samples, **watch())
    assert unbroken[1].status == "stopped early"
    fit_and_die(samples, path, 3, **watch())

    one, other = fit(samples, checkpoint=path, **watch(done=3)), unbroken

    assert to_bytes(one[0]) == to_bytes(other[0])
    assert repr(timeless(one[1].history)) == repr(timeless(other[1].history))
    assert one[1].message == other[1].message


def test_more_iterations_go_on(samples, path):
    """A training that made all its iterations leaves its checkpoint, and another one makes more."""
    fit(samples, checkpoint=path, checkpoint_seconds=0)

    assert_same(fit(samples, checkpoint=path, max_iter=40), fit(samples, max_iter=40))
    with pytest.raises(SettingError, match="already made 24 iterations: `max_iter` must be at least that, not 20"):
        fit(samples, checkpoint=path, max_iter=20)


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (Status.CONVERGED, {"tol": 0.01}),
        (Status.DIVERGED, {"learning_rate": 1e38, "solver": "gd", "l2": 1.0}),
        (Status.FINISHED, {}),
        (Status.STOPPED_EARLY, {"on_epoch": lambda epoch: epoch.iteration == 9}),
    ],
)
def test_a_training_may_be_asked_for_twice(samples, path, status, changes):
    """The checkpoint stays, however the training ended, and leads to the same end."""
    first = fit(samples, checkpoint=path, checkpoint_seconds=0, **changes)
    assert (first[1].status, path.exists()) == (status, True)

    assert_same(fit(samples, checkpoint=path, **changes), first)


def test_an_interruption_leaves_a_checkpoint(samples, path):
    """Asked to stop in the middle of an iteration: the checkpoint is of its beginning, and the same bits follow."""
    unbroken, stop = fit(samples, solver="adam"), StopRequest()
    asks = {"on_epoch": lambda epoch: stop.ask() if epoch.iteration == 11 else None, "stop": stop}

    _, result = fit(samples, solver="adam", checkpoint=path, checkpoint_seconds=1e6, **asks)
    assert (result.status, result.n_iter, path.exists()) == ("interrupted", 11, True)

    assert_same(fit(samples, solver="adam", checkpoint=path), unbroken)


def test_an_interruption_before_the_first_iteration_leaves_nothing(samples, path):
    """There is nothing to go on from."""
    stop = StopRequest()
    stop.ask()

    assert fit(samples, checkpoint=path, checkpoint_seconds=0, stop=stop)[1].status == "interrupted"

    assert not path.exists()


def test_the_time_is_that_of_all_processes(samples, path):
    """Seconds are counted on, and never fall."""
    fit_and_die(samples, path, 12)

    seconds = [epoch.seconds for epoch in fit(samples, checkpoint=path)[1].history]

    assert seconds == sorted(seconds)


def test_another_engine_goes_on_and_says_so(samples, path):
    """On a machine without the kernel; the result is the same to rounding, and the model's settings tell."""
    fit_and_die(samples, path, 12, engine="tiled", solver="gd", learning_rate=1.0)

    model, result = fit(samples, checkpoint=path, engine="whole", solver="gd", learning_rate=1.0)

    assert result.engine.startswith("whole")
    assert "before iteration 12 tiled" in model.settings["engine"]
    expected, _ = fit(samples, engine="whole", solver="gd", learning_rate=1.0)
    np.testing.assert_allclose(model.parameters["W1"], expected.parameters["W1"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"learning_rate": 0.5}, "was made with `learning_rate` 1.0, not 0.5"),
        ({"solver": "momentum"}, "was made with `solver` gd, not momentum"),
        ({"random_state": 1}, "was made with `random_state` 0, not 1"),
        ({"l2": 0.1}, "`l2` 0.0, not 0.1"),
        ({"dtype": "float32"}, "`dtype` float64, not float32"),
        ({"class_weight": "balanced"}, "`class_weight` None, not balanced"),
        ({"X_test": None, "y_test": None}, "other samples"),
    ],
)
def test_other_settings_are_refused(samples, path, change, sentence):
    """By name; the checkpoint stays as it was."""
    settings = {"solver": "gd", "learning_rate": 1.0}
    fit_and_die(samples, path, 3, **settings)
    before = path.read_bytes()

    with pytest.raises((SettingError, DataError), match=sentence):
        fit(samples, checkpoint=path, **{**settings, **change})
    assert path.read_bytes() == before


def test_other_samples_are_refused(samples, path):
    """One bit of one value, one label, or the order is enough."""
    X, y = samples
    fit_and_die(samples, path, 3)
    nudged, relabelled = X.copy(), y.copy()
    nudged[399, 11] = np.nextafter(nudged[399, 11], 9)
    relabelled[100] ^= 1

    for other in ((nudged, y), (X, relabelled), (X[::-1], y[::-1])):
        with pytest.raises(DataError, match="other samples"):
            fit(other, checkpoint=path, X_test=X[:40], y_test=y[:40])


@pytest.mark.parametrize("kind", ["array", "rows in memory", "sparse", "rows", "by column"])
def test_all_kinds_of_samples_have_a_digest(samples, kind):
    """Sparse matrices, rows and arrays by column: equal ones the same, others another."""
    X = samples[0].copy()
    make = {
        "array": np.array,
        "rows in memory": lambda X: MemoryRows(scipy.sparse.csr_array(X)),
        "sparse": scipy.sparse.csr_array,
        "rows": lambda X: ArrayRows(X, 30),
        "by column": np.asfortranarray,
    }[kind]

    one, same = Purpose({}, [make(X)]).digest(), Purpose({}, [make(X.copy())]).digest()
    X[0, 0] += 1

    assert one == same != Purpose({}, [make(X)]).digest()


def test_a_digest_tells_where_one_array_ends(samples):
    """The same bytes in other shapes, types or places are others."""
    X = samples[0]
    kinds = [[X], [X.reshape(800, 6)], [X.view(np.int64)], [X[:200], X[200:]], [X[:0], X], [X, None], [None, X]]

    digests = [Purpose({}, kind).digest() for kind in kinds]

    assert len(set(digests[:5])) == 5
    assert digests[5] == digests[6] == digests[0]  # the settings say which of them are there


def test_checkpoints_are_paced(samples, path, monkeypatch):
    """Each costs 1 % of the time so far at most, as counted by a clock of our own."""
    clock = {"now": 0.0}
    written = []

    def write(*_):
        clock["now"] += 0.5
        written.append(clock["now"])

    monkeypatch.setattr(module.time, "perf_counter", lambda: clock["now"])
    monkeypatch.setattr(module, "replace_file", write)

    def work(_):
        clock["now"] += 1.0

    fit(samples, max_iter=1000, solver="gd", learning_rate=0.1, checkpoint=path, on_epoch=work)

    assert len(written) in range(15, 21)
    assert all(0.5 * n <= 0.011 * now for n, now in enumerate(written[1:], start=2))


def test_without_time_nothing_is_written(samples, path):
    """A training of a moment leaves no checkpoint, and pays for none."""
    fit(samples, checkpoint=path)

    assert not path.exists()


def test_a_failing_disk_leaves_the_last_checkpoint(samples, path, monkeypatch):
    """One warning, however often it fails; the training is not lost, and what was there before can be gone on from."""
    unbroken = fit(samples)
    real, calls = os.fsync, []

    def fill(descriptor):
        calls.append(descriptor)
        if len(calls) > 9:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.warns(CheckpointWarning) as caught:
        assert_same(fit(samples, checkpoint=path, checkpoint_seconds=0), unbroken)
    monkeypatch.undo()
    (warning,) = caught
    assert re.search(r"Cannot write .* \(No space left on device\): .* Training continues", str(warning.message))

    assert os.listdir(path.parent) == [path.name]
    assert_same(fit(samples, checkpoint=path), unbroken)


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, "often"])
def test_a_wrong_pace_is_refused(samples, path, seconds):
    """It is a number of at least 0."""
    with pytest.raises(SettingError, match="checkpoint"):
        fit(samples, checkpoint=path, checkpoint_seconds=seconds)


def test_a_place_that_cannot_be_is_told(samples, tmp_path):
    """Before any work."""
    for place in (tmp_path, tmp_path / "nothing" / "checkpoint", "", "a\0b", "\ud800", "x" * 300):
        with pytest.raises(StorageError, match="name a file in an existing folder"):
            fit(samples, checkpoint=place)
    with pytest.raises(SettingError, match="path of a file; got 5"):
        fit(samples, checkpoint=5)
    with pytest.raises(SettingError, match="needs a file to write to"):
        fit(samples, checkpoint_seconds=5)


def record_of(content):
    """Return the JSON record of a checkpoint."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(header["__metadata__"]["twolayer_checkpoint"])


def sealed(arrays, record):
    """Return a checkpoint whose checksum is right."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return seal(save_arrays(arrays, metadata={"twolayer_checkpoint": text}))


def with_record(content, **changes):
    """Return a checkpoint with another record; None takes a name out."""
    record = {name: value for name, value in {**record_of(content), **changes}.items() if value is not None}
    return sealed(load_arrays(content), record)


def with_state(content, path, value=...):
    """Return a checkpoint with another value at a path of its state, or none there."""
    record = record_of(content)
    *boxes, last = path.split(".")
    box = record["state"]
    for name in boxes:
        box = box[name]
    if value is ...:
        del box[last]
    else:
        box[last] = value
    return sealed(load_arrays(content), record)


def with_array(content, name, value):
    """Return a checkpoint with another array, of a number alone, of another type, or without it."""
    arrays = load_arrays(content)
    old = arrays.pop(f"state.{name}", None)
    if isinstance(value, float):
        value = np.full_like(old, value)
    if value is not None:
        arrays[f"state.{name}"] = old.astype(value) if isinstance(value, str) else value
    return sealed(arrays, record_of(content))


BROKEN = {
    "a model": (lambda c: save_arrays(load_arrays(c), metadata={"twolayer": "{}"}), "of another kind"),
    "no checksum": (lambda c: with_record(c, checksum=""), "checksum"),
    "another bit": (lambda c: c[:-5] + bytes([c[-5] ^ 16]) + c[-4:], "checksum does not match"),
    "another second": (lambda c: with_state(c, "seconds", 1.5).replace(b"1.5", b"1.7"), "checksum does not match"),
    "an older version": (lambda c: with_record(c, format_version=1), "1 is older than 2.*remove it to start again"),
    "settings that are a list": (lambda c: with_record(c, settings=[]), "settings"),
    "samples that are a number": (lambda c: with_record(c, data=1), "data: Expected str"),
    "a state that is a list": (lambda c: with_record(c, state=[]), "state: Expected object"),
    "a state with one more name": (lambda c: with_state(c, "code", "import os"), "state must have exactly"),
    "an engine that is a number": (lambda c: with_state(c, "engine", 1), "state.engine"),
    "an iteration below 0": (lambda c: with_state(c, "iteration", -1), "state.iteration"),
    "an iteration beyond its history": (lambda c: with_state(c, "iteration", 2**50), "6 epochs before iteration"),
    "an iteration beyond any": (lambda c: with_state(c, "iteration", 2**60), "state.iteration"),
    "seconds below 0": (lambda c: with_state(c, "seconds", -1), "seconds"),
    "seconds without end": (lambda c: with_state(c, "seconds", "inf"), "seconds"),
    "seconds that are a text": (lambda c: with_state(c, "seconds", "now"), "state.seconds"),
    "parameters that are an object": (lambda c: with_state(c, "parameters", {}), "lacks the array state.parameters"),
    "parameters that lie elsewhere": (lambda c: with_state(c, "parameters", "state.solver.first"), "lacks the array"),
    "parameters that are missing": (lambda c: with_array(c, "parameters", None), "lacks the array state.parameters"),
    "parameters of another shape": (lambda c: with_array(c, "parameters", np.zeros(7)), "another shape or type"),
    "parameters of another type": (lambda c: with_array(c, "parameters", "f4"), "another shape or type"),
    "infinite parameters": (lambda c: with_array(c, "parameters", np.inf), "not finite"),
    "an array of no use": (lambda c: with_array(c, "code", np.zeros(3)), "unused array, state.code"),
    "the state of another solver": (lambda c: with_state(c, "solver", {"rate": 1.0}), "state.solver must have exactly"),
    "a moment of another shape": (lambda c: with_array(c, "solver.first", np.zeros((1, 1))), "shape or type"),
    "a moment of another type": (lambda c: with_array(c, "solver.first", "f4"), "shape or type"),
    "a moment that is missing": (lambda c: with_array(c, "solver.second", None), "lacks the array state.solver.second"),
    "squares below 0": (lambda c: with_array(c, "solver.second", -1.0), "counts are invalid"),
    "updates below 0": (lambda c: with_state(c, "solver.n_updates", -5), "n_updates"),
    "passes beyond any": (lambda c: with_state(c, "solver.n_passes", 10**400), "n_passes"),
    "a history of other figures": (lambda c: with_state(c, "epochs.x", "state.epochs.x"), "state.epochs must have"),
    "a history that is a list": (lambda c: with_state(c, "epochs", []), "state.epochs must have"),
    "a history that is missing": (lambda c: with_array(c, "epochs.cost", None), "lacks the array state.epochs.cost"),
    "a history of another length": (lambda c: with_array(c, "epochs.cost", np.zeros(3)), "shape or type"),
    "a history of another type": (lambda c: with_array(c, "epochs.seconds", "f4"), "shape or type"),
    "a cost that is no number": (lambda c: with_array(c, "epochs.cost", np.nan), "impossible values"),
    "an accuracy of two": (lambda c: with_array(c, "epochs.train_accuracy", 2.0), "impossible values"),
    "a score to beat that is a text": (lambda c: with_state(c, "bar", "high"), "state.bar"),
    "a time waited below 0": (lambda c: with_state(c, "waited", -1), "state.waited"),
    "a best point that is empty": (lambda c: with_state(c, "best", {}), "state.best must have exactly"),
    "a best cost that is a text": (lambda c: with_state(c, "best.cost", "low"), "state.best.cost"),
    "a best point of no iteration": (lambda c: with_state(c, "best.n_iter", None), "state.best.n_iter"),
    "best parameters of another shape": (lambda c: with_array(c, "best.parameters", np.zeros(7)), "shape or type"),
    "best parameters without end": (lambda c: with_array(c, "best.parameters", np.nan), "not finite"),
}


def without_a_step(content):
    """Return a checkpoint of L-BFGS without the last of its steps."""
    *steps, last = record_of(content)["state"]["solver"]["steps"]
    return with_array(with_state(content, "solver.steps", steps), last.removeprefix("state."), None)


BROKEN_PAIRS = {  # of the memory of L-BFGS
    "steps without a change": (lambda c: with_state(c, "solver.changes", []), "unused array"),
    "a step too few": (without_a_step, "do not form pairs"),
    "steps that are lists": (lambda c: with_state(c, "solver.steps", [[[]]] * 3), "lacks the array"),
    "steps that are one array": (lambda c: with_state(c, "solver.steps", "state.solver.steps"), "is invalid"),
    "no curvature": (lambda c: with_array(c, "solver.changes.0", 0.0), "no curvature"),
    "an infinite step": (lambda c: with_array(c, "solver.steps.1", np.inf), "no curvature"),
    "steps that overflow": (lambda c: with_array(c, "solver.steps.1", 1e300), "no curvature"),
    "a step of another type": (lambda c: with_array(c, "solver.steps.1", "f4"), "shape or type"),
}
WITH_ADAM = {"solver": "adam", "early_stopping": True, "n_iter_no_change": 50}


@pytest.fixture(scope="module")
def content(samples, tmp_path_factory):
    """Return a checkpoint of Adam that waits for a better score."""
    path = tmp_path_factory.mktemp("good") / "checkpoint"
    fit_and_die(samples, path, 6, **WITH_ADAM)
    return path.read_bytes()


def test_a_good_checkpoint_is_taken(samples, path, content):
    """What the broken ones are made of, unbroken."""
    path.write_bytes(with_record(content))

    assert_same(fit(samples, checkpoint=path, **WITH_ADAM), fit(samples, **WITH_ADAM))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_is_told(samples, path, content, name):
    """One sentence, and the file stays."""
    break_it, sentence = BROKEN[name]
    path.write_bytes(break_it(content))

    with pytest.raises(FileFormatError, match=sentence):
        fit(samples, checkpoint=path, **WITH_ADAM)
    assert path.exists()


def test_each_name_is_needed(samples, path, content):
    """Of the record, of the state and of what is within it."""
    record = record_of(content)
    broken = [with_record(content, **{name: None}) for name in record]
    for name, value in record["state"].items():
        names = [name] if not isinstance(value, dict) else [f"{name}.{key}" for key in value]
        needed = [each for each in names if each not in ("epochs.test_accuracy", "epochs.validation_cost")]
        broken += [with_state(content, each) for each in needed if each != "epochs.validation_score"]

    for each in broken:
        path.write_bytes(each)
        with pytest.raises(FileFormatError, match="is not a valid checkpoint"):
            fit(samples, checkpoint=path, **WITH_ADAM)


@pytest.mark.parametrize("name", BROKEN_PAIRS)
def test_a_memory_that_is_of_no_use_is_told(samples, path, name):
    """L-BFGS remembers pairs, and divides by their curvature."""
    break_it, sentence = BROKEN_PAIRS[name]
    fit_and_die(samples, path, 6, solver="lbfgs")
    path.write_bytes(break_it(path.read_bytes()))

    with pytest.raises(FileFormatError, match=sentence):
        fit(samples, solver="lbfgs", checkpoint=path)


def test_a_file_too_large_is_told(samples, path, monkeypatch):
    """Before it is read."""
    monkeypatch.setattr(module, "FORM", replace(FORM, max_bytes=10))
    path.write_bytes(b"\0" * 11)

    with pytest.raises(FileFormatError, match="larger than any checkpoint"):
        fit(samples, checkpoint=path)
