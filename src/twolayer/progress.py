"""The progress of a training on stderr: a live bar on a terminal, some plain lines elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from twolayer.history import Epoch

_PLAIN_LINES = 20


@contextlib.contextmanager
def epoch_display(max_iter: int, *, quiet: bool) -> Iterator[Callable[[Epoch], None]]:
    """Show the epochs of a training on stderr.

    Parameters
    ----------
    max_iter : int
        Number of epochs at most.
    quiet : bool
        Show nothing.

    Yields
    ------
    callable
        To be called with each epoch.
    """
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(max_iter) as show:
            yield show
    else:
        every = max(1, max_iter // _PLAIN_LINES)
        yield (
            lambda epoch: (
                _print_line(epoch) if epoch.iteration % every == 0 or epoch.iteration == max_iter - 1 else None
            )
        )


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
    with contextlib.suppress(OSError):  # a reader of the progress that went away does not end the training
        print(f"Epoch {epoch.iteration}: {_figures(epoch)}", file=sys.stderr, flush=True)  # noqa: T201 - on request


def _figures(epoch: Epoch) -> str:
    part, accuracy = "training", epoch.train_accuracy
    if epoch.test_accuracy is not None:
        part, accuracy = "test", epoch.test_accuracy
    kept = "" if epoch.validation_score is None else f", validation score {epoch.validation_score:.4f}"
    return f"cost {epoch.cost:.6f}, {part} {100 * accuracy:.2f} %{kept}"
