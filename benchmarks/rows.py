"""The rows of the table, each with its target and its stretch goal."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.calls import predictors, race_calls, steps
from benchmarks.job import Contestant, Job, dense, digits
from benchmarks.memory import measure_memory
from benchmarks.processes import race_processes
from benchmarks.races import race, race_side_by_side
from benchmarks.tabular import race_predicting, race_reading

Samples = tuple[Any, Any, float]
Data = Callable[[int], Samples]  # every so manieth sample
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


def _train(data: Data, n_hidden: int, n_iter: int, *, dtype: str = "float32", rate: float = 0.1, **of: Any) -> Measure:
    """Time a training of the kind that is told; a quick one has few samples."""

    def measure(settings: Settings) -> dict[str, Any]:
        X, y, scale = data(100 if settings.quick else 1)
        job = Job(X, scale, y, n_hidden, dtype, rate, settings.n_threads, **of)
        return race(job, min(3, n_iter) if settings.quick else n_iter, settings.repeats, settings.rivals)

    return measure


def _predict(data: Data, n_hidden: int, n_classes: int, n_calls: int) -> Measure:
    """Time the probabilities of samples in float32."""

    def measure(settings: Settings) -> dict[str, Any]:
        X, y, scale = data(1)
        of: dict[str, Any] = {"activation": "relu", "loss": "log", "n_classes": n_classes}
        job = Job(X, scale, y, n_hidden, "float32", 0.1, settings.n_threads, **of)
        features = job.features()[:1] if n_calls > 1 else job.features()[:: 100 if settings.quick else 1].copy()
        calls = {name: partial(predict, features) for name, predict in predictors(job).items()}
        return race_calls(calls, 20 if settings.quick else n_calls, settings.repeats, settings.n_threads)

    return measure


def _digits(step: int) -> Samples:
    X, y, scale = digits()
    return X[::step], y[::step], scale


def _ten_digits(step: int) -> Samples:
    X, y, scale = digits(tuple(range(10)))
    return X[::step], y[::step], scale


def _dense(m: int, n_x: int) -> Data:
    return lambda step: dense(m // step if m > 10_000 else m, n_x)


def _side_by_side(settings: Settings) -> dict[str, Any]:
    X, y, scale = _digits(40 if settings.quick else 1)
    job = Job(X, scale, y, 10, "float32", 0.1, settings.n_threads)
    return race_side_by_side(job, 20, 3 if settings.quick else 20, settings.repeats)


def _process(rival: str, script: str, library: str) -> Measure:
    return lambda settings: race_processes(rival, script, library, settings.repeats)


def _step(settings: Settings) -> dict[str, Any]:
    X, y, _ = dense(200, 24)
    return race_calls(steps(X, y, 8), 20 if settings.quick else 200, settings.repeats, settings.n_threads)


def _reading(suffix: str) -> Measure:
    return lambda settings: race_reading(suffix, 20_000 if settings.quick else 1_000_000, min(3, settings.repeats))


def _predicting(settings: Settings) -> dict[str, Any] | None:
    return race_predicting(20_000 if settings.quick else 1_000_000, min(3, settings.repeats))


_TEN: dict[str, Any] = {"loss": "log", "activation": "relu", "n_classes": 10}
_TWO: dict[str, Any] = {"loss": "log", "activation": "relu"}
_ADAM: dict[str, Any] = {"rate": 0.001}
_TALL = _dense(1_000_000, 28)

ROWS = {
    "mnist-10-float32": Row("MNIST 0-1, n_h = 10, float32", 5, 8, _train(_digits, 10, 100)),
    "mnist-10-float64": Row("MNIST 0-1, n_h = 10, float64", 4, 6, _train(_digits, 10, 50, dtype="float64")),
    "mnist-100-float32": Row("MNIST 0-1, n_h = 100, float32", 2.5, 4, _train(_digits, 100, 25)),
    "mnist-100-float64": Row("MNIST 0-1, n_h = 100, float64", 2, 3, _train(_digits, 100, 10, dtype="float64")),
    "dense-10-float32": Row("dense 12,665 x 784, n_h = 10, float32", 2, 3.5, _train(_dense(12_665, 784), 10, 50)),
    "tall-32-float32": Row("dense 1,000,000 x 28, n_h = 32, float32", 2.5, 4, _train(_TALL, 32, 4)),
    "side-by-side": Row("20 networks of n_h = 10 at once, each", 1.5, 2.5, _side_by_side),
    "ten-10": Row("ten digits, n_h = 10", 1, 1.5, _train(_ten_digits, 10, 10, **_TEN)),
    "ten-100": Row("ten digits, n_h = 100", 1, 1.5, _train(_ten_digits, 100, 5, **_TEN)),
    "ten-300": Row("ten digits, n_h = 300", 1, 1.5, _train(_ten_digits, 300, 2, **_TEN)),
    "ten-800": Row("ten digits, n_h = 800", 1, 1.5, _train(_ten_digits, 800, 1, **_TEN)),
    "small-8": Row(
        "200 x 24, n_h = 8, tanh, float64", 2, 4,
        _train(_dense(200, 24), 8, 2000, dtype="float64", loss="log", activation="tanh"),
    ),
    "small-adam-32": Row(
        "10,000 x 4, n_h = 32, Adam on all samples", 2, 4,
        _train(_dense(10_000, 4), 32, 100, batch_size=10_000, **_TWO, **_ADAM),
    ),
    "batches-300": Row(
        "ten digits, n_h = 300, Adam, batches of 200", 2, 3.5,
        _train(_ten_digits, 300, 1, batch_size=200, **_TEN, **_ADAM),
    ),
    "batches-100": Row(
        "ten digits, n_h = 100, Adam, batches of 128", 2, 3.5,
        _train(_ten_digits, 100, 1, batch_size=128, **_TEN, **_ADAM),
    ),
    "batches-dense": Row(
        "dense 60,000 x 784, n_h = 300, Adam, batches of 200", 1, 1.8,
        _train(_dense(60_000, 784), 300, 1, batch_size=200, **_TWO, **_ADAM),
    ),
    "batches-tall": Row(
        "dense 1,000,000 x 28, n_h = 64, Adam, batches of 256", 2, 3,
        _train(_TALL, 64, 1, batch_size=256, **_TWO, **_ADAM),
    ),
    "batches-small": Row(
        "569 x 30, n_h = 10, Adam, batches of 32", 5, 10,
        _train(_dense(569, 30), 10, 100, batch_size=32, **_TWO, **_ADAM),
    ),
    "partial-fit": Row("`partial_fit` of 200 x 24", 2, 4, _step),
    "predict-300": Row("probabilities of 60,000 digits, n_h = 300", 1.5, 2.5, _predict(_ten_digits, 300, 10, 1)),
    "predict-tall": Row("probabilities of 1,000,000 x 28, n_h = 64", 1.5, 2.5, _predict(_TALL, 64, 2, 1)),
    "predict-one": Row("probabilities of one digit, n_h = 10", 1, 2, _predict(_ten_digits, 10, 10, 2000)),
    "table-csv": Row("CSV of 1,000,000 x 28 to one pass, against pandas and scikit-learn", 1.5, 2, _reading("csv")),
    "table-parquet": Row(
        "Parquet of 1,000,000 x 28 to one pass, against pandas and scikit-learn", 1.5, 2, _reading("parquet")
    ),
    "table-predict": Row("CSV of 1,000,000 x 28 to predictions, against pandas and scikit-learn", 2, 3, _predicting),
    "process-sklearn": Row(
        "whole process to 99.8 %, against scikit-learn", 2, 3, _process("scikit-learn", "mnist01_sklearn.py", "sklearn")
    ),
    "process-torch": Row(
        "whole process to 99.8 %, against PyTorch", 5, 8, _process("PyTorch", "mnist01_pytorch.py", "torch")
    ),
    "memory": Row("memory above the raw pixels, copies of X", 2, 1, lambda _: measure_memory(), less_is_better=True),
}  # fmt: skip
