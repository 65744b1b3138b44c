"""A trained network together with what it takes to use it: how samples enter it and which classes leave it.

Rows are samples here; this is where they become the columns of the blackboard.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from twolayer.engines.objective import Objective, Task, make_objective
from twolayer.equations import Arrays, forward_propagation, initialize_parameters
from twolayer.errors import DataError, SettingError
from twolayer.history import Epoch
from twolayer.solvers import AUTO, Solver, make_solver
from twolayer.training import Result, train, train_many

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
    activation : str
        Of the hidden layer: "sigmoid", "tanh" or "relu".
    settings : dict
        How it was trained: text and numbers, for people and for doing it again.
    """

    parameters: Arrays = field(repr=False)
    classes: tuple[Label, ...]
    input_shape: tuple[int, ...]
    scale: float = 1.0
    activation: str = "sigmoid"
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
        columns = (_to_columns(block, self.scale, dtype) for block in blocks)
        return np.concatenate([forward_propagation(X, self.parameters, self.activation)[0].T for X in columns])

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
    activation: str = "sigmoid",
    loss: str = "square",
    solver: str | None = None,
    learning_rate: float | str = AUTO,
    batch_size: int | None = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    l2: float = 0.0,
    sample_weight: Any = None,
    scale: float = 1.0,
    input_shape: tuple[int, ...] | None = None,
    engine: str = "auto",
    n_threads: int | None = None,
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
    activation : str
        Of the hidden units: "sigmoid", "tanh" or "relu".
    loss : str
        "square" or "log".
    solver : str, optional
        "gd", "momentum", "adam" or "lbfgs". When not given, "gd" where there is a learning rate, else "lbfgs".
    learning_rate : float or "auto"
        The fixed step of gradient descent, or what `make_solver` says of "auto".
    batch_size : int, optional
        Samples in a mini-batch of Adam.
    max_iter : int
        Number of steps at most.
    tol : float
        Converged when no entry of the gradient is larger; 0 for never.
    l2 : float
        Adds l2 / 2 times the sum of the squared weights to the cost.
    sample_weight : array of shape (m,), optional
        How much each sample counts in the cost.
    scale : float
        Divide the features by this first: 255 for pixels stored as bytes.
    input_shape : tuple of int, optional
        Shape of one sample, for pictures of it; (n_features,) when not given.
    engine, n_threads
        As for `make_objective`; the same number of threads gives the same bits.
    dtype : str
        "float32" or "float64".
    random_state : int
        Seed of the random start, and of the order of mini-batches.
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
    job = _Job(X, y, X_test, y_test, scale, input_shape, dtype, sample_weight)
    job.make_objectives(engine, n_threads, activation, loss, l2)
    variant = job.check_variant(n_hidden, solver, learning_rate, batch_size, random_state)
    max_iter, tol = _number(operator.index, "max_iter", max_iter), _number(float, "tol", tol)
    start = job.start(variant)
    solve = variant.make_solver()
    result = train(job.objective, solve, start, max_iter=max_iter, tol=tol, test=job.test, on_epoch=on_epoch)
    return job.model(result, variant, max_iter, tol), result


def fit_models(
    X: Any,
    y: Any,
    variants: Sequence[Mapping[str, Any]],
    *,
    X_test: Any = None,
    y_test: Any = None,
    activation: str = "sigmoid",
    loss: str = "square",
    max_iter: int = 200,
    tol: float = 1e-4,
    l2: float = 0.0,
    sample_weight: Any = None,
    scale: float = 1.0,
    input_shape: tuple[int, ...] | None = None,
    engine: str = "auto",
    n_threads: int | None = None,
    dtype: str = "float32",
) -> list[tuple[Model, Result]]:
    """Train several networks side by side on the same samples; each one's result is its result alone.

    Parameters
    ----------
    X, y
        As for `fit_model`, and so are all parameters not named here.
    variants : sequence of mappings
        One for each network, with any of `n_hidden`, `solver`, `learning_rate`, `batch_size` and `random_state`.

    Returns
    -------
    list of (Model, Result)
        In the order of the variants.

    Raises
    ------
    SettingError, DataError
        If a setting or the data make no network.
    """
    job = _Job(X, y, X_test, y_test, scale, input_shape, dtype, sample_weight)
    job.make_objectives(engine, n_threads, activation, loss, l2)
    defaults = {"n_hidden": 10, "solver": None, "learning_rate": AUTO, "batch_size": None, "random_state": 0}
    for variant in variants:
        strange = sorted(set(variant) - set(defaults))
        if strange:
            raise SettingError(f"A network cannot have a {strange[0]} of its own: only {', '.join(defaults)}.")
    checked = [job.check_variant(**{**defaults, **variant}) for variant in variants]
    max_iter, tol = _number(operator.index, "max_iter", max_iter), _number(float, "tol", tol)
    solvers, starts = [each.make_solver() for each in checked], [job.start(each) for each in checked]
    results = train_many(job.objective, solvers, starts, max_iter=max_iter, tol=tol, test=job.test)
    pairs = zip(results, checked, strict=True)
    return [(job.model(result, variant, max_iter, tol), result) for result, variant in pairs]


@dataclass(frozen=True)
class _Variant:
    """What may differ between networks that are trained on the same samples."""

    n_hidden: int
    solver: str
    learning_rate: float | str
    batch_size: int | None
    random_state: int

    def make_solver(self) -> Solver:
        return make_solver(self.solver, self.learning_rate, batch_size=self.batch_size, random_state=self.random_state)


class _Job:
    """Checked samples on their way to trained models."""

    def __init__(
        self,
        X: Any,
        y: Any,
        X_test: Any,
        y_test: Any,
        scale: Any,
        input_shape: tuple[int, ...] | None,
        dtype: Any,
        sample_weight: Any,
    ) -> None:
        self.scale, self.dtype = _number(float, "scale", scale), str(getattr(dtype, "name", dtype))
        if not 0 < self.scale < math.inf:
            raise SettingError(f"The scale must be a number greater than 0; got {scale}.")
        if self.dtype not in DTYPES:
            raise SettingError(f"There is no type {dtype!r} of numbers here: choose {' or '.join(DTYPES)}.")
        self.X, self.y, self.sample_weight = np.asarray(X), np.asarray(y), sample_weight
        _check_samples(self.X, self.y)
        self.classes = np.unique(self.y)
        if len(self.classes) < 2:
            raise DataError(f"All labels are {self.classes[0]}: give samples of at least two classes.")
        if self.y.dtype.kind == "U" and not all(is_text(label) for label in self.classes.tolist()):
            raise DataError("A label holds half a surrogate pair, which is no text: repair the labels.")
        n_features = self.X.shape[1]
        shape = (n_features,) if input_shape is None else input_shape
        self.input_shape = tuple(_number(operator.index, "input_shape", size) for size in shape)
        if len(self.input_shape) > 8 or any(size < 1 for size in self.input_shape):
            raise DataError(f"A sample has one to eight dimensions of at least 1; got the shape {self.input_shape}.")
        if math.prod(self.input_shape) != n_features:
            message = f"A sample of shape {self.input_shape} does not have {n_features} values: give its true shape."
            raise DataError(message)
        self.X_test = self.y_test = None
        if X_test is not None:
            self.X_test, self.y_test = np.asarray(X_test), np.asarray(y_test)
            _check_samples(self.X_test, self.y_test, n_features)

    def make_objectives(self, engine: str, n_threads: Any, activation: str, loss: str, l2: Any) -> None:
        """Make the objectives of the training and, where there are any, the test samples."""
        l2 = _number(float, "l2", l2)
        n_threads = None if n_threads is None else _number(operator.index, "n_threads", n_threads)
        self.task = Task(activation, loss, l2)

        def make(X: Any, y: Any, sample_weight: Any = None) -> Objective:
            return make_objective(
                X.T,
                encode_labels(y, self.classes, self.dtype),
                engine,
                dtype=self.dtype,
                scale=self.scale,
                sample_weight=sample_weight,
                activation=activation,
                loss=loss,
                l2=l2,
                n_threads=n_threads,
            )

        self.objective = make(self.X, self.y, self.sample_weight)
        self.test = None if self.X_test is None else make(self.X_test, self.y_test)

    def check_variant(
        self, n_hidden: Any, solver: str | None, learning_rate: Any, batch_size: Any, random_state: Any
    ) -> _Variant:
        """Return the settings of one network, checked; without a solver, the one that suits the learning rate."""
        n_hidden = _number(operator.index, "n_hidden", n_hidden)
        random_state = _number(operator.index, "random_state", random_state)
        batch_size = None if batch_size is None else _number(operator.index, "batch_size", batch_size)
        if not isinstance(learning_rate, str):
            learning_rate = _number(float, "learning_rate", learning_rate)
        if not 1 <= n_hidden < 2**31:
            raise SettingError(f"The network needs at least 1 hidden unit, and fewer than 2^31; got {n_hidden}.")
        if random_state < 0:
            raise SettingError(f"The seed must be a whole number of at least 0; got {random_state}.")
        if solver is None:
            solver = "lbfgs" if isinstance(learning_rate, str) else "gd"
        variant = _Variant(n_hidden, solver, learning_rate, batch_size, random_state)
        variant.make_solver()  # before any work
        return variant

    def start(self, variant: _Variant) -> Arrays:
        """Return the random start of a network."""
        n_y = 1 if len(self.classes) == 2 else len(self.classes)
        random = np.random.default_rng(variant.random_state)
        start = initialize_parameters(self.X.shape[1], variant.n_hidden, n_y, random)
        return {name: value.astype(self.dtype) for name, value in start.items()}

    def model(self, result: Result, variant: _Variant, max_iter: int, tol: float) -> Model:
        """Return the model of a trained network."""
        settings = {
            **asdict(variant),
            **asdict(self.task),
            "max_iter": max_iter,
            "tol": tol,
            "engine": result.engine,
            "dtype": self.dtype,
            "n_iter": result.n_iter,
            "status": str(result.status),
        }
        classes = tuple(self.classes.tolist())
        return Model(result.parameters, classes, self.input_shape, self.scale, self.task.activation, settings)


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
