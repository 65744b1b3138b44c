"""A committee: networks trained on different parts of the samples, and joined into one two-layer network.

Each member learns from all folds of the samples but its own, which tells it when to stop: the parameters with the
smallest validation cost are kept. Members whose logits are averaged are one network with their hidden units side by
side; a temperature, by which the logits are divided, is folded into it, too.
"""

import math
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Labels
from twolayer.engines.objective import Objective, Task, make_objective, n_processors
from twolayer.engines.whole import to_columns
from twolayer.equations import OUTPUTS, find_loss, forward_propagation
from twolayer.parameters import Parameters, Sizes, random_start
from twolayer.settings import Settings
from twolayer.solvers.lbfgs import LBFGS
from twolayer.solvers.solver import check_vector
from twolayer.text import count
from twolayer.training.history import Epoch
from twolayer.training.loop import Training, Validation, drive
from twolayer.training.result import Event, Listener, Part, Result, Status
from twolayer.training.stop import StopRequest

_LOG_SCALES = (-2.0, 1.5)  # between which the logarithm of the factor of the logits is sought
_HALVINGS = 30
_PRIOR = 20.0  # weight of the guess that the factor is 1, in samples
_PATIENCE = 12  # iterations without a smaller validation cost before a member stops
_BLOCK_ROWS = 4096
_SPREAD_SAMPLES = 256
_FAR = 1e100
_FIGURES = ("cost", "train_accuracy", "validation_cost", "validation_score", "seconds")


@dataclass(frozen=True)
class FoldedSamples:
    """Samples in memory that a committee learns from.

    Attributes
    ----------
    X : array of shape (m, n_inputs)
    labels : Labels
    weight : array of shape (m,), or None
    fold : array of int of shape (m,)
        Which member validates on a sample; -1 for none.
    scale : float
        What the values are divided by.
    """

    X: Array
    labels: Labels
    weight: Array | None
    fold: Array
    scale: float = 1.0

    def take(self, chosen: Array) -> "FoldedSamples":
        """Return some of the samples."""
        weight = None if self.weight is None else self.weight[chosen]
        return FoldedSamples(self.X[chosen], self.labels.take(chosen), weight, self.fold[chosen], self.scale)


@dataclass(frozen=True)
class Leg:
    """The training of one member, done.

    Attributes
    ----------
    member : int
        Which.
    vector : array
        The parameters with the smallest validation cost.
    n_iter : int
        Steps made to reach them.
    cost, validation_cost : float
        There.
    epochs : array of shape (n_iterations, 5)
        Figures of each iteration.
    """

    member: int
    vector: Array
    n_iter: int
    cost: float
    validation_cost: float
    epochs: Array

    @property
    def history(self) -> list[Epoch]:
        """The iterations."""
        rows: list[list[Any]] = [[None if math.isnan(x) else x for x in row] for row in self.epochs.tolist()]
        return [Epoch(k, test_accuracy=None, **dict(zip(_FIGURES, row, strict=True))) for k, row in enumerate(rows)]


@dataclass(frozen=True)
class Progress:
    """The legs that are done: what a checkpoint holds of a committee."""

    legs: tuple[Leg, ...] = ()


@dataclass(frozen=True)
class Joined:
    """What a committee has come to.

    Attributes
    ----------
    parameters : Parameters
        Of the one network.
    temperature : float
        By which the average logits are divided.
    n_iter : tuple of int
        Iterations of each member.
    spread : float or None
        Mean standard deviation of the members' probabilities; None for one member.
    judged : FoldedSamples
        That at least one member did not learn from.
    probabilities : array of shape (m, n_classes), or None
        Of each of those by the member that validated on it, at the temperature; None where there are none.
    history : list of Epoch
        Mean of the members' histories.
    complete : bool
        Whether all members have been trained to their ends.
    """

    parameters: Parameters
    temperature: float
    n_iter: tuple[int, ...]
    spread: float | None
    judged: FoldedSamples
    probabilities: Array | None
    history: list[Epoch]
    complete: bool


class Committee:
    """The training of a committee; to a checkpoint it is a solver whose state is a `Progress`.

    Parameters
    ----------
    settings : Settings
        Of each member and how many there are, complete.
    samples : FoldedSamples
    dtype : str
        Of the computation.
    validation : FoldedSamples, optional
        That all members validate on, instead of their folds.
    """

    def __init__(
        self,
        settings: Settings,
        samples: FoldedSamples,
        dtype: str,
        validation: FoldedSamples | None = None,
    ) -> None:
        self._settings, self._samples, self._dtype = settings, samples, dtype
        self._validation = validation
        self.members = settings.members or 1
        self._task = Task(settings.activation or "relu", settings.loss or "log")
        self._output = find_loss(self._task.loss, samples.labels.n_outputs).output
        self._n_threads = settings.n_threads or n_processors()
        self._at_once = min(self._n_threads, self.members)
        self._told: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.legs: dict[int, Leg] = {}
        self._parts: dict[int, Leg] = {}  # of those that were stopped
        self.stopped_on_request = False

    def begin(self, start: Parameters) -> Progress:  # noqa: ARG002
        """Return the state before the first leg."""
        return Progress()

    def check(self, state: Progress, start: Parameters) -> None:
        """Check that legs that were read from a file are of this committee."""
        for leg in state.legs:
            check_vector(leg.vector, start, start.dtype)
            if leg.member >= self.members:
                raise ValueError("its solver has a network that is not of the committee")
            if leg.epochs.ndim != 2 or leg.epochs.shape[1] != len(_FIGURES) or leg.epochs.dtype != np.float64:
                raise ValueError("its solver's histories have another shape or type")
            if np.isinf(leg.epochs).any() or np.isnan(leg.epochs[:, [0, 1, -1]]).any():
                raise ValueError("its solver's histories have numbers that are not finite")
            if not (np.isfinite(leg.vector).all() and math.isfinite(leg.cost)) or math.isnan(leg.validation_cost):
                raise ValueError("its solver has a network of numbers that are not finite")

    def start(self, member: int) -> Parameters:
        """Return the start of a member."""
        settings, labels = self._settings, self._samples.labels
        sizes = Sizes(self._samples.X.shape[1], settings.n_hidden or 1, labels.n_outputs)
        seed = [settings.random_state, member] if member else settings.random_state
        return random_start(sizes, self._dtype, seed, settings.init or "lecun")

    def train(self, stop: StopRequest, listeners: Sequence[Listener], done: Callable[[Progress], Any]) -> Joined:
        """Train the members, and join them.

        Parameters
        ----------
        stop : StopRequest
        listeners : sequence of callables
            Each is called with the `Event` of each iteration of any member; any may return True to stop.
        done : callable
            Called with the progress after each leg.
        """
        missing = [member for member in range(self.members) if member not in self.legs]
        with ThreadPoolExecutor(self._at_once) as pool, stop.on_signals():
            futures = [pool.submit(self._train, member, stop) for member in missing]
            for future in futures:
                future.add_done_callback(lambda _: self._told.put(None))
            waiting = len(futures)
            try:
                while waiting:
                    event = self._told.get()
                    if event is None:
                        waiting -= 1
                        self._collect(futures, stop, done)
                    elif any([listener(event) for listener in listeners]):  # noqa: C419 - each is told
                        self.stopped_on_request = True
                        stop.ask()
            except BaseException:
                stop.ask()  # else the other members would be trained to their ends first
                raise
        return self._join()

    def _collect(
        self, futures: list[Future[tuple[Leg, bool]]], stop: StopRequest, done: Callable[[Progress], Any]
    ) -> None:
        """Take the legs that are done."""
        for leg, complete in [future.result() for future in futures if future.done()]:
            if not complete:
                self._parts[leg.member] = leg
            elif leg.member not in self.legs:
                self.legs[leg.member] = leg
                if not stop.asked:
                    done(Progress(tuple(self.legs.values())))

    def _train(self, member: int, stop: StopRequest) -> tuple[Leg, bool]:
        """Train one member; return its leg, and whether it was trained to its end."""
        own = self._samples.fold == member
        learned, kept = self._samples, self._validation
        if kept is None and own.any():
            learned, kept = learned.take(np.flatnonzero(~own)), learned.take(np.flatnonzero(own))
        objective = self.objective(learned, self._settings.l2 or 0.0)
        validation = None if kept is None else Validation(self.objective(kept), None, _PATIENCE, by_cost=True)
        part = Part(member + 1, self.members, len(self.legs))

        def tell(event: Event) -> None:
            self._told.put(replace(event, part=part))

        start, max_iter = self.start(member), self._settings.max_iter or 1
        training = Training(objective, LBFGS(), start, max_iter, 0.0, None, validation, None, (tell,))
        (result,) = drive([training], stop)
        return _to_leg(member, result), result.status is not Status.INTERRUPTED

    def objective(self, samples: FoldedSamples, l2: float = 0.0) -> Objective:
        """Return the objective of samples."""
        return make_objective(
            samples.X,
            samples.labels,
            replace(self._task, l2=l2),
            engine=self._settings.engine,
            dtype=self._dtype,
            scale=samples.scale,
            sample_weight=samples.weight,
            n_threads=max(1, self._n_threads // self._at_once),
            worth_tiles=0,
        )

    def predict(self, network: Parameters, X: Array) -> Array:
        """Return the place of the class of each sample."""
        parts = [X[first : first + _BLOCK_ROWS] for first in range(0, X.shape[0], _BLOCK_ROWS)]
        return np.concatenate([self._to_probabilities(self._logits(network, part)).argmax(axis=1) for part in parts])

    def evaluate(self, network: Parameters, samples: FoldedSamples) -> tuple[float, str]:
        """Return the mean loss of samples, without the penalty, and what computes."""
        objective = self.objective(samples)
        (found,) = objective.evaluate([network], gradient=False) or []
        return found.cost, f"{objective.engine}; {count(self._at_once, 'network')} at a time"

    def _join(self) -> Joined:
        """Join the members into one network."""
        samples, known_legs = self._samples, self._parts | self.legs
        legs = [known_legs[member] for member in sorted(known_legs)]
        networks = [self.start(leg.member).moved_to(leg.vector) for leg in legs] or [self.start(0)]
        judged = self._validation or samples.take(np.flatnonzero(np.isin(samples.fold, sorted(known_legs))))
        temperature, probabilities = 1.0, None
        if legs and len(judged.labels):
            logits = self._logits_of_own(networks, legs, judged)
            if self._task.loss == "log":
                temperature = 1 / _find_scale(logits, judged.labels.codes, judged.weight)
            probabilities = self._to_probabilities(logits / temperature)
        return Joined(
            join(networks, temperature),
            temperature,
            tuple(leg.n_iter for leg in legs),
            self._spread(networks, self._validation or samples) if len(networks) > 1 else None,
            judged,
            probabilities,
            _mean_history([leg.history for leg in legs]),
            len(self.legs) == self.members,
        )

    def _logits(self, network: Parameters, X: Array) -> Array:
        """Return the logits of samples, a row each."""
        with np.errstate(over="ignore", invalid="ignore"):
            columns = to_columns(X, self._samples.scale, network.dtype)
            logits: Array = forward_propagation(columns, network, self._task.activation, self._output)[1]["Z2"].T
        return np.nan_to_num(logits.astype(np.float64)).clip(-_FAR, _FAR)  # of weights near the end of their range

    def _logits_of_own(self, networks: Sequence[Parameters], legs: Sequence[Leg], judged: FoldedSamples) -> Array:
        """Return the logits of each sample by the member that validated on it; of samples for all, their average."""
        if self._validation is not None:
            mean: Array = np.mean([self._logits(network, judged.X) for network in networks], axis=0)
            return mean
        logits = np.empty((judged.X.shape[0], judged.labels.n_outputs))
        for leg, network in zip(legs, networks, strict=True):
            own = judged.fold == leg.member
            logits[own] = self._logits(network, judged.X[own])
        return logits

    def _spread(self, networks: Sequence[Parameters], judged: FoldedSamples) -> float:
        """Return the mean standard deviation of the members' probabilities."""
        some = np.linspace(0, judged.X.shape[0] - 1, min(judged.X.shape[0], _SPREAD_SAMPLES)).astype(int)
        each = [self._to_probabilities(self._logits(network, judged.X[some])) for network in networks]
        return float(np.std(each, axis=0).mean())

    def _to_probabilities(self, logits: Array) -> Array:
        """Return the probability of each class."""
        A2 = OUTPUTS[self._output](logits.T).T
        if A2.shape[1] == 1:
            return np.hstack([1 - A2, A2])
        A2 = np.maximum(A2, np.finfo(A2.dtype).tiny)  # all outputs may round to 0
        probabilities: Array = A2 / A2.sum(axis=1, keepdims=True)
        return probabilities


def join(networks: Sequence[Parameters], temperature: float = 1.0) -> Parameters:
    """Return networks whose logits are averaged, and divided by a temperature, as one network.

    Z2 = mean_k(W2_k f(W1_k X + b1_k) + b2_k) / T is a network with the hidden units of all side by side, W2 the W2_k
    side by side divided by K T, and b2 the mean of the b2_k divided by T.

    Parameters
    ----------
    networks : sequence of Parameters
        Of the same inputs and outputs.
    temperature : float
    """
    factor = 1 / temperature
    arrays = {
        "W1": np.concatenate([network["W1"] for network in networks]),
        "b1": np.concatenate([network["b1"] for network in networks]),
        "W2": np.concatenate([network["W2"] for network in networks], axis=1) * (factor / len(networks)),
        "b2": np.mean([network["b2"] for network in networks], axis=0, dtype=np.float64) * factor,
    }
    return Parameters.of({name: array.astype(networks[0].dtype) for name, array in arrays.items()})


def _to_leg(member: int, result: Result) -> Leg:
    """Return a leg from its result."""
    rows = [[getattr(epoch, name) for name in _FIGURES] for epoch in result.history]
    table = np.array(rows, np.float64).reshape(-1, len(_FIGURES))  # None becomes NaN
    best = result.state.best.validation_cost if result.state and result.state.best else None
    last = result.cost if best is None else best
    return Leg(member, result.parameters.vector, result.n_iter, result.cost, last, table)


def _mean_history(histories: Sequence[Sequence[Epoch]]) -> list[Epoch]:
    """Return the mean of histories; one that has ended keeps its last figures."""
    length = max((len(history) for history in histories), default=0)
    histories = [history for history in histories if history]
    return [Epoch(k, **_mean_figures([h[min(k, len(h) - 1)] for h in histories])) for k in range(length)]


def _mean_figures(epochs: Sequence[Epoch]) -> dict[str, Any]:
    """Return the mean of each figure of some epochs; None where one of them has it not."""
    means: dict[str, Any] = {"test_accuracy": None}
    for name in _FIGURES:
        values = [getattr(epoch, name) for epoch in epochs]
        means[name] = None if None in values else float(np.mean(values))
    return means


def _find_scale(logits: Array, codes: Array, weight: Array | None) -> float:
    """Return the factor of the logits with the smallest log loss; few samples alone do not move it far from 1.

    The loss is convex in the factor, and the sign of its slope tells on which side the smallest one is.
    """
    Z = np.hstack([np.zeros_like(logits), logits]) if logits.shape[1] == 1 else logits
    of_class = Z[np.arange(len(Z)), codes]
    mass = np.ones(len(Z)) if weight is None else weight / weight.mean()
    low, high = _LOG_SCALES
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        scaled = Z * math.exp(middle)
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        expected = (powers * Z).sum(axis=1) / powers.sum(axis=1)
        slope = math.exp(middle) * float((mass * (expected - of_class)).sum()) + _PRIOR * middle
        low, high = (low, middle) if slope > 0 else (middle, high)
    return math.exp((low + high) / 2)


def assign_folds(labels: Labels, n_folds: int) -> Array:
    """Return the fold of each sample: those of each class, in their order, are dealt out in turn."""
    fold = np.empty(len(labels), np.int64)
    dealt = 0
    for code, n in enumerate(labels.counts.tolist()):
        fold[labels.codes == code] = (dealt + np.arange(n)) % n_folds
        dealt += n
    return fold


def hash_rows(X: Array, codes: Array, seed: int) -> Array:
    """Return a number of 64 bits for each row of numbers and its class: the same for the same values, anywhere."""
    random = np.random.default_rng(seed)
    hashed = np.zeros(len(X), np.uint64)
    for column in (codes, *(X[:, k] for k in range(X.shape[1]))):
        bits = (column.astype(np.float64) + 0.0).view(np.uint64)  # -0 is 0
        factor = np.uint64(2 * int(random.integers(2**62)) + 1)
        hashed = (hashed ^ ((bits ^ (bits >> np.uint64(29))) * factor)) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(32)
    return hashed
