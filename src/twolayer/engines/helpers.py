"""Threads that help with a pass over the samples.

A helper that has done a job looks out for the next one for a moment before it sleeps: between two iterations of a
training less time passes than it takes to wake a thread.
"""

import contextlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

from twolayer.engines.kernel import Kernel, Post

_PATIENCE = 4_000  # looks: some 0.1 ms
_NAP = 5e-5  # s


class Helper:
    """A thread that does one job after the other.

    Parameters
    ----------
    kernel : Kernel
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self._post, self._bell = kernel, Post(), SimpleQueue[None]()
        self._job: Any = None
        self._wanted = True
        threading.Thread(target=self._serve, name="twolayer", daemon=True).start()

    def give(self, job: Any, **members: int | None) -> None:
        """Give a job, the members of `Post`; what they are addresses of is kept alive. Do not wait for it."""
        self._job = job
        for name, value in members.items():
            setattr(self._post, name, value)
        if self.kernel.give(self._post):
            self._bell.put(None)

    def wait(self) -> None:
        """Wait until the job is done."""
        while not self.kernel.wait(self._post, _PATIENCE):
            time.sleep(_NAP)
        self._job = None

    def give_up(self) -> None:
        """Let the thread end by itself once its job is done: nobody waits for it."""
        self._wanted = False
        self._bell.put(None)

    def _serve(self) -> None:
        while self._wanted:
            self._bell.get()
            self.kernel.serve(self._post, _PATIENCE)


_idle: defaultdict[Kernel, list[Helper]] = defaultdict(list)


def take_helpers(kernel: Kernel, n_helpers: int) -> list[Helper]:
    """Return helpers that nobody else uses, to be given back by `release_helpers`."""
    helpers = []
    for _ in range(n_helpers):
        try:
            helpers.append(_idle[kernel].pop())
        except IndexError:
            helpers.append(Helper(kernel))
    return helpers


def release_helpers(helpers: list[Helper]) -> None:
    """Let others use helpers whose jobs are done."""
    for helper in reversed(helpers):
        _idle[helper.kernel].append(helper)


@contextlib.contextmanager
def helping(kernel: Kernel, n_helpers: int) -> Iterator[list[Helper]]:
    """Take helpers, to be given their jobs and waited for at the end.

    After an exception, a second Ctrl-C say, they may still be at work, and are given up: so must be the memory in which
    they are.
    """
    helpers = take_helpers(kernel, n_helpers)
    try:
        yield helpers
        for helper in helpers:
            helper.wait()
    except BaseException:
        for helper in helpers:
            helper.give_up()
        raise
    release_helpers(helpers)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child has none of its parent's threads
