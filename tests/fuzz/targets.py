"""What each format's readers make of a file: a result that is what it should be, or an error of twolayer's."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.mutators import unpack
from tests.fuzz.watch import watched
from twolayer.cli.train import _arguments, _options_of, _training_options
from twolayer.cli.train import train as command
from twolayer.data.arrays import read_npy, read_npz
from twolayer.data.catalogue import ReadOptions, load_dataset, open_table
from twolayer.data.idx import read_idx
from twolayer.data.rows import gather
from twolayer.data.survey import survey_table
from twolayer.data.table_encoding import TableEncoding
from twolayer.data.tables import TableRows
from twolayer.errors import TwoLayerError
from twolayer.files.model_file import from_bytes, load, to_bytes
from twolayer.files.run_folder import RunFolder
from twolayer.fitting import ValidationSet, fit_model
from twolayer.history import from_json_lines, read_history, to_json_lines

TABLE_BYTES = 2**28  # that DuckDB may take
MOST_COLUMNS = 16  # of a table; it takes some hundredths of a second for each
SOLVERS = ("adam", "lbfgs", "momentum", "gd")
_LABELS = b"\0\0\x08\1\0\0\0\4\0\1\0\1"
_IMAGES = b"\0\0\x08\3\0\0\0\4\0\0\0\1\0\0\0\2" + bytes(range(8))

Reader = Callable[[bytes, Path], None]


def check(read: Reader, content: bytes, folder: Path) -> None:
    """Give a file's content to a reader; whatever but a good result or a good error comes of it is raised.

    Parameters
    ----------
    read : callable
        One of `READERS`, or one like them.
    content : bytes
    folder : Path
        Where the file may be put.
    """
    with watched(folder), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read(content, folder)
        except TwoLayerError as error:
            sentence = str(error)
            assert sentence.endswith("."), sentence
            assert len(sentence) <= len(content) + 1000, sentence


def read_model(content: bytes, folder: Path) -> None:
    """Load a model, predict, and save it again."""
    model = load(_put(content, folder / "model.safetensors"))
    samples = np.zeros((1, model.n_features)) if model.table is None else _missing(model.table)
    assert np.asarray(model.classes).dtype.kind in "iU"
    assert np.asarray(model.classes).tolist() == list(model.classes)
    assert model.predict(samples).tolist()[0] in model.classes
    assert np.isfinite(model.predict_proba(samples)).all()
    again = to_bytes(model)
    assert to_bytes(from_bytes(again)) == again


def read_one_history(content: bytes, folder: Path) -> None:
    """Read a history, and write it again."""
    epochs = read_history(_put(content, folder / "history.jsonl"))
    assert from_json_lines(to_json_lines(epochs)) == epochs


def read_one_idx(content: bytes, folder: Path) -> None:
    """Read an array, and make samples of it: labels for four images, or images for four labels."""
    path = _put(content, folder / "idx")
    array = read_idx(path)
    assert array.dtype.isnative
    images, labels = (_IMAGES, content) if array.ndim == 1 else (content, _LABELS)
    _put(labels, folder / "x-labels-idx1-ubyte")
    _check_samples(load_dataset(str(_put(images, folder / "x-images-idx3-ubyte"))))


def read_one_npz(content: bytes, folder: Path) -> None:
    """Read arrays, and make samples of them."""
    path = _put(content, folder / "x.npz")
    _check_arrays(read_npz(path))
    _check_samples(load_dataset(str(path)))


def read_one_npy(content: bytes, folder: Path) -> None:
    """Map an array of samples, with its own content as their labels too."""
    path = _put(content, folder / "X.npy")
    array = read_npy(path, None).X_train
    assert array.nbytes <= len(content)
    _check_samples(load_dataset(str(path)))
    _check_arrays(read_npy(path, path))


def read_csv(content: bytes, folder: Path) -> None:
    """Read a table, and make samples of all columns but the last, which tells the classes."""
    path = _put(content, folder / ("x.csv.gz" if content.startswith(b"\x1f\x8b") else "x.csv"))
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    if _n_separators(unpack(content)[0].decode(encoding, "replace")) >= MOST_COLUMNS:
        return
    table, _ = open_table(str(path), ReadOptions(encoding=encoding, memory_bytes=TABLE_BYTES))
    survey = survey_table(table, list(table.kinds)[-1], share=0.25)
    assert len(survey.codes) == table.n_rows
    X = gather(TableRows(table, survey.encoding))
    assert X.shape == (table.n_rows, survey.encoding.n_values)
    assert np.isfinite(X).all()
    assert TableEncoding.from_record(survey.encoding.to_record()) == survey.encoding


def train_tiny(path: Path, solver: str, **options: Any) -> Any:
    """Train a small network with a checkpoint, or go on from it."""
    X, y = np.sin(np.arange(24.0)).reshape(8, 3), np.arange(8) % 2
    if solver == "adam":
        options |= {"batch_size": 3, "validation": ValidationSet(X, y, patience=5)}
    rate = 0.5 if solver == "gd" else "auto"
    return fit_model(
        X, y, n_hidden=2, solver=solver, learning_rate=rate, max_iter=8, tol=0, n_threads=1, checkpoint=path, **options
    )


def read_checkpoint(content: bytes, folder: Path) -> None:
    """Go on with a training, of the solver that the checkpoint speaks of."""
    path = _put(content, folder / "checkpoint.safetensors")
    solver = next((solver for solver in SOLVERS if solver.encode() in content), "gd")
    model, result = train_tiny(path, solver)
    assert [epoch.iteration for epoch in result.history] == list(range(len(result.history)))
    assert all(np.isfinite(value).all() for value in model.parameters.values())
    assert to_bytes(from_bytes(to_bytes(model))) == to_bytes(model)
    to_json_lines(result.history)


def read_run_settings(content: bytes, folder: Path) -> None:
    """Read the options that a run is to go on with."""
    _put(content, folder / "run.json")
    run = RunFolder(folder, resume=True)
    try:
        context = command.make_context("train", ["--resume", str(folder)])
        options = _options_of(run, context, {name: value for name, value in context.params.items() if name != "resume"})
        run.write_arguments(_arguments(options))
        assert _arguments(_options_of(run, context, options)) == _arguments(options)
        _training_options(options)
    finally:
        run.release()


READERS: dict[str, Reader] = {
    "model": read_model,
    "checkpoint": read_checkpoint,
    "run": read_run_settings,
    "history": read_one_history,
    "idx": read_one_idx,
    "npz": read_one_npz,
    "npy": read_one_npy,
    "csv": read_csv,
}


def _put(content, path):
    path.write_bytes(content)
    return path


def _missing(table):
    """Return one row of which all is missing."""
    return {column.name: np.array([None], object) for column in table.columns}


def _n_separators(text):
    """Return how many separators a line has at most."""
    return max(len(re.findall(r"[,;\t| ]", line)) for line in re.split(r"[\r\n]", text))


def _check_arrays(arrays):
    for X, y in ((arrays.X_train, arrays.y_train), (arrays.X_test, arrays.y_test)):
        assert X is None or (X.dtype.isnative and len(X) > 0 and np.isfinite(X).all())
        assert y is None or (y.shape == (len(X),) and y.dtype.kind in "iuU" and len(y.tolist()) == len(X))


def _check_samples(dataset):
    for samples in (dataset.train, dataset.test):
        if samples is not None:
            assert samples.X.shape == (len(samples.X), np.prod(dataset.input_shape))
            assert samples.y is None or len(samples.y) == len(samples.X)
