"""What is done where nothing is asked for: encoding, width, penalty, members and end are chosen by the data.

What follows from numbers of samples, inputs and classes is decided here, never by the speed of a machine, so that the
same data give the same network everywhere. What only a training can tell is found by `twolayer.committee`.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.committee import Committee, FoldedSamples, Joined, assign_folds, hash_rows
from twolayer.data.dataset import Dataset
from twolayer.data.encoding import MAX_COLUMNS, STORED_SCALE, fit_encoding
from twolayer.data.rows import MemoryRows, check_finite
from twolayer.engines.objective import check_weight
from twolayer.errors import SettingError
from twolayer.judgement import judge
from twolayer.parameters import Parameters
from twolayer.settings import Settings
from twolayer.text import count
from twolayer.training.history import Epoch
from twolayer.training.result import Listener, Result, State, Status
from twolayer.training.stop import StopRequest

_PENALTY = 0.03  # over the square root of the number of samples
_MEMBERS = 8
_FOLD_SAMPLES = 5  # at least
_SINGLE_FOLDS = 5  # of which one network alone validates on one
_PASS_WORK = 3e9  # multiplications of an evaluation of all members, from which there are fewer of them
_MANY_SAMPLES = 3000
_NARROW, _WIDE = 64, 128  # hidden units of each member
_ITERATIONS, QUICK_ITERATIONS = 100, 40
_PIXELS, _BYTE = 64, 255  # columns of images, at least, and their largest value
_IMAGES, _MANY_IMAGES = 5000, 20_000  # from which mini-batches learn quicker than all samples at once
_LARGE_VALUES, _HUGE_VALUES = 3e7, 1e8  # of samples that are no images, the same
_LEARNED_COST = 1e-3
_DENSE_VALUES = 1e6  # of a sparse matrix that is made dense, at most


@dataclass(frozen=True)
class Learned:
    """What a recipe has come to.

    Attributes
    ----------
    result : Result
    dataset : Dataset
        The samples as they enter the network.
    settings : Settings
        Complete: what was chosen stands beside what was given.
    record : dict
        What else the model keeps of it.
    """

    result: Result
    dataset: Dataset
    settings: Settings
    record: dict[str, Any]


def _choose(settings: Settings, n_hidden: int, max_iter: int, **more: Any) -> Settings:
    """Return settings in which those that are not given are chosen; `more` stands in any case."""
    activation = settings.activation or "relu"
    return replace(
        settings,
        n_hidden=settings.n_hidden or n_hidden,
        activation=activation,
        loss=settings.loss or "log",
        init=settings.init or ("he" if activation == "relu" else "lecun"),
        max_iter=settings.max_iter or max_iter,
        **more,
    )


def _penalty(settings: Settings, n_samples: int) -> float:
    return _PENALTY / math.sqrt(n_samples) if settings.l2 is None else settings.l2


def plan_committee(settings: Settings, n_samples: int, n_inputs: int, n_outputs: int) -> Settings:
    """Return the settings of the committee that is trained on samples in memory."""
    quick = settings.recipe == "quick"
    n_hidden = settings.n_hidden or (_NARROW if quick or n_samples < _MANY_SAMPLES else _WIDE)
    members = settings.members
    if members is None:
        affordable = max(2, int(_PASS_WORK / (float(n_samples) * (n_inputs + n_outputs) * n_hidden)))
        most = 1 if quick or settings.n_hidden else min(_MEMBERS, affordable)
        members = max(1, min(most, n_samples // _FOLD_SAMPLES))
    max_iter = QUICK_ITERATIONS if quick else _ITERATIONS
    chosen = {"recipe": settings.recipe or "auto", "members": members, "l2": _penalty(settings, n_samples)}
    return _choose(settings, n_hidden, max_iter, **chosen)


def with_scale(dataset: Dataset, validation: Dataset | None = None) -> tuple[Dataset, Dataset | None]:
    """Return samples that are pixels, by their values, as bytes with a scale; others, and few, as they are."""
    rows = dataset.rows
    if dataset.encoding is not None or dataset.scale != 1 or len(rows.blocks) > 1 or rows.shape[0] < _IMAGES:
        return dataset, validation
    scale = _pixel_scale(rows.read(0))
    if scale is None:
        return dataset, validation

    def scaled(each: Dataset | None) -> Any:
        if each is None:
            return None
        return replace(each, rows=MemoryRows(_to_bytes(each.rows.read(0))), scale=scale)

    return replace(scaled(dataset), test=scaled(dataset.test)), scaled(validation)


def _pixel_scale(X: Any) -> float | None:
    """Return what pixels are divided by; None for samples that are none: whole numbers up to 255 in many columns."""
    if not isinstance(X, np.ndarray) or X.shape[1] < _PIXELS or X.dtype == np.bool_:
        return None
    if not (X.min() == 0 and 1 < X.max() <= _BYTE and (X.dtype.kind in "iu" or (np.floor(X) == X).all())):
        return None
    return float(_BYTE if X.max() > _BYTE // 2 else X.max())


def _to_bytes(X: Any) -> Any:
    """Return rows of pixels as bytes, where these hold them all."""
    fit = X.dtype == np.uint8 or (X.min() >= 0 and X.max() <= _BYTE and (np.floor(X) == X).all())
    return X.astype(np.uint8, copy=False) if fit else X


def with_shifts(dataset: Dataset) -> tuple[Dataset, int]:
    """Return images together with themselves shifted by one pixel in each direction, and how many make one.

    Raises
    ------
    SettingError
        If the samples are no images in memory.
    """
    shape = dataset.input_shape
    X = dataset.rows.read(0) if len(dataset.rows.blocks) == 1 else None
    if len(shape) < 2 or not isinstance(X, np.ndarray) or dataset.encoding is not None:
        raise SettingError("`augment` is for images in memory that are no sparse matrix: leave it out for others.")
    images = X.reshape(-1, *shape)
    parts = [X]
    for axis in (1, 2):
        for step in (1, -1):
            shifted = np.roll(images, step, axis)
            np.moveaxis(shifted, axis, 0)[0 if step > 0 else -1] = 0  # what came round from the other side
            parts.append(shifted.reshape(X.shape))
    labels = dataset.known_labels
    codes = np.tile(labels.codes, len(parts))
    rows = MemoryRows(np.concatenate(parts))
    return replace(dataset, rows=rows, labels=replace(labels, codes=codes), files=None), len(parts)


def plan_batches(settings: Settings, dataset: Dataset) -> Settings | None:
    """Return the settings with which one network learns on mini-batches from images and large data; None for others."""
    (n_samples, n_values), is_image = dataset.rows.shape, dataset.scale != 1
    enough = n_samples >= _IMAGES if is_image else n_samples * n_values >= _LARGE_VALUES
    if not enough or (settings.members or 1) > 1 or settings.loss == "square":
        return None
    many, quick = n_samples >= _MANY_IMAGES, settings.recipe == "quick"
    huge = n_samples * n_values > _HUGE_VALUES and not is_image
    return _choose(
        settings,
        128 if quick else 256 if huge else 512 if many else 384,
        2 if quick else 12,
        recipe="none",
        augment=None,  # done
        solver="adam",
        learning_rate=2e-3,
        batch_size=256 if huge else 128 if many else 64,
        schedule="cosine",
        tol=0.0,
        dtype=settings.dtype or "float32",
    )


def has_learned_all(epoch: Epoch) -> bool:
    """Tell whether there is nothing left to learn from the training samples."""
    return epoch.train_accuracy == 1 and epoch.cost < _LEARNED_COST


def for_blocks(settings: Settings, n_samples: int) -> Settings:
    """Return the settings of the one network that is trained on samples that memory does not hold."""
    more = {"recipe": "none", "members": None, "l2": _penalty(settings, n_samples), "early_stopping": True}
    return _choose(settings, _NARROW, _ITERATIONS, **more)


def learn(
    dataset: Dataset,
    settings: Settings,
    *,
    weight: Array | None = None,
    validation: Dataset | None = None,
    validation_weight: Array | None = None,
    checkpoints: Callable[[Parameters, Dataset, Array | None, Settings], Any] | None = None,
    listeners: Sequence[Listener] = (),
    stop: StopRequest | None = None,
) -> Learned:
    """Learn from samples in memory, choosing what is not set.

    Parameters
    ----------
    dataset : Dataset
    settings : Settings
    weight, validation_weight : arrays, optional
        How much each sample counts.
    validation : Dataset, optional
        Samples that all members validate on, instead of each on its fold.
    checkpoints : callable, optional
        Returns what writes and reads checkpoints of a training.
    listeners, stop
        As for `twolayer.fit.fit`.
    """
    began, stop = time.perf_counter(), stop or StopRequest()
    weight = None if weight is None else check_weight(weight, dataset.n_samples)
    dataset = _dense_if_small(dataset)
    validation = None if validation is None else _dense_if_small(validation)
    own_type, own_scale = dataset.rows.dtype, dataset.scale
    dataset, counts, weight = _without_twins(dataset, weight, settings.random_state)
    dtype = settings.dtype or "float32"
    dataset, validation = encode(dataset, validation, settings.scaling, weight, dtype)
    labels, X = dataset.known_labels, dataset.rows.read(0)
    chosen = plan_committee(settings, len(labels), X.shape[1], labels.n_outputs)
    members = chosen.members or 1
    fold = np.full(len(labels), -1)
    if validation is None and (members > 1 or len(labels) >= 4 * _FOLD_SAMPLES):
        fold = assign_folds(labels, members if members > 1 else _SINGLE_FOLDS)
    samples = FoldedSamples(X, labels, weight, fold, dataset.scale)
    kept = None
    if validation is not None:
        known = validation.known_labels
        kept = FoldedSamples(
            validation.rows.read(0), known, validation_weight, np.zeros(len(known), int), dataset.scale
        )
    committee = Committee(chosen, samples, dtype, kept)
    start = committee.start(0)
    writer = checkpoints(start, dataset, weight, chosen) if checkpoints else None
    if writer:
        state = writer.read(committee, start)
        committee.legs.update({leg.member: leg for leg in (state.solver.legs if state else ())})

    def done(progress: Any) -> None:
        if writer:
            writer.keep(State(0, start, progress))

    joined = committee.train(stop, listeners, done)
    scaling = dataset.encoding.scaling if dataset.encoding else settings.scaling
    complete = replace(chosen, scaling=scaling, dtype=dtype)
    figures, accuracy = judge(joined, samples, complete, validated_apart=kept is not None)
    result = _to_result(committee, samples, counts, joined, dataset.test)
    parameters = joined.parameters
    if settings.dtype is None and own_type == np.float64:
        parameters = Parameters.of(parameters, "float64")
    result = replace(result, parameters=parameters, choices=figures, validation_score=accuracy)
    result = replace(result, seconds=time.perf_counter() - began)
    if writer:
        writer.end(result)
    record = {"temperature": joined.temperature} | ({} if joined.spread is None else {"spread": joined.spread})
    if own_scale != dataset.scale:
        record[STORED_SCALE] = own_scale
    return Learned(result, dataset, complete, record)


def _dense_if_small(dataset: Dataset) -> Dataset:
    """Return samples as arrays; those of a sparse matrix that would take much memory stay sparse."""
    X = dataset.rows.read(0)
    if isinstance(X, np.ndarray) or math.prod(X.shape) > _DENSE_VALUES:
        return dataset
    test = None if dataset.test is None else _dense_if_small(dataset.test)
    return replace(dataset, rows=MemoryRows(X.toarray()), test=test)


def _without_twins(dataset: Dataset, weight: Array | None, seed: int) -> tuple[Dataset, Array, Array | None]:
    """Return each different sample once, how often it occurs, and its weight, in an order of its values and the seed.

    So a sample that occurs twice is never learned from and validated on, and equals one of weight 2.
    """
    X, labels = dataset.rows.read(0), dataset.known_labels
    if not isinstance(X, np.ndarray):
        order = np.random.default_rng(seed).permutation(len(labels))
        taken = replace(dataset.take(order), test=dataset.test)
        return taken, np.ones(len(order), np.int64), None if weight is None else weight[order]
    used = np.arange(len(labels)) if weight is None else np.flatnonzero(weight > 0)
    keys = hash_rows(X[used] if len(used) < len(labels) else X, labels.codes[used], seed)
    _, first, place, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    total = counts if weight is None else np.bincount(place, weight[used])
    taken = replace(dataset.take(used[first]), test=dataset.test)
    return taken, counts, None if (total == total[0]).all() else total.astype(np.float64)


def encode(
    dataset: Dataset, validation: Dataset | None, scaling: str | None, weight: Array | None, dtype: Any
) -> tuple[Dataset, Dataset | None]:
    """Return samples, and those to validate and test on, with their numbers encoded; those of a table are already.

    The pixels of few images are encoded too: each at its own scale, they are learned from better than divided by 255.
    """
    if dataset.encoding is not None:
        return dataset, validation
    X = dataset.rows.read(0)
    is_array = isinstance(X, np.ndarray) and X.shape[1] <= MAX_COLUMNS
    encoding = fit_encoding(X, scaling, weight) if is_array and (dataset.scale == 1 or len(X) < _IMAGES) else None
    if encoding is None or not encoding.n_values:
        for each in (dataset, dataset.test, validation):
            if each is not None:
                check_finite(each.rows)  # nothing stands in for missing values
        return dataset, validation

    def encoded(each: Dataset | None) -> Any:
        if each is None:
            return None
        rows = MemoryRows(encoding.encode_rows(each.rows.read(0), dtype))
        return replace(each, rows=rows, encoding=encoding, scale=1.0, test=None)

    return replace(encoded(dataset), test=encoded(dataset.test)), encoded(validation)


def _to_result(
    committee: Committee,
    samples: FoldedSamples,
    counts: Array,
    joined: Joined,
    test: Dataset | None,
) -> Result:
    """Return what the training leaves, evaluated."""
    network = joined.parameters
    right = committee.predict(network, samples.X) == samples.labels.codes
    cost, engine = committee.evaluate(network, samples)
    n_right, n_test = None, None
    if test is not None:
        n_right = int((committee.predict(network, test.rows.read(0)) == test.known_labels.codes).sum())
        n_test = test.n_samples
    status, message = _how_it_ended(joined, on_request=committee.stopped_on_request)
    return Result(
        parameters=network,
        status=status,
        message=message,
        n_iter=max(joined.n_iter, default=0),
        cost=cost,
        train_correct=int(counts[right].sum()),
        n_train=int(counts.sum()),
        test_correct=n_right,
        n_test=n_test,
        seconds=0.0,
        engine=engine,
        history=joined.history,
    )


def _how_it_ended(joined: Joined, *, on_request: bool) -> tuple[Status, str]:
    """Return how the training of a committee ended."""
    n = len(joined.n_iter)
    if on_request:
        return Status.STOPPED_EARLY, f"Stopped on request: {count(n, 'network')} could be joined."
    if not joined.complete:
        return Status.INTERRUPTED, f"Interrupted: {count(n, 'network')} could be joined."
    if joined.probabilities is None:
        return (
            Status.FINISHED,
            f"Finished after {joined.n_iter[0]:,} iterations, as there are few samples to validate on.",
        )
    what = "the network has" if n == 1 else f"each of the {n} networks has"
    return Status.STOPPED_EARLY, f"Stopped by validation: {what} the smallest cost it came to on samples held out."
