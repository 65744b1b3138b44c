"""One name for every source of samples: `mnist:0,1`, IDX files, NPZ and NPY, a folder of images, a table, a query.

`READERS` is the list of what can be read. After a colon a choice of labels may follow: `mnist:4,9`, `pets/:cat,dog`.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Dataset, Labels, order_classes
from twolayer.data.encoding import Encoding
from twolayer.data.memory import Plan, database_bytes
from twolayer.data.readers.arrays import read_npy, read_npz
from twolayer.data.readers.idx import read_idx_samples
from twolayer.data.readers.images import is_image_file, is_image_folder, read_images
from twolayer.data.readers.mnist import read_mnist
from twolayer.data.readers.openml import BUNDLED_TABLES, OPENML, read_bundled_table, read_digits, read_openml
from twolayer.data.report import DataReport, count_classes, report_samples
from twolayer.data.request import ENCODINGS, DataRequest
from twolayer.data.rows import ArrayRows, MemoryRows, Rows, gather, gather_parts, spool
from twolayer.data.split import hold_out
from twolayer.data.tables.reading import is_table_name, read_table
from twolayer.data.tables.survey import code_target, guess_target, survey_table
from twolayer.data.tables.tables import Table, TableRows
from twolayer.errors import DataError, FileFormatError, MissingFileError, SettingError
from twolayer.settings import Settings, default_of, setting_fields
from twolayer.text import choices, join

DEFAULT_HOLD_OUT = 0.2
_OTHER_FILES = {
    (".xlsx", ".xls", ".xlsm", ".ods", ".numbers"): "is a spreadsheet: save it as CSV",
    (".zip", ".tar", ".tgz", ".7z", ".rar"): "is an archive: unpack it, and name a file or folder in it",
}


@dataclass(frozen=True)
class Reader:
    """A kind of source."""

    kind: str  # what it is, for help and errors
    examples: tuple[str, ...]  # names, for help and errors
    knows: Callable[[str], bool]  # whether a name, without a choice of labels, is of this kind
    read: Callable[[str, DataRequest], Any]  # the Dataset, or the Table, of a name as a request wants it
    uses: tuple[str, ...] = ()  # those fields of a request that are of use to it and not to others
    is_table: bool = False


def _exists(name: str) -> bool:
    return bool(name) and os.path.exists(name)  # noqa: PTH110 - False too where no path can be so long


def _is_file(suffix: str) -> Callable[[str], bool]:
    return lambda name: name.lower().endswith(suffix) and _exists(name)


def _is_bundled(*names: str) -> Callable[[str], bool]:
    return lambda name: name in names and not _exists(name)  # what a person has put there is what they mean


def _tables(
    examples: tuple[str, ...], knows: Callable[[str], bool], read: Callable[[str, DataRequest], Table]
) -> Reader:
    return Reader("tables", examples, knows, read, ("target", "ignore", "keep_spellings", "encoding"), is_table=True)


def _read_table(name: str, request: DataRequest) -> Table:
    return read_table(name, encoding=request.encoding, memory_bytes=database_bytes(request.memory))


def _refuse_other_files(name: str) -> None:
    """Say what to do with a file of a common kind that no reader reads."""
    suffix = Path(name).suffix.lower()
    wrong = next((what for suffixes, what in _OTHER_FILES.items() if suffix in suffixes), None)
    if wrong is not None and _exists(name):
        raise FileFormatError(f"{name} {wrong}.")


READERS = (  # the first that knows a name reads it
    _tables(BUNDLED_TABLES, _is_bundled(*BUNDLED_TABLES), lambda name, _: read_bundled_table(name)),
    _tables(
        ("openml:adult", "openml:adult@2"), lambda name: name.startswith(OPENML), lambda name, _: read_openml(name)
    ),
    _tables(("people.csv", "logs/*.parquet", "SELECT * FROM 'people.csv'"), is_table_name, _read_table),
    Reader("images of digits", ("mnist", "mnist:0,1"), lambda name: name == "mnist", lambda *_: read_mnist()),
    Reader("images of digits", ("digits",), _is_bundled("digits"), lambda *_: read_digits()),
    Reader("an NPZ", ("samples.npz",), _is_file(".npz"), lambda name, _: read_npz(name)),
    Reader(
        "an NPY of samples",
        ("X.npy",),
        _is_file(".npy"),
        lambda name, request: read_npy(name, request.labels),
        ("labels",),
    ),
    Reader(
        "images",
        ("pets/", "pets/:cat,dog", "cat.png"),
        lambda name: _exists(name) and (is_image_file(Path(name)) or is_image_folder(Path(name))),
        lambda name, request: read_images(name, size=request.size, colour=request.colour),
        ("size", "colour"),
    ),
    Reader(
        "IDX files", ("fashion/", "train-images-idx3-ubyte.gz"), _exists, lambda name, _: read_idx_samples(Path(name))
    ),
)


def find_reader(name: str) -> tuple[Reader, str, tuple[str, ...] | None]:
    """Return the reader of a name, the name without its choice of labels, and that choice."""
    table = next((reader for reader in READERS if reader.is_table and reader.knows(name)), None)
    if table is not None:
        return table, name, None
    others = [reader for reader in READERS if not reader.is_table]
    source, colon, labels = name.rpartition(":")
    for stem, choice in ((name, None), *([(source, tuple(labels.split(",")))] if colon else [])):
        reader = next((reader for reader in others if reader.knows(stem)), None)
        if reader is not None and choice is not None and not all(choice):
            advice = f"separate labels by commas, like {source}:0,1"
            raise SettingError(f"{labels!r} is not a list of labels: {advice}.")
        if reader is not None:
            return reader, stem, choice
    examples = join((reader.examples[-1] for reader in READERS), 20)
    raise MissingFileError(f"There is no dataset or file {name!r}: name one that exists, such as {examples}.")


def _read(name: str, request: DataRequest) -> tuple[Dataset | Table, bool]:
    """Return the Dataset, or the Table, of a name, and whether it is the digits that come with the package."""
    _refuse_other_files(name)
    reader, source, choice = find_reader(name)
    found = reader.read(source, request)
    if isinstance(found, Table):
        return found, False
    test = None if found.test is None else _choose(found.test, choice, name)
    return replace(_choose(found, choice, name), test=test), source == "mnist"


def _choose(dataset: Dataset, choice: tuple[str, ...] | None, name: str) -> Dataset:
    """Return a dataset by its name, and of its samples those of the labels chosen, where some are."""
    if choice is None:
        return replace(dataset, name=name)
    if dataset.labels is None:
        raise DataError(f"{name} has no labels to choose from: leave out the ':' and what follows.")
    known = list(map(str, dataset.labels.classes))
    if missing := sorted(set(choice) - set(known)):
        raise DataError(f"{name.rpartition(':')[0]} has no label {missing[0]}: it has {join(known)}.")
    codes = [code for code, label in enumerate(known) if label in choice]
    some = replace(dataset, name=name, rows=_in_memory(dataset)).take(
        np.flatnonzero(np.isin(dataset.labels.codes, codes))
    )
    return replace(some, labels=Labels.found(some.known_labels.decode()))


def _in_memory(dataset: Dataset) -> MemoryRows:
    """Return the rows of a reader as they are in memory, or mapped into it."""
    rows: Any = dataset.rows
    return MemoryRows(rows.X)


def load(request: DataRequest, settings: Settings) -> Dataset:
    """Load samples to learn from and to test on, with their report.

    The seed of the training's settings decides which samples are held out.
    """
    check_uses(request)
    found, shipped = _read(request.data, request)
    if isinstance(found, Table):
        return _load_table(request, settings, found)
    return _load_samples(request, settings, found, shipped=shipped)


def check_uses(request: DataRequest) -> None:
    """Check that what is asked is of use to the source."""
    _refuse_other_files(request.data)
    reader, *_ = find_reader(request.data)
    for each in setting_fields(request):
        others = list(dict.fromkeys(other.kind for other in READERS if each.name in other.uses))
        is_asked = getattr(request, each.name) != default_of(each)
        if is_asked and others and each.name not in reader.uses:
            raise SettingError(f"`{each.name}` is for {choices(others)}: leave it out for {request.data}.")


def _load_table(request: DataRequest, settings: Settings, table: Table) -> Dataset:
    target = request.target or table.target
    if target is None:
        likely = guess_target(table)
        meant = f" (did you mean {likely!r}?)" if likely else ""
        listed = join(table.kinds, 12)
        raise SettingError(f"Set `target` to the column of {request.data} to predict{meant}: it has {listed}.")
    fraction = request.hold_out
    if fraction is None:
        fraction = DEFAULT_HOLD_OUT if request.test is None else 0.0
    survey = survey_table(
        table,
        target,
        ignore=request.ignore,
        positive=request.positive,
        fraction=fraction,
        random_state=settings.random_state,
        keep_spellings=request.keep_spellings,
        compare_rows=request.memory is None,
        scaling=settings.scaling or ("standard" if settings.is_plain else None),
    )
    encoding, dtype = survey.encoding, np.dtype(settings.dtype or np.float32)
    plan = Plan.make(
        request.memory, table.n_rows, encoding.n_values * dtype.itemsize, raw_bytes=8 * (len(encoding.columns) + 1)
    )
    rows = TableRows(table, encoding, plan.block_rows if plan.streamed else None, dtype)
    whole = Dataset(request.data, rows, survey.labels, (encoding.n_values,), 1.0, encoding, held_out=fraction)
    if request.test is not None:
        test = _read_test_table(request, whole, dtype)
        report = replace(survey.report, n_test=test.n_samples)
    else:
        out = _thin(survey.test, plan.most_test_rows)
        test = whole.take(out)
        warnings = (*survey.report.warnings, *plan.notes(len(survey.test), len(out)))
        report = replace(survey.report, n_test=len(out), warnings=warnings)
    train = whole.take(survey.train)
    learned: Rows
    if plan.streamed:
        learned, test = spool(train.rows, plan.block_rows), _gathered(test) if test.n_samples else test
    elif request.test is not None:
        learned, test = MemoryRows(gather(train.rows)), _gathered(test)
    else:
        learned, tested = map(MemoryRows, gather_parts(rows, [survey.train, out]))
        test = replace(test, rows=tested)
    return replace(train, rows=learned, test=test if test.n_samples else None, report=report)


def _read_test_table(request: DataRequest, trained: Dataset, dtype: Any) -> Dataset:
    """Return the rows of another table, those with a class."""
    name = str(request.test)
    table, _ = _read(name, request)
    if not isinstance(table, Table):
        raise DataError(f"{name} is not a table: test on one that has the columns of the training table.")
    encoding: Any = trained.encoding
    labels = code_target(table, encoding.target, trained.known_labels.classes)
    return _labelled(name, TableRows(table, encoding, None, dtype), labels, encoding)


def _labelled(name: str, rows: Rows, labels: Labels, encoding: Encoding) -> Dataset:
    """Return the rows of a table that have a class."""
    whole = Dataset(name, rows, labels, (encoding.n_values,), 1.0, encoding)
    return whole.take(np.flatnonzero(labels.codes >= 0))


def _numbered(dataset: Dataset, chosen: Array, numbers: Array | None = None) -> Dataset:
    """Return some samples that know which of their source they are, of those with these numbers."""
    return replace(dataset.take(chosen), numbers=chosen if numbers is None else numbers[chosen])


def _gathered(dataset: Dataset) -> Dataset:
    """Return samples, now in memory."""
    return replace(dataset, rows=MemoryRows(gather(dataset.rows)))


def _thin(rows: Array, most: int) -> Array:
    """Return rows, evenly thinned out where there are more than so many."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _load_samples(request: DataRequest, settings: Settings, dataset: Dataset, *, shipped: bool) -> Dataset:
    name, found, test, fraction = request.data, dataset.known_labels, dataset.test, 0.0
    if request.test is not None:
        test = _read_test_samples(request, dataset)
    elif test is None:
        fraction = DEFAULT_HOLD_OUT if request.hold_out is None else request.hold_out
    elif request.hold_out:
        raise SettingError(f"{name} has test samples: leave out `hold_out`.")
    labels = Labels.of(found.decode(), order_classes(found.classes, request.positive), name)
    rows, dtype = _in_memory(dataset), dataset.rows.dtype
    n_values, trained = rows.shape[1], np.dtype(settings.dtype or (np.float32 if dtype == np.float32 else np.float64))
    row_bytes = n_values * (1 if dtype == np.uint8 else trained.itemsize)
    plan = Plan.make(request.memory, len(found), row_bytes, raw_bytes=n_values * dtype.itemsize)
    streamed = plan.streamed and isinstance(dataset.rows, ArrayRows)
    whole = replace(dataset, rows=ArrayRows(rows.X, plan.block_rows) if streamed else rows, labels=labels, test=None)
    train, n_held_out = whole, 0
    if fraction:
        rest, out = hold_out(found.codes, fraction, settings.random_state)
        train, n_held_out = whole.take(rest), len(out)
        test = _gathered(whole.take(_thin(out, plan.most_test_rows) if streamed else out)) if len(out) else None
    if test is not None:
        coded = Labels.of(test.known_labels.decode(), labels.classes, test.name)
        test = replace(test, rows=_in_memory(test), labels=coded)
    train = replace(train, test=test, held_out=fraction)
    if not shipped and not streamed:
        return replace(train, report=report_samples(train))
    n_test = 0 if test is None else test.n_samples  # of the shipped digits, and of what is not in memory, only counts
    notes = plan.notes(n_held_out, n_test if fraction else n_held_out) if streamed else ()
    report = DataReport(train.n_samples, n_test, "label", count_classes(train.known_labels), warnings=notes)
    return replace(train, report=report)


def _read_test_samples(request: DataRequest, dataset: Dataset) -> Dataset:
    """Return the samples of another source of the same kind."""
    name = str(request.test)
    other, _ = _read(name, replace(request, **_image_form(dataset.input_shape), labels=None))
    if isinstance(other, Table):
        raise DataError(f"{name} is a table, and {dataset.name} is not: test on samples of one kind.")
    if other.input_shape != dataset.input_shape or other.scale != dataset.scale:
        differ = f"{name} and {dataset.name} hold samples of different shape or type"
        raise DataError(f"{differ}: use matching ones.")
    return other


def _image_form(input_shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the size and colour in which images become samples of a shape."""
    size = input_shape[:2] if len(input_shape) > 1 else None
    return {"size": size, "colour": "rgb" if len(input_shape) == 3 else "grey"}


def read_for(
    model: Any, name: str, *, part: str | None = None, encoding: str = ENCODINGS[0], labelled: bool = False
) -> tuple[Dataset, Table | None]:
    """Read samples for a trained model: as `Model.predict` takes them, and the whole table that they came from.

    `part` is "train" or "test", of a source that has both, or of the one that the model was trained on, which held some
    out. `encoding` is that of the text in CSV files. With `labelled` the labels of a table are read, too, and all
    labels are among the model's classes. DataError if the samples are not of the kind that the model takes.
    """
    own = _held_out_fraction(model) if _is_same(name, model.settings.get("data")) else None
    _refuse_other_files(name)
    if find_reader(name)[0].is_table is not (model.table is not None):
        wanted = "the columns of a table" if model.table else "samples such as images, not a table"
        raise DataError(f"{name} cannot be used: the model was trained on {wanted}.")
    form = {} if model.table else _image_form(model.input_shape)
    found, _ = _read(name, DataRequest(name, encoding=encoding, **form))
    if isinstance(found, Table):
        return _take_rows(model, found, part, own, labelled=labelled)
    model.check_scale(found.scale, name)
    if found.test is None and own and found.labels is not None and (part is not None or labelled):
        rest, out = hold_out(found.labels.codes, own, _seed(model))
        found = _numbered(found, rest if part == "train" else out)
    else:
        found = found.part(part)
    if labelled and found.labels is not None:
        found = replace(found, labels=Labels.of(found.labels.decode(), model.classes, name))
    return found, None


def read_some(model: Any, name: str, part: str, encoding: str = ENCODINGS[0], most: int = 10_000) -> Dataset:
    """Read labelled samples of a part for a trained model, as `read_for`; all of a source that has no parts.

    Of more than `most` they are those at even distances.
    """
    try:
        samples = read_for(model, name, part=part, encoding=encoding, labelled=True)[0]
    except DataError:
        samples = read_for(model, name, encoding=encoding, labelled=True)[0]
    samples.known_labels  # noqa: B018 - or an error that says that there are none
    if samples.n_samples <= most:
        return samples
    return samples.take(np.linspace(0, samples.n_samples - 1, most).astype(np.int64))


def _take_rows(
    model: Any, table: Table, part: str | None, own: float | None, *, labelled: bool
) -> tuple[Dataset, Table | None]:
    """Return the rows of a table, all of them, or those with a class in a part."""
    encoding: Any = model.table
    rows = TableRows(table, encoding, dtype=model.parameters["W1"].dtype)
    if not labelled and part is None:
        return Dataset(table.name, rows, None, (encoding.n_values,), 1.0, encoding), table
    labels = code_target(table, encoding.target, model.classes)
    dataset, numbers = _labelled(table.name, rows, labels, encoding), np.flatnonzero(labels.codes >= 0)
    if own and (part is not None or labelled):
        rest, out = hold_out(dataset.known_labels.codes, own, _seed(model))
        dataset = _numbered(dataset, rest if part == "train" else out, numbers)
    elif part == "test":
        dataset.part(part)
    if not dataset.n_samples:
        raise DataError(f"{table.name} has no labels in {encoding.target!r}: name a table that has.")
    return dataset if dataset.numbers is not None else replace(dataset, numbers=numbers), None


def _is_same(name: str, data: Any) -> bool:
    """Tell whether two names are of the same data, however a path is spelled."""
    with contextlib.suppress(OSError, ValueError):
        return isinstance(data, str) and (name == data or Path(name).samefile(data))
    return False


def _held_out_fraction(model: Any) -> float | None:
    fraction = model.settings.get("hold_out")
    return fraction if isinstance(fraction, float) and 0 < fraction < 1 else None


def _seed(model: Any) -> int:
    seed = model.settings.get("random_state", 0)
    return seed if type(seed) is int and seed >= 0 else 0
