"""The network as a scikit-learn estimator: rows of features and labels in, classes and their probabilities out."""

import copy
import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from twolayer.aliases import Array
from twolayer.data.dataset import Dataset, Labels, count_outputs
from twolayer.data.encoding import Encoding
from twolayer.data.rows import MemoryRows
from twolayer.equations import ACTIVATIONS, find_loss
from twolayer.errors import DataError, SettingError
from twolayer.fit import choose_validation, weigh_classes
from twolayer.fit import fit as train
from twolayer.model import Model
from twolayer.parameters import Parameters
from twolayer.progress import epoch_display
from twolayer.settings import Settings, is_plain, setting_fields
from twolayer.signature import Options, takes_settings
from twolayer.solvers import make_solver
from twolayer.training.result import Event, Result, State, Status

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


_OUTPUT_NAMES = {"sigmoid": ACTIVATIONS["sigmoid"].sklearn, "softmax": "softmax"}  # as scikit-learn calls them


@dataclass(frozen=True)
class _Samples:
    """Samples with their labels, as a dataset, and how much each counts."""

    dataset: Dataset
    classes: Array
    weight: Array | None

    @property
    def X(self) -> Any:  # noqa: N802
        """The samples as they are stored."""
        return self.dataset.rows.read(0)

    @property
    def y(self) -> Array:
        """The labels in the type they were given in."""
        return self.classes[self.dataset.known_labels.codes]

    def encoded(self, encoding: Encoding, dtype: Any) -> "_Samples":
        """Return the samples as an encoding makes them."""
        rows = MemoryRows(encoding.encode_rows(self.X, dtype))
        return replace(self, dataset=replace(self.dataset, rows=rows, encoding=encoding))

    def take(self, chosen: Array) -> "_Samples":
        """Return some of the samples."""
        weight = None if self.weight is None else self.weight[chosen]
        return _Samples(self.dataset.take(chosen), self.classes, weight)


class _Callbacks:
    """The callbacks of scikit-learn as a listener."""

    def __init__(self, estimator: Any, told: Mapping[str, Any], network: Mapping[str, Any], max_iter: int) -> None:
        self._told, self._network = {"estimator": estimator, **told}, network
        self._context = estimator._init_callback_context(max_subtasks=max_iter)  # noqa: SLF001 - its name for us
        self._context.call_on_fit_task_begin(**self._told)

    def __call__(self, event: Event) -> bool:
        """Tell them of an iteration."""
        step = self._context.subcontext(task_name="iteration")
        step.call_on_fit_task_begin(**self._told)
        return self._end(step, event.state.parameters)

    def end(self, parameters: Mapping[str, Array]) -> None:
        """Tell them that the training has ended."""
        self._end(self._context, parameters)

    def _end(self, task: Any, parameters: Mapping[str, Array]) -> bool:
        network = {**self._network, "parameters_": dict(parameters)}
        return bool(task.call_on_fit_task_end(reconstruction_attributes=lambda: network, **self._told))


def _trains_in_parts(estimator: Any) -> bool:
    """Tell whether the solver can go on with other samples; an AttributeError says why not."""
    if Settings.solver_name.fget(estimator) == "lbfgs":  # type: ignore[attr-defined]
        raise AttributeError("L-BFGS needs the same samples at each step: choose adam, sgd or gd for partial_fit.")
    return True


@takes_settings(Settings)
class TwoLayerClassifier(
    CallbackSupportMixin,  # type: ignore[misc]
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    ClassifierMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """A two-layer network (one hidden layer) as a scikit-learn classifier.

    A1 = f(W1 X + b1), A2 = s(W2 A1 + b2), with the samples as the columns of X. Two classes have one output, more have
    one each; the probabilities of the classes are (1 - A2, A2), or A2 divided by its sum. s is the sigmoid; with
    `loss="log"` and more than two classes it is softmax.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    parameters_ : dict
        W1, b1, W2, b2.
    history_ : list of Epoch
        Cost and accuracy before each step and, if there are validation samples, their cost and score.
    loss_curve_, validation_loss_curve_, validation_scores_ : list of float
        The same as lists; the latter two are None without validation samples.
    status_ : str
        "converged", "finished", "stopped early", "interrupted" or "diverged".
    message_ : str
        The same in a sentence.
    n_iter_ : int
        Number of entries in the history.
    best_iter_ : int
        Number of steps to reach `parameters_`.
    loss_ : float
        Cost at `parameters_`.
    best_loss_, best_validation_score_ : float or None
        The smallest cost, None with `early_stopping`; the best validation score, None without validation samples.
    engine_ : str
        The engine, and why it was chosen.
    n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_, t_, coefs_, intercepts_
        As for scikit-learn's `MLPClassifier`; `coefs_` are the transposes of W1 and W2.

    See Also
    --------
    twolayer.fit_model : The same without scikit-learn.

    Notes
    -----
    With nothing set, several networks are trained on different parts of the samples and joined into one (see
    `docs/recipe.md`). With `recipe="none"`, or where `solver`, `learning_rate`, `batch_size`, `tol` or `early_stopping`
    is given, it is one plain network on the features as they are.

    The recipe, and all solvers except adam and sgd, use all samples at once: a sample of weight 2 equals one that
    occurs twice, and the order of the samples makes no difference except for rounding. `solver="gd"` with a fixed rate,
    `tol=0` and `l2=0` is the assignment's own iteration, exactly `max_iter` of them.

    Float32 and bytes are not converted, and memory maps and sparse matrices are not copied; the C kernel packs the
    nonzero values into tiles once.

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
            Samples to validate on before each step.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the data or a setting is invalid; the sentence says what to do.
        """
        settings, options = self._check_parameters()
        goes_on = options.warm_start and self.__sklearn_is_fitted__()
        start = self.parameters_ if goes_on else options.initial_parameters
        if goes_on and not settings.is_plain:
            settings = self._go_on(settings)
        samples = self._check_samples(X, y, sample_weight, self.classes_ if goes_on else None, settings, reset=True)
        kept, rest = None, None
        if X_val is not None:
            if y_val is None:
                raise DataError("X_val needs y_val, its labels.")
            kept = self._check_samples(X_val, y_val, sample_weight_val, samples.classes, settings, reset=False)
        elif settings.early_stopping:
            rest, out = choose_validation(samples.dataset.known_labels, settings)
            samples, kept = samples.take(rest), samples.take(out)
        if goes_on and self._encoding is not None:
            samples = samples.encoded(self._encoding, self.parameters_["W1"].dtype)
            kept = None if kept is None else kept.encoded(self._encoding, self.parameters_["W1"].dtype)
        network = self._describe(samples.classes, settings)
        callbacks = self._begin_callbacks(X, samples, rest, network, settings)
        told = callbacks if settings.is_plain else None  # members are no networks that the callbacks could use
        with epoch_display(quiet=not options.verbose) as show:
            model, result = train(
                samples.dataset,
                settings,
                sample_weight=samples.weight,
                start=start,
                listeners=[each for each in (show, options.hook, told) if each],
                **({} if kept is None else self._validation(kept, settings, options.scoring, network)),
            )
        self._keep(samples.classes, model, result, samples.dataset.n_samples * len(result.history))
        self._solver = None
        self._warn(result, settings, _FRAMES_TO_CALLER)
        if callbacks:
            callbacks.end(model.parameters)
        return self

    @available_if(_trains_in_parts)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Make one step, for adam and sgd one pass in mini-batches, with these samples; the solver goes on as it was.

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
            If the data or a setting is invalid; so is `early_stopping`, as there is nothing to stop.
        """
        settings, options = self._check_parameters()
        if settings.early_stopping:
            raise SettingError("partial_fit makes one step and cannot stop early: set `early_stopping` to False.")
        if settings.schedule not in (None, "constant"):
            raise SettingError("partial_fit has no end that a rate could follow: leave out `schedule`.")
        first = not self.__sklearn_is_fitted__()
        known = self._check_classes(classes, first=first)
        samples = self._check_samples(X, y, sample_weight, known, settings, reset=first)
        n_steps = vars(self).get("best_iter_", 0)
        settings = replace(settings, max_iter=n_steps + 1, tol=0.0)
        if not first:
            settings = replace(settings, dtype=str(self.parameters_["W1"].dtype))
        model, result = train(
            samples.dataset,
            settings,
            sample_weight=samples.weight,
            start=options.initial_parameters if first else self.parameters_,
            state=self._state(settings, n_steps) if n_steps else None,
        )
        self._keep(known, model, result, vars(self).get("t_", 0) + samples.dataset.n_samples)
        if result.state and result.status is not Status.DIVERGED:  # else the solver has seen what is out of range
            self._solver = result.state.solver
        self._warn(result, settings, 3)
        return self

    def predict(self, X: Any) -> Array:
        """Return the class of each row: the second where A2 > 0.5 with one output, else that of the largest output.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,), entries from `classes_`
        """
        model, X = self._model(X)
        return self.classes_[model.predict(X)]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, a column each: (1 - A2, A2), or A2, divided by its sum if sigmoid."""
        model, X = self._model(X)
        return model.predict_proba(X)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def decision_function(self, X: Any) -> Array:
        """Return the logits Z2: with two classes one a row, greater than 0 for `classes_[1]`; else a column a class."""
        model, X = self._model(X)
        return model.decision_function(X)

    def transform(self, X: Any) -> Array:
        """Return the activations A1 of the hidden units, a column each."""
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
        if {type(label) for label in labels} not in ({int}, {str}):
            raise DataError(f"A model file holds classes that are whole numbers or text, not {labels[0]!r}.")
        return replace(self._make_model(labels), settings=self._record)

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
        if model.encoding is not None or model.scale != 1:
            raise DataError("This model does its own preprocessing: call its own predict, or train on plain rows.")
        loss = "log" if model.output == "softmax" else "square"
        classifier = cls(n_hidden=len(model.parameters["W1"]), activation=model.activation, loss=loss)
        classifier.n_features_in_ = model.n_features
        classifier._set_network(np.asarray(model.classes), model)
        return classifier

    @property
    def coefs_(self) -> list[Array]:
        """The transposes of W1 and W2, as scikit-learn's networks have them."""
        return [self.parameters_[name].T for name in ("W1", "W2")]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases b1 and b2, flat."""
        return [self.parameters_[name][:, 0] for name in ("b1", "b2")]

    @property
    def loss_curve_(self) -> list[float]:
        """The cost before each step."""
        return [epoch.cost for epoch in self.history_]

    @property
    def validation_loss_curve_(self) -> list[float] | None:
        """The cost of the validation samples before each step; None without any."""
        return _curve([epoch.validation_cost for epoch in self.history_])

    @property
    def validation_scores_(self) -> list[float] | None:
        """The score of the validation samples before each step; None without any."""
        return _curve([epoch.validation_score for epoch in self.history_])

    @property
    def best_loss_(self) -> float | None:
        """The smallest cost; None with early stopping, which chooses by the validation score."""
        costs = [*self.loss_curve_, self.loss_]
        return None if self.early_stopping else min(costs)

    @property
    def best_validation_score_(self) -> float | None:
        """The best score of the validation samples; None without any."""
        scores = [*(self.validation_scores_ or []), self._last_score]
        return max((score for score in scores if score is not None and not math.isnan(score)), default=None)

    @property
    def _n_features_out(self) -> int:
        return len(self.parameters_["W1"])

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether there are parameters."""
        return hasattr(self, "parameters_")

    def __sklearn_tags__(self) -> Any:
        """Say what the estimator can take."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = not is_plain(self)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_parameters(self) -> tuple[Any, Options]:
        """Return the settings of the training and the estimator's own options, checked."""
        own = Options.make({each.name: getattr(self, each.name) for each in setting_fields(Options)})
        values = {each.name: getattr(self, each.name) for each in setting_fields(self._settings)}
        if values["recipe"] is None and (own.scoring is not None or own.initial_parameters is not None):
            values["recipe"] = "none"  # these are of one plain network
        return self._settings.make({**values, "random_state": own.random_state}), own

    def _go_on(self, settings: Any) -> Any:
        """Return the settings with which the network of the last fit is trained on."""
        record, W1 = self._record, self.parameters_["W1"]
        chosen = {name: record[name] for name in ("activation", "loss", "l2")}
        return replace(settings, recipe="none", members=None, n_hidden=len(W1), dtype=str(W1.dtype), **chosen)

    def _describe(self, classes: Array, settings: Any) -> dict[str, Any]:
        """Return what is known of the network before it is trained, as fitted attributes."""
        loss = settings.plain().loss if settings.is_plain else settings.loss or "log"
        output = find_loss(loss, count_outputs(len(classes))).output
        activation = settings.plain().activation
        return {"classes_": classes, "out_activation_": _OUTPUT_NAMES[output], "_activation": activation}

    def _check_samples(
        self, X: Any, y: Any, sample_weight: Any, classes: Array | None, settings: Any, *, reset: bool
    ) -> _Samples:
        """Return samples as they are stored, labels by the classes that are known or found, and weights, checked."""
        finite = True if settings.is_plain else "allow-nan"
        given = {"accept_sparse": "csr", "dtype": "numeric", "ensure_all_finite": finite}
        X, y = validate_data(self, X, y, reset=reset, **given)
        check_classification_targets(y)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        known: Any = np.unique(y) if classes is None else classes
        return _Samples(Dataset("X", MemoryRows(X), Labels.of(y, known), X.shape[1:]), known, weight)

    def _check_classes(self, classes: Any, *, first: bool) -> Array:
        """Return the classes of partial_fit: those of the first call."""
        given = None if classes is None else np.unique(np.asarray(classes))
        if first and given is None:
            raise SettingError("The first call of partial_fit needs `classes`: all labels that will ever occur.")
        if not first and given is not None and not np.array_equal(given, self.classes_):
            raise DataError(f"The classes {list(classes)} differ from those of the first call: {list(self.classes_)}.")
        return given if first else self.classes_  # type: ignore[return-value]

    def _validation(self, kept: _Samples, settings: Any, scoring: Any, network: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a training for the samples to validate on."""
        given = {"validation": kept.dataset, "sample_weight_val": kept.weight}
        counted = weigh_classes(kept.dataset.known_labels, settings.class_weight, kept.weight)
        if (scoring is None and counted is None) or not settings.is_plain:
            return given  # the accuracy, or the cost
        from sklearn.metrics import check_scoring

        scorer = check_scoring(self, scoring=scoring)
        weight = counted if scoring is None else kept.weight
        takes_weights = scoring is None or "sample_weight" in inspect.signature(scorer).parameters
        weights = {} if weight is None or not takes_weights else {"sample_weight": weight}
        probe, X, y = copy.copy(self), kept.X, kept.y
        probe.__dict__.update(network)
        probe.__dict__.pop("feature_names_in_", None)  # the samples have lost theirs

        def score(parameters: Parameters) -> float:
            probe.parameters_ = dict(parameters)
            return float(scorer(probe, X, y, **weights))

        return {**given, "score": score}

    def _begin_callbacks(
        self, given: Any, samples: _Samples, rest: Array | None, network: Mapping[str, Any], settings: Any
    ) -> _Callbacks | None:
        """Tell the callbacks of scikit-learn, where there are any, that the fit begins."""
        if not getattr(self, "_skl_callbacks", None) and not hasattr(self, "_parent_callback_ctx"):
            return None
        X: Any = samples.X
        if hasattr(self, "feature_names_in_"):  # predict knows samples by their names
            X = given if rest is None else lambda: _safe_indexing(given, rest)
        metadata = None if samples.weight is None else {"sample_weight": samples.weight}
        return _Callbacks(self, {"X": X, "y": samples.y, "metadata": metadata}, network, settings.plain().max_iter)

    def _state(self, settings: Any, n_steps: int) -> State:
        """Return where a training goes on after some steps."""
        parameters, history = Parameters.of(self.parameters_), self.history_[:n_steps]
        fresh = make_solver(settings).begin(parameters)
        solver = self._solver if type(self._solver) is type(fresh) else fresh  # another solver begins anew
        engine = self.engine_.partition("; before")[0]  # what computed before that would make it ever longer
        return State(n_steps, parameters, solver, epochs=history, seconds=history[-1].seconds, engine=engine)

    def _set_network(self, classes: Array, model: Model) -> None:
        """Take over the network of a model."""
        self.classes_, self.parameters_ = classes, dict(model.parameters)
        self.n_layers_, self.n_outputs_ = 3, len(model.parameters["W2"])
        self.out_activation_, self._record = _OUTPUT_NAMES[model.output], dict(model.settings)
        self._activation, self._encoding, self._scale = model.activation, model.encoding, model.scale

    def _keep(self, classes: Array, model: Model, result: Result, n_seen: int) -> None:
        """Remember what a training left."""
        self._set_network(classes, model)
        self.history_, self.status_, self.message_ = result.history, str(result.status), result.message
        self.n_iter_, self.best_iter_ = len(result.history), result.n_iter
        self.loss_, self.t_, self._last_score = result.cost, n_seen, result.validation_score
        self.engine_ = result.engine

    @staticmethod
    def _warn(result: Result, settings: Any, n_frames: int) -> None:
        """Say once what to do about a training that did not reach its goal."""
        tol = settings.plain().tol if settings.is_plain else 0.0
        if result.status in (Status.DIVERGED, Status.INTERRUPTED):
            warnings.warn(result.message, ConvergenceWarning, stacklevel=n_frames)
        elif result.status is Status.FINISHED and tol > 0:
            message = f"{result.message} The gradient is still larger than tol={tol:g}: increase max_iter or tol, or"
            warnings.warn(f"{message} scale the features.", ConvergenceWarning, stacklevel=n_frames)

    def _make_model(self, classes: Sequence[Any]) -> Model:
        """Return the network as a model of some names of its classes."""
        shape, output = (self.n_features_in_,), "softmax" if self.out_activation_ == "softmax" else "sigmoid"
        encoding, scale = vars(self).get("_encoding"), vars(self).get("_scale", 1.0)
        return Model(self.parameters_, tuple(classes), shape, scale, self._activation, {}, encoding, output)

    def _model(self, X: Any) -> tuple[Model, Any]:
        """Return the network as a model of the places of the classes, and the checked samples."""
        check_is_fitted(self)
        finite = "allow-nan" if vars(self).get("_encoding") else True
        X = validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=False, ensure_all_finite=finite)
        return self._make_model(range(len(self.classes_))), X


def _curve(values: list[Any]) -> list[float] | None:
    return None if None in values or not values else values
