"""Many trainings over a grid of settings and seeds; what is known is kept, so that a killed sweep goes on.

Networks that differ only in what may differ side by side are trained in one computation, all others one by one, or in
processes. The numbers are the same whichever way.
"""

import contextlib
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Dataset
from twolayer.data.rows import MemoryRows
from twolayer.data.split import hold_out
from twolayer.engines.attach import attached
from twolayer.engines.jobs import call_all
from twolayer.errors import DataError, SettingError
from twolayer.fit import fit, fit_models, to_dataset
from twolayer.model import Model
from twolayer.racing import Budget, Range, draw_choices, race
from twolayer.settings import Kind, Settings, setting_fields

MOST_TRAININGS = 100_000
RESULTS_FILE = "results.jsonl"
_SIDE_BY_SIDE = ("n_hidden", "init", "solver", "learning_rate", "batch_size", "random_state")
_MOST_AT_ONCE = 16
_HELD_OUT = 0.2

Record = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One training: what differs from the other settings, and which fold it is judged by."""

    changes: tuple[tuple[str, Any], ...]
    fold: int

    @property
    def key(self) -> str:
        """What tells it from all others, as text."""
        return json.dumps([dict(self.changes), self.fold], sort_keys=True)


@dataclass(frozen=True)
class Summary:
    """Settings with what came of them over all seeds and folds.

    Attributes
    ----------
    settings : dict
        Those that differ, without the seed.
    accuracy, spread : float
        Mean and standard deviation of the accuracy on samples that were not learned from.
    train_accuracy, units_in_use, seconds : float
        Means; units in use are those that move the logits.
    n : int
        Number of trainings.
    """

    settings: dict[str, Any]
    accuracy: float
    spread: float
    train_accuracy: float
    units_in_use: float
    seconds: float
    n: int


def make_points(
    grid: Mapping[str, Sequence[Any]], n_seeds: int = 1, n_folds: int = 1, seed: int = 0, draws: int | None = None
) -> list[Point]:
    """Return all trainings of a grid, or of choices that are drawn from it.

    Parameters
    ----------
    grid : mapping of a setting's name to its values
        Or to a range to draw from, such as "0.01..10".
    n_seeds : int
        How many seeds, from `seed` on; unless `random_state` is in the grid.
    n_folds : int
        1 holds out a fifth, more are cross-validation.
    seed : int
    draws : int, optional
        How many choices are drawn at random.

    Returns
    -------
    list of Point

    Raises
    ------
    SettingError
        If a setting is unknown, a value not allowed, or there are no or too many trainings.
    """
    kinds = {each.name: each.metadata["kind"] for each in setting_fields(Settings)}
    strange = next((name for name in grid if name not in kinds), None)
    if strange is not None:
        raise SettingError(f"There is no setting `{strange}`: the settings are {', '.join(kinds)}.")
    for name, number in (("seeds", n_seeds), ("cv", n_folds), ("draws", 1 if draws is None else draws)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise SettingError(f"`{name}` must be a whole number of at least 1; got {number}.")
    values = {name: _check_values(name, kinds[name], listed, drawn=draws is not None) for name, listed in grid.items()}
    if "random_state" not in values:
        values["random_state"] = list(range(seed, seed + n_seeds))
    repeats = {"random_state": values.pop("random_state")} if draws is not None else {}
    sizes = [1 if isinstance(each, Range) else len(each) for each in values.values()]
    n_choices = math.prod(sizes) if draws is None or 0 in sizes else draws
    n = n_choices * len(repeats.get("random_state", [0])) * n_folds
    if not 1 <= n <= MOST_TRAININGS:
        raise SettingError(f"A sweep has from 1 to {MOST_TRAININGS:,} trainings; this grid has {n:,}.")
    choices = _all_choices(values) if draws is None else draw_choices(values, draws, seed)
    points = [
        Point((*choice, *repeat), fold)
        for choice in choices
        for repeat in _all_choices(repeats)
        for fold in range(n_folds)
    ]
    return list(dict.fromkeys(points))


def _check_values(name: str, kind: Kind, listed: Any, *, drawn: bool) -> Any:
    """Return the values of a setting, checked, or the range that they are drawn from, whose ends are."""
    single = [listed] if isinstance(listed, str) else list(listed)
    span = Range.of(single[0]) if len(single) == 1 else None
    if span is None:
        return [kind.check(name, value) for value in single]
    for end in (span.low, span.high):
        kind.check(name, int(end) if span.is_whole else end)
    if not drawn:
        raise SettingError(f"`{name}` is a range, {single[0]}: say with `draws` how many choices are drawn.")
    return span


def _all_choices(values: Mapping[str, Any]) -> list[tuple[tuple[str, Any], ...]]:
    """Return all combinations of values."""
    return [tuple(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def sweep(
    X: Any,
    y: Any,
    grid: Mapping[str, Sequence[Any]],
    *,
    seeds: int = 1,
    cv: int = 1,
    jobs: int = 1,
    draws: int | None = None,
    budget: int | str | None = None,
    cluster: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> list[Record]:
    """Train once for each point of a grid and each seed.

    Parameters
    ----------
    X, y : samples and their classes, as `fit_model` takes them
    grid : mapping of a setting's name to its values
        For example {"n_hidden": [5, 10, 20], "learning_rate": [0.1, 1.0]}; with `draws` also ranges, "0.01..10".
    seeds : int
        How many seeds each.
    cv : int
        Folds of cross-validation; with 1, a fifth of the samples is held out.
    jobs : int
        How many processes train; 1 trains in this one, side by side where networks can be.
    draws : int, optional
        How many choices are drawn from the grid; without it, all are trained.
    budget : int or str, optional
        How many trainings, or seconds ("90s"), are spent: each choice is trained once, the better half with another
        seed or fold, and so on.
    cluster : str, optional
        Train on a Dask cluster: tcp://HOST:PORT, tls://HOST:PORT, or local:N.
    folder : path, optional
        Where results are kept, and found again; each is computed once.
    **settings
        Of all trainings, as for `fit_model`.

    Returns
    -------
    list of dict
        For each training its settings, `accuracy` and `log_loss` on the samples that were held out, `train_accuracy`,
        `units_in_use`, `iterations`, `status` and `seconds`; pandas.DataFrame takes it as it is.

    Raises
    ------
    SettingError, DataError
        If a setting, the grid or the samples are not allowed.
    ClusterError
        If a cluster cannot be reached, or is lost; what is known by then is in the folder.
    """
    dataset = to_dataset(X, y)
    points = make_points(grid, seeds, cv, int(settings.pop("random_state", 0)), draws)
    store = None if folder is None else Store(Path(folder))
    base, limit = _base(settings), Budget.of(budget)
    with contextlib.nullcontext() if cluster is None else attached(cluster) as client:
        return run_points(
            points, lambda _: dataset, base, n_folds=cv, jobs=jobs, client=client, budget=limit, store=store
        )


def _base(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of all trainings, checked, with one thread each unless told otherwise."""
    Settings.make(settings)
    return {"n_threads": 1, **settings}


class Store:
    """The results of a sweep, a line of JSON each, written the moment it is known."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / RESULTS_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"Cannot create the folder {folder} ({error.strerror}): choose another one.") from error

    def read(self) -> dict[str, Record]:
        """Return what is known, by the keys of points; a line that was not written to its end is cut off."""
        if not self.path.is_file():
            return {}
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        known = {}
        for line in whole.splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                record = json.loads(line)
                known[record.pop("key")] = record
        return known

    def add(self, point: Point, record: Record) -> None:
        """Keep a result."""
        line = json.dumps({"key": point.key, **record}) + "\n"
        with self.path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())


def run_points(
    points: Sequence[Point],
    load: Callable[[Settings], Dataset],
    base: Mapping[str, Any],
    *,
    n_folds: int = 1,
    jobs: int = 1,
    client: Any = None,
    budget: Budget | None = None,
    store: Store | None = None,
    on_result: Callable[[int, Record], None] | None = None,
) -> list[Record]:
    """Train for all points, and return their records in order; those that a store knows are not trained again.

    With a budget, it is for as many as are trained.

    Parameters
    ----------
    points : sequence of Point
    load : callable
        Settings to the data set, with its columns encoded accordingly.
    base : mapping
        Settings of all trainings.
    n_folds, jobs : int
    client : distributed.Client, optional
        Of the cluster that trains instead of this machine, as of `attached`.
    budget : Budget, optional
    store : Store, optional
    on_result : callable, optional
        Called with the number of results so far and the newest one.

    Returns
    -------
    list of dict
    """
    found: dict[str, Record] = {} if store is None else store.read()
    datasets: dict[tuple[Any, ...], Dataset] = {}
    n_done = 0

    def train(wanted: Sequence[Point]) -> list[Record]:
        """Train for points that are not known yet, and return the records of all."""
        nonlocal n_done
        rest = [point for point in wanted if point.key not in found]
        n_done += len(wanted) - len(rest)
        for point, record in _train_all(rest, load, base, n_folds, jobs, client, datasets):
            found[point.key] = record
            if store is not None:
                store.add(point, record)
            n_done += 1
            if on_result:
                on_result(n_done, record)
        return [found[point.key] for point in wanted]

    if budget is None:
        return train(points)
    choices: dict[str, list[Point]] = {}
    for point in points:
        choices.setdefault(json.dumps([each for each in point.changes if each[0] != "random_state"]), []).append(point)
    done = race(choices, budget, lambda some: [(each["accuracy"], each["log_loss"]) for each in train(some)])
    return [found[point.key] for point in done]


def _train_all(
    points: Sequence[Point],
    load: Callable[[Settings], Dataset],
    base: Mapping[str, Any],
    n_folds: int,
    jobs: int,
    client: Any,
    datasets: dict[tuple[Any, ...], Dataset],
) -> Iterator[tuple[Point, Record]]:
    """Yield points with their records, as they come; data sets that were loaded are kept."""
    batches = list(_batches(points, base, 1 if jobs > 1 or client is not None else _MOST_AT_ONCE))
    work = []
    for batch in batches:
        own = Settings.make({**base, **dict(batch[0].changes)})
        kind = (own.scaling, own.recipe, own.is_plain, own.dtype)
        if kind not in datasets:
            datasets[kind] = _check_dataset(load(own))
        work.append((batch, datasets[kind], dict(base), n_folds))
    if client is not None:
        calls = [(dataset, (batch, *more)) for batch, dataset, *more in work]
        for pairs in call_all(client, _train_shared, calls) if calls else ():
            yield from pairs
        return
    if jobs == 1:
        for job in work:
            yield from _train_batch(*job)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_train_batch, *job) for job in work]
        for future in as_completed(futures):
            yield from future.result()


def _train_shared(dataset: Dataset, points: list[Point], *more: Any) -> list[tuple[Point, Record]]:
    """Train on samples that other trainings share."""
    return _train_batch(points, dataset, *more)


def _batches(points: Iterable[Point], base: Mapping[str, Any], most: int) -> Iterator[list[Point]]:
    """Yield points that can be trained side by side, so many at most, and all others alone."""
    waiting: dict[str, list[Point]] = {}
    for point in points:
        settings = {**base, **dict(point.changes)}
        made = Settings.make(settings)
        if most == 1 or not made.is_plain or made.early_stopping or made.scaling or made.augment:
            yield [point]
            continue
        shared = {name: value for name, value in settings.items() if name not in _SIDE_BY_SIDE}
        batch = waiting.setdefault(json.dumps([shared, point.fold], sort_keys=True, default=str), [])
        batch.append(point)
        if len(batch) == most:
            yield list(batch)
            batch.clear()
    yield from (batch for batch in waiting.values() if batch)


def _check_dataset(dataset: Dataset) -> Dataset:
    """Return the samples that are learned from, which must be in memory."""
    if not isinstance(dataset.rows, MemoryRows):
        raise DataError("A sweep needs samples that are in memory: use fewer, or more memory.")
    return replace(dataset, test=None)


def _train_batch(
    points: list[Point], dataset: Dataset, base: Mapping[str, Any], n_folds: int
) -> list[tuple[Point, Record]]:
    """Train points of the same fold, side by side where they are several."""
    learned, judged = _split(dataset, points[0].fold, n_folds)
    changes = [dict(point.changes) for point in points]
    if len(points) > 1:
        variants = [{name: each[name] for name in each if name in _SIDE_BY_SIDE} for each in changes]
        shared = {name: value for name, value in {**base, **changes[0]}.items() if name not in _SIDE_BY_SIDE}
        X, y = learned.rows.read(0), learned.known_labels.decode()
        trained = fit_models(X, y, variants, scale=dataset.scale, input_shape=dataset.input_shape, **shared)
    else:
        trained = [fit(learned, Settings.make({**base, **changes[0]}))]
    records = []
    for point, (model, result) in zip(points, trained, strict=True):
        codes = judged.known_labels.codes
        P = model.predict_proba(judged.rows)
        likely = np.maximum(P[np.arange(len(codes)), codes], np.finfo(float).tiny)
        records.append((point, {
            **dict(point.changes), "fold": point.fold, "accuracy": float((P.argmax(axis=1) == codes).mean()),
            "log_loss": float(-np.log(likely).mean()), "train_accuracy": result.train_correct / result.n_train,
            "units_in_use": _units_in_use(model, judged),
            "iterations": result.n_iter, "status": str(result.status), "seconds": result.seconds / len(points),
        }))  # fmt: skip
    return records


def _units_in_use(model: Model, judged: Dataset) -> float:
    """Return how many hidden units move the logits: (sum v)^2 / sum v^2 of the variances v of their terms."""
    A1 = model.transform(judged.rows).astype(np.float64)
    moved = A1.var(axis=0) * (model.parameters["W2"].astype(np.float64) ** 2).sum(axis=0)
    total = float((moved**2).sum())
    return float(moved.sum() ** 2 / total) if total > 0 else 0.0


def _split(dataset: Dataset, fold: int, n_folds: int) -> tuple[Dataset, Dataset]:
    """Return what is learned from and what is judged by; the same whatever the settings are."""
    codes = dataset.known_labels.codes
    if n_folds == 1:
        rest, out = hold_out(codes, _HELD_OUT, 0)
        return dataset.take(rest), dataset.take(out)
    of = _folds(codes, n_folds)
    return dataset.take(np.flatnonzero(of != fold)), dataset.take(np.flatnonzero(of == fold))


def _folds(codes: Array, n_folds: int) -> Array:
    """Return the fold of each sample, each class spread evenly."""
    random, of = np.random.default_rng(0), np.empty(len(codes), int)
    start = 0
    for k in np.unique(codes):
        here = random.permutation(np.flatnonzero(codes == k))
        of[here] = (start + np.arange(len(here))) % n_folds
        start += len(here)
    return of


def summarize(records: Sequence[Record], names: Sequence[str]) -> list[Summary]:
    """Return each choice of settings with its figures over seeds and folds, the most accurate first.

    Those that were trained more often than others, as they won a race, come before these.

    Parameters
    ----------
    records : sequence of dict
    names : sequence of str
        The settings that differ, without the seed.

    Returns
    -------
    list of Summary
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(json.dumps([record[name] for name in names], default=str), []).append(record)
    found = []
    for group in groups.values():
        accuracy = np.array([record["accuracy"] for record in group])
        found.append(
            Summary(
                settings={name: group[0][name] for name in names},
                accuracy=float(accuracy.mean()),
                spread=float(accuracy.std(ddof=1)) if len(group) > 1 else 0.0,
                train_accuracy=float(np.mean([record["train_accuracy"] for record in group])),
                units_in_use=float(np.mean([record.get("units_in_use", math.nan) for record in group])),
                seconds=float(np.mean([record["seconds"] for record in group])),
                n=len(group),
            )
        )
    return sorted(found, key=lambda each: (-each.n, -each.accuracy, each.seconds))
