"""What each format's readers make of a file: a result that is what it should be, or an error of twolayer's."""

import re
from pathlib import Path

import numpy as np

from tests.fuzz import run_targets
from tests.fuzz.mutators import unpack
from tests.fuzz.reader import put
from twolayer.data.readers.arrays import read_npy, read_npz
from twolayer.data.readers.idx import read_idx, read_idx_samples
from twolayer.data.rows import gather
from twolayer.data.tables.reading import read_table
from twolayer.data.tables.survey import survey_table
from twolayer.data.tables.tables import TableRows

TABLE_BYTES = 2**28  # that DuckDB may take
MOST_COLUMNS = 16  # of a table; it takes some hundredths of a second for each
SCALINGS = ("standard", "clip", "quantile", "bins")
_LABELS = b"\0\0\x08\1\0\0\0\4\0\1\0\1"
_IMAGES = b"\0\0\x08\3\0\0\0\4\0\0\0\1\0\0\0\2" + bytes(range(8))


def read_one_idx(content: bytes, folder: Path) -> None:
    """Read an array, and make samples of it: labels for four images, or images for four labels."""
    path = put(content, folder / "idx")
    array = read_idx(path)
    assert array.dtype.isnative
    images, labels = (_IMAGES, content) if array.ndim == 1 else (content, _LABELS)
    put(labels, folder / "x-labels-idx1-ubyte")
    _check_samples(read_idx_samples(put(images, folder / "x-images-idx3-ubyte")))


def read_one_npz(content: bytes, folder: Path) -> None:
    """Read arrays, and make samples of them."""
    _check_samples(read_npz(put(content, folder / "x.npz")))


def read_one_npy(content: bytes, folder: Path) -> None:
    """Map an array of samples, with its own content as their labels too."""
    path = put(content, folder / "X.npy")
    dataset = read_npy(path, None)
    assert np.prod(dataset.rows.shape) * dataset.rows.dtype.itemsize <= len(content)
    _check_samples(dataset)
    _check_samples(read_npy(path, path))


def read_csv(content: bytes, folder: Path) -> None:
    """Read a table, and make samples of all columns but the last, which tells the classes."""
    path = put(content, folder / ("x.csv.gz" if content.startswith(b"\x1f\x8b") else "x.csv"))
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    if _n_separators(unpack(content)[0].decode(encoding, "replace")) >= MOST_COLUMNS:
        return
    table = read_table(str(path), encoding=encoding, memory_bytes=TABLE_BYTES)
    survey = survey_table(table, list(table.kinds)[-1], fraction=0.25, scaling=SCALINGS[len(content) % 4])
    assert len(survey.labels) == table.n_rows
    X = gather(TableRows(table, survey.encoding))
    assert X.shape == (table.n_rows, survey.encoding.n_values)
    assert np.isfinite(X).all()


READERS = run_targets.READERS | {"idx": read_one_idx, "npz": read_one_npz, "npy": read_one_npy, "csv": read_csv}


def _n_separators(text):
    """Return how many separators a line has at most."""
    return max(len(re.findall(r"[,;\t| ]", line)) for line in re.split(r"[\r\n]", text))


def _check_samples(dataset):
    for samples in (dataset, dataset.test):
        if samples is not None:
            X, labels = gather(samples.rows), samples.labels
            assert X.dtype.isnative
            assert X.shape == (samples.n_samples, np.prod(dataset.input_shape))
            assert len(X) > 0
            assert np.isfinite(X).all()
            assert labels is None or (len(labels.decode()) == len(X) and {*map(type, labels.classes)} <= {int, str})
