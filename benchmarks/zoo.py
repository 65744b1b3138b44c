"""A zoo of planted failures and healthy trainings, by which the doctor is judged.

    python -m benchmarks.zoo

Rules were made on three data sets (breast cancer, digits 0 and 1, a synthetic table); two others judge them (wine and
ten digits). At last the assignment's own twelve trainings on MNIST, whose step is too small for ten iterations.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import click
import numpy as np

import twolayer
from twolayer import course
from twolayer.aliases import Array
from twolayer.evaluation import wilson_interval
from twolayer.explain.doctor import Diagnosis, diagnose

RULES, JUDGES = ("cancer", "zero-one", "table"), ("wine", "digits")
OF_DATA = ("labels-shuffled", "label-noise", "leak", "shifted-test-data", "constant-input", "too-little-data")
_MOST = 1000
_NEAR = 0.02  # to what can be had, from which a cure counts
_HARM = 0.04  # of balanced accuracy, below which a planted fault of the training does no harm


@dataclass(frozen=True)
class Data:
    """Samples to train on and samples to judge by."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array


@dataclass(frozen=True)
class Animal:
    """A training: its true causes, any of which counts, none of a healthy one; its data and settings."""

    name: str
    causes: tuple[str, ...]
    data: Data
    settings: dict[str, Any]
    start: Mapping[str, Array] | None = field(default=None)


def load(name: str) -> Data:
    """Return one of the data sets, standardized but for pixels, which are between 0 and 1."""
    from sklearn import datasets

    if name == "zero-one":
        X, y, X_test, y_test = twolayer.load_mnist((0, 1))
        return Data(X[::12][:_MOST] / 255.0, y[::12][:_MOST], X_test[::4] / 255.0, y_test[::4])
    if name == "table":
        random = np.random.default_rng(7)
        X = random.normal(size=(1200, 8))
        score = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + 0.7 * X[:, 3] + 0.3 * random.normal(size=1200)
        return _split(X, (score > 0).astype(int))
    found = {"cancer": datasets.load_breast_cancer, "wine": datasets.load_wine, "digits": datasets.load_digits}[name]()
    X = found.data / 16.0 if name == "digits" else (found.data - found.data.mean(0)) / found.data.std(0)
    return _split(X, found.target)


def _split(X: Array, y: Array) -> Data:
    """Hold out a third."""
    order = np.random.default_rng(0).permutation(len(y))
    n = len(y) // 3
    test, train = order[:n], order[n:][:_MOST]
    return Data(X[train], y[train], X[test], y[test])


def healthy(data: Data) -> Iterator[Animal]:
    """Yield trainings that are as they should be."""
    plans: list[dict[str, Any]] = [
        {"solver": "lbfgs", "loss": "log", "max_iter": 100, "l2": 1e-3},
        {"solver": "adam", "loss": "log", "max_iter": 60, "batch_size": 32, "l2": 1e-3},
        {"solver": "sgd", "loss": "log", "max_iter": 60, "batch_size": 32, "l2": 1e-3},
        {"solver": "gd", "loss": "log", "max_iter": 300, "l2": 1e-3},
    ]
    for plan in plans:
        for activation in ("sigmoid", "tanh", "relu"):
            for seed in range(3):
                settings = {"recipe": "none", "n_hidden": 24, "activation": activation, "random_state": seed, **plan}
                yield Animal(f"healthy {plan['solver']} {activation} {seed}", (), data, settings)


def sick(data: Data) -> Iterator[Animal]:
    """Yield trainings with one planted fault each."""
    random, k = np.random.default_rng(1), len(np.unique(data.y))
    n, d = data.X.shape
    good: dict[str, Any] = {"recipe": "none", "n_hidden": 24, "activation": "tanh", "loss": "log", "solver": "lbfgs",
                            "max_iter": 100, "l2": 1e-3, "random_state": 0}  # fmt: skip
    gd = {**good, "solver": "gd", "max_iter": 100}
    few = {"too-few-iterations", "step-too-small"}
    for rate in (1e-5, 1e-4, 1e-3):
        yield Animal(f"rate {rate:g}", tuple(few), data, {**gd, "learning_rate": rate})
    yield Animal("adam 1e-6", tuple(few), data, {**good, "solver": "adam", "learning_rate": 1e-6, "max_iter": 10})
    yield Animal("rate 300", ("step-too-large",), data, {**gd, "learning_rate": 300.0})
    yield Animal("sgd 30", ("step-too-large",), data, {**good, "solver": "sgd", "learning_rate": 30.0, "max_iter": 20})
    yield Animal(
        "1 iteration", ("too-few-iterations", "step-too-small"), data, {**gd, "learning_rate": 0.05, "max_iter": 1}
    )
    yield Animal("penalty", ("penalty-too-strong",), data, {**good, "l2": 10.0})
    yield Animal("one unit", ("too-few-units", "wrong-loss"), data, {**good, "n_hidden": 1})
    sizes = 300 * 1000.0 ** random.random(d).round()
    stretched = _change(data, lambda X: X * sizes + 2000)
    yield Animal("unscaled", ("unscaled-input", "saturated-units"), stretched, {**gd, "learning_rate": 0.1})
    n_y = 1 if k == 2 else k
    large = {"W1": 30 * random.normal(size=(24, d)), "b1": np.zeros((24, 1)),
             "W2": 30 * random.normal(size=(n_y, 24)), "b2": np.zeros((n_y, 1))}  # fmt: skip
    bad = ("bad-start", "saturated-units")
    yield Animal("large start", bad, data, {**gd, "learning_rate": 1.0, "activation": "sigmoid"}, large)
    same = {name: np.full_like(value, 0.01) for name, value in large.items()}
    yield Animal("same start", ("twin-units", "too-few-units", "bad-start"), data, {**good}, same)
    dead = {**large, "W1": 0.1 * large["W1"] / 30, "b1": np.full((24, 1), -100.0), "W2": large["W2"] / 30}
    yield Animal("dead", ("dead-units", "bad-start"), data, {**good, "activation": "relu"}, dead)
    yield Animal("shuffled", ("labels-shuffled",), _relabel(data, random.permutation(n)), good)
    wrong = random.random(n) < 0.25
    y = np.where(wrong, (data.y + random.integers(1, k, n)) % k, data.y)
    yield Animal("noise", ("label-noise",), Data(data.X, y, data.X_test, data.y_test), good)
    leak = Data(np.c_[data.X, data.y + 0.0], data.y, np.c_[data.X_test, data.y_test + 0.0], data.y_test)
    yield Animal("leak", ("leak",), leak, good)
    yield Animal("shifted", ("shifted-test-data",), Data(data.X, data.y, data.X_test * 1.5 + 1.0, data.y_test), good)
    yield Animal("constant", ("constant-input",), _change(data, np.zeros_like), good)
    rare = np.flatnonzero(data.y == 1)
    kept = np.sort(np.r_[np.flatnonzero(data.y != 1), rare[:12]])
    uneven = Data(data.X[kept], data.y[kept], data.X_test, data.y_test)
    yield Animal("uneven", ("class-imbalance",), uneven, {**gd, "l2": 0.02, "learning_rate": 0.1})
    little = np.concatenate([np.flatnonzero(data.y == c)[:4] for c in range(k)])
    small = Data(data.X[little], data.y[little], data.X_test, data.y_test)
    yield Animal("little", ("too-little-data", "over-fitting"), small, good)


def assignment() -> Iterator[Animal]:
    """Yield the trainings of the assignment on the digits 0 and 1: ten units, then those of Exercise 10."""
    X, y, X_test, y_test = twolayer.load_mnist((0, 1))
    data = Data(X / 255.0, y, X_test / 255.0, y_test)
    settings = {"recipe": "none", "solver": "gd", "loss": "square", "learning_rate": 0.01, "max_iter": 10}
    np.random.seed(1)  # noqa: NPY002 - the assignment's own generator
    for n_h in (10, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100):
        start = course.initialize_parameters(784, n_h, 1)
        yield Animal(f"{n_h} units", ("step-too-small",), data, {**settings, "n_hidden": n_h}, start)


def _change(data: Data, change: Callable[[Array], Array]) -> Data:
    """Return data with other features."""
    both = change(np.concatenate([data.X, data.X_test]))
    return Data(both[: len(data.X)], data.y, both[len(data.X) :], data.y_test)


def _relabel(data: Data, order: Array) -> Data:
    """Return data with the training labels in another order."""
    return Data(data.X, data.y[order], data.X_test, data.y_test)


def examine(animal: Animal) -> tuple[Diagnosis, float]:
    """Train, and return the diagnosis with the seconds that it took."""
    data = animal.data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classes = np.unique(np.r_[data.y, data.y_test]).tolist()
        model, result = twolayer.fit_model(
            data.X, data.y, classes=classes, start=animal.start, n_threads=1, **animal.settings
        )
        begin = time.perf_counter()
        found = diagnose(model, data.X, data.y, data.X_test, data.y_test, result.history)
    return found, time.perf_counter() - begin


@click.command()
@click.option(
    "--sets", default=",".join((*RULES, *JUDGES, "assignment")), help="Names of data sets, separated by commas."
)
@click.option("--verbose", is_flag=True, help="Show each case that was not diagnosed as planted.")
def main(sets: str, *, verbose: bool) -> None:
    """Diagnose each animal, and print how many were diagnosed as they should be."""
    titles = ("data", "planted, harmful", "harmless", "detected", "named first", "among the first two", "cured",
              "healthy", "false alarms", "s")  # fmt: skip
    click.echo(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|")
    for part in (RULES, JUDGES):
        chosen = [name for name in part if name in sets.split(",")]
        for name in chosen:
            _report(name, [*sick(load(name)), *healthy(load(name))], verbose=verbose)
    if "assignment" in sets.split(","):
        _report("assignment", list(assignment()), verbose=verbose)


def _report(name: str, animals: list[Animal], *, verbose: bool) -> None:
    """Examine the animals of a data set, and print a line."""
    n_harmless = n_sick = n_detected = n_first = n_two = n_cures = n_cured = n_healthy = n_alarms = 0
    seconds = []
    for animal in animals:
        found, spent = examine(animal)
        seconds.append(spent)
        names = [finding.name for finding in found.findings]
        right = [place for place, each in enumerate(names) if each in animal.causes]
        if animal.causes and animal.causes[0] not in OF_DATA and found.reference - found.score < _HARM:
            n_harmless += 1
        elif animal.causes:
            n_sick += 1
            n_detected += bool(names)
            n_first += right[:1] == [0]
            n_two += bool(right) and right[0] < 2
            cures = [finding for finding in found.findings if finding.cure]
            n_cures += bool(cures)
            best = max((finding.after or 0 for finding in cures), default=0)
            n_cured += best >= found.reference - _NEAR
            if verbose and cures and best < found.reference - _NEAR:
                click.echo(f"{name}: {animal.name}: {cures[0].cure} {best:.3f} of {found.reference:.3f}", err=True)
        else:
            n_healthy += 1
            n_alarms += bool(names)
        if verbose and (not right or right[0] > 1 if animal.causes else names):
            click.echo(
                f"{name}: {animal.name}: {names} score {found.score:.3f} reference {found.reference:.3f}", err=True
            )
    alarms = "-"
    if n_healthy:
        low, high = wilson_interval(n_alarms, n_healthy)
        alarms = f"{n_alarms} ({100 * low:.1f} to {100 * high:.1f} %)"
    click.echo(
        f"| {name} | {n_sick} | {n_harmless} | {n_detected} | {n_first} | {n_two} | {n_cured} of {n_cures} "
        f"| {n_healthy} | {alarms} | {np.median(seconds):.2f} |"
    )


if __name__ == "__main__":
    main()
