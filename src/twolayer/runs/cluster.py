"""A run on a cluster: each worker reads, surveys and keeps its own files; only sums come back.

The counterpart of the recipe there: one network learns from all rows at each step, by L-BFGS, and stops by rows of
each partition that it does not learn from.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twolayer.aliases import Array, Label
from twolayer.data.dataset import Dataset, Labels, count_outputs, order_classes
from twolayer.data.encoding import Encoding
from twolayer.data.memory import half_of_memory
from twolayer.data.rows import MemoryRows, gather_parts
from twolayer.data.sources import DEFAULT_HOLD_OUT, check_uses
from twolayer.data.tables.merging import (
    Judge,
    Merged,
    check_same_columns,
    differing,
    merge_answers,
    merge_figures,
    merge_labels,
    merge_schemas,
)
from twolayer.data.tables.partitions import (
    SPLITS,
    Columns,
    Extent,
    Part,
    Question,
    answer_part,
    ask_schema,
    count_part,
    empty_columns,
    find_extents,
    open_part,
)
from twolayer.data.tables.reading import is_query, is_table_name
from twolayer.data.tables.survey import check_classes, code_target
from twolayer.data.tables.tables import TableRows
from twolayer.engines.attach import Address, check_memory, find_workers
from twolayer.engines.cluster import Partitions, cluster_errors, fetch, place, reduce_tree
from twolayer.engines.objective import Samples, Task, n_processors
from twolayer.errors import ClusterError, DataError, SettingError
from twolayer.files.checkpoint import Checkpoints, Purpose
from twolayer.fit import class_factors, to_model
from twolayer.model import Model
from twolayer.parameters import Parameters, Sizes, random_start
from twolayer.recipe import QUICK_ITERATIONS, for_blocks
from twolayer.runs.request import Request
from twolayer.settings import Settings
from twolayer.solvers import make_solver
from twolayer.text import count
from twolayer.training.loop import Training, Validation, drive
from twolayer.training.result import Listener, Result
from twolayer.training.stop import StopRequest

_COPIES = 2  # of the samples in a worker: as rows and in tiles
_TRIALS = 2  # evaluations by which an iteration is timed
_ON_BATCHES = ("adam", "sgd")


@dataclass(frozen=True)
class LoadPart:
    """Loads a partition, by its extent alone or from where it is open.

    Attributes
    ----------
    extent : Extent
    question : Question
    columns : Columns
    index : int
    encoding : Encoding
    task : Task
    dtype : str
    n_threads : int
    factors : mapping
        The weights of the classes, by names of samples; of others all weigh the same.
    for_test : bool
        Whether all of it is to test on.
    """

    extent: Extent
    question: Question
    columns: Columns
    index: int
    encoding: Encoding
    task: Task
    dtype: str
    n_threads: int
    factors: Mapping[str, Array]
    for_test: bool = False

    def __call__(self, part: Part | None = None) -> dict[str, Samples]:
        """Return the samples, by the names of `SPLITS`."""
        part = Part(self.extent) if part is None else part
        table, classes = part.table, self.columns.classes
        if table is None:
            return {}
        if self.for_test:
            codes = code_target(table, self.question.target, classes).codes
            rows = {"test": np.flatnonzero(codes >= 0)}
        else:
            where = self.question, classes, self.index, self.columns.starts[self.index]
            codes, rows = part.mark(*where), part.split(*where)
        dtype = np.dtype(self.dtype)
        blocks = gather_parts(TableRows(table, self.encoding, None, dtype), list(rows.values()))
        return {name: self._samples(name, X, codes[rows[name]]) for name, X in zip(rows, blocks, strict=True)}

    def _samples(self, name: str, X: Array, codes: Array) -> Samples:
        labels, factors = Labels(codes, self.columns.classes), self.factors.get(name)
        weight = None if factors is None else factors[codes]
        rows, dtype = MemoryRows(X), np.dtype(self.dtype)
        return Samples(rows, labels, self.task, dtype, 1.0, weight, self.n_threads, "for a partition")


def check_suits(request: Request) -> None:
    """Check that a request can run on a cluster, before one is reached for.

    Raises
    ------
    SettingError
        If its data, engine or solver cannot.
    """
    data, settings = request.data, request.settings
    for name in (data.data, data.test):
        if name is not None and (is_query(name) or not is_table_name(name)):
            raise SettingError(f"`cluster` is for tables in files, such as 'data/*.parquet': leave it out for {name}.")
    check_uses(data)
    find_extents(data.data, data.encoding)
    _target(request)
    if data.memory is not None:
        raise SettingError("`memory` is for one machine: leave it out, and set each worker's memory where it starts.")
    if settings.engine == "streamed":
        raise SettingError("A cluster keeps all samples in its workers' memory: leave `engine` at auto.")
    if settings.batch_size is not None and settings.solver_name in _ON_BATCHES:
        raise _no_batches()
    if (settings.members or 1) > 1:
        raise SettingError("A cluster trains one network on all rows: leave out `members`.")
    if settings.augment:
        raise SettingError("`augment` is for images, which a cluster does not read: leave it out.")


def _no_batches() -> SettingError:
    return SettingError("A cluster uses all samples at each step: leave out `batch_size`, or use one machine.")


class SpreadData:
    """A table whose partitions are in the memory of a cluster's workers, ready to be trained on.

    Parameters
    ----------
    client : distributed.Client
    request : Request

    Attributes
    ----------
    dataset : Dataset
        Without rows: its classes, encoding and report.

    Raises
    ------
    SettingError, DataError, StorageError, FileFormatError
        If the table cannot be learned from, as on one machine; or its partitions do not fit together.
    ClusterError
        If the cluster is lost, or has too little memory.
    """

    def __init__(self, client: Any, request: Request) -> None:
        self._client, self._request, settings = client, request, request.settings
        self._extents = find_extents(request.data.data, request.data.encoding)
        places = place(len(self._extents), find_workers(client))
        submit = {"allow_other_workers": True, "pure": False}
        with cluster_errors():
            self._parts = [
                client.submit(open_part, extent, workers=[where], **submit)
                for extent, where in zip(self._extents, places, strict=True)
            ]
        target = _target(request)
        stops_early = settings.early_stopping or not settings.is_plain
        fraction = request.data.hold_out
        if fraction is None:
            fraction = DEFAULT_HOLD_OUT if request.data.test is None else 0.0
        validation = settings.validation_fraction if stops_early else 0.0
        self._question = Question(target, request.data.ignore, fraction, validation, settings.random_state)
        self._columns = self._find_columns()
        self._merged = self._survey()
        self.settings = self._plan()
        self.partitions = self._load()
        self.dataset = self._describe()

    def fit(
        self,
        settings: Settings,
        *,
        checkpoint: Any = None,
        checkpoint_seconds: float | None = None,
        listeners: Sequence[Listener] = (),
        stop: StopRequest | None = None,
    ) -> tuple[Model, Result]:
        """Train a network, as `twolayer.fit.fit` does on one machine.

        Parameters
        ----------
        settings : Settings
            As requested.
        checkpoint, checkpoint_seconds, listeners, stop
            As for `twolayer.fit.fit`.
        """
        plain, partitions = self.settings, self.partitions
        task = Task(plain.activation, plain.loss)
        solver, start = make_solver(plain), self._start()
        kept = None
        if plain.early_stopping:
            kept = Validation(partitions.objective("validation", task), None, plain.n_iter_no_change, plain.tol)
        test = partitions.objective("test", task) if partitions.total("test") else None
        checkpoints, state = None, None
        if checkpoint is not None:
            checkpoints = self._checkpoints(checkpoint, checkpoint_seconds, start)
            state, listeners = checkpoints.read(solver, start), (checkpoints, *listeners)
        training = Training(self._objective(), solver, start, plain.max_iter, plain.tol, test, kept, state, listeners)
        try:
            (result,) = drive([training], stop)
        except ClusterError:
            if checkpoints:
                checkpoints.rescue()
            raise
        if checkpoints:
            checkpoints.end(result)
        more = {} if settings.is_plain else {"recipe": settings.recipe or "auto"}
        return to_model(self.dataset, result, plain, more), result

    def _objective(self) -> Any:
        return self.partitions.objective("train", Task(self.settings.activation, self.settings.loss, self.settings.l2))

    def _start(self) -> Parameters:
        settings, n_outputs = self.settings, count_outputs(len(self._columns.classes))
        sizes = Sizes(self._merged.encoding.n_values, settings.n_hidden, n_outputs)
        return random_start(sizes, settings.dtype, settings.random_state, settings.init)

    def _ask(self, question: Callable[..., Any], *more: Any) -> list[Any]:
        """Return what a question to each partition gives."""
        with cluster_errors():
            asked = [self._client.submit(question, part, *more, pure=False) for part in self._parts]
            return list(self._client.gather(asked))

    def _merge(self, question: Callable[..., Any], merge: Callable[..., Any], *more: Any) -> Any:
        """Return the answers of all partitions to a question, merged in a tree."""
        name = f"twolayer-{question.__name__}-{id(more):x}-{time.monotonic_ns():x}"
        graph: dict[str, Any] = {
            f"{name}-{index}": (question, part, self._question, self._columns, index, *more)
            for index, part in enumerate(self._parts)
        }
        return merge(*fetch(self._client, graph, reduce_tree(graph, list(graph), merge, f"{name}-merge")))

    def _find_columns(self) -> Columns:
        """Return the columns and classes of all partitions."""
        schemas = self._ask(ask_schema, self._question)
        check_same_columns(schemas)
        odd = differing(schemas)
        empty = self._ask(empty_columns, odd) if odd else [set()] * len(schemas)
        columns, target = merge_schemas(schemas, self._question, empty), self._question.target
        kind, data = columns.kinds[target], self._request.data
        labels = merge_labels(schemas, target, kind)
        classes: Sequence[Label] = check_classes(target, kind, labels, keep_spellings=data.keep_spellings)
        return replace(columns, classes=order_classes(classes, data.positive))

    def _survey(self) -> Merged:
        """Return the encoding and the report of all partitions."""
        settings, figures = self._request.settings, self._merge(count_part, merge_figures)
        scaling = settings.scaling or ("standard" if settings.is_plain else None)
        judge = Judge(self._request.data.data, self._question, self._columns, figures, scaling)
        wanted = judge.wanted()
        return judge.survey(wanted, self._merge(answer_part, merge_answers, wanted))

    def _plan(self) -> Any:
        """Return the settings of the one plain network, complete."""
        asked, samples = self._request.settings, self._merged.samples
        n_train = int(samples["train"].sum())
        n_samples = n_train + int(samples["validation"].sum())
        plan = asked
        if not asked.is_plain:
            plan = for_blocks(asked, n_samples)
            if asked.recipe == "quick" and asked.max_iter is None:
                plan = replace(plan, max_iter=QUICK_ITERATIONS)
        plan = plan.plain()
        if plan.early_stopping and not samples["validation"].any():
            message = f"`validation_fraction` {plan.validation_fraction:g} leaves no sample to validate on"
            raise DataError(f"{message}: increase it.")
        if plan.solver_name in _ON_BATCHES:
            plan = replace(plan, batch_size=n_train)
        threads = asked.n_threads or 1
        return replace(plan, solver=plan.solver_name, dtype=plan.dtype or "float32", n_threads=threads)

    def _load(self) -> Partitions:
        """Let each worker load its partitions."""
        plan, columns = self.settings, self._columns
        encoding = self._merged.encoding
        n_bytes = _COPIES * columns.n_rows * encoding.n_values * np.dtype(plan.dtype).itemsize
        check_memory(find_workers(self._client), n_bytes)
        factors = {} if plan.class_weight is None else {
            name: class_factors(columns.classes, plan.class_weight, self._merged.samples[name].astype(float))
            for name in SPLITS if name != "test"
        }  # fmt: skip
        task = Task(plan.activation, plan.loss)
        common = encoding, task, plan.dtype, plan.n_threads, factors
        loads = [LoadPart(extent, self._question, columns, k, *common) for k, extent in enumerate(self._extents)]
        parts, self._parts = self._parts, []
        if self._request.data.test is not None:
            tests = find_extents(self._request.data.test, self._request.data.encoding)
            loads += [LoadPart(extent, self._question, columns, 0, *common, for_test=True) for extent in tests]
            parts += [None] * len(tests)
        return Partitions(self._client, loads, plan.engine, parts)

    def _describe(self) -> Dataset:
        """Return what a data set is but for its rows."""
        merged, name = self._merged, self._request.data.data
        n_test = int(self.partitions.total("test"))
        warnings = (*merged.report.warnings, *self._notes())
        report = replace(merged.report, n_test=n_test, warnings=warnings)
        rows = MemoryRows(np.empty((0, merged.encoding.n_values), self.settings.dtype))
        labels = Labels(np.zeros(0, np.int32), self._columns.classes)
        shape = (merged.encoding.n_values,)
        return Dataset(name, rows, labels, shape, 1.0, merged.encoding, report=report)

    def _notes(self) -> list[str]:
        """Return what a person should know of this cluster: its dangers, what it does, and how long that takes."""
        notes = []
        address = self._request.cluster
        if address is not None and (warning := Address.parse(address).warning()):
            notes.append(warning)
        if not self._request.settings.is_plain:
            apart = f"the {100 * self.settings.validation_fraction:g} % that are held out for that"
            notes.append(
                f"On a cluster one network learns from all rows at each step, by L-BFGS, and stops by {apart}; on one "
                "machine it would be a committee of several."
            )
        return [*notes, self._compare()]

    def _compare(self) -> str:
        """Return a sentence on how long learning takes here and on one machine, by timing an evaluation."""
        objective, start, took = self._objective(), self._start(), []
        for _ in range(_TRIALS):
            began = time.perf_counter()
            objective.evaluate([start.moved_to(start.vector.copy())], gradient=True)
            took.append((time.perf_counter() - began, self.partitions.seconds))
        n, (here, computed) = self.settings.max_iter, min(took)
        cluster, alone = n * here, n * computed / n_processors()
        n_bytes = self.partitions.total("train", "n_bytes")
        times = f"one machine: about {_in_words(alone)}; this cluster: about {_in_words(cluster)}"
        if n_bytes > half_of_memory():
            verdict = f"one machine like this could not hold the samples ({n_bytes / 1e9:.1f} GB)"
        else:
            verdict = "it is faster without `cluster`" if alone < cluster else "the cluster is faster"
        return f"Time for {count(n, 'iteration')}: {times}; {verdict}."

    def _checkpoints(self, path: Any, seconds: float | None, start: Parameters) -> Checkpoints:
        """Return what writes and reads the checkpoints of this training."""
        decides = self.settings.fingerprint()
        decides |= {"partitions": len(self.partitions), "samples": int(self.partitions.total("train"))}
        if self.settings.schedule not in (None, "constant"):
            decides["max_iter"] = self.settings.max_iter
        record = json.dumps(dataclasses.asdict(self._merged.encoding), default=str)
        texts = [self.partitions.digest(), record]
        samples = [start.vector, *(np.frombuffer(text.encode(), np.uint8) for text in texts)]
        return Checkpoints(path, Purpose(decides, samples), seconds)


def _target(request: Request) -> str:
    if request.data.target is None:
        raise SettingError(f"Set `target` to the column of {request.data.data} to predict.")
    return request.data.target


def _in_words(seconds: float) -> str:
    """Return a time with its unit, to about two digits."""
    unit, length = ("s", 1.0) if seconds < 100 else ("min", 60.0) if seconds < 6000 else ("h", 3600.0)
    number = seconds / length
    return f"{number:.{2 if number < 1 else 1 if number < 10 else 0}f} {unit}"
