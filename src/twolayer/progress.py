"""The progress of a training on stderr: a live bar on a terminal, some plain lines elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from twolayer.training.history import Epoch
from twolayer.training.result import Event

_PLAIN_LINES = 20


@contextlib.contextmanager
def epoch_display(max_iter: int, *, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Show the events of a training on stderr.

    Parameters
    ----------
    max_iter : int
        Number of epochs at most.
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
        with _bar(max_iter) as show:
            yield lambda event: show(event.epoch)
    else:
        every = max(1, max_iter // _PLAIN_LINES)

        def show_some(event: Event) -> None:
            iteration = event.epoch.iteration
            if iteration % every == 0 or iteration == max_iter - 1:
                _print_line(event.epoch)

        yield show_some


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
def _bar(max_iter: int) -> Iterator[Callable[[Epoch], None]]:
    """Show a bar with the figures of the last epoch."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=max_iter, figures="")
        yield lambda epoch: progress.update(task, completed=epoch.iteration + 1, figures=_figures(epoch))


def _print_line(epoch: Epoch) -> None:
    """Print a line; a reader of the progress that went away does not end the training."""
    with contextlib.suppress(OSError):
        print(f"Epoch {epoch.iteration}: {_figures(epoch)}", file=sys.stderr, flush=True)  # noqa: T201 - on request


def _figures(epoch: Epoch) -> str:
    """Return cost, accuracy and validation score of an epoch."""
    part, accuracy = "training", epoch.train_accuracy
    if epoch.test_accuracy is not None:
        part, accuracy = "test", epoch.test_accuracy
    score = "" if epoch.validation_score is None else f", validation score {epoch.validation_score:.4f}"
    return f"cost {epoch.cost:.6f}, {part} {100 * accuracy:.2f} %{score}"
