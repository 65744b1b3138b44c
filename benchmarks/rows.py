"""The rows of the table, each with its target and its stretch goal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.job import Contestant, Job, dense, digits
from benchmarks.memory import measure_memory
from benchmarks.processes import race_processes
from benchmarks.races import race, race_side_by_side

Measure = Callable[["Settings"], dict[str, Any] | None]


@dataclass(frozen=True)
class Settings:
    """How to run the rows.

    Attributes
    ----------
    repeats : int
        Runs that are measured.
    n_threads : int
    quick : bool
        Small data and few iterations: a test of the benchmark, not a measurement.
    rivals : list of Contestant
        Those that are installed.
    """

    repeats: int
    n_threads: int
    quick: bool
    rivals: list[Contestant]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    title : str
    target, stretch : float
        Ratios to the best rival; for memory, the most copies of X.
    measure : callable
        Takes settings, returns a record, or None if the row cannot be measured here.
    less_is_better : bool
        Whether smaller figures are better.
    """

    title: str
    target: float
    stretch: float
    measure: Measure
    less_is_better: bool = False


def _digits(n_hidden: int, dtype: str, n_iter: int) -> Measure:
    def measure(settings: Settings) -> dict[str, Any]:
        (X, y, scale), step = digits(), 40 if settings.quick else 1
        job = Job(X[::step], scale, y[::step], n_hidden, dtype, 0.1, settings.n_threads)
        return race(job, 3 if settings.quick else n_iter, settings.repeats, settings.rivals)

    return measure


def _dense(m: int, n_x: int, n_hidden: int, n_iter: int) -> Measure:
    def measure(settings: Settings) -> dict[str, Any]:
        X, y, scale = dense(m // 100 if settings.quick else m, n_x)
        job = Job(X, scale, y, n_hidden, "float32", 0.1, settings.n_threads)
        return race(job, 3 if settings.quick else n_iter, settings.repeats, settings.rivals)

    return measure


def _side_by_side(settings: Settings) -> dict[str, Any]:
    (X, y, scale), step = digits(), 40 if settings.quick else 1
    job = Job(X[::step], scale, y[::step], 10, "float32", 0.1, settings.n_threads)
    return race_side_by_side(job, 20, 3 if settings.quick else 20, settings.repeats)


def _process(rival: str, script: str, library: str) -> Measure:
    return lambda settings: race_processes(rival, script, library, settings.repeats)


ROWS = {
    "mnist-10-float32": Row("MNIST 0-1, n_h = 10, float32", 5, 8, _digits(10, "float32", 100)),
    "mnist-10-float64": Row("MNIST 0-1, n_h = 10, float64", 4, 6, _digits(10, "float64", 50)),
    "mnist-100-float32": Row("MNIST 0-1, n_h = 100, float32", 2.5, 4, _digits(100, "float32", 25)),
    "mnist-100-float64": Row("MNIST 0-1, n_h = 100, float64", 2, 3, _digits(100, "float64", 10)),
    "dense-10-float32": Row("dense 12,665 x 784, n_h = 10, float32", 2, 3.5, _dense(12_665, 784, 10, 50)),
    "tall-32-float32": Row("dense 1,000,000 x 28, n_h = 32, float32", 2.5, 4, _dense(1_000_000, 28, 32, 4)),
    "side-by-side": Row("20 networks of n_h = 10 at once, each", 1.5, 2.5, _side_by_side),
    "process-sklearn": Row(
        "whole process to 99.8 %, against scikit-learn", 2, 3, _process("scikit-learn", "mnist01_sklearn.py", "sklearn")
    ),
    "process-torch": Row(
        "whole process to 99.8 %, against PyTorch", 5, 8, _process("PyTorch", "mnist01_pytorch.py", "torch")
    ),
    "memory": Row("memory above the raw pixels, copies of X", 2, 1, lambda _: measure_memory(), less_is_better=True),
}
