"""A run: read the data, train with checkpoints, write the folder, draw the pictures; or resume one.

Nothing is printed here: what shows a run to a person, as the command line does, follows it by `Hooks`.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twolayer.errors import ClusterError, MissingFileError, SettingError, StorageError
from twolayer.runs.folder import RunFolder
from twolayer.runs.request import Request
from twolayer.training.result import Listener, Result, Status
from twolayer.training.stop import StopRequest

if TYPE_CHECKING:
    from twolayer.data.dataset import Dataset
    from twolayer.data.report import DataReport
    from twolayer.model import Model
    from twolayer.training.result import Event

_ENDED = (Status.CONVERGED, Status.DIVERGED)  # nothing is left to resume


@dataclass(frozen=True)
class Start:
    """What there is to show when a training begins, before its first event."""

    folder: Path
    request: Request  # with the number of threads that compute
    report: "DataReport | None"  # what was found in the data
    again: bool  # whether it was begun before and left no checkpoint
    iteration: int = 0  # where it begins: greater than 0 where it goes on from a checkpoint


@dataclass(frozen=True)
class Outcome:
    """What a run has come to."""

    folder: Path
    request: Request
    model: "Model"
    status: str  # how its training ended
    message: str  # the same in a sentence for a person
    result: Result | None = None  # None where there was nothing left to resume
    report: "DataReport | None" = None  # what was found in the data; None as above
    interrupted: bool = False  # asked to stop before all was done; the model is written, pictures are not


@dataclass(frozen=True)
class Hooks:
    """How a caller follows a run, and stops it: Ctrl-C and the system's requests to end set `stop`, too."""

    listeners: Sequence[Listener] = ()  # each is called with each `Event`, and may return True to end the training
    on_start: Callable[[Start], None] | None = None  # when all is checked and the training begins
    working: Callable[[str], AbstractContextManager[Any]] = nullcontext  # shows a few words for as long as it takes
    stop: StopRequest = field(default_factory=StopRequest)


def run(request: Request, out: str | os.PathLike[str] | None = None, hooks: Hooks | None = None) -> Outcome:
    """Train as requested and leave model, history and pictures in a folder, new or empty.

    When none is given, it is the first free one in `runs`, named after the data.
    """
    hooks = hooks or Hooks()
    name = _name_of(request.data.data)
    with _source(request, hooks) as source, RunFolder(Path(out)) if out else RunFolder.next_free(name) as folder:
        return _train(folder, request, source, hooks)


def resume(
    path: str | os.PathLike[str],
    *,
    max_iter: int | None = None,
    checkpoint_seconds: float | None = None,
    cluster: str | None = None,
    pictures: bool | None = None,
    hooks: Hooks | None = None,
) -> Outcome:
    """Continue a run from its last checkpoint, or from its beginning: it ends as if it had never stopped.

    `path` is its folder; `max_iter`, `checkpoint_seconds`, `cluster` (of a run on a cluster) and `pictures` may be
    changed, and are as requested when not given. Where there is nothing left to resume, the outcome has no `result`.
    """
    hooks = hooks or Hooks()
    with RunFolder(Path(path), resume=True) as folder:
        changes = {"checkpoint_seconds": checkpoint_seconds, "cluster": cluster, "pictures": pictures}
        asked = folder.read_request()
        if cluster is not None and asked.cluster is None:
            raise SettingError(f"The run {path} was begun on one machine: leave out `cluster`.")
        request = _changed(asked, max_iter, **changes)
        complete = _complete(folder, request)
        if complete:
            return complete
        with _source(request, hooks, again=True) as source:
            return _train(folder, request, source, hooks)


def _changed(request: Request, max_iter: int | None, **more: Any) -> Request:
    """Return a request with what is given."""
    settings = request.settings if max_iter is None else replace(request.settings, max_iter=max_iter)
    return replace(request, settings=settings, **{name: value for name, value in more.items() if value is not None})


def _complete(folder: RunFolder, request: Request) -> Outcome | None:
    """Return the outcome of a run that has come to its end; None if there is something to resume."""
    model = folder.read_result()
    if model is None:
        return None
    status, made = model.settings.get("status"), model.settings.get("max_iter")
    settings = request.settings
    wanted = settings.plain().max_iter if settings.is_plain else settings.max_iter or 0
    ends = model.settings.get("schedule") not in (None, "constant")  # the rate has come to its end
    finished = status == Status.FINISHED and isinstance(made, int) and (made >= wanted or ends)
    stopped = status == Status.STOPPED_EARLY and not folder.checkpoint.is_file()
    if not (status in _ENDED or finished or stopped):
        return None
    advice = "to continue, increase `max_iter`" if finished and not ends else "nothing to resume"
    message = f"The run {folder.path} is complete ({status}): {advice}."
    return Outcome(folder.path, request, model, str(status), message)


@dataclass(frozen=True)
class _Source:
    """What is learned from: the data and, where they are, how to train on them."""

    dataset: "Dataset"
    fit: Callable[..., tuple["Model", Result]]
    n_threads: int  # where nothing is said


@contextmanager
def _source(request: Request, hooks: Hooks, *, again: bool = False) -> Iterator[_Source]:
    """Read the data, here or on a cluster, which is let go at the end; `again` for a run that is resumed."""
    if request.cluster is not None:
        with _attach(request, hooks, again=again) as source:
            yield source
        return
    from twolayer.engines.objective import n_processors
    from twolayer.fit import fit

    with hooks.working("Reading the data"), _hint(again=again):
        from twolayer.data.sources import load  # what reads takes a moment to load

        dataset = load(request.data, request.settings)
    yield _Source(dataset, partial(fit, dataset), n_processors())


@contextmanager
def _attach(request: Request, hooks: Hooks, *, again: bool) -> Iterator[_Source]:
    """Let a cluster read the data."""
    from twolayer.engines.attach import attached
    from twolayer.runs.cluster import SpreadData, check_suits

    with _hint(again=again):
        check_suits(request)
    with attached(str(request.cluster)) as client:
        with hooks.working("Reading the data on the cluster"):
            data = SpreadData(client, request)
        yield _Source(data.dataset, data.fit, 1)


@contextmanager
def _hint(*, again: bool) -> Iterator[None]:
    """Say of files that are missing where a run is resumed from."""
    try:
        yield
    except MissingFileError as error:
        if not again:
            raise
        message = f"{str(error).rstrip('.')}; resume the run from the directory where it was started."
        raise MissingFileError(message) from error


def _name_of(data: str) -> str:
    """Return what a run is called: the name of the data, without what says where it lies and how it is stored."""
    path = Path(data)
    return path.name.partition(".")[0] if path.suffix and os.path.exists(data) else data  # noqa: PTH110 - long queries


def _train(folder: RunFolder, request: Request, source: _Source, hooks: Hooks) -> Outcome:
    """Train, and write all that a run leaves: the model before the pictures, which may be interrupted."""
    dataset = source.dataset
    threads = request.settings.n_threads or source.n_threads  # the same number of threads gives the same bits
    request = replace(request, settings=replace(request.settings, n_threads=threads))
    if not folder.begun_before:
        folder.write_request(request)
    again = folder.begun_before and not folder.checkpoint.is_file()
    watch = _Watch(folder, Start(folder.path, request, dataset.report, again), hooks)
    with hooks.stop.on_signals(), _resumable(folder):
        model, result = source.fit(
            request.settings,
            checkpoint=folder.checkpoint,
            checkpoint_seconds=request.checkpoint_seconds,
            listeners=[watch],
            stop=hooks.stop,
        )
        held_out = {"hold_out": dataset.held_out} if dataset.held_out else {}
        model = replace(model, settings={**model.settings, "data": dataset.name, **held_out})
        _write(folder, model, result)
        if result.status in _ENDED or (result.status == Status.STOPPED_EARLY and not watch.ended_it):
            folder.checkpoint.unlink(missing_ok=True)
    interrupted = hooks.stop.asked or (request.pictures and not _draw(folder, model, result, dataset, hooks))
    return Outcome(folder.path, request, model, result.status, result.message, result, dataset.report, interrupted)


@contextmanager
def _resumable(folder: RunFolder) -> Iterator[None]:
    """Say how to go on where a cluster is lost and a checkpoint is kept."""
    try:
        yield
    except ClusterError as error:
        if not folder.checkpoint.is_file():
            raise
        message = f"{str(error).rstrip('.')}: run again with `resume` {folder.path}, which has a checkpoint"
        raise ClusterError(f"{message}; another cluster is named by `cluster`.") from None


class _Watch:
    """The first listener: it keeps the request of a run that does go on, tells the start, and asks the others."""

    def __init__(self, folder: RunFolder, start: Start, hooks: Hooks) -> None:
        self._folder, self._start, self._hooks = folder, start, hooks
        self._started = self.ended_it = False

    def __call__(self, event: "Event") -> bool:
        """Tell an event; return whether a listener asks to stop."""
        if not self._started:
            self._started = True
            if self._folder.begun_before:
                self._folder.write_request(self._start.request)
            if self._hooks.on_start:
                self._hooks.on_start(replace(self._start, iteration=event.epoch.iteration))
        answers = [listener(event) for listener in self._hooks.listeners]
        self.ended_it = any(answers)
        return self.ended_it


def _write(folder: RunFolder, model: "Model", result: Result) -> None:
    """Write history and model, or say that the last checkpoint is safe."""
    try:
        folder.write(model, result.history)
    except StorageError as error:
        if not folder.checkpoint.is_file():
            raise
        safe = f"the last checkpoint is safe: continue from it with `resume` {folder.path}"
        raise StorageError(f"{str(error).rstrip('.')}; {safe}.") from error


def _draw(folder: RunFolder, model: "Model", result: Result, dataset: "Dataset", hooks: Hooks) -> bool:
    """Draw the pictures; False if that was interrupted."""
    try:
        with hooks.working("Drawing the pictures"):
            from twolayer.plots import pictures

            X, y = (None, None) if model.table else samples_to_show(dataset.test or dataset)
            folder.write_pictures(pictures(model, result.history, X, y))
    except StorageError as error:
        raise StorageError(f"{str(error).rstrip('.')}; the model is safe in {folder.path}.") from error
    except KeyboardInterrupt:
        return False
    return True


def samples_to_show(dataset: "Dataset") -> tuple[Any, Any]:
    """Return the samples and labels that a picture can show; None of those that memory does not hold."""
    from twolayer.data.rows import MemoryRows

    if not isinstance(dataset.rows, MemoryRows):
        return None, None
    return dataset.rows.X, dataset.known_labels.decode()
