"""From samples and settings to a trained model: one network, or several side by side."""

import dataclasses
import inspect
import json
import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from twolayer.aliases import Array, ClassWeight, Label
from twolayer.data.dataset import Dataset, Labels
from twolayer.data.rows import Rows, as_rows, check_finite
from twolayer.data.split import hold_out
from twolayer.engines.objective import Objective, Task, check_weight, make_objective
from twolayer.equations import find_loss
from twolayer.errors import DataError, SettingError
from twolayer.model import Model
from twolayer.parameters import Parameters, Sizes, given_start, random_start
from twolayer.recipe import encode, for_blocks, has_learned_all, learn, plan_batches, with_scale, with_shifts
from twolayer.settings import AUTO, BALANCED, DTYPES, Settings, real, setting_fields, to_parameters
from twolayer.solvers import make_solver
from twolayer.text import is_text
from twolayer.training.history import Epoch
from twolayer.training.loop import Training, Validation, drive
from twolayer.training.result import Event, Listener, Result, State, Status
from twolayer.training.stop import StopRequest

if TYPE_CHECKING:
    from twolayer.data.encoding import Encoding
    from twolayer.files.checkpoint import Checkpoints

_NARROW = (np.float16, np.float32, np.uint8, np.int8, np.bool_)  # trained on in float32, where no type is asked for
_OWN = ("n_hidden", "init", "solver", "learning_rate", "batch_size", "random_state")  # of each of several networks
_MOST_DIMENSIONS = 8
_SCALE = real(0, math.inf, above=True)
_SECONDS = real(0, math.inf, None)


def fit(
    dataset: Dataset,
    settings: Settings,
    *,
    sample_weight: Any = None,
    validation: Dataset | None = None,
    sample_weight_val: Any = None,
    score: Callable[[Parameters], float] | None = None,
    start: Mapping[str, Any] | None = None,
    state: State | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float | None = None,
    listeners: Sequence[Listener] = (),
    stop: StopRequest | None = None,
) -> tuple[Model, Result]:
    """Train a network on a data set: what `fit_model`, the estimator and the command line all call.

    Parameters
    ----------
    dataset : Dataset
        With labels; its test samples are evaluated at each iteration.
    settings : Settings
    sample_weight : array of shape (m,), optional
        Weight of each sample in the cost.
    validation : Dataset, optional
        Samples to validate on, evaluated at each iteration; held out of the data set where `early_stopping` needs some.
    sample_weight_val : array, optional
        How much each of them counts.
    score : callable, optional
        Parameters in, a number out, more is better; the accuracy on the validation samples when not given.
    start : mapping, optional
        Initial W1, b1, W2 and b2, instead of random ones.
    state : State, optional
        Go on from there instead of starting.
    checkpoint, checkpoint_seconds
        As for `fit_model`.
    listeners : sequence of callables
        Each is called with the `Event` of each iteration; any may return True to stop the training.
    stop : StopRequest, optional
        Read between evaluations.

    Returns
    -------
    model : Model
    result : Result

    Raises
    ------
    SettingError, DataError
        If a setting or the data are invalid.
    """
    if settings.augment:
        dataset, times = with_shifts(dataset)
        sample_weight = None if sample_weight is None else np.tile(sample_weight, times)
    if not settings.is_plain and start is None and state is None and score is None:
        dataset, validation = with_scale(dataset, validation)
        return _fit_by_recipe(
            dataset,
            settings,
            sample_weight=sample_weight,
            validation=validation,
            sample_weight_val=sample_weight_val,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            listeners=listeners,
            stop=stop,
        )
    settings = plain = settings.plain()
    if settings.scaling and len(dataset.rows.blocks) == 1 and dataset.scale == 1:
        dtype = settings.dtype or dataset.rows.dtype
        dataset, validation = encode(dataset, validation, settings.scaling, None, dtype)
    weights = sample_weight, sample_weight_val
    if settings.early_stopping and validation is None:
        dataset, validation, weights = _hold_out(dataset, settings, sample_weight)
    job = _Job(dataset, settings, weights[0])
    kept = None if validation is None else job.validation(validation, weights[1], score)
    first, solver = job.start(settings, start), make_solver(settings)
    checkpoints = None
    if checkpoint is not None:
        checkpoints = job.checkpoints(checkpoint, checkpoint_seconds, first, validation, weights[1])
        state, listeners = checkpoints.read(solver, first), (checkpoints, *listeners)
    elif checkpoint_seconds is not None:
        raise SettingError("`checkpoint_seconds` needs a file to write to: set `checkpoint` to its path.")
    test = job.test
    training = Training(job.objective, solver, first, plain.max_iter, plain.tol, test, kept, state, listeners)
    (result,) = drive([training], stop)
    if checkpoints:
        checkpoints.end(result)
    return job.model(result, settings), result


def _fit_by_recipe(
    dataset: Dataset,
    settings: Settings,
    *,
    sample_weight: Any,
    validation: Dataset | None,
    sample_weight_val: Any,
    listeners: Sequence[Listener],
    **more: Any,
) -> tuple[Model, Result]:
    """Train with the settings that the data choose where they are not set."""
    given = {"sample_weight": sample_weight, "validation": validation, "sample_weight_val": sample_weight_val}
    if len(dataset.rows.blocks) > 1:
        model, result = fit(dataset, for_blocks(settings, dataset.n_samples), listeners=listeners, **given, **more)
    else:
        plan = plan_batches(settings, dataset)
        if plan is None:
            return _fit_committee(dataset, settings, listeners=listeners, **given, **more)
        dataset, given["validation"] = encode(dataset, validation, settings.scaling, sample_weight, plan.dtype)
        model, result = fit(
            dataset, plan, listeners=(*listeners, lambda event: has_learned_all(event.epoch)), **given, **more
        )
        if result.status is Status.STOPPED_EARLY and has_learned_all(result.history[-1]):
            message = f"Converged after {result.n_iter:,} passes: every training sample is predicted right."
            result = replace(result, status=Status.CONVERGED, message=message)
            model = replace(model, settings={**model.settings, "status": str(result.status)})
    own = {"recipe": settings.recipe or "auto", "augment": settings.augment}
    return replace(model, settings={**model.settings, **own}), result


def _fit_committee(
    dataset: Dataset,
    settings: Settings,
    *,
    sample_weight: Any,
    validation: Dataset | None,
    sample_weight_val: Any,
    checkpoint: Any,
    checkpoint_seconds: float | None,
    listeners: Sequence[Listener],
    stop: StopRequest | None,
) -> tuple[Model, Result]:
    """Train a committee, and join it."""
    weight = weigh_classes(dataset.known_labels, settings.class_weight, sample_weight)
    weight_val = None
    if validation is not None:
        weight_val = weigh_classes(validation.known_labels, settings.class_weight, sample_weight_val)
    if checkpoint is None and checkpoint_seconds is not None:
        raise SettingError("`checkpoint_seconds` needs a file to write to: set `checkpoint` to its path.")

    def checkpoints(start: Parameters, used: Dataset, own_weight: Any, complete: Settings) -> "Checkpoints":
        return _checkpoints(checkpoint, checkpoint_seconds, used, own_weight, complete, start, validation, weight_val)

    learned = learn(
        dataset,
        settings,
        weight=weight,
        validation=validation,
        validation_weight=weight_val,
        checkpoints=None if checkpoint is None else checkpoints,
        listeners=listeners,
        stop=stop,
    )
    return to_model(learned.dataset, learned.result, learned.settings, learned.record), learned.result


def fit_model(
    X: Any,
    y: Any,
    *,
    X_test: Any = None,
    y_test: Any = None,
    X_val: Any = None,
    y_val: Any = None,
    sample_weight: Any = None,
    sample_weight_val: Any = None,
    score: Callable[[Parameters], float] | None = None,
    classes: Sequence[Label] | None = None,
    start: Mapping[str, Any] | None = None,
    scale: float = 1.0,
    input_shape: tuple[int, ...] | None = None,
    table: "Encoding | None" = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float | None = None,
    on_epoch: Callable[[Epoch], bool | None] | None = None,
    on_event: Listener | None = None,
    stop: StopRequest | None = None,
    **settings: Any,
) -> tuple[Model, Result]:
    """Train a network on rows of features and their labels.

    Parameters
    ----------
    X : array of shape (m, n_features), or SciPy sparse matrix; or `twolayer.data.rows.Rows`, read block by block
    y : array of shape (m,), whole numbers or text, at least two different
    X_test, y_test : arrays, optional
        Samples to evaluate at each epoch.
    X_val, y_val : arrays, optional
        Validation samples, evaluated at each epoch and used by `early_stopping`. Held out of X if not given.
    sample_weight, sample_weight_val : arrays of shape (m,), optional
        Weight of each sample in the cost.
    score : callable, optional
        Function that returns the validation score of some parameters; larger is better. The accuracy if not given.
    classes : sequence of labels, optional
        All classes in order; of two classes, the second one is positive. The sorted classes of y if not given.
    start : dict, optional
        Initial W1, b1, W2 and b2, instead of random ones.
    scale : float
        Number to divide the features by: 255 for pixels stored as bytes.
    input_shape : tuple of int, optional
        Shape of one sample, for pictures of it; (n_features,) if not given.
    table : Encoding, optional
        Encoding by which the rows were made from a table; the model applies it to new tables.
    checkpoint : path, optional
        File to which the state of the training is written regularly. If it exists, training resumes from it, and ends
        with the same bits as if it had not been interrupted; with a larger `max_iter`, it makes more iterations. The
        file is kept: remove it once the model is saved.
    checkpoint_seconds : float, optional
        Seconds between checkpoints; if not given, they take 1 % of the time.
    on_epoch : callable, optional
        Called with each `Epoch`; returning True stops the training.
    on_event : callable, optional
        Called with each `Event`: the epoch and the state of the training, including its parameters.
    stop : StopRequest, optional
        Checked between evaluations; Ctrl-C sets it, too.
    **settings
        Fields of `twolayer.settings.Settings`, such as `n_hidden`, `loss` and `random_state`.

    Returns
    -------
    model : Model
    result : Result

    Raises
    ------
    SettingError, DataError
        If a setting or the data are invalid.

    Warns
    -----
    CheckpointWarning
        If a checkpoint cannot be written; training continues.
    """
    chosen = Settings.make(settings)
    dataset = to_dataset(X, y, X_test, y_test, classes=classes, scale=scale, input_shape=input_shape, table=table)
    validation = None if X_val is None else _others(dataset, X_val, y_val, "The validation data")
    return fit(
        dataset,
        chosen,
        sample_weight=sample_weight,
        validation=validation,
        sample_weight_val=sample_weight_val,
        score=score,
        start=start,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        listeners=_listeners(on_epoch, on_event),
        stop=stop,
    )


def fit_models(
    X: Any,
    y: Any,
    variants: Sequence[Mapping[str, Any]],
    *,
    X_test: Any = None,
    y_test: Any = None,
    sample_weight: Any = None,
    scale: float = 1.0,
    input_shape: tuple[int, ...] | None = None,
    stop: StopRequest | None = None,
    **settings: Any,
) -> list[tuple[Model, Result]]:
    """Train several networks side by side on the same samples; each result is that of training the network alone.

    Parameters
    ----------
    X, y
        As for `fit_model`, as are all parameters not listed here.
    variants : sequence of mappings
        One for each network, with any of `n_hidden`, `init`, `solver`, `learning_rate`, `batch_size`, `random_state`.

    Returns
    -------
    list of (Model, Result)
        In the order of the variants.

    Raises
    ------
    SettingError, DataError
        If a setting or the data are invalid.
    """
    shared = Settings.make(settings).plain()
    if shared.early_stopping:
        raise SettingError("Networks trained side by side cannot stop early: leave out `early_stopping`.")
    strange = next((name for variant in variants for name in variant if name not in _OWN), None)
    if strange is not None:
        raise SettingError(f"Networks trained side by side cannot differ in `{strange}`, only in {', '.join(_OWN)}.")
    job = _Job(to_dataset(X, y, X_test, y_test, scale=scale, input_shape=input_shape), shared, sample_weight)
    each = [Settings.make({**settings, **variant}).plain() for variant in variants]
    trainings = [
        Training(job.objective, make_solver(own), job.start(own), own.max_iter, own.tol, job.test) for own in each
    ]
    return [(job.model(result, own), result) for result, own in zip(drive(trainings, stop), each, strict=True)]


def _with_settings(function: Callable[..., Any]) -> None:
    """Let a function that takes `**settings` show them by their names and defaults."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    more = to_parameters(setting_fields(Settings))
    function.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]


_with_settings(fit_model)
_with_settings(fit_models)


def to_dataset(
    X: Any,
    y: Any,
    X_test: Any = None,
    y_test: Any = None,
    *,
    classes: Sequence[Label] | None = None,
    scale: float = 1.0,
    input_shape: tuple[int, ...] | None = None,
    table: "Encoding | None" = None,
) -> Dataset:
    """Return arrays as a data set, checked.

    Raises
    ------
    SettingError, DataError
        If they are not rows of finite numbers with a label each, of at least two classes.
    """
    rows = _check_rows(X)
    labels = _code(y, rows, classes, "The data")
    shape = _check_shape((rows.shape[1],) if input_shape is None else input_shape, rows.shape[1])
    dataset = Dataset("the data", rows, labels, shape, _SCALE.check("scale", scale), table)
    return dataset if X_test is None else replace(dataset, test=_others(dataset, X_test, y_test, "The test data"))


def _others(dataset: Dataset, X: Any, y: Any, source: str) -> Dataset:
    """Return other samples of the same kind and classes."""
    rows = _check_rows(X, dataset.rows.shape[1])
    return replace(dataset, rows=rows, labels=_code(y, rows, dataset.known_labels.classes, source), test=None)


def _check_rows(X: Any, n_features: int | None = None) -> Rows:
    """Return samples as rows of finite numbers."""
    rows = as_rows(X)
    if len(rows.shape) != 2 or 0 in rows.shape or (n_features is not None and rows.shape[1] != n_features):
        wanted = "of the training data's width" if n_features else "and columns"
        raise DataError(f"Samples must be rows {wanted}, at least one; got the shape {rows.shape}.")
    check_finite(rows)
    return rows


def _code(y: Any, rows: Rows, classes: Sequence[Label] | None, source: str) -> Labels:
    """Return labels, coded once."""
    y = np.asarray(y)
    if y.shape != rows.shape[:1]:
        raise DataError(
            f"Each sample needs one label: got {rows.shape[0]:,} samples and labels of the shape {y.shape}."
        )
    if y.dtype.kind not in "iuU":
        raise DataError(f"Labels must be whole numbers or text; got the type {y.dtype}: convert them first.")
    labels = Labels.of(y, classes, source)
    if not all(is_text(label) for label in labels.classes if isinstance(label, str)):
        raise DataError("A label contains half a surrogate pair, which is not text: repair the labels.")
    return labels


def _check_shape(input_shape: Any, n_features: int) -> tuple[int, ...]:
    try:
        shape = tuple(operator.index(size) for size in input_shape)
    except TypeError:
        raise SettingError(f"`input_shape` must be whole numbers; got {input_shape!r}.") from None
    if len(shape) > _MOST_DIMENSIONS or any(size < 1 for size in shape):
        raise DataError(f"A sample has one to eight dimensions of at least 1; got the shape {shape}.")
    if math.prod(shape) != n_features:
        raise DataError(f"A sample of the shape {shape} does not have {n_features} values: give its true shape.")
    return shape


def _listeners(on_epoch: Callable[[Epoch], bool | None] | None, on_event: Listener | None) -> tuple[Listener, ...]:
    """Return the functions of a user as listeners."""
    for name, function in (("on_epoch", on_epoch), ("on_event", on_event)):
        if function is not None and not callable(function):
            raise SettingError(f"`{name}` must be a function; got {function!r}.")
    listeners: list[Listener] = [] if on_event is None else [on_event]
    if on_epoch is not None:
        hook = on_epoch

        def tell(event: Event) -> bool | None:
            return hook(event.epoch)

        listeners.append(tell)
    return tuple(listeners)


def _hold_out(dataset: Dataset, settings: Settings, sample_weight: Any) -> tuple[Dataset, Dataset, tuple[Any, Any]]:
    """Return the samples that are left to learn from, those held out to validate on, and the weights of both."""
    rest, out = choose_validation(dataset.known_labels, settings)
    weight = None if sample_weight is None else check_weight(sample_weight, dataset.n_samples)
    weights = (None, None) if weight is None else (weight[rest], weight[out])
    return replace(dataset.take(rest), test=dataset.test), dataset.take(out), weights


def choose_validation(labels: Labels, settings: Settings) -> tuple[Array, Array]:
    """Return the places of the samples to learn from, and of those that early stopping holds out.

    Raises
    ------
    DataError
        If there are too few samples to hold one out.
    """
    fraction = settings.validation_fraction
    rest, out = hold_out(labels.codes, fraction, settings.random_state)
    if not len(out):
        message = f"`validation_fraction` {fraction:g} of {len(labels):,} samples leaves none to validate on"
        raise DataError(f"{message}: increase it, or give validation samples of your own.")
    return rest, out


def weigh_classes(labels: Labels, class_weight: ClassWeight, sample_weight: Any = None) -> Array | None:
    """Return how much each sample counts: its own weight times that of its class.

    Balanced, a class k weighs W / (K W_k), with W_k the weights of its samples added up, W those of all, K classes.

    Parameters
    ----------
    labels : Labels
    class_weight : "balanced", mapping of labels to numbers, or None
    sample_weight : array of shape (m,), optional

    Returns
    -------
    array of shape (m,), or None where all count the same

    Raises
    ------
    SettingError
        If the class weights name a label that is not a class.
    DataError
        If the sample weights do not fit the samples.
    """
    given = None if sample_weight is None else check_weight(sample_weight, len(labels))
    if class_weight is None:
        return given
    own = np.ones(len(labels)) if given is None else given
    totals = np.array([own[labels.codes == code].sum() for code in range(len(labels.classes))])
    weighted: Array = own * class_factors(labels.classes, class_weight, totals)[labels.codes]
    return weighted


def class_factors(classes: Sequence[Any], class_weight: ClassWeight, totals: Array) -> Array:
    """Return the weight of each class, as for `weigh_classes`; `totals` are the weights of its samples added up."""
    n_classes = len(classes)
    if class_weight == BALANCED:
        balanced: Array = np.divide(totals.sum(), n_classes * totals, out=np.zeros(n_classes), where=totals > 0)
        return balanced
    weights: Mapping[Any, float] = class_weight  # type: ignore[assignment]
    names = {label if label in weights else str(label): label for label in classes}  # run.json has text
    strange = [name for name in weights if name not in names]
    missing = [label for name, label in names.items() if name not in weights]
    if strange and missing:
        message = f"`class_weight` names {strange[0]!r}, which is not a class: name {missing[0]!r} and the others."
        raise SettingError(message)
    return np.array([weights.get(name, 1.0) for name in names])


class _Job:
    """Samples and settings on their way to trained networks: the objectives are made once."""

    settings: Any  # of a plain network, complete

    def __init__(self, dataset: Dataset, settings: Settings, sample_weight: Any) -> None:
        self.dataset, self.settings = dataset, settings
        self.labels = dataset.known_labels
        self.dtype = settings.dtype or (DTYPES[0] if dataset.rows.dtype in _NARROW else DTYPES[1])
        self.weight = weigh_classes(self.labels, settings.class_weight, sample_weight)
        self.objective = self._objective(dataset, self.weight, self.settings.l2)
        self.test = None if dataset.test is None else self._objective(dataset.test)

    def _objective(self, dataset: Dataset, weight: Any = None, l2: float = 0.0) -> Objective:
        """Return the objective of samples; only that of the training samples has the penalty."""
        settings, blocks = self.settings, (len(each.rows.blocks) > 1 for each in (dataset, self.dataset))
        return make_objective(
            dataset.rows,
            dataset.known_labels,
            Task(settings.activation, settings.loss, l2),
            engine=settings.engine if len(set(blocks)) == 1 else AUTO,
            dtype=self.dtype,
            scale=dataset.scale,
            sample_weight=weight,
            n_threads=settings.n_threads,
        )

    def validation(self, dataset: Dataset, sample_weight: Any, score: Any) -> Validation:
        """Return the validation of samples kept apart; the penalty is not theirs."""
        settings = self.settings
        weight = weigh_classes(dataset.known_labels, settings.class_weight, sample_weight)
        objective = self._objective(dataset, weight)
        if not settings.early_stopping:
            return Validation(objective, score)
        return Validation(objective, score, settings.n_iter_no_change, settings.tol)

    def start(self, settings: Any, given: Mapping[str, Any] | None = None) -> Parameters:
        """Return the start of a network."""
        sizes = Sizes(self.dataset.rows.shape[1], settings.n_hidden, self.labels.n_outputs)
        if given is not None:
            return given_start(given, sizes, self.dtype)
        return random_start(sizes, self.dtype, settings.random_state, settings.init)

    def checkpoints(
        self, path: Any, seconds: Any, start: Parameters, validation: Dataset | None, sample_weight_val: Any
    ) -> "Checkpoints":
        """Return what writes and reads the checkpoints of this training."""
        settings = replace(self.settings, solver=self.settings.solver_name, dtype=self.dtype)
        others = validation, sample_weight_val
        return _checkpoints(path, seconds, self.dataset, self.weight, settings, start, *others)

    def model(self, result: Result, settings: Settings) -> Model:
        """Return the model of a trained network."""
        settings = replace(settings, solver=settings.solver_name, dtype=self.dtype)
        return to_model(self.dataset, result, settings, {})


def _checkpoints(
    path: Any,
    seconds: Any,
    dataset: Dataset,
    weight: Array | None,
    settings: Settings,
    start: Parameters,
    validation: Dataset | None,
    sample_weight_val: Any,
) -> "Checkpoints":
    """Return what writes and reads the checkpoints of a training."""
    from twolayer.files.checkpoint import Checkpoints, Purpose

    decides = settings.fingerprint()
    decides |= {"scale": dataset.scale, "samples": dataset.n_samples, "features": dataset.rows.shape[1]}
    if settings.schedule not in (None, "constant"):
        decides["max_iter"] = settings.max_iter  # the rate of each pass follows from it
    decides["classes"] = len(dataset.known_labels.classes)
    samples = [dataset.rows, dataset.known_labels.codes, weight, start.vector]
    for each in (dataset.test, validation):
        samples += [None, None] if each is None else [each.rows, each.known_labels.codes]
    samples.append(None if sample_weight_val is None else np.asarray(sample_weight_val))
    if dataset.encoding is not None:  # names of columns and of what they hold
        record = json.dumps(dataclasses.asdict(dataset.encoding), default=str)
        samples.append(np.frombuffer(record.encode(), np.uint8))
    return Checkpoints(path, Purpose(decides, samples), _SECONDS.check("checkpoint_seconds", seconds))


def to_model(dataset: Dataset, result: Result, settings: Settings, more: Mapping[str, Any]) -> Model:
    """Return the model of a trained network."""
    labels = dataset.known_labels
    record = {name: value for name, value in settings.to_record().items() if name != "n_threads"}
    record |= {"engine": result.engine, "n_iter": result.n_iter, "status": str(result.status), **more}
    return Model(
        result.parameters,
        labels.classes,
        dataset.input_shape,
        dataset.scale,
        settings.activation or "sigmoid",
        record,
        dataset.encoding,
        find_loss(settings.loss or "square", labels.n_outputs).output,
    )
