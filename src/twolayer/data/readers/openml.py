"""Data sets by name: those that come with scikit-learn, and tables that OpenML.org keeps."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from twolayer.data.dataset import Dataset, Labels
from twolayer.data.rows import MemoryRows
from twolayer.errors import MissingFileError, SettingError

if TYPE_CHECKING:
    from twolayer.data.tables.tables import Table

BUNDLED_TABLES = ("breast_cancer", "iris", "wine")
OPENML = "openml:"
_TARGET = "target"


def read_bundled_table(name: str) -> "Table":
    """Return one of scikit-learn's tables, with its classes in the column `target`."""
    from sklearn import datasets

    from twolayer.data.tables.tables import as_table

    bunch = getattr(datasets, f"load_{name}")()
    columns = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    columns[_TARGET] = bunch.target_names[bunch.target].astype(object)
    table = as_table(columns, name)
    table.target = _TARGET
    return table


def read_digits() -> Dataset:
    """Return scikit-learn's digits: 1,797 images of 8 x 8 pixels from 0 to 16."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return Dataset("digits", MemoryRows(X.astype(np.uint8)), Labels.found(y), (8, 8), 16.0)


def read_openml(name: str) -> "Table":
    """Return a table such as openml:adult or openml:adult@2."""
    from twolayer.data.tables.tables import as_table

    frame, target = fetch_frame(name)
    table = as_table(frame, name)
    table.target = target
    return table


def fetch_frame(name: str) -> tuple[Any, str | None]:
    """Fetch a table of OpenML, or take it from scikit-learn's cache, as a frame; return it and its target's name."""
    from sklearn.datasets import fetch_openml

    from twolayer.data.tables.tables import first_line

    stem, _, version = name.removeprefix(OPENML).partition("@")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tries that failed; the sentences below say enough
            bunch = fetch_openml(stem, version=int(version) if version else "active", as_frame=True, n_retries=1)
    except ImportError:
        raise SettingError("Tables from OpenML need pandas: pip install 'twolayer[openml]'.") from None
    except ValueError as error:  # no such data set, or no such version
        reason = first_line(error)
        raise MissingFileError(f"OpenML has no usable table {name!r} ({reason}): check the name.") from None
    except Exception as error:  # noqa: BLE001 - a network fails in many ways
        raise MissingFileError(f"Cannot download {name!r} from OpenML ({first_line(error)}): try again.") from None
    return bunch.frame, bunch.target_names[0] if bunch.target_names else None
