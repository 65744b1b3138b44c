"""A request to stop: a training reads it between two evaluations, and ends with what it has."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class StopRequest:
    """A wish that a training stops: by Ctrl-C, a button or a time limit. Any thread may ask."""

    def __init__(self) -> None:
        self._asked = self._heard = False

    @property
    def asked(self) -> bool:
        """Whether somebody asked."""
        return self._asked

    def ask(self) -> None:
        """Ask the training to stop."""
        self._asked = True

    @contextmanager
    def on_signals(self) -> Iterator["StopRequest"]:
        """Let Ctrl-C ask, and SIGTERM and SIGHUP where they count as Ctrl-C; a second one raises KeyboardInterrupt.

        Only the default handler of Ctrl-C is replaced, and only in the main thread: elsewhere signals do as before.
        """
        handle = self._handle  # one object, by which it is known again
        numbers = []
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
            numbers = [number for number in numbers if signal.getsignal(number) is signal.default_int_handler]
        for number in numbers:
            signal.signal(number, handle)
        try:
            yield self
        finally:
            for number in numbers:
                if signal.getsignal(number) is handle:  # a callback may have set its own
                    signal.signal(number, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._heard:
            signal.default_int_handler(number, frame)
        self._heard = self._asked = True
