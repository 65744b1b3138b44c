"""Progress is shown on stderr to those who asked for it: a bar on a terminal, some lines elsewhere."""

import io
import sys

import numpy as np
import pytest

from twolayer.progress import epoch_display, working
from twolayer.training.history import Epoch
from twolayer.training.result import Event


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self):
        """Return True."""
        return True


def show(max_iter, *, n=None, quiet=False, **more):
    """Show so many epochs of a training."""
    with epoch_display(quiet=quiet) as tell:
        for iteration in range(max_iter if n is None else n):
            figures = {"cost": 1 / 8, "train_accuracy": 0.5, "test_accuracy": None, "seconds": 0.0, **more}
            tell(Event(Epoch(iteration=iteration, **figures), state=None, max_iter=max_iter))


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that puts a terminal in the place of stderr, which pytest takes when a test begins."""

    def take():
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return take


@pytest.mark.parametrize("max_iter", [1, 3, 19, 20, 21, 200, 1000])
def test_plain_lines_are_some_with_the_first_and_the_last(capsys, max_iter):
    """However many epochs there are, at most 41 lines, evenly spaced; stdout stays empty."""
    show(max_iter)

    out, err = capsys.readouterr()
    shown = [int(line.split()[1].rstrip(":")) for line in err.splitlines()]
    assert out == ""
    assert min(max_iter, 20) <= len(shown) <= 41
    assert (shown[0], shown[-1]) == (0, max_iter - 1)
    assert len(set(np.diff(shown[:-1]))) <= 1


@pytest.mark.parametrize(
    ("more", "figures"),
    [
        ({}, "cost 0.125000, training 50.00 %"),
        ({"test_accuracy": 0.25}, "cost 0.125000, test 25.00 %"),
        ({"validation_score": -0.5}, "cost 0.125000, training 50.00 %, validation score -0.5000"),
    ],
)
def test_a_line_tells_cost_and_accuracy(capsys, more, figures):
    """That of the test samples where there are some, and the validation score."""
    show(1, **more)

    assert capsys.readouterr().err == f"Epoch 0: {figures}\n"


def test_a_terminal_shows_a_bar(terminal):
    """With how far it is, and the figures of the last epoch."""
    stderr = terminal()

    show(50, n=30, validation_score=0.75)

    shown = stderr.getvalue()
    assert "30/50" in shown
    assert "cost 0.125000, training 50.00 %, validation score 0.7500" in shown
    assert "Epoch" not in shown


def test_the_quiet_see_nothing(terminal):
    """Neither epochs nor what is being done."""
    stderr = terminal()

    show(50, quiet=True)
    with working("Reading", quiet=True):
        pass

    assert stderr.getvalue() == ""


def test_a_terminal_is_told_what_is_being_done(terminal):
    """For as long as it takes."""
    stderr = terminal()

    with working("Reading the digits", quiet=False):
        pass

    assert "Reading the digits" in stderr.getvalue()


def test_nobody_else_is_told_what_is_being_done(capsys):
    """A log has no use for it."""
    with working("Reading the digits", quiet=False):
        pass

    assert capsys.readouterr() == ("", "")


def test_a_reader_that_went_away_does_not_end_the_training(monkeypatch):
    """Nobody looks, so nothing is shown."""

    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())

    show(3)
