"""From rows of samples and their labels to a trained model: one network, or several side by side."""

import json
import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twolayer.checkpoint import Checkpoints, Purpose
from twolayer.data.rows import Rows
from twolayer.data.table_encoding import TableEncoding
from twolayer.engines.objective import Objective, Task, make_objective
from twolayer.equations import Arrays, initialize_parameters
from twolayer.errors import DataError, SettingError
from twolayer.history import Epoch
from twolayer.model import Label, Model, as_rows, check_finite, encode_labels, is_text
from twolayer.solvers import AUTO, Solver, make_solver
from twolayer.training import Result, Validation, train, train_many

DTYPES = ("float32", "float64")
BALANCED = "balanced"
ClassWeight = Mapping[Any, float] | str | None


@dataclass(frozen=True)
class ValidationSet:
    """Samples kept apart from those that are learned from.

    Attributes
    ----------
    X : array of shape (m, n_features), or SciPy sparse matrix, or Rows
    y : array of shape (m,)
    sample_weight : array of shape (m,), optional
        How much each counts in the validation cost.
    score : callable, optional
        Parameters in, a number out, more is better; the share of right predictions when not given.
    patience : int, optional
        Stop when the score has not risen by more than `tol` for so many iterations in a row, and return the parameters
        with the best one; without it the score is only kept.
    tol : float
        What counts as a rise.
    """

    X: Any
    y: Any
    sample_weight: Any = None
    score: Callable[[Arrays], float] | None = None
    patience: int | None = None
    tol: float = 0.0


def fit_model(
    X: Any,
    y: Any,
    *,
    X_test: Any = None,
    y_test: Any = None,
    validation: ValidationSet | None = None,
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
    class_weight: ClassWeight = None,
    classes: Sequence[Label] | None = None,
    start: Arrays | None = None,
    scale: float = 1.0,
    input_shape: tuple[int, ...] | None = None,
    table: TableEncoding | None = None,
    engine: str = "auto",
    n_threads: int | None = None,
    dtype: str = "float32",
    random_state: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float | None = None,
    on_parameters: Callable[[Arrays], None] | None = None,
    on_epoch: Callable[[Epoch], bool | None] | None = None,
) -> tuple[Model, Result]:
    """Train a network on rows of features and their labels.

    Parameters
    ----------
    X : array of shape (m, n_features), or SciPy sparse matrix; or `twolayer.data.rows.Rows`, read block by block
    y : array of shape (m,), whole numbers or text, at least two different
    X_test, y_test : arrays, optional
        Samples to measure at each epoch.
    validation : ValidationSet, optional
        Samples to measure at each epoch that may end the training.
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
    class_weight : "balanced" or mapping of labels to numbers, optional
        How much the samples of each class count, times `sample_weight`; "balanced" gives each class the same total.
    classes : sequence of labels, optional
        All classes in their order, of two the positive one second; those of y, sorted, when not given.
    start : dict, optional
        W1, b1, W2, b2 to start from, instead of random ones.
    scale : float
        Divide the features by this first: 255 for pixels stored as bytes.
    input_shape : tuple of int, optional
        Shape of one sample, for pictures of it; (n_features,) when not given.
    table : TableEncoding, optional
        How the rows were made of a table, for the model to make others so.
    engine, n_threads
        As for `make_objective`; the same number of threads gives the same bits.
    dtype : str
        "float32" or "float64".
    random_state : int
        Seed of the random start, and of the order of mini-batches.
    checkpoint : path, optional
        A file that is written from time to time with all that it takes to go on. Where it is there already, the
        training goes on from it, and ends with the same bits as one that never stopped; with a larger `max_iter` it
        makes more iterations. The file stays: remove it once the model is saved.
    checkpoint_seconds : float, optional
        Time from one checkpoint to the next, s; when not given, they cost 1 % of the time.
    on_parameters : callable, optional
        Called with the parameters of each epoch, before `on_epoch`.
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

    Warns
    -----
    CheckpointWarning
        If a checkpoint cannot be written; the training goes on.
    """
    for name, function in (("on_parameters", on_parameters), ("on_epoch", on_epoch)):
        if function is not None and not callable(function):
            raise SettingError(f"{name} must be a function; got {function!r}.")
    job = Job(X, y, scale, input_shape, dtype, classes)
    job.make_objectives(engine, n_threads, activation, loss, l2, sample_weight, class_weight)
    test = None if X_test is None else job.objective_of(X_test, y_test)
    variant = job.check_variant(n_hidden, solver, learning_rate, batch_size, random_state)
    max_iter, tol = _number(operator.index, "max_iter", max_iter), _number(float, "tol", tol)
    first, mover = job.start(variant, start), variant.make_solver()
    kept = None if validation is None else job.validation(validation)
    checkpoints = None
    if checkpoint is not None:
        purpose = job.purpose(variant, tol, first, (X_test, y_test), validation, table)
        checkpoints = Checkpoints(checkpoint, purpose, _seconds_between(checkpoint_seconds))
    elif checkpoint_seconds is not None:
        raise SettingError("There are seconds between checkpoints, but no file for them: name one as checkpoint.")
    result = train(
        job.objective,
        mover,
        first,
        max_iter=max_iter,
        tol=tol,
        test=test,
        validation=kept,
        on_parameters=on_parameters,
        state=checkpoints.read(variant.make_solver(), first) if checkpoints else None,
        on_state=checkpoints.offer if checkpoints else None,
        on_epoch=on_epoch,
    )
    if checkpoints:
        checkpoints.end(result.status)
    return job.model(result, variant, max_iter, tol, table), result


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
    class_weight: ClassWeight = None,
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
    job = Job(X, y, scale, input_shape, dtype, None)
    job.make_objectives(engine, n_threads, activation, loss, l2, sample_weight, class_weight)
    test = None if X_test is None else job.objective_of(X_test, y_test)
    defaults = {"n_hidden": 10, "solver": None, "learning_rate": AUTO, "batch_size": None, "random_state": 0}
    for variant in variants:
        strange = sorted(set(variant) - set(defaults))
        if strange:
            raise SettingError(f"A network cannot have a {strange[0]} of its own: only {', '.join(defaults)}.")
    checked = [job.check_variant(**{**defaults, **variant}) for variant in variants]
    max_iter, tol = _number(operator.index, "max_iter", max_iter), _number(float, "tol", tol)
    solvers, starts = [each.make_solver() for each in checked], [job.start(each) for each in checked]
    results = train_many(job.objective, solvers, starts, max_iter=max_iter, tol=tol, test=test)
    pairs = zip(results, checked, strict=True)
    return [(job.model(result, variant, max_iter, tol, None), result) for result, variant in pairs]


def start_parameters(
    n_x: int, n_h: int, n_y: int, dtype: str, random_state: int, given: Mapping[str, Any] | None = None
) -> Arrays:
    """Return the parameters that a training starts from: given ones, or the random ones of the blackboard.

    Parameters
    ----------
    n_x, n_h, n_y : int
        Sizes of the network.
    dtype : str
    random_state : int
        Seed.
    given : mapping, optional
        W1, b1, W2, b2.

    Raises
    ------
    SettingError
        If those given do not fit the sizes or are not finite.
    """
    if given is None:
        start = initialize_parameters(n_x, n_h, n_y, np.random.default_rng(random_state))
        return {name: value.astype(dtype) for name, value in start.items()}
    shapes = {"W1": (n_h, n_x), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
    if not isinstance(given, Mapping) or set(given) != set(shapes):
        raise SettingError("The parameters to start from must be a dict of W1, b1, W2 and b2.")
    arrays = {}
    for name in shapes:
        try:
            arrays[name] = np.array(given[name], dtype)
        except (TypeError, ValueError):
            raise SettingError(f"The parameters to start from must be arrays of numbers; {name} is none.") from None
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            message = f"To start from, {name} must hold finite numbers in the shape {shape}"
            raise SettingError(f"{message}; got the shape {arrays[name].shape}.")
    return arrays


def weigh_classes(
    y: np.ndarray[Any, Any], classes: Any, class_weight: ClassWeight, sample_weight: Any = None
) -> np.ndarray[Any, Any] | None:
    """Return how much each sample counts: its own weight times that of its class.

    Balanced, a class k weighs W / (K W_k), with W_k the weights of its samples added up, W those of all, K classes.

    Parameters
    ----------
    y : array of shape (m,)
    classes : the labels, in order
    class_weight, sample_weight
        As for `fit_model`.

    Returns
    -------
    array of shape (m,), or None where all count the same

    Raises
    ------
    SettingError, DataError
        If the weights are none.
    """
    given = None if sample_weight is None else np.asarray(sample_weight, float)
    if class_weight is None or (given is not None and given.shape != y.shape):
        return given  # the objective says what is wrong with its shape
    own = np.ones(len(y)) if given is None else given
    known = np.asarray(classes)
    totals = np.array([own[y == label].sum() for label in known])
    if class_weight == BALANCED:
        factors = np.divide(totals.sum(), len(known) * totals, out=np.zeros(len(known)), where=totals > 0)
    elif isinstance(class_weight, Mapping):
        strange = [label for label in class_weight if label not in set(known.tolist())]
        missing = [label for label in known.tolist() if label not in class_weight]
        if strange and missing:
            message = f"The class weights name {strange[0]!r}, which is no class: name {missing[0]!r} and the others."
            raise SettingError(message)
        factors = np.array([_number(float, "a class weight", class_weight.get(label, 1)) for label in known.tolist()])
        if not np.isfinite(factors).all() or (factors < 0).any():
            raise SettingError("The class weights must be numbers of at least 0.")
    else:
        raise SettingError(f"The class weights must be {BALANCED!r} or a number for each class; got {class_weight!r}.")
    weights = own.copy()
    for label, factor in zip(known, factors, strict=True):
        weights[y == label] *= factor
    return weights


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


class Job:
    """Checked samples on their way to trained models."""

    def __init__(
        self,
        X: Any,
        y: Any,
        scale: Any,
        input_shape: tuple[int, ...] | None,
        dtype: Any,
        classes: Sequence[Label] | None,
    ) -> None:
        self.scale, self.dtype = _number(float, "scale", scale), str(getattr(dtype, "name", dtype))
        if not 0 < self.scale < math.inf:
            raise SettingError(f"The scale must be a number greater than 0; got {scale}.")
        if self.dtype not in DTYPES:
            raise SettingError(f"There is no type {dtype!r} of numbers here: choose {' or '.join(DTYPES)}.")
        self.X, self.y = as_rows(X), np.asarray(y)
        _check_samples(self.X, self.y)
        self.classes = np.unique(self.y) if classes is None else np.asarray(classes)
        if len(self.classes) < 2:
            raise DataError(f"All samples are of one class, {self.classes[0]}: give samples of at least two classes.")
        if self.y.dtype.kind == "U" and not all(is_text(label) for label in self.classes.tolist()):
            raise DataError("A label holds half a surrogate pair, which is no text: repair the labels.")
        self.n_features: int = self.X.shape[1]
        shape = (self.n_features,) if input_shape is None else input_shape
        self.input_shape = tuple(_number(operator.index, "input_shape", size) for size in shape)
        if len(self.input_shape) > 8 or any(size < 1 for size in self.input_shape):
            raise DataError(f"A sample has one to eight dimensions of at least 1; got the shape {self.input_shape}.")
        if math.prod(self.input_shape) != self.n_features:
            message = f"A sample of shape {self.input_shape} does not have {self.n_features} values: give its true"
            raise DataError(f"{message} shape.")

    def make_objectives(
        self,
        engine: str,
        n_threads: Any,
        activation: str,
        loss: str,
        l2: Any,
        sample_weight: Any,
        class_weight: ClassWeight,
    ) -> None:
        """Make the objective of the training samples, and remember how for others."""
        self.engine, self.task = engine, Task(activation, loss, _number(float, "l2", l2))
        self.n_threads = None if n_threads is None else _number(operator.index, "n_threads", n_threads)
        self.weight = weigh_classes(self.y, self.classes, class_weight, sample_weight)
        self.objective = self._objective(self.X, self.y, self.weight, self.task)

    def objective_of(self, X: Any, y: Any, sample_weight: Any = None) -> Objective:
        """Return the objective of other samples; without the penalty, which is none of theirs."""
        X, y = as_rows(X), np.asarray(y)
        _check_samples(X, y, self.n_features)
        task = Task(self.task.activation, self.task.loss)
        return self._objective(X, y, sample_weight, task)

    def _objective(self, X: Any, y: Any, sample_weight: Any, task: Task) -> Objective:
        return make_objective(
            X if isinstance(X, Rows) else X.T,
            encode_labels(y, self.classes, self.dtype),
            self.engine if isinstance(X, Rows) is isinstance(self.X, Rows) else "auto",
            dtype=self.dtype,
            scale=self.scale,
            sample_weight=sample_weight,
            activation=task.activation,
            loss=task.loss,
            l2=task.l2,
            n_threads=self.n_threads,
        )

    def validation(self, kept: ValidationSet) -> Validation:
        """Return the validation of samples kept apart."""
        objective = self.objective_of(kept.X, kept.y, kept.sample_weight)
        return Validation(objective, kept.score, kept.patience, kept.tol)

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

    @property
    def n_outputs(self) -> int:
        """One output for two classes, else one a class."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    def start(self, variant: _Variant, given: Mapping[str, Any] | None = None) -> Arrays:
        """Return the start of a network."""
        sizes = self.n_features, variant.n_hidden, self.n_outputs
        return start_parameters(*sizes, self.dtype, variant.random_state, given)

    def purpose(
        self,
        variant: _Variant,
        tol: float,
        start: Arrays,
        test: tuple[Any, Any],
        validation: ValidationSet | None,
        table: TableEncoding | None,
    ) -> Purpose:
        """Return what a checkpoint of a training belongs to."""
        settings = {**asdict(variant), **asdict(self.task), "tol": tol, "dtype": self.dtype, "scale": self.scale}
        settings |= {"samples": self.X.shape[0], "features": self.n_features, "classes": len(self.classes)}
        samples = [self.X, self.y, self.weight, *start.values(), *test]
        if validation is not None:
            settings |= {"patience": validation.patience, "validation_tol": validation.tol}
            samples += [validation.X, validation.y, validation.sample_weight]
        if table is not None:  # names of columns and of what they hold
            samples.append(np.frombuffer(json.dumps(table.to_record()).encode(), np.uint8))
        return Purpose(settings, [each if each is None else as_rows(each) for each in samples])

    def model(self, result: Result, variant: _Variant, max_iter: int, tol: float, table: TableEncoding | None) -> Model:
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
        return Model(result.parameters, classes, self.input_shape, self.scale, self.task.activation, settings, table)


def _seconds_between(seconds: Any) -> float | None:
    """Return the time from one checkpoint to the next, checked."""
    if seconds is None:
        return None
    checked: float = _number(float, "checkpoint_seconds", seconds)
    if not 0 <= checked < math.inf:
        raise SettingError(f"The seconds from one checkpoint to the next must be at least 0; got {seconds}.")
    return checked


def _number(convert: Callable[[Any], Any], name: str, value: Any) -> Any:
    """Return a setting as a plain number, whatever kind of number it came as."""
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError):
        kind = "a whole number" if convert is operator.index else "a number"
        raise SettingError(f"{name} must be {kind}; got {value!r}.") from None


def _check_samples(X: Any, y: np.ndarray[Any, Any], n_features: int | None = None) -> None:
    """Check that X is rows of finite numbers and y a label each."""
    if len(X.shape) != 2 or 0 in X.shape or (n_features is not None and X.shape[1] != n_features):
        wanted = "of the training data's width" if n_features else "and columns"
        raise DataError(f"Samples must be rows {wanted}, at least one; got the shape {X.shape}.")
    if y.shape != X.shape[:1]:
        raise DataError(f"Each sample needs one label: got {X.shape[0]:,} samples and labels of the shape {y.shape}.")
    check_finite(X)
    if y.dtype.kind not in "iuU":
        raise DataError(f"Labels must be whole numbers or text; got the type {y.dtype}: convert them first.")
