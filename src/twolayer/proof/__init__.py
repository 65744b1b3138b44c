"""The proof sheet: re-derives every number that the assignment prints and reports how many digits agree.

The functions run in the assignment's order on the assignment's random stream: `np.random.seed(1)`, the data of
exercise 1, the start of exercise 2, `train_loop` of exercise 8, five indices drawn by `np.random.choice` for its
pictures, `train_loop` on the digits, and after another `np.random.seed(1)` the eleven networks of exercise 10.
The printed numbers are in `printed.json`, by exercise and quantity.

Source: the outputs printed in "Homework 2: Neural Network Training".
"""

import contextlib
import io
import json
import operator
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from twolayer import course
from twolayer.proof.sheet import LOSS_PLACES, Failure, Figure, Sheet, SizeReading, attempt, compare

__all__ = ["LOSS_PLACES", "NETWORK_SIZES", "STEPS", "Figure", "Sheet", "SizeReading", "prove"]

NETWORK_SIZES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
STEPS = (*"12345678", "8.1", "9", *(f"10, n_h = {n_h}" for n_h in NETWORK_SIZES))
_LOSS_LINE = re.compile(r"Epoch (\d+): Loss = (\S+)")


def prove(functions: ModuleType | Any = course, on_exercise: Callable[[str], None] | None = None) -> Sheet:
    """Re-derive every printed number with the ten functions of the assignment.

    NumPy's global generator is seeded as the assignment does, and given back its state at the end.

    Parameters
    ----------
    functions : module or object
        Holds the ten functions under the assignment's names, and `load_mnist`; `twolayer.course` by default.
    on_exercise : callable, optional
        Called with each of `STEPS` as it begins.

    Returns
    -------
    Sheet
    """
    state = np.random.get_state()
    try:
        with np.errstate(all="ignore"):  # wrong functions may overflow; their figures show it
            derived, readings = _derive(functions, on_exercise or (lambda _: None))
    finally:
        np.random.set_state(state)
    figures = [
        compare(exercise, quantity, printed, _item(derived[exercise], quantity))
        for exercise, quantities in _read_printed().items()
        for quantity, printed in quantities.items()
    ]
    return Sheet(figures, readings)


def _read_printed() -> dict[str, dict[str, Any]]:
    """Return the printed numbers as texts, by exercise and quantity."""
    printed: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("printed.json").read_text("utf-8"))
    return printed


def _derive(f: Any, begin: Callable[[str], None]) -> tuple[dict[str, Any], list[SizeReading]]:
    """Return what the functions give, by exercise and quantity, and the readings of exercise 10."""
    np.random.seed(1)
    X, Y = np.random.randn(2, 3), np.random.randn(1, 3)
    derived = _formulas(f, X, Y, begin)
    begin("8")
    _, derived["8"] = _printed_losses(f, X, Y)

    begin("8.1")
    digits = attempt(f.load_mnist)
    X_train, Y_train, X_test, Y_test = (_item(digits, index) for index in range(4))
    parts = {"X_train": X_train, "Y_train": Y_train, "X_test": X_test, "Y_test": Y_test}
    np.random.choice(12665, size=5, replace=False)  # the five pictures
    trained, losses = _printed_losses(f, X_train, Y_train)
    shapes = {f"{name} shape": attempt(np.shape, array) for name, array in parts.items()}
    labels = {f"{name} labels": attempt(np.unique, parts[name]) for name in ("Y_train", "Y_test")}
    derived["8.1"] = {**shapes, **labels, **losses}

    begin("9")
    both = ((X_train, Y_train), (X_test, Y_test))
    derived["9"] = {
        f"{part} accuracy": attempt(_accuracy, f, trained, *samples)
        for part, samples in zip(("train", "test"), both, strict=True)
    }
    derived["10"], readings = _sizes(f, both, begin)
    return derived, readings


def _formulas(f: Any, X: Any, Y: Any, begin: Callable[[str], None]) -> dict[str, Any]:
    """Exercises 1 to 7, one pass through the formulas on three samples."""
    begin("1")
    sizes = attempt(f.neural_network_structure, X, Y, 10)
    n_x, n_h, n_y = (_item(sizes, index) for index in range(3))
    begin("2")
    start = attempt(f.initialize_parameters, n_x, n_h, n_y)
    begin("3")
    x = np.linspace(-5, 5, 10)
    sigmoids = {"sigmoid": attempt(f.sigmoid, x), "derivative": attempt(f.sigmoid_derivative, x)}
    begin("4")
    forward = attempt(f.forward_propagation, X, start)
    A2, cache = (_item(forward, index) for index in range(2))
    means = {f"mean of {name}": attempt(np.mean, _item(cache, name)) for name in ("Z1", "A1", "Z2", "A2")}
    begin("5")
    cost = {"cost": attempt(f.computer_cost, A2, Y)}
    begin("6")
    grads = attempt(f.back_propogation, X, Y, start, cache)
    begin("7")
    updated = attempt(f.update_parameters, start, grads, 0.01)
    sizes = {"n_x": n_x, "n_h": n_h, "n_y": n_y}
    return {"1": sizes, "2": start, "3": sigmoids, "4": means, "5": cost, "6": grads, "7": updated}


def _printed_losses(f: Any, X: Any, Y: Any) -> tuple[Any, dict[str, Any]]:
    """Run `train_loop` as the assignment does; return its parameters and the ten losses that it prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        parameters = attempt(f.train_loop, X, Y, 10, 0.01, 10)
    printed = dict(_LOSS_LINE.findall(output.getvalue()))
    losses = parameters if isinstance(parameters, Failure) else printed
    return parameters, {f"loss, epoch {epoch}": attempt(float, _item(losses, str(epoch))) for epoch in range(10)}


def _sizes(f: Any, parts: Any, begin: Callable[[str], None]) -> tuple[dict[str, Any], list[SizeReading]]:
    """Exercise 10: train each size of network; return the accuracies of the class of the mean, and both readings."""
    np.random.seed(1)
    derived: dict[str, Any] = {}
    readings = []
    printed = _read_printed()["10"]
    for n_h in NETWORK_SIZES:
        begin(f"10, n_h = {n_h}")
        trained = attempt(f.train_loop, *parts[0], n_h, 0.01, 10, False)  # noqa: FBT003 - as the assignment
        names = [f"{part} acc., n_h={n_h}" for part in ("train", "test")]
        by_mean, by_predict = (
            tuple(attempt(read, f, trained, *samples) for samples in parts) for read in (_accuracy_of_mean, _accuracy)
        )
        derived |= dict(zip(names, by_mean, strict=True))
        if not any(isinstance(accuracy, Failure) for accuracy in (*by_mean, *by_predict)):
            readings.append(SizeReading(n_h, (float(printed[names[0]]), float(printed[names[1]])), by_mean, by_predict))
    return derived, readings


def _accuracy(f: Any, parameters: Any, X: Any, Y: Any) -> float:
    """Return the accuracy of `predict`."""
    return float(np.mean(f.predict(X, parameters) == Y))


def _accuracy_of_mean(f: Any, parameters: Any, X: Any, Y: Any) -> float:
    """Return the accuracy of one class for all: the one on whose side of 0.5 the mean of A2 lies."""
    A2, _ = f.forward_propagation(X, parameters)
    return float(np.mean((np.mean(A2) > 0.5) == Y))


def _item(values: Any, key: Any) -> Any:
    """Return one value of several, or the failure to get it."""
    return attempt(operator.getitem, values, key)
