"""A trained network together with what it takes to use it: how samples enter it and which classes leave it.

Rows are samples here; this is where they become the columns of the blackboard.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twolayer.engines.objective import make_objective
from twolayer.equations import Arrays, forward_propagation, initialize_parameters
from twolayer.errors import DataError, SettingError
from twolayer.history import Epoch
from twolayer.solvers import SOLVERS
from twolayer.training import Result, train

Label = int | str
DTYPES = ("float32", "float64")
_BLOCK_ROWS = 4096


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
    settings : dict
        How it was trained: text and numbers, for people and for doing it again.
    """

    parameters: Arrays = field(repr=False)
    classes: tuple[Label, ...]
    input_shape: tuple[int, ...]
    scale: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_features(self) -> int:
        """Number of values in one sample."""
        return math.prod(self.input_shape)

    def outputs(self, X: Any) -> np.ndarray[Any, Any]:
        """Return the network's outputs A2, a row a sample.

        Parameters
        ----------
        X : array of shape (m, n_features), as the training data was: before division by `scale`

        Returns
        -------
        array of shape (m, n_y), values in [0, 1]

        Raises
        ------
        DataError
            If the rows have another number of values than the network takes, or values that are not finite numbers.
        """
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != self.n_features:
            shape = " x ".join(str(size) for size in self.input_shape)
            got = f"{X.shape[1]} values" if X.ndim == 2 else f"the shape {X.shape}"
            message = (
                f"The model takes rows of {self.n_features} values ({shape}), these have {got}: use data of that kind."
            )
            raise DataError(message)
        _check_finite(X)
        blocks = [X[first : first + _BLOCK_ROWS] for first in range(0, len(X), _BLOCK_ROWS)] or [X]
        dtype = self.parameters["W1"].dtype
        outputs = [forward_propagation(_to_columns(block, self.scale, dtype), self.parameters)[0].T for block in blocks]
        return np.concatenate(outputs)

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


def fit_model(
    X: Any,
    y: Any,
    *,
    X_test: Any = None,
    y_test: Any = None,
    n_hidden: int = 10,
    learning_rate: float = 10.0,
    max_iter: int = 50,
    tol: float = 0.0,
    scale: float = 1.0,
    input_shape: tuple[int, ...] | None = None,
    solver: str = "gd",
    engine: str = "auto",
    dtype: str = "float32",
    random_state: int = 0,
    on_epoch: Callable[[Epoch], bool | None] | None = None,
) -> tuple[Model, Result]:
    """Train a network on rows of features and their labels.

    Parameters
    ----------
    X : array of shape (m, n_features)
    y : array of shape (m,), whole numbers or text, at least two different
    X_test, y_test : arrays, optional
        Samples to measure at each epoch.
    n_hidden : int
        Number of hidden units.
    learning_rate : float
        The fixed step of gradient descent.
    max_iter : int
        Number of steps.
    tol : float
        Converged when no entry of the gradient is larger; 0 for never.
    scale : float
        Divide the features by this first: 255 for pixels stored as bytes.
    input_shape : tuple of int, optional
        Shape of one sample, for pictures of it; (n_features,) when not given.
    solver, engine, dtype : str
        "gd"; "auto" or "whole"; "float32" or "float64".
    random_state : int
        Seed of the random start.
    on_epoch : callable, optional
        Called with each `Epoch`; returning True stops the training.

    Returns
    -------
    model : Model
    result : Result

    Raises
    ------
    SettingError, DataError
        If a setting or the data make no network.
    """
    n_hidden, max_iter, random_state = (
        _number(operator.index, name, value)
        for name, value in (("n_hidden", n_hidden), ("max_iter", max_iter), ("random_state", random_state))
    )
    learning_rate, tol, scale = (
        _number(float, name, value)
        for name, value in (("learning_rate", learning_rate), ("tol", tol), ("scale", scale))
    )
    dtype = str(getattr(dtype, "name", dtype))
    X, y = np.asarray(X), np.asarray(y)
    _check_settings(n_hidden, scale, solver, dtype, random_state)
    _check_samples(X, y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise DataError(f"All labels are {classes[0]}: give samples of at least two classes.")
    if y.dtype.kind == "U" and not all(is_text(label) for label in classes.tolist()):
        raise DataError("A label holds half a surrogate pair, which is no text: repair the labels.")
    shape = (X.shape[1],) if input_shape is None else input_shape
    input_shape = tuple(_number(operator.index, "input_shape", size) for size in shape)
    if len(input_shape) > 8 or any(size < 1 for size in input_shape):
        raise DataError(f"A sample has one to eight dimensions of at least 1; got the shape {input_shape}.")
    if math.prod(input_shape) != X.shape[1]:
        raise DataError(f"A sample of shape {input_shape} does not have {X.shape[1]} values: give its true shape.")
    Y = encode_labels(y, classes, dtype)
    parameters = initialize_parameters(X.shape[1], n_hidden, len(Y), np.random.default_rng(random_state))
    test = None
    if X_test is not None:
        X_test, y_test = np.asarray(X_test), np.asarray(y_test)
        _check_samples(X_test, y_test, X.shape[1])
        test = make_objective(_to_columns(X_test, scale, dtype), encode_labels(y_test, classes, dtype), engine)
    result = train(
        make_objective(_to_columns(X, scale, dtype), Y, engine),
        SOLVERS[solver](learning_rate),
        {name: value.astype(dtype) for name, value in parameters.items()},
        max_iter=max_iter,
        tol=tol,
        test=test,
        on_epoch=on_epoch,
    )
    settings = {
        "n_hidden": n_hidden,
        "learning_rate": learning_rate,
        "max_iter": max_iter,
        "tol": tol,
        "solver": solver,
        "engine": engine,
        "dtype": dtype,
        "random_state": random_state,
        "n_iter": result.n_iter,
        "status": str(result.status),
    }
    return Model(result.parameters, tuple(classes.tolist()), input_shape, float(scale), settings), result


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


def _to_columns(X: np.ndarray[Any, Any], scale: float, dtype: Any) -> np.ndarray[Any, Any]:
    """Return rows of features as columns, scaled: (m, n_x) becomes (n_x, m), in one piece of memory."""
    columns = np.empty(X.shape[::-1], dtype)
    with np.errstate(all="ignore"):  # what goes out of range is found below
        np.divide(X.T, columns.dtype.type(scale), out=columns, casting="same_kind")
    if X.dtype != np.uint8 and not np.isfinite(columns).all():
        raise DataError(
            f"The samples divided by {scale:g} do not fit into {columns.dtype}: scale them or take float64."
        )
    return columns


def _number(convert: Callable[[Any], Any], name: str, value: Any) -> Any:
    """Return a setting as a plain number, whatever kind of number it came as."""
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError):
        kind = "a whole number" if convert is operator.index else "a number"
        raise SettingError(f"{name} must be {kind}; got {value!r}.") from None


def _check_settings(n_hidden: int, scale: float, solver: str, dtype: str, random_state: int) -> None:
    if not 1 <= n_hidden < 2**31:
        raise SettingError(f"The network needs at least 1 hidden unit, and fewer than 2^31; got {n_hidden}.")
    if not 0 < scale < math.inf:
        raise SettingError(f"The scale must be a number greater than 0; got {scale}.")
    if solver not in SOLVERS:
        raise SettingError(f"There is no solver {solver!r}: choose one of {', '.join(SOLVERS)}.")
    if dtype not in DTYPES:
        raise SettingError(f"There is no type {dtype!r} of numbers here: choose {' or '.join(DTYPES)}.")
    if random_state < 0:
        raise SettingError(f"The seed must be a whole number of at least 0; got {random_state}.")


def _check_samples(X: np.ndarray[Any, Any], y: np.ndarray[Any, Any], n_features: int | None = None) -> None:
    """Check that X is rows of finite numbers and y a label each."""
    if X.ndim != 2 or not X.size or (n_features is not None and X.shape[1] != n_features):
        wanted = "of the training data's width" if n_features else "and columns"
        raise DataError(f"Samples must be rows {wanted}, at least one; got the shape {X.shape}.")
    if y.shape != X.shape[:1]:
        raise DataError(f"Each sample needs one label: got {len(X):,} samples and labels of the shape {y.shape}.")
    _check_finite(X)
    if y.dtype.kind not in "iuU":
        raise DataError(f"Labels must be whole numbers or text; got the type {y.dtype}: convert them first.")


def _check_finite(X: np.ndarray[Any, Any]) -> None:
    if X.dtype.kind not in "iub" and not (X.dtype.kind == "f" and np.isfinite(X).all()):
        raise DataError("The samples hold values that are not finite numbers: remove or repair them.")
