"""The progress of a training on stderr: a live bar on a terminal, some plain lines elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from twolayer.training.history import Epoch
from twolayer.training.result import Event

_PLAIN_LINES, _LINES_OF_EACH = 20, 4


@contextlib.contextmanager
def epoch_display(*, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Show the events of a training on stderr.

    Parameters
    ----------
    quiet : bool
        Show nothing.

    Yields
    ------
    callable
        A listener, to be called with each event.
    """
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        last: dict[int, Event] = {}  # of each network

        def show_some(event: Event) -> None:
            iteration, part = event.epoch.iteration, event.part
            if part is not None:
                last[part.member] = event
                if iteration and iteration % max(1, event.max_iter // _LINES_OF_EACH) == 0:
                    _print_line(f"{_described(event)}, iteration {iteration}")
            elif iteration % max(1, event.max_iter // _PLAIN_LINES) == 0 or iteration == event.max_iter - 1:
                _print_line(f"Epoch {iteration}: {_figures(event.epoch)}")

        yield show_some
        for _, event in sorted(last.items()):
            _print_line(_described(event))


@contextlib.contextmanager
def working(what: str, *, quiet: bool) -> Iterator[None]:
    """Say on a terminal's stderr what is being done, for as long as it takes."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Event], None]]:
    """Show a bar with the figures of the last epoch and, of a committee, which network it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None, figures="")

        def show(event: Event) -> None:
            part = event.part
            if part is None:
                progress.update(
                    task, total=event.max_iter, completed=event.epoch.iteration + 1, figures=_figures(event.epoch)
                )
            else:
                progress.update(task, total=part.members, completed=part.done, figures=_described(event))

        yield show


def _print_line(line: str) -> None:
    """Print a line; a reader of the progress that went away does not end the training."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - on request


def _described(event: Event) -> str:
    """Return which network of a committee it is, and its figures."""
    part = event.part
    assert part
    return f"Network {part.member} of {part.members}: {_figures(event.epoch)}"


def _figures(epoch: Epoch) -> str:
    """Return cost, accuracy and validation score of an epoch."""
    part, accuracy = "training", epoch.train_accuracy
    if epoch.test_accuracy is not None:
        part, accuracy = "test", epoch.test_accuracy
    score = "" if epoch.validation_score is None else f", validation score {epoch.validation_score:.4f}"
    return f"cost {epoch.cost:.6f}, {part} {100 * accuracy:.2f} %{score}"
