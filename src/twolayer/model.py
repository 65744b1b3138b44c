"""A trained network together with what it takes to use it: how samples enter it and which classes leave it.

Rows are samples here; this is where they become the columns of the blackboard.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twolayer.data.rows import Rows
from twolayer.data.table_encoding import TableEncoding
from twolayer.engines.objective import range_overrun
from twolayer.equations import ACTIVATIONS, Arrays, forward_propagation
from twolayer.errors import DataError, SettingError

Label = int | str
_BLOCK_ROWS = 4096
_BLOCK_VALUES = 2**18


@dataclass(frozen=True)
class Model:
    """A trained network: parameters, classes, and the way of samples into it.

    Attributes
    ----------
    parameters : dict
        W1 (n_h, n_x), b1 (n_h, 1), W2 (n_y, n_h), b2 (n_y, 1), all float32 or all float64.
    classes : tuple of int or of str
        Two for one output (A2 > 0.5 means the second), else one an output.
    input_shape : tuple of int
        Shape of one sample; its product is n_x.
    scale : float
        What features are divided by before they enter the network.
    activation : str
        Of the hidden layer: "sigmoid", "tanh" or "relu".
    settings : dict
        How it was trained: text and numbers, for people and for doing it again.
    table : TableEncoding, optional
        How the columns of a table become the values of a sample.

    Raises
    ------
    SettingError
        If there is no such activation.
    DataError
        If the shapes of the parameters do not fit the classes and the shape of a sample.
    """

    parameters: Arrays = field(repr=False)
    classes: tuple[Label, ...]
    input_shape: tuple[int, ...]
    scale: float = 1.0
    activation: str = "sigmoid"
    settings: Mapping[str, Any] = field(default_factory=dict)
    table: TableEncoding | None = None

    def __post_init__(self) -> None:
        """Check that all of it belongs together."""
        if self.activation not in ACTIVATIONS:
            raise SettingError(f"There is no activation {self.activation!r}: choose one of {', '.join(ACTIVATIONS)}.")
        if set(self.parameters) != {"W1", "b1", "W2", "b2"}:
            raise DataError("The parameters of a model are W1, b1, W2 and b2: give just these.")
        n_h, n_y = len(self.parameters["W1"]), 1 if len(self.classes) == 2 else len(self.classes)
        shapes = {"W1": (n_h, self.n_features), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
        for name, shape in shapes.items():
            if self.parameters[name].shape != shape:
                of = f"{len(self.classes)} classes and samples of the shape {self.input_shape}"
                got = self.parameters[name].shape
                raise DataError(
                    f"A model of {of} needs a {name} of the shape {shape}, not {got}: give what belongs together."
                )

    @property
    def n_features(self) -> int:
        """Number of values in one sample."""
        return math.prod(self.input_shape)

    def outputs(self, X: Any) -> np.ndarray[Any, Any]:
        """Return the network's outputs A2, a row a sample.

        Parameters
        ----------
        X : array or SciPy sparse matrix of shape (m, n_features), as the training data was: before division by `scale`
            Or `twolayer.data.rows.Rows`, read block by block. A model of a table takes a frame, or a mapping of names
            to columns, with the columns that it knows, in any order.

        Returns
        -------
        array of shape (m, n_y), values in [0, 1]

        Raises
        ------
        DataError
            If the rows have another number of values than the network takes, or values that are not finite numbers.
        """
        return self._propagate(X, "A2")

    def decision_function(self, X: Any) -> np.ndarray[Any, Any]:
        """Return Z2, the logit of the outputs: greater than 0 means the second class with one output.

        Parameters
        ----------
        X
            As for `outputs`.

        Returns
        -------
        array of shape (m,) with one output, else (m, n_classes)
        """
        Z2 = self._propagate(X, "Z2")
        return Z2[:, 0] if Z2.shape[1] == 1 else Z2

    def transform(self, X: Any) -> np.ndarray[Any, Any]:
        """Return the activations A1 of the hidden units, a row a sample.

        Parameters
        ----------
        X
            As for `outputs`.

        Returns
        -------
        array of shape (m, n_h)
        """
        return self._propagate(X, "A1")

    def _propagate(self, X: Any, name: str) -> np.ndarray[Any, Any]:
        """Return Z1, A1, Z2 or A2, a row a sample: computed block by block, so that memory is bounded."""
        rows = self._encode(X)
        if len(rows.shape) != 2 or rows.shape[1] != self.n_features:
            shape = " x ".join(str(size) for size in self.input_shape)
            got = f"{rows.shape[1]} values" if len(rows.shape) == 2 else f"the shape {rows.shape}"
            message = (
                f"The model takes rows of {self.n_features} values ({shape}), these have {got}: use data of that kind."
            )
            raise DataError(message)
        parts = []
        for block in _iter_blocks(rows):
            check_finite(block)
            columns = _to_columns(block, self.scale, self.parameters["W1"].dtype)
            with range_overrun():
                parts.append(forward_propagation(columns, self.parameters, self.activation)[1][name].T)
        return np.concatenate(parts)

    def _encode(self, X: Any) -> Any:
        """Return rows of numbers, made of the columns of a table where the model is of one."""
        if self.table is None:
            return as_rows(X)
        from twolayer.data.tables import as_table

        return X if isinstance(X, Rows) else self.table.rows(as_table(X), dtype=self.parameters["W1"].dtype)

    def predict_proba(self, X: Any) -> np.ndarray[Any, Any]:
        """Return the share of each class: (1 - A2, A2) with one output, else A2 divided by its sum over the outputs.

        Parameters
        ----------
        X : array of shape (m, n_features)

        Returns
        -------
        array of shape (m, n_classes), rows sum to 1
        """
        A2 = self.outputs(X)
        if A2.shape[1] == 1:
            return np.hstack([1 - A2, A2])
        A2 = np.maximum(A2, np.finfo(A2.dtype).tiny)  # all outputs may round to 0
        shares: np.ndarray[Any, Any] = A2 / A2.sum(axis=1, keepdims=True)
        return shares

    def predict(self, X: Any) -> np.ndarray[Any, Any]:
        """Return the class of each row: the second where A2 > 0.5 with one output, else that of the largest output.

        Parameters
        ----------
        X : array of shape (m, n_features)

        Returns
        -------
        array of shape (m,), entries from `classes`
        """
        A2 = self.outputs(X)
        index = (A2[:, 0] > 0.5).astype(np.intp) if A2.shape[1] == 1 else A2.argmax(axis=1)
        labels: np.ndarray[Any, Any] = np.asarray(self.classes)[index]
        return labels

    def check_scale(self, scale: float, source: str) -> None:
        """Check that data was stored as the training data was.

        Parameters
        ----------
        scale : float
            What features of the data are to be divided by.
        source : str
            What to call the data in an error.

        Raises
        ------
        DataError
            If it is not the scale of the training data.
        """
        if scale != self.scale:
            message = f"The model was trained on values divided by {self.scale:g}, those of {source} are by {scale:g}"
            raise DataError(f"{message}: use data stored in the same way.")

    def check_labels(self, y: np.ndarray[Any, Any], source: str) -> np.ndarray[Any, Any]:
        """Return labels, or name one that the network does not know.

        Parameters
        ----------
        y : array of shape (m,)
        source : str
            What to call the data in an error.

        Raises
        ------
        DataError
            If a label is not among the classes.
        """
        return check_labels(y, self.classes, source)


def encode_labels(
    y: np.ndarray[Any, Any], classes: Sequence[Label] | np.ndarray[Any, Any], dtype: str
) -> np.ndarray[Any, Any]:
    """Return the targets Y of labels: one row with 1 for the second of two classes, else one row a class.

    Parameters
    ----------
    y : array of shape (m,)
    classes : the known labels, in order
    dtype : "float32" or "float64"

    Returns
    -------
    array of shape (1, m) or (n_classes, m), values 0 and 1

    Raises
    ------
    DataError
        If a label is not among the classes.
    """
    known = np.asarray(classes)
    rows = known[1:] if len(known) == 2 else known
    Y: np.ndarray[Any, Any] = (check_labels(y, known)[None, :] == rows[:, None]).astype(dtype)
    return Y


def check_labels(
    y: np.ndarray[Any, Any], classes: Sequence[Label] | np.ndarray[Any, Any], source: str = "the test data"
) -> np.ndarray[Any, Any]:
    """Return labels, or name one that is not among the classes.

    Parameters
    ----------
    y : array of shape (m,)
    classes : the known labels
    source : str
        What to call the data in an error.

    Raises
    ------
    DataError
        If there is one.
    """
    known = np.asarray(classes)
    strange = y[~np.isin(y, known)]
    if len(strange):
        names = ", ".join(str(label) for label in known)
        message = f"{source} has a label {strange[0]} that the network does not know (it knows {names})"
        raise DataError(f"{message}: leave such samples out, as mnist:0,1 does.")
    return y


def is_text(label: str) -> bool:
    """Tell whether a label can be written in UTF-8."""
    try:
        label.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_rows(X: Any) -> Any:
    """Return rows as an array, a SciPy sparse matrix by rows, or `Rows`, without a copy where it is one of them."""
    if isinstance(X, Rows):
        return X
    return X.tocsr() if hasattr(X, "tocsr") else np.asarray(X)


def check_finite(X: Any) -> None:
    """Check that samples are finite numbers.

    Parameters
    ----------
    X : array or SciPy sparse matrix, looked at in parts, so that no copy is made

    Raises
    ------
    DataError
        If they are not.
    """
    if isinstance(X, Rows) or X.dtype.kind in "iub":
        return
    values = X.data if hasattr(X, "tocsr") else X
    step = max(1, _BLOCK_VALUES // max(1, math.prod(values.shape[1:])))
    parts = (values[first : first + step] for first in range(0, len(values), step))
    if X.dtype.kind != "f" or not all(np.isfinite(part).all() for part in parts):
        raise DataError("The samples hold values that are not finite numbers: remove or repair them.")


def _iter_blocks(rows: Any) -> Iterator[Any]:
    """Yield rows in blocks; none is a block too."""
    if isinstance(rows, Rows):
        yield from (rows.read(block) for block in range(len(rows.blocks)))
        return
    for first in range(0, rows.shape[0] or 1, _BLOCK_ROWS):
        yield rows[first : first + _BLOCK_ROWS]


def _to_columns(X: Any, scale: float, dtype: Any) -> Any:
    """Return rows of features as columns, scaled: (m, n_x) becomes (n_x, m)."""
    if scale == 1 and X.dtype == dtype:
        return X.T
    with np.errstate(all="ignore"):  # what goes out of range is found below
        if hasattr(X, "tocsr"):
            columns = (X.T.astype(dtype) / scale).astype(dtype)
            values = columns.data
        else:
            values = columns = np.empty(X.shape[::-1], dtype)
            np.divide(X.T, columns.dtype.type(scale), out=columns, casting="same_kind")
    if X.dtype != np.uint8 and not np.isfinite(values).all():
        raise DataError(
            f"The samples divided by {scale:g} do not fit into {columns.dtype}: scale them or take float64."
        )
    return columns
