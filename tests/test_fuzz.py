"""Whatever a file holds, its reader gives a result or an error of twolayer's, and runs, starts and changes nothing.

`tests/fuzz/` has the readers, the files and the search for more of them; here the files are read again, and some made
of them.
"""

import os
import pickle
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import seeds
from tests.fuzz.mutators import MUTATORS, mutate
from tests.fuzz.reader import check
from tests.fuzz.targets import READERS
from tests.fuzz.watch import ForbiddenError
from twolayer.data.readers import arrays, idx
from twolayer.errors import DataError, TwoLayerError
from twolayer.files import checkpoint, model_file, records
from twolayer.solvers.lbfgs import LBFGS
from twolayer.training import history

FILES = {kind: sorted((seeds.CORPUS / kind).iterdir()) for kind in READERS}
MOST = 3 * settings.default.max_examples
EXAMPLES = {"csv": MOST // 8, "checkpoint": MOST // 3, "run": MOST // 3}  # each takes longer than one of the others
LARGEST = 4096
WHOLE = {
    "model": [
        "of-numbers",
        "of-three-texts",
        "of-a-table",
        "of-clips-curves-and-dates",
        "of-an-array",
        "bytes-two-classes",
    ],
    "checkpoint": ["of-gd", "of-momentum", "of-adam", "of-lbfgs"],
    "run": ["of-digits", "of-a-table", "of-images", "of-a-query"],
    "history": ["empty", "three-epochs", "carriage-returns"],
    "idx": ["images", "labels", "gzip", "gzip-twice"],
    "npz": ["plain", "packed", "texts", "letters", "other-names"],
    "npy": ["one-column"],
    "csv": ["comma", "semicolon", "tab", "pipe", "space", "quoted", "missing", "utf-16", "gzip", "names-to-be-quoted"],
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Keep temporary files, and what a reader might write, in a folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "files").mkdir()


@pytest.mark.parametrize(
    "path", [path for kind in FILES for path in FILES[kind]], ids=lambda path: f"{path.parent.name}: {path.name}"
)
def test_each_file_that_is_kept_is_stood(tmp_path, path):
    """Small ones of every variety, one for each rule that is broken, and those that once were not stood."""
    check(READERS[path.parent.name], path.read_bytes(), tmp_path / "files")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in WHOLE.items() for name in names])
def test_whole_files_give_a_result(tmp_path, kind, name):
    """So that what is changed of them is refused for the change; else `python -m tests.fuzz.seeds` makes them anew."""
    READERS[kind]((seeds.CORPUS / kind / name).read_bytes(), tmp_path / "files")


def test_the_files_that_are_made_are_kept():
    """Each has its name in the folder of its format, and every format has its reader, files and ways to change them."""
    assert set(READERS) == set(seeds.MAKERS) == set(MUTATORS) == {path.name for path in seeds.CORPUS.iterdir()}
    for kind, make in seeds.MAKERS.items():
        assert set(map(seeds.file_name, make())) <= {path.name for path in FILES[kind]}


def test_the_files_that_are_kept_are_few_and_small():
    """All together."""
    sizes = [path.stat().st_size for paths in FILES.values() for path in paths]

    assert len(sizes) <= 340
    assert sum(sizes) <= 300_000


@st.composite
def changed_files(draw, kind):
    """Draw a file that is kept, changed up to three times and then perhaps cut."""
    content = draw(st.sampled_from(FILES[kind])).read_bytes()
    for seed in draw(st.lists(st.integers(0, 2**32 - 1), max_size=3)):
        content = mutate(kind, content, LARGEST, seed)
    return content[: draw(st.just(len(content)) | st.integers(0, len(content)))]


def try_changed_files(folder, kind, n):
    """Let a reader read so many changed files."""

    @settings(max_examples=n, suppress_health_check=list(HealthCheck))
    @given(changed_files(kind))
    def read(content):
        check(READERS[kind], content, folder)

    read()


@pytest.mark.parametrize("kind", READERS)
def test_changed_and_cut_files_are_stood(tmp_path, kind):
    """Some of each format."""
    try_changed_files(tmp_path / "files", kind, EXAMPLES.get(kind, MOST))


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_many_changed_and_cut_files_are_stood(tmp_path, kind):
    """Ten times as many."""
    try_changed_files(tmp_path / "files", kind, 10 * EXAMPLES.get(kind, MOST))


class _Code:
    """An object whose pickle starts a program."""

    def __reduce__(self):
        return os.system, ("true",)


def _with_a_warning(*_):
    warnings.warn("something is odd", stacklevel=1)


def _with_an_error_that_tells_nothing(*_):
    raise TwoLayerError


def _with_an_endless_sentence(*_):
    raise DataError("x" * 10_000 + ".")


FAULTS = {
    "a wrong kind of error": (lambda content, folder: {}[content], KeyError),
    "a wrong result": (lambda content, folder: np.testing.assert_equal(1, 2), AssertionError),
    "no memory": (lambda content, folder: bytearray(2**62), MemoryError),
    "a warning": (_with_a_warning, UserWarning),
    "no sentence": (_with_an_error_that_tells_nothing, AssertionError),
    "an endless sentence": (_with_an_endless_sentence, AssertionError),
    "a pickle": (lambda content, folder: pickle.loads(pickle.dumps(_Code())), ForbiddenError),
    "a pickled array": (lambda content, folder: np.load(folder / "objects.npy", allow_pickle=True), ForbiddenError),
    "code that is evaluated": (lambda content, folder: eval("1 + 1"), ForbiddenError),
    "code that is executed": (lambda content, folder: exec("x = 1"), ForbiddenError),
    "a command": (lambda content, folder: os.system("true"), ForbiddenError),
    "a program": (lambda content, folder: subprocess.run(["true"], check=True), ForbiddenError),
    "a file elsewhere": (lambda content, folder: Path("/twolayer-elsewhere").write_bytes(b""), ForbiddenError),
    "a folder elsewhere": (lambda content, folder: Path("/twolayer-elsewhere").mkdir(), ForbiddenError),
    "a removed file": (lambda content, folder: Path("/twolayer-elsewhere").unlink(), ForbiddenError),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_reader_that_does_wrong_is_seen(tmp_path, name):
    """Whichever way."""
    read, kind = FAULTS[name]
    np.save(tmp_path / "files" / "objects.npy", np.array([_Code()], object), allow_pickle=True)

    with pytest.raises(kind):
        check(read, b"", tmp_path / "files")


def test_a_reader_that_hides_what_it_ran_is_seen(tmp_path):
    """Also where it catches everything."""

    def read(*_):
        try:
            os.system("true")
        except BaseException:  # noqa: BLE001
            raise DataError("It cannot be read.") from None

    with pytest.raises(ForbiddenError, match=r"os\.system"):
        check(read, b"", tmp_path / "files")


ENDLESS = dict.fromkeys(history.RANGES, (-np.inf, np.inf))
PLANTED = {
    "labels that no array holds": ("model", model_file, "_fit_an_array", lambda classes: True, AssertionError),
    "arrays that do not fit": ("model", model_file, "_check_arrays", lambda arrays: None, Exception),
    "a memory that is none": ("checkpoint", LBFGS, "check", lambda *_: None, ValueError),
    "counts without end": ("checkpoint", records, "_COUNT", int, OverflowError),
    "parameters without end": ("checkpoint", checkpoint, "_to_parameters", lambda v, p, _: p.moved_to(v), Exception),
    "figures without end": ("checkpoint", checkpoint, "_MOST", {}, ValueError),
    "costs without end": ("history", history, "RANGES", ENDLESS, ValueError),
    "damaged gzip data": ("idx", idx.zlib, "error", OSError, Exception),
    "other errors of archives": ("npz", arrays, "_ZIP_ERRORS", (zipfile.BadZipFile,), Exception),
    "values that are not there": ("npy", arrays, "_check_length", lambda *_: None, Exception),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_reader_without_one_of_its_checks_is_found(tmp_path, monkeypatch, name):
    """By the files that are kept, or a change of them."""
    kind, module, attribute, replacement, error = PLANTED[name]
    monkeypatch.setattr(module, attribute, replacement)

    with pytest.raises(error):  # noqa: PT012 - one of many
        for path in FILES[kind]:
            check(READERS[kind], path.read_bytes(), tmp_path / "files")
        try_changed_files(tmp_path / "files", kind, 300)


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_the_search_runs(tmp_path, kind):
    """For a moment, where atheris is installed."""
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tests.fuzz", kind, "--runs", "300", "--timeout", "60", "--out", str(tmp_path)]

    root = seeds.CORPUS.parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=600)

    assert done.returncode == 0, done.stderr[-2000:]
    assert "Done 300 runs" in done.stderr
