"""A folder of tables: Parquet files with the column `target`, and `manifest.json`, which lists them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.model_selection import train_test_split

from twolayer.errors import DataError, FileFormatError, MissingFileError
from twolayer.text import join

try:
    import pandas as pd
    import pyarrow  # noqa: F401, ICN001 - what pandas reads Parquet with
except ImportError:
    raise SystemExit("Tables need pandas and pyarrow: pip install '.[tables]'.") from None

TARGET = "target"
MANIFEST = "manifest.json"
_MOST_TRAIN, _MOST_TEST = 6000, 5000
_FIRST_SEED = 1000

Frame = Any  # of pandas


@dataclass(frozen=True)
class Table:
    """A table of a folder.

    Attributes
    ----------
    name : str
    path : Path
        Of its Parquet file.
    facts : dict
        What the manifest says about it.
    """

    name: str
    path: Path
    facts: dict[str, Any]

    def read(self) -> Frame:
        """Return its rows, the classes as text.

        Raises
        ------
        FileFormatError, DataError
            If the file is not Parquet, or has no target.
        """
        try:
            frame = pd.read_parquet(self.path)
        except (OSError, ValueError) as error:  # what pyarrow raises is a ValueError, too
            raise FileFormatError(f"{self.path} cannot be read ({error}): write it again as Parquet.") from None
        if TARGET not in frame:
            advice = f"rename the column of the classes to {TARGET!r}"
            raise DataError(f"{self.path} has no column {TARGET!r}: {advice}; it has {join(frame.columns)}.")
        if frame[TARGET].isna().any():
            raise DataError(f"{self.path} has rows without a {TARGET}: leave them out.")
        return frame.assign(**{TARGET: frame[TARGET].astype(str)})

    def split(self, frame: Frame, number: int) -> tuple[Frame, Frame]:
        """Return the rows to learn from and those to test on: 80 and 20 %, at most 6,000 and 5,000, of each class.

        Raises
        ------
        DataError
            If a class has too few rows.
        """
        n = len(frame)
        n_train = int(0.8 * n)
        try:
            train, test = train_test_split(
                frame,
                train_size=min(n_train, _MOST_TRAIN),
                test_size=min(n - n_train, _MOST_TEST),
                stratify=frame[TARGET],
                random_state=_FIRST_SEED + number,
            )
        except ValueError as error:
            raise DataError(f"{self.path} cannot be split ({error}): leave out classes of few rows.") from None
        return train, test


def is_number(column: Any) -> bool:
    """Tell whether a column of a frame holds numbers; False and True are none."""
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def find_tables(folder: Path) -> list[Table]:
    """Return the tables of a folder, in the order of its manifest: those whose file is there.

    Raises
    ------
    MissingFileError, FileFormatError
        If there is no such folder, no manifest, or no table.
    """
    make = f"`python -m benchmarks.fetch_tables --out {folder}` makes such a folder"
    if not folder.is_dir():
        raise MissingFileError(f"There is no folder {folder}: {make}.")
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise MissingFileError(f"{folder} has no {MANIFEST}, the list of its tables: {make}.")
    try:
        listed = {str(facts["name"]): facts for facts in json.loads(manifest.read_text())}
    except (ValueError, TypeError, KeyError):
        message = f"{manifest} is not a list of tables, each with its name"
        raise FileFormatError(f"{message}: {make}.") from None
    tables = [Table(name, folder / f"{name}.parquet", facts) for name, facts in listed.items()]
    found = [table for table in tables if table.path.is_file()]
    if not found:
        raise MissingFileError(f"{folder} has none of the Parquet files that its {MANIFEST} lists: {make}.")
    return found
