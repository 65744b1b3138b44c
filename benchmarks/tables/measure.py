"""Results made here, one line each in a file that a later call goes on with."""

import json
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.tables.folder import TARGET, Frame, Table
from benchmarks.tables.methods import METHODS, Method
from benchmarks.tables.records import Result, read_results
from benchmarks.tables.scores import score
from twolayer.text import shorten

Key = tuple[str, int, str]


def key_of(result: Result) -> Key:
    """Return which table, split and method a result is of."""
    return result["table"], result["split"], result["method"]


class Results:
    """The results in a file; of several for the same run the last one counts.

    Parameters
    ----------
    path : Path
        Its folder exists.

    Raises
    ------
    FileFormatError
        If a line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.by_key = {key_of(result): result for result in read_results(path)}

    def add(self, results: Iterable[Result]) -> None:
        """Append results."""
        with self._path.open("a") as file:
            for result in results:
                self.by_key[key_of(result)] = result
                file.write(json.dumps(result) + "\n")


def measure(tables: Sequence[Table], missing: Sequence[Key], n_threads: int) -> Iterator[tuple[Key, Result | str]]:
    """Make the results that are missing, those of a table one after the other; yield each, or why there is none."""
    named = {table.name: table for table in tables}
    for (name, split), keys in groupby(missing, key=lambda key: key[:2]):
        train, test = named[name].split(named[name].read(), split)
        for key in keys:
            try:
                yield (
                    key,
                    {
                        **dict(zip(("table", "split", "method"), key, strict=True)),
                        **fit_and_score(METHODS[key[2]], train, test, n_threads),
                    },
                )
            except Exception as error:  # noqa: BLE001 - whatever a library raises, the others go on
                yield key, shorten(f"{type(error).__name__}: {error}", 300)


def fit_and_score(method: Method, train: Frame, test: Frame, n_threads: int) -> Result:
    """Return the figures of a method on the test rows and the seconds of its fit, rounded."""
    classes = np.unique(train[TARGET])
    with TemporaryDirectory() as folder, threadpool_limits(n_threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether more iterations would help is not measured here
        fit = method.prepare(train, Path(folder), n_threads)
        began = time.perf_counter()
        predict = fit()
        seconds = time.perf_counter() - began
        probabilities = predict(test.drop(columns=TARGET))
    figures = score(probabilities, np.searchsorted(classes, test[TARGET]))
    return {name: round(value, 5) for name, value in {**figures, "seconds": seconds}.items()}
