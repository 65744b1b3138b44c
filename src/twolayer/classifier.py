"""The network as a scikit-learn estimator: rows of features and labels in, classes and their shares out."""

import copy
import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _safe_indexing, check_random_state, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from twolayer.data.split import hold_out
from twolayer.equations import Arrays
from twolayer.errors import DataError, SettingError
from twolayer.fitting import DTYPES, Job, ValidationSet, fit_model, weigh_classes
from twolayer.history import Epoch
from twolayer.model import Model
from twolayer.progress import epoch_display
from twolayer.solvers import AUTO
from twolayer.training import Result, Status, train

try:  # scikit-learn 1.9 and later
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    _FRAMES_TO_CALLER = 4  # from where `fit` warns
except ImportError:
    _FRAMES_TO_CALLER = 3

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: this scikit-learn has no callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method as it is."""
        return method


_NARROW = (np.float16, np.float32, np.uint8, np.int8, np.bool_)  # trained on in float32, where no type is asked for


def _trains_in_parts(estimator: Any) -> bool:
    """Tell whether the solver can go on with other samples; an AttributeError says why not."""
    if estimator.solver == "lbfgs":
        raise AttributeError("L-BFGS remembers the samples it saw: for partial_fit take solver='adam', or gd.")
    return True


class TwoLayerClassifier(
    CallbackSupportMixin,  # type: ignore[misc]
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    ClassifierMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """A two-layer network (one hidden layer, sigmoid outputs) as a scikit-learn classifier.

    A1 = f(W1 X + b1), A2 = s(W2 A1 + b2), with X the samples as columns. Two classes have one output, more have one
    each; the classes' shares are (1 - A2, A2), or A2 divided by its sum.

    Parameters
    ----------
    n_hidden : int, default=32
        Number of hidden units.
    activation : {"sigmoid", "tanh", "relu"}, default="sigmoid"
        Of the hidden units.
    loss : {"square", "log"}, default="square"
        What is made small, each as a mean over the samples, summed over the outputs: half the square of A2 - Y, or the
        log loss.
    solver : {"lbfgs", "gd", "momentum", "adam"}, default="lbfgs"
        How parameters move. All but `adam` take all samples at once, so that a sample of weight 2 is the same as one
        that stands there twice, and the order of the samples makes no difference but rounding.
    learning_rate : float or "auto", default="auto"
        The step. With "auto", `lbfgs` and `gd` find each one; `momentum` takes 1 and `adam` 0.01.
    batch_size : int, optional
        Samples in a mini-batch of `adam`; 200 when not given.
    max_iter : int, default=200
        Number of steps at most, for `adam` passes over the samples.
    tol : float, default=1e-4
        Done when no entry of the gradient is larger; 0 for never: `solver="gd"` with a fixed rate, `tol=0` and `l2=0`
        is the assignment's own iteration, exactly `max_iter` of them. With `early_stopping`, also what counts as a
        better score.
    l2 : float, default=0.0
        Adds l2 / 2 times the sum of the squared weights to the cost.
    class_weight : None, "balanced" or dict, default=None
        How much the samples of each class count; balanced, each class has the same total.
    early_stopping : bool, default=False
        Keep a share of the samples apart, or take those given to `fit`, stop when their score rises no more, and return
        the parameters with the best one.
    validation_fraction : float, default=0.1
        That share, of each class.
    n_iter_no_change : int, default=10
        Iterations in a row without a better score before it stops.
    scoring : str, callable or None, default=None
        What is kept as the validation score: any scorer of scikit-learn's, by its name or as `scorer(estimator, X, y)`;
        when not given the accuracy, in which samples count as they do in the cost.
    warm_start : bool, default=False
        Let `fit` go on from the parameters of the last one.
    initial_parameters : dict, optional
        W1 (n_hidden, n_features), b1 (n_hidden, 1), W2 (n_outputs, n_hidden), b2 (n_outputs, 1) to start from, instead
        of weights drawn from N(0, 1/n) and biases 0.
    engine : {"auto", "whole", "tiled", "streamed"}, default="auto"
        What computes: NumPy on all samples, the C kernel, or either on blocks that are read one after the other, for a
        memory map larger than memory.
    n_threads : int, optional
        Of the C kernel; one a processor when not given. The same number gives the same bits.
    dtype : {"float32", "float64"}, optional
        Of the computation. When not given, float32 for samples in float32 or bytes, else float64.
    random_state : int, RandomState instance or None, default=None
        Of the random start, the mini-batches and the share kept apart.
    verbose : int, default=0
        Show the progress: a bar on a terminal, some lines elsewhere.
    on_epoch : callable, optional
        Called with each `twolayer.history.Epoch` before its step; returning True ends the training.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    parameters_ : dict
        W1, b1, W2, b2.
    history_ : list of Epoch
        Cost, accuracy and, where there are validation samples, their cost and score, before each step.
    loss_curve_, validation_loss_curve_, validation_scores_ : list of float
        The same as lists; the latter two are None without validation samples.
    status_ : str
        "converged", "finished", "stopped early", "interrupted" or "diverged".
    message_ : str
        The same in a sentence.
    n_iter_ : int
        Entries in the history.
    best_iter_ : int
        Steps made to reach `parameters_`.
    loss_ : float
        Cost at `parameters_`.
    best_loss_, best_validation_score_ : float or None
        The smallest cost; the best validation score. Each is None where the other rules, as for `MLPClassifier`.
    engine_ : str
        What computed, and why.
    n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_, t_, coefs_, intercepts_
        As for scikit-learn's `MLPClassifier`; `coefs_` are the transposes of W1 and W2.

    See Also
    --------
    twolayer.fit_model : The same without scikit-learn.

    Notes
    -----
    Float32 and bytes are not made wider, memory maps and sparse matrices are not copied; the C kernel packs the values
    that are not zero into tiles once.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from twolayer import TwoLayerClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), TwoLayerClassifier(random_state=0)).fit(X, y)
    >>> bool(model.score(X, y) > 0.98)
    True
    """

    def __init__(
        self,
        n_hidden: int = 32,
        *,
        activation: str = "sigmoid",
        loss: str = "square",
        solver: str = "lbfgs",
        learning_rate: float | str = AUTO,
        batch_size: int | None = None,
        max_iter: int = 200,
        tol: float = 1e-4,
        l2: float = 0.0,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        scoring: Any = None,
        warm_start: bool = False,
        initial_parameters: Mapping[str, Any] | None = None,
        engine: str = AUTO,
        n_threads: int | None = None,
        dtype: str | None = None,
        random_state: Any = None,
        verbose: int = 0,
        on_epoch: Callable[[Epoch], bool | None] | None = None,
    ) -> None:
        self.n_hidden = n_hidden
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.l2 = l2
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.scoring = scoring
        self.warm_start = warm_start
        self.initial_parameters = initial_parameters
        self.engine = engine
        self.n_threads = n_threads
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose
        self.on_epoch = on_epoch

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels of any kind that scikit-learn knows.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts in the cost.
        X_val, y_val, sample_weight_val : as X, y, sample_weight, optional
            Samples of your own to validate on, before each step.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the data or a setting is not possible; the sentence says what to do.
        """
        self._check_settings()
        given = X
        X, y, sample_weight = self._check_training_data(X, y, sample_weight, reset=True)
        seed = self._seed()
        start, classes = self._start(np.unique(y))
        codes = self._encode(y, classes)
        rest, kept = self._validation(X, codes, sample_weight, X_val, y_val, sample_weight_val, classes, seed)
        if rest is not None:
            X, y, codes = X[rest], y[rest], codes[rest]
            sample_weight = None if sample_weight is None else sample_weight[rest]
        self.classes_ = classes
        self.__dict__.pop("_solver", None)
        told = {"X": X, "y": y, "metadata": None if sample_weight is None else {"sample_weight": sample_weight}}
        if hasattr(self, "feature_names_in_"):  # callbacks get samples that predict knows by their names
            told["X"] = given if rest is None else lambda: _safe_indexing(given, rest)
        context = self._begin_callbacks(told)
        at_hand: list[Arrays] = [{}]
        max_epochs = int(self.max_iter) if isinstance(self.max_iter, Integral) else 1
        with epoch_display(max_epochs, quiet=not self.verbose) as show:
            model, result = fit_model(
                X,
                codes,
                validation=kept,
                n_hidden=self.n_hidden,
                activation=self.activation,
                loss=self.loss,
                solver=self.solver,
                learning_rate=self.learning_rate,
                batch_size=self.batch_size,
                max_iter=self.max_iter,
                tol=self.tol,
                l2=self.l2,
                sample_weight=weigh_classes(y, classes, self.class_weight, sample_weight),
                classes=range(len(classes)),
                start=start,
                engine=self.engine,
                n_threads=self.n_threads,
                dtype=self._dtype(X),
                random_state=seed,
                on_parameters=lambda parameters: at_hand.__setitem__(0, parameters),
                on_epoch=self._listener(show, context, told, at_hand),
            )
        self._keep(model.parameters, result, X.shape[0] * len(result.history))
        self._warn(result, _FRAMES_TO_CALLER)
        self._end_callbacks(context, told)
        return self

    @available_if(_trains_in_parts)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Make one step, for `adam` one pass in mini-batches, with these samples; the solver goes on as it was.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array-like of shape (n_classes,), optional
            All labels that will ever come; needed at the first call.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts in the cost.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the data or a setting is not possible, `early_stopping` among them, as there is nothing to stop.
        """
        if self.early_stopping:
            raise SettingError("partial_fit makes one step and cannot stop early: set early_stopping=False.")
        self._check_settings()
        first = not hasattr(self, "parameters_")
        X, y, sample_weight = self._check_training_data(X, y, sample_weight, reset=first)
        if first:
            if classes is None:
                raise SettingError("The first call of partial_fit needs classes, all labels that will ever come.")
            self.classes_ = self._check_classes(np.unique(np.asarray(classes)))
        elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise DataError(f"The classes {list(classes)} are not those of the first call: {list(self.classes_)}.")
        weight = weigh_classes(y, self.classes_, self.class_weight, sample_weight)
        dtype = self._dtype(X) if first else self.parameters_["W1"].dtype
        job = Job(X, self._encode(y, self.classes_), 1.0, None, dtype, range(len(self.classes_)))
        job.make_objectives(self.engine, self.n_threads, self.activation, self.loss, self.l2, weight, None)
        variant = job.check_variant(self.n_hidden, self.solver, self.learning_rate, self.batch_size, self._seed())
        start = job.start(variant, self.initial_parameters) if first else self.parameters_
        if not hasattr(self, "_solver"):
            self._solver = variant.make_solver()
        before: list[Epoch] = vars(self).get("history_", [])
        n_seen, n_steps = vars(self).get("t_", 0) + X.shape[0], vars(self).get("best_iter_", 0)
        result = train(job.objective, self._solver, start, max_iter=1)
        if before:
            seconds = before[-1].seconds
            new = [replace(epoch, iteration=len(before), seconds=seconds + epoch.seconds) for epoch in result.history]
            result.history[:] = [*before, *new]
        self._keep(result.parameters, result, n_seen)
        self.best_iter_ = n_steps + result.n_iter
        if result.status in (Status.DIVERGED, Status.INTERRUPTED):
            self._warn(result, 3)
        return self

    def predict(self, X: Any) -> np.ndarray[Any, Any]:
        """Return the class of each row: the second where A2 > 0.5 with one output, else that of the largest output.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,), entries from `classes_`
        """
        model, X = self._model(X)
        predicted: np.ndarray[Any, Any] = self.classes_[model.predict(X)]
        return predicted

    def predict_proba(self, X: Any) -> np.ndarray[Any, Any]:
        """Return the share of each class: (1 - A2, A2) with one output, else A2 divided by its sum over the outputs.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes), in the order of `classes_`
        """
        model, X = self._model(X)
        return model.predict_proba(X)

    def predict_log_proba(self, X: Any) -> np.ndarray[Any, Any]:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))  # type: ignore[no-any-return]

    def decision_function(self, X: Any) -> np.ndarray[Any, Any]:
        """Return Z2, the logit of the outputs.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) with two classes, greater than 0 for `classes_[1]`; else (n_samples, n_classes)
        """
        model, X = self._model(X)
        return model.decision_function(X)

    def transform(self, X: Any) -> np.ndarray[Any, Any]:
        """Return the activations A1 of the hidden units.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_hidden)
        """
        model, X = self._model(X)
        return model.transform(X)

    def to_model(self) -> Model:
        """Return the network as a `twolayer.Model`, which one file holds; `twolayer.save` takes either.

        Raises
        ------
        DataError
            If the classes are neither whole numbers nor text.
        """
        check_is_fitted(self)
        labels = self.classes_.tolist()
        if all(isinstance(label, float) and label.is_integer() for label in labels):
            labels = [int(label) for label in labels]
        if not (all(type(label) is int for label in labels) or all(type(label) is str for label in labels)):
            raise DataError(f"A model file holds classes that are whole numbers or text, not {labels[0]!r}.")
        settings = {
            name: getattr(self, name)
            for name in (
                "n_hidden",
                "activation",
                "loss",
                "solver",
                "learning_rate",
                "batch_size",
                "max_iter",
                "tol",
                "l2",
            )
        }
        settings |= {"engine": self.engine_, "n_iter": self.n_iter_, "status": self.status_}
        settings = {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}
        return Model(self.parameters_, tuple(labels), (self.n_features_in_,), 1.0, self.activation, settings)

    @classmethod
    def from_model(cls, model: Model) -> Self:
        """Return a fitted classifier made of a model that takes plain rows.

        Parameters
        ----------
        model : twolayer.Model

        Raises
        ------
        DataError
            If the model is of a table, whose columns are its own to encode, or divides its features.
        """
        if model.table is not None or model.scale != 1:
            raise DataError("This model prepares its samples itself: call its own predict, or train on plain rows.")
        classifier = cls(n_hidden=model.parameters["W1"].shape[0], activation=model.activation)
        classifier.classes_ = np.asarray(model.classes)
        classifier.n_features_in_ = model.n_features
        classifier.parameters_ = dict(model.parameters)
        return classifier

    @property
    def coefs_(self) -> list[np.ndarray[Any, Any]]:
        """The transposes of W1 and W2, as scikit-learn's networks have them."""
        return [self._fitted()[name].T for name in ("W1", "W2")]

    @property
    def intercepts_(self) -> list[np.ndarray[Any, Any]]:
        """The biases b1 and b2, flat."""
        return [self._fitted()[name][:, 0] for name in ("b1", "b2")]

    @property
    def n_layers_(self) -> int:
        """Inputs, hidden units, outputs."""
        self._fitted()
        return 3

    @property
    def n_outputs_(self) -> int:
        """One for two classes, else one a class."""
        n_outputs: int = self._fitted()["W2"].shape[0]
        return n_outputs

    @property
    def out_activation_(self) -> str:
        """The sigmoid, by scikit-learn's name."""
        self._fitted()
        return "logistic"

    @property
    def loss_curve_(self) -> list[float]:
        """The cost before each step."""
        return [epoch.cost for epoch in self._recorded()]

    @property
    def validation_loss_curve_(self) -> list[float] | None:
        """The cost of the validation samples before each step; None without any."""
        costs = [epoch.validation_cost for epoch in self._recorded()]
        return None if None in costs or not costs else costs  # type: ignore[return-value]

    @property
    def validation_scores_(self) -> list[float] | None:
        """The score of the validation samples before each step; None without any."""
        scores = [epoch.validation_score for epoch in self._recorded()]
        return None if None in scores or not scores else scores  # type: ignore[return-value]

    @property
    def best_loss_(self) -> float | None:
        """The smallest cost; None where the validation score rules."""
        return None if self.early_stopping else min([*self.loss_curve_, self.loss_])

    @property
    def best_validation_score_(self) -> float | None:
        """The best score of the validation samples; None without any."""
        scores = [*(self.validation_scores_ or []), self._last_score]
        return max((score for score in scores if score is not None and not math.isnan(score)), default=None)

    @property
    def _n_features_out(self) -> int:
        n_hidden: int = self.parameters_["W1"].shape[0]
        return n_hidden

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether there are parameters."""
        return hasattr(self, "parameters_")

    def __sklearn_tags__(self) -> Any:
        """Say what the estimator can take."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _fitted(self) -> Arrays:
        """Return the parameters; an AttributeError, as of any other attribute, where there are none yet."""
        if "parameters_" not in vars(self):
            raise AttributeError("This TwoLayerClassifier has not been fitted yet: call fit first.")
        return self.parameters_

    def _recorded(self) -> list[Epoch]:
        if "history_" not in vars(self):
            raise AttributeError("This TwoLayerClassifier has no history: call fit first.")
        return self.history_

    def _check_training_data(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> tuple[Any, Any, Any]:
        """Return samples as they are stored, labels, and weights, checked."""
        if y is None:
            raise DataError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        X = validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=reset)
        y = column_or_1d(y, warn=True)
        if len(y) != X.shape[0]:
            raise DataError(f"Each sample needs one label: got {X.shape[0]:,} samples and {len(y):,} labels.")
        check_classification_targets(y)
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight, float)
            sample_weight = np.full(len(y), sample_weight) if sample_weight.ndim == 0 else sample_weight
            if sample_weight.shape != y.shape:
                raise DataError(f"Each sample needs one weight: got the shape {sample_weight.shape} of weights.")
        return X, y, sample_weight

    def _check_settings(self) -> None:
        """Check the settings that are the estimator's own; those of the network are checked where it is made."""
        checks: dict[str, tuple[bool, str]] = {
            "activation": (isinstance(self.activation, str), "text"),
            "solver": (isinstance(self.solver, str), "text"),
            "early_stopping": (isinstance(self.early_stopping, (bool, np.bool_)), "True or False"),
            "warm_start": (isinstance(self.warm_start, (bool, np.bool_)), "True or False"),
            "validation_fraction": (
                isinstance(self.validation_fraction, Real) and 0 < self.validation_fraction < 1,
                "a number between 0 and 1",
            ),
            "n_iter_no_change": (
                isinstance(self.n_iter_no_change, Integral) and self.n_iter_no_change >= 1,
                "a whole number of at least 1",
            ),
            "scoring": (
                self.scoring is None or isinstance(self.scoring, str) or callable(self.scoring),
                "the name of a scorer, a function or None",
            ),
            "verbose": (isinstance(self.verbose, Integral) and self.verbose >= 0, "a whole number of at least 0"),
            "on_epoch": (self.on_epoch is None or callable(self.on_epoch), "a function or None"),
        }
        for name, (is_right, wanted) in checks.items():
            if not is_right:
                raise SettingError(f"{name} must be {wanted}; got {getattr(self, name)!r}.")
        if isinstance(self.scoring, str):
            from sklearn.metrics import get_scorer_names

            if self.scoring not in get_scorer_names():
                message = f"There is no scorer {self.scoring!r}: see sklearn.metrics.get_scorer_names()"
                raise SettingError(f"{message} for those there are.")

    def _seed(self) -> int:
        """Return the seed: the one given, else one drawn."""
        if isinstance(self.random_state, (int, np.integer)) and self.random_state >= 0:
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _dtype(self, X: Any) -> Any:
        """Return the type of the computation."""
        if self.dtype is not None:
            return self.dtype
        return DTYPES[0] if X.dtype in _NARROW else DTYPES[1]

    @staticmethod
    def _check_classes(classes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if len(classes) < 2:
            raise DataError(f"All samples are of one class, {classes[0]}: give samples of at least two classes.")
        return classes

    def _start(self, classes: np.ndarray[Any, Any]) -> tuple[Any, np.ndarray[Any, Any]]:
        """Return where to start, and the classes: those of the last time, where the training goes on from there."""
        if not (self.warm_start and hasattr(self, "parameters_")):
            return self.initial_parameters, self._check_classes(classes)
        strange = np.setdiff1d(classes, self.classes_)
        if len(strange):
            raise DataError(
                f"With warm_start the classes stay those of the first fit, {list(self.classes_)}; got {strange[0]!r}."
            )
        return self.parameters_, self.classes_

    @staticmethod
    def _encode(y: np.ndarray[Any, Any], classes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the place of each label among the classes."""
        known = np.isin(y, classes)
        if not known.all():
            raise DataError(f"There is a label {y[~known][0]!r} that is not among the classes {list(classes)}.")
        return np.searchsorted(classes, y)

    def _validation(
        self,
        X: Any,
        codes: np.ndarray[Any, Any],
        sample_weight: Any,
        X_val: Any,
        y_val: Any,
        sample_weight_val: Any,
        classes: np.ndarray[Any, Any],
        seed: int,
    ) -> tuple[np.ndarray[Any, Any] | None, ValidationSet | None]:
        """Return the rows that are left to learn from, None for all, and the validation samples."""
        rest = None
        if X_val is not None:
            if y_val is None:
                raise DataError("X_val needs y_val, its labels.")
            X_val, y_val, sample_weight_val = self._check_training_data(X_val, y_val, sample_weight_val, reset=False)
            codes_val = self._encode(y_val, classes)
        elif not self.early_stopping:
            return None, None
        else:
            rest, out = hold_out(codes, self.validation_fraction, seed)
            if not len(out):
                message = f"validation_fraction {self.validation_fraction:g} of {len(codes):,} samples leaves none"
                raise DataError(f"{message} to validate on: make it larger, or give X_val and y_val.")
            X_val, codes_val, y_val = X[out], codes[out], classes[codes[out]]
            sample_weight_val = None if sample_weight is None else sample_weight[out]
        weight = weigh_classes(y_val, classes, self.class_weight, sample_weight_val)
        return rest, ValidationSet(
            X_val,
            codes_val,
            weight,
            score=self._score_function(X_val, y_val, weight if self.scoring is None else sample_weight_val, classes),
            patience=self.n_iter_no_change if self.early_stopping else None,
            tol=self.tol if self.early_stopping else 0.0,
        )

    def _score_function(
        self, X: Any, y: Any, sample_weight: Any, classes: np.ndarray[Any, Any]
    ) -> Callable[[Arrays], float] | None:
        """Return what gives parameters their validation score; None for the plain accuracy."""
        if self.scoring is None and sample_weight is None:
            return None
        from sklearn.metrics import check_scoring

        scorer = check_scoring(self, scoring=self.scoring)
        probe = copy.copy(self)
        probe.classes_ = classes
        probe.__dict__.pop("feature_names_in_", None)  # the samples have lost theirs
        takes_weights = self.scoring is None or "sample_weight" in inspect.signature(scorer).parameters
        weights = {"sample_weight": sample_weight} if sample_weight is not None and takes_weights else {}

        def score(parameters: Arrays) -> float:
            probe.parameters_ = parameters
            return float(scorer(probe, X, y, **weights))

        return score

    def _listener(
        self, show: Callable[[Epoch], None], context: Any, told: dict[str, Any], at_hand: list[Arrays]
    ) -> Callable[[Epoch], bool]:
        """Return what is called with each epoch: the progress, the hook and the callbacks of scikit-learn."""

        def listen(epoch: Epoch) -> bool:
            show(epoch)
            stop = bool(self.on_epoch(epoch)) if self.on_epoch is not None else False
            if context is None:
                return stop
            step = context.subcontext(task_name="iteration")
            step.call_on_fit_task_begin(estimator=self, **told)
            attributes = {"parameters_": at_hand[0], "classes_": self.classes_}
            ended = step.call_on_fit_task_end(estimator=self, reconstruction_attributes=lambda: attributes, **told)
            return bool(ended) or stop

        return listen

    def _begin_callbacks(self, told: dict[str, Any]) -> Any:
        """Tell the callbacks of scikit-learn, where there are any, that the fit begins."""
        if not getattr(self, "_skl_callbacks", None) and not hasattr(self, "_parent_callback_ctx"):
            return None
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, **told)
        return context

    def _end_callbacks(self, context: Any, told: dict[str, Any]) -> None:
        if context is not None:
            attributes = {"parameters_": self.parameters_, "classes_": self.classes_}
            context.call_on_fit_task_end(estimator=self, reconstruction_attributes=lambda: attributes, **told)

    def _keep(self, parameters: Arrays, result: Result, n_seen: int) -> None:
        """Remember what a training left."""
        self.parameters_, self.history_ = parameters, result.history
        self.status_, self.message_, self.engine_ = str(result.status), result.message, result.engine
        self.n_iter_, self.best_iter_ = len(result.history), result.n_iter
        self.loss_, self.t_, self._last_score = result.cost, n_seen, result.validation_score

    def _warn(self, result: Result, n_frames: int) -> None:
        """Say once what is to be done about a training that did not come to its end."""
        if result.status in (Status.DIVERGED, Status.INTERRUPTED):
            warnings.warn(result.message, ConvergenceWarning, stacklevel=n_frames)
        elif result.status is Status.FINISHED and self.tol > 0:
            message = f"{result.message} The gradient is still larger than tol={self.tol:g}: raise max_iter or tol, or"
            warnings.warn(f"{message} bring the features to one scale.", ConvergenceWarning, stacklevel=n_frames)

    def _model(self, X: Any) -> tuple[Model, Any]:
        """Return the network as a model of the places of the classes, and the checked samples."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=False)
        places = tuple(range(len(self.classes_)))
        return Model(self.parameters_, places, (self.n_features_in_,), activation=self.activation), X
