"""Samples that lie in the memory of a cluster's workers, a partition each, and never travel.

A partition is loaded by its worker and evaluated there by the engine that suits it. What travels is the parameters,
one way, and cost and gradient, the other way: they are added up in float64 in a tree whose shape follows from the
number of partitions alone, so that the sums have the same bits on however many workers, whoever dies on the way. The
root of the tree is this process.
"""

import contextlib
import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.engines.attach import Worker, check_versions, find_workers, versions_of
from twolayer.engines.objective import (
    NO_GRADIENT,
    Descended,
    Descent,
    Evaluation,
    Objective,
    Samples,
    Task,
    make_objective,
    never,
)
from twolayer.errors import ClusterError, SettingError, TwoLayerError
from twolayer.parameters import Parameters
from twolayer.text import count

Load = Callable[..., Mapping[str, Samples]]

_ARITY = 8  # of the tree
_POLL_SECONDS = 0.2  # from one look at a request to stop to the next
_EVALUATIONS = 4  # from one look at who the workers are to the next
_INLINE_BYTES = 2**22  # of parameters that are sent with each partition's task; larger ones go from worker to worker
_COPIES = 2  # of the samples: as rows and in tiles
_numbers = itertools.count()


@dataclass(frozen=True)
class Facts:
    """What is known of the samples of one name in one partition.

    Attributes
    ----------
    n_samples, n_bytes : int
    weight : float
        Of the samples, added up.
    digest : str
        SHA-256 of the samples, their labels and weights.
    """

    n_samples: int
    n_bytes: int
    weight: float
    digest: str


class Held:
    """A partition in the memory of its worker; it travels as what loads it, and is loaded anew where it arrives.

    Parameters
    ----------
    load : callable
        Returns the samples of the partition by their names, such as "train" and "test".
    engine : str
        As for `make_objective`.
    """

    def __init__(self, load: Load, engine: str, *given: Any) -> None:
        self._load, self._engine, self._lock = load, engine, threading.Lock()
        self._made: dict[str, Objective] | None = None
        self._facts: dict[str, Facts] = {}
        if given:
            self._make(*given)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled without the samples."""
        return Held, (self._load, self._engine)

    def __sizeof__(self) -> int:
        """Say what it takes, so that Dask leaves it where it is."""
        return 10_000 + sum(each.n_bytes for each in self._facts.values())

    @property
    def objectives(self) -> dict[str, Objective]:
        """The objectives of those names that have samples; loaded when first asked for."""
        with self._lock:
            return self._made if self._made is not None else self._make()

    @property
    def facts(self) -> dict[str, Facts]:
        """What is known of each name."""
        self.objectives  # noqa: B018 - loads
        return self._facts

    def _make(self, *given: Any) -> dict[str, Objective]:
        samples = self._load(*given)
        self._facts = {name: _facts(each) for name, each in samples.items()}
        self._made = {name: _objective(each, self._engine) for name, each in samples.items() if len(each.labels)}
        return self._made


def _facts(samples: Samples) -> Facts:
    X, codes = samples.rows.read(0), samples.labels.codes
    weight = samples.weight
    digest = hashlib.sha256(f"{X.shape} {X.dtype.str} {samples.scale}".encode())
    for array in (X, codes, weight):
        if array is not None and array.size:
            digest.update(np.ascontiguousarray(array).data.cast("B"))
    total = float(len(codes) if weight is None else weight.sum())
    return Facts(len(codes), _COPIES * X.nbytes + codes.nbytes, total, digest.hexdigest())


def _objective(samples: Samples, engine: str) -> Objective:
    """Return the objective of samples without the penalty; samples that weigh nothing still count as right or wrong."""
    weight = samples.weight if samples.weight is not None and samples.weight.any() else None
    return make_objective(
        samples.rows,
        samples.labels,
        replace(samples.task, l2=0.0),
        engine=engine,
        dtype=samples.dtype.name,
        scale=samples.scale,
        sample_weight=weight,
        n_threads=samples.n_threads,
    )


@dataclass(frozen=True)
class _Ask:
    """What is wanted of the samples of one name in one partition, and what part of all of that name it weighs."""

    name: str
    fraction: float
    gradient: bool


@dataclass(frozen=True)
class _Sum:
    """What partitions come to: by names a fraction and, for each network, a mean; and the seconds it took."""

    means: dict[str, tuple[float, list[Evaluation]]]
    seconds: float = 0.0


def hold(load: Load, engine: str, *given: Any) -> Held:
    """Load a partition; `given` is passed on to what loads."""
    held = Held(load, engine, *given)
    held.objectives  # noqa: B018 - here and now
    return held


def facts_of(held: Held) -> dict[str, Facts]:
    """Return what is known of a partition."""
    return held.facts


def evaluate_held(held: Held, asks: Sequence[_Ask], networks: Sequence[Parameters]) -> _Sum:
    """Evaluate networks on one partition."""
    objectives, means = held.objectives, {}
    began = time.perf_counter()
    for ask in asks:
        objective = objectives.get(ask.name)
        if objective is not None:
            found = objective.evaluate(networks, gradient=ask.gradient)
            assert found is not None  # nobody asks to stop
            means[ask.name] = (ask.fraction, found)
    return _Sum(means, time.perf_counter() - began)


def add(*sums: _Sum) -> _Sum:
    """Add up what partitions come to, one after the other in their order, in float64."""
    means: dict[str, tuple[float, list[Evaluation]]] = {}
    for each in sums:
        for name, (fraction, found) in each.means.items():
            weighted = [_weigh(evaluation, fraction) for evaluation in found]
            before = means.get(name)
            means[name] = (1.0, weighted if before is None else list(map(_plus, before[1], weighted)))
    return _Sum(means, sum(each.seconds for each in sums))


def _weigh(evaluation: Evaluation, fraction: float) -> Evaluation:
    """Return a part of a mean; what weighs nothing adds nothing, even where it is not finite."""
    cost = evaluation.cost * fraction if fraction else 0.0
    gradient = evaluation.gradient
    if gradient.size:
        gradient = gradient.astype(float) * fraction if fraction else np.zeros(len(gradient))
    return Evaluation(cost, evaluation.correct, gradient)


def _plus(one: Evaluation, other: Evaluation) -> Evaluation:
    gradient = one.gradient + other.gradient if one.gradient.size else one.gradient
    return Evaluation(one.cost + other.cost, one.correct + other.correct, gradient)


@contextlib.contextmanager
def cluster_errors() -> Iterator[None]:
    """Turn what Dask raises of lost schedulers and workers into one sentence; what a task of ours raised stays."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    try:
        yield
    except TwoLayerError:
        raise
    except KilledWorker:
        message = (
            "Worker after worker died while loading or evaluating the same partition, of too little memory perhaps"
        )
        raise ClusterError(f"{message}: use smaller partitions, or give the workers more memory.") from None
    except MemoryError:
        raise ClusterError("A worker has run out of memory: start more of them, or give them more.") from None
    except (CancelledError, CommClosedError, OSError):
        raise ClusterError("The scheduler of the cluster is lost.") from None


def reduce_tree(graph: dict[str, Any], keys: Sequence[str], merge: Callable[..., Any], name: str) -> list[str]:
    """Add tasks to a graph that merge the results of others, eight neighbours each, until at most eight are left.

    Parameters
    ----------
    graph : dict
        Of tasks by their keys; is added to.
    keys : sequence of str
        Of what is merged, in order.
    merge : callable
        Takes results in their order.
    name : str
        With which the keys of the new tasks begin.

    Returns
    -------
    list of str
        The keys of what is left, in order.
    """
    keys, level = list(keys), 0
    while len(keys) > _ARITY:
        groups = [keys[first : first + _ARITY] for first in range(0, len(keys), _ARITY)]
        keys = [f"{name}-{level}-{k}" for k in range(len(groups))]
        graph.update({key: (merge, *group) for key, group in zip(keys, groups, strict=True)})
        level += 1
    return keys


def fetch(client: Any, graph: Mapping[str, Any], keys: Sequence[str], stop: Callable[[], bool] = never) -> Any:
    """Compute a graph and return the results of keys; None once somebody asks to stop."""
    with cluster_errors(), client.as_current():
        futures = client.get(dict(graph), list(keys), sync=False)
        try:
            while not _are_done(futures):
                if stop():
                    return None
            return client.gather(futures)
        finally:
            for future in futures:
                future.release()


def _are_done(futures: Sequence[Any]) -> bool:
    """Wait for a moment, and tell whether all are done."""
    import distributed

    wait: Any = distributed.wait
    try:
        wait(futures, timeout=_POLL_SECONDS)
    except TimeoutError:
        return False
    return True


def place(n_partitions: int, workers: Sequence[Worker]) -> list[str]:
    """Return the worker of each partition: neighbours together, as many for each thread."""
    slots = [worker.address for worker in workers for _ in range(max(1, worker.n_threads))]
    return [slots[index * len(slots) // n_partitions] for index in range(n_partitions)]


def surplus(holders: Sequence[str | None], workers: Sequence[Worker]) -> list[tuple[int, str]]:
    """Return the partitions to be loaded elsewhere, and where, so that all workers have their share.

    Parameters
    ----------
    holders : sequence of str or None
        The worker of each partition; None where it is being loaded.
    workers : sequence of Worker
    """
    wanted = place(len(holders), workers)
    room = {worker.address: wanted.count(worker.address) - holders.count(worker.address) for worker in workers}
    free = [address for address, n in room.items() for _ in range(n)]
    moves = []
    for index in reversed(range(len(holders))):
        holder = holders[index]
        if free and holder is not None and room.get(holder, 0) < 0:
            room[holder] += 1
            moves.append((index, free.pop()))
    return moves


class Partitions:
    """The partitions of samples on a cluster.

    Parameters
    ----------
    client : distributed.Client
    loads : sequence of callables
        One for each partition: what its worker calls to load it.
    engine : str
        As for `make_objective`, in each worker.
    given : sequence of futures, optional
        What each is called with, such as a table that is open already, or None; it is not kept.

    Attributes
    ----------
    facts : list of dict
        What is known of each partition, by the names of its samples.
    seconds : float
        That the workers computed for the last evaluation, all together.
    """

    def __init__(self, client: Any, loads: Sequence[Load], engine: str = "auto", given: Sequence[Any] = ()) -> None:
        self._client, self._loads, self._engine = client, list(loads), engine
        self._workers = find_workers(client)
        self._n_evaluations, self.seconds = 0, 0.0
        self._watched: list[str] = []
        self._last: tuple[list[Array], set[str], dict[str, list[Evaluation]]] = [], set(), {}
        with cluster_errors():
            places = place(len(self._loads), self._workers)
            more: list[tuple[Any, ...]] = [() if each is None else (each,) for each in given] or [()] * len(self._loads)
            self._futures = [self._submit(k, where, *more[k]) for k, where in enumerate(places)]
            self.facts: list[dict[str, Facts]] = client.gather(
                [client.submit(facts_of, each) for each in self._futures]
            )

    def __len__(self) -> int:
        """Return the number of partitions."""
        return len(self._futures)

    def total(self, name: str, of: str = "n_samples") -> Any:
        """Return the sum of a figure over the partitions, for the samples of a name."""
        return sum(getattr(facts[name], of) for facts in self.facts if name in facts)

    def digest(self) -> str:
        """Return what tells these samples, in these partitions, from others."""
        parts = (f"{k} {name} {facts.digest};" for k, each in enumerate(self.facts) for name, facts in each.items())
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def objective(self, name: str, task: Task) -> "Cluster":
        """Return the objective of the samples of one name."""
        self._watched.append(name)
        return Cluster(self, name, task)

    def evaluate(
        self, name: str, networks: Sequence[Parameters], *, gradient: bool, stop: Callable[[], bool] = never
    ) -> list[Evaluation] | None:
        """Return the means over the samples of one name, without the penalty.

        What is asked of the training samples is found of the others on the way, to be asked for next.
        """
        vectors, with_gradient, known = self._last
        same = len(vectors) == len(networks) and all(a is b.vector for a, b in zip(vectors, networks, strict=True))
        if not (same and name in known and (not gradient or name in with_gradient)):
            others = [each for each in self._watched if each != name] if name == self._watched[0] else []
            found = self._run({name: gradient, **dict.fromkeys(others, False)}, networks, stop)
            if found is None:
                return None
            known = {each: means for each, (_, means) in found.means.items()}
            self._last = [each.vector for each in networks], {name} if gradient else set(), known
        return known[name]

    def _run(self, wanted: Mapping[str, bool], networks: Sequence[Parameters], stop: Callable[[], bool]) -> _Sum | None:
        """Evaluate on all partitions, in one graph."""
        if self._n_evaluations % _EVALUATIONS == _EVALUATIONS - 1:
            self._use_workers()
        self._n_evaluations += 1
        number = next(_numbers)  # a key that was used before might give the result of then
        graph: dict[str, Any] = {}
        parameters: Any = list(networks)
        if sum(network.vector.nbytes for network in networks) > _INLINE_BYTES:
            graph[f"twolayer-parameters-{number}"] = (_same, parameters)
            parameters = f"twolayer-parameters-{number}"
        keys = [f"twolayer-evaluate-{number}-{k}" for k in range(len(self))]
        wholes = {name: self.total(name, "weight") for name in wanted}
        graph |= {
            key: (evaluate_held, future, _asks(wanted, wholes, facts), parameters)
            for key, future, facts in zip(keys, self._futures, self.facts, strict=True)
        }
        parts = fetch(self._client, graph, reduce_tree(graph, keys, add, f"twolayer-add-{number}"), stop)
        if parts is None:
            return None
        found = add(*parts)
        self.seconds = found.seconds
        return found

    def _submit(self, index: int, where: str, *given: Any) -> Any:
        """Let a worker load a partition."""
        key = f"twolayer-partition-{next(_numbers)}-{index}-{id(self):x}"
        more = {"workers": [where], "allow_other_workers": True, "key": key}
        return self._client.submit(hold, self._loads[index], self._engine, *given, **more)

    def _use_workers(self) -> None:
        """Let workers that are new take over the partitions of which others have more than their share."""
        with cluster_errors():
            workers = find_workers(self._client)
            if not workers or workers == self._workers:
                return
            if {worker.address for worker in workers} - {worker.address for worker in self._workers}:
                check_versions(versions_of(self._client))
            held = self._client.who_has(self._futures)
            holders = [next(iter(held.get(future.key) or ()), None) for future in self._futures]
            for index, where in surplus(holders, workers):
                self._futures[index] = self._submit(index, where)
            if None not in holders:  # else look again
                self._workers = workers


def _asks(wanted: Mapping[str, bool], wholes: Mapping[str, float], facts: Mapping[str, Facts]) -> tuple[_Ask, ...]:
    """Return what is asked of one partition."""
    return tuple(
        _Ask(name, facts[name].weight / wholes[name] if wholes[name] else 0.0, gradient)
        for name, gradient in wanted.items()
        if name in facts and facts[name].n_samples
    )


def _same(value: Any) -> Any:
    return value


class Cluster:
    """Cost and gradient over the samples of one name in all partitions.

    Parameters
    ----------
    partitions : Partitions
    name : str
    task : Task
    """

    def __init__(self, partitions: Partitions, name: str, task: Task) -> None:
        self._partitions, self._name, self.task = partitions, name, task
        self.n_samples = int(partitions.total(name))
        self.blocks: tuple[int, ...] = (self.n_samples,)
        self.engine = f"cluster: {count(len(partitions), 'partition')} in the memory of Dask's workers"

    def evaluate(
        self,
        networks: Sequence[Parameters],
        *,
        gradient: bool,
        rows: Array | None = None,
        stop: Callable[[], bool] = never,
    ) -> list[Evaluation] | None:
        """Evaluate networks on all samples."""
        if rows is not None and len(rows) < self.n_samples:
            raise _no_batches()
        means = self._partitions.evaluate(self._name, networks, gradient=gradient, stop=stop)
        if means is None:
            return None
        return [
            self.task.finish(_in_type(mean, network, gradient=gradient), network)
            for mean, network in zip(means, networks, strict=True)
        ]

    def descend(self, descent: Descent, stop: Callable[[], bool] = never) -> Descended | None:
        """Make the one update of a pass whose mini-batch is all samples."""
        if descent.batch_size < self.n_samples:
            raise _no_batches()
        found = self.evaluate([descent.parameters], gradient=True, stop=stop)
        if found is None:
            return None
        (mean,), rate = found, float(descent.rates[0])
        moved, vectors = descent.rule.move(
            descent.parameters, descent.vectors, mean.gradient, rate, descent.n_updates + 1
        )
        return Descended(moved, vectors, mean.cost, mean.correct)


def _in_type(mean: Evaluation, network: Parameters, *, gradient: bool) -> Evaluation:
    """Return a mean with its gradient in the type of the parameters, or without."""
    return replace(mean, gradient=mean.gradient.astype(network.dtype) if gradient else NO_GRADIENT)


def _no_batches() -> SettingError:
    return SettingError("A cluster uses all samples at each step: leave out `batch_size`.")
