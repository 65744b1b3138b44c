"""The ways to lay out samples, weights, biases and labels, and the steps from one to another.

The courses have samples as columns, and weights of shape (outputs, inputs). Who writes `X @ W1 + b1` has another
convention, which is as right if it is kept throughout. Numbers are given to a function in its own convention and taken
back from it, so that everything else knows the courses' alone. The sandbox runs this module as text: it imports nothing
but NumPy and what comes with Python.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_KINDS = {"X": "samples", "Z1": "samples", "A1": "samples", "Z2": "outputs", "A2": "outputs", "Y": "labels",
          "predictions": "labels", "W1": "weights", "W2": "weights", "b1": "biases", "b2": "biases",
          "cost": "cost"}  # fmt: skip


@dataclass(frozen=True)
class Convention:
    """A way to lay out arrays.

    Attributes
    ----------
    name : str
    rows : bool
        Samples are rows.
    inputs_first : bool
        Weights have the shape (inputs, outputs).
    biases : str
        "column", "row", or "flat" for one dimension.
    labels : str
        "table" for two dimensions, "flat" for one.
    outputs : str
        As the labels, of what the network answers.
    last_weights : str
        As the labels, of W2.
    """

    name: str
    rows: bool = True
    inputs_first: bool = True
    biases: str = "row"
    labels: str = "table"
    outputs: str = "table"
    last_weights: str = "table"

    @property
    def title(self) -> str:
        """What it is, in a few words and shapes."""
        first = "n_x, n_h" if self.inputs_first else "n_h, n_x"
        bias = {"row": "(1, n_h) or (n_h,)", "flat": "(n_h,)", "column": "(n_h, 1)"}[self.biases]
        labels = "(m,)" if self.labels == "flat" else "(m, n_y)" if self.rows else "(n_y, m)"
        samples = "rows: X is (m, n_x)" if self.rows else "columns: X is (n_x, m)"
        return f"samples as {samples}, W1 ({first}), b1 {bias}, Y {labels}"


STANDARD = Convention("standard", rows=False, inputs_first=False, biases="column")
OTHERS = (
    Convention("rows"),
    Convention("rows, outputs first", inputs_first=False),
    Convention("columns, inputs first", rows=False, biases="column"),
    Convention("rows, outputs first, column biases", inputs_first=False, biases="column"),
    Convention("rows, column biases", biases="column"),
    Convention("rows, flat biases", biases="flat"),
    Convention("rows, outputs first, flat biases", inputs_first=False, biases="flat"),
    Convention("rows, flat labels", labels="flat"),
    Convention("rows, flat biases and labels", biases="flat", labels="flat"),
    Convention("rows, outputs first, flat labels", inputs_first=False, labels="flat"),
    Convention("rows, outputs first, flat biases and labels", inputs_first=False, biases="flat", labels="flat"),
    Convention("rows, flat outputs", biases="flat", labels="flat", outputs="flat"),
    Convention("rows, flat outputs and W2", biases="flat", labels="flat", outputs="flat", last_weights="flat"),
    Convention("columns, flat outputs", rows=False, inputs_first=False, biases="column", labels="flat", outputs="flat"),
)  # where two do as well, the earlier one is taken
CONVENTIONS = {each.name: each for each in (STANDARD, *OTHERS)}


def _plain(name: str) -> str:
    """Return the name of the quantity that a gradient, or a new value, belongs to."""
    return re.sub(r"^(new_|end_|d(?=[Wb]\d))", "", name)


def to_convention(name: str, value: Any, convention: Convention) -> Any:
    """Return a quantity as a convention lays it out, given as the courses do.

    Parameters
    ----------
    name : str
        Of the quantity.
    value : Any
        An array; a dictionary of some; anything else stays as it is.
    convention : Convention

    Returns
    -------
    Any
    """
    if isinstance(value, Mapping):
        return {key: to_convention(key, item, convention) for key, item in value.items()}
    plain = _plain(name)
    kind = _KINDS.get(plain)
    if kind is None or np.ndim(value) < 2:
        return value
    flat = {"labels": convention.labels, "outputs": convention.outputs, "biases": convention.biases,
            "weights": convention.last_weights if plain == "W2" else "table"}.get(kind) == "flat"  # fmt: skip
    if flat:
        return np.ravel(value)
    turned = {"weights": convention.inputs_first, "biases": convention.biases == "row"}.get(kind, convention.rows)
    return np.transpose(value) if turned else value


def to_standard(name: str, value: Any, convention: Convention) -> Any:
    """Return a quantity as the courses lay it out, given in a convention; what does not fit it fits neither then.

    Parameters
    ----------
    name : str
    value : Any
        As for `to_convention`.
    convention : Convention

    Returns
    -------
    Any
    """
    if isinstance(value, Mapping):
        return {key: to_standard(key, item, convention) for key, item in value.items()}
    kind = _KINDS.get(_plain(name))
    if convention == STANDARD or kind is None or not np.ndim(value):
        return value
    array = np.asarray(value)
    readers = {"weights": _read_weights, "biases": _read_biases, "labels": _read_labels, "outputs": _read_outputs}
    reader = readers.get(kind)
    if reader is None:
        return array.T if convention.rows else array
    return reader(_plain(name), array, convention)


def _misfit(array: Any) -> Any:
    """Return an array in a shape that nothing has."""
    return array.reshape((1, 1, 1, *array.shape))


def _read_weights(name: str, array: Any, convention: Convention) -> Any:
    """Return weights, or their gradient; that of a single output may be flat where it is added to a row."""
    flat = name == "W2" and convention.last_weights == "flat"
    added = name == "W2" and convention.outputs == "flat" and not convention.inputs_first
    if array.ndim == 1:
        return array[None] if flat or added else _misfit(array)
    return _misfit(array) if flat else array.T if convention.inputs_first else array


def _read_biases(name: str, array: Any, convention: Convention) -> Any:  # noqa: ARG001 - as for all
    """Return biases; a row and a flat one are added to rows alike."""
    if convention.biases == "column":
        return array
    return array[:, None] if array.ndim == 1 else array.T


def _read_labels(name: str, array: Any, convention: Convention) -> Any:
    """Return labels, or predictions."""
    if convention.labels == "table":
        return _read_outputs(name, array, convention)
    if array.ndim == 1:
        return array[None]
    return _misfit(array) if convention.outputs == "flat" else array.T


def _read_outputs(name: str, array: Any, convention: Convention) -> Any:  # noqa: ARG001 - as for all
    """Return what the network answers."""
    if convention.outputs == "flat":
        return array[None] if array.ndim == 1 else _misfit(array)
    return array.T if convention.rows else array


def in_convention(function: Callable[..., Any], convention: str) -> Callable[..., Any]:
    """Return a course's own function that takes and gives arrays in a convention, by its name.

    Parameters
    ----------
    function : callable
    convention : str

    Returns
    -------
    callable
    """
    own = CONVENTIONS[convention]
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapped(*given: Any, **named: Any) -> Any:
        bound = signature.bind(*given, **named)
        for name, value in bound.arguments.items():
            bound.arguments[name] = to_standard(name, value, own)
        result = function(*bound.args, **bound.kwargs)
        if isinstance(result, tuple) and isinstance(result[-1], Mapping):  # A2 and the cache
            return to_convention("A2", result[0], own), to_convention("cache", result[-1], own)
        return to_convention("predictions" if function.__name__ == "predict" else "", result, own)

    return wrapped


def rewrite(text: str, convention: Convention) -> str:
    """Return a formula, or a sentence, as it is written in a convention.

    Parameters
    ----------
    text : str
        As the courses write it.
    convention : Convention

    Returns
    -------
    str
    """
    changes = _changes(convention)
    if not changes:
        return text
    return re.sub("|".join(map(re.escape, sorted(changes, key=len, reverse=True))), lambda found: changes[found[0]],
                  text)  # fmt: skip


def _changes(convention: Convention) -> dict[str, str]:
    """Return what is written otherwise in a convention."""
    products = ("W1 @ X", "W2 @ A1", "dZ2 @ A1.T", "dZ1 @ X.T", "W2.T @ dZ2")
    written = {
        (True, True): ("X @ W1", "A1 @ W2", "A1.T @ dZ2", "X.T @ dZ1", "dZ2 @ W2.T"),
        (True, False): ("X @ W1.T", "A1 @ W2.T", "dZ2.T @ A1", "dZ1.T @ X", "dZ2 @ W2"),
        (False, True): ("W1.T @ X", "W2.T @ A1", "A1 @ dZ2.T", "X @ dZ1.T", "W2 @ dZ2"),
        (False, False): products,
    }[convention.rows, convention.inputs_first]
    changes = dict(zip(products, written, strict=True))
    if convention.rows:
        changes |= {"axis=1": "axis=0", "shape[0]": "shape[1]", "shape[1]": "shape[0]"}
    if convention.inputs_first:
        changes |= {"n_h, n_x": "n_x, n_h", "n_y, n_h": "n_h, n_y"}
    if convention.biases != "column":
        row = convention.biases == "row"
        changes |= {f"({size}, 1)": f"(1, {size})" if row else f"{size}" for size in ("n_h", "n_y")}
    if convention.labels == "flat":
        changes |= {"Y.shape[1]": "Y.shape[0]", "n_y = Y.shape[0]": "n_y = 1"}
    if convention.biases == "column" and convention.rows:
        changes |= {"+ b1": "+ b1.T", "+ b2": "+ b2.T", "axis=1, keepdims=True)": "axis=0, keepdims=True).T"}
    return changes
