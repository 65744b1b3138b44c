"""Sees what a reader does besides reading: running code, starting programs, reaching networks, changing other files."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FORBIDDEN = (  # beginnings of the names of audit events
    "code.__new__",
    "ctypes.dlopen",
    "function.__new__",
    "os.exec",
    "os.fork",
    "os.kill",
    "os.posix_spawn",
    "os.putenv",
    "os.spawn",
    "os.startfile",
    "os.system",
    "pickle.find_class",
    "pty.spawn",
    "socket.",
    "subprocess.Popen",
    "urllib.Request",
    "webbrowser.open",
)
_CHANGES = {  # how many paths stand first among the arguments, and at which place a folder's descriptor may follow
    "os.chmod": (1, 2),
    "os.chown": (1, 3),
    "os.link": (2, 2),
    "os.mkdir": (1, 2),
    "os.remove": (1, 1),
    "os.rename": (2, 2),
    "os.rmdir": (1, 1),
    "os.symlink": (2, 2),
    "os.truncate": (1, None),
    "os.utime": (1, 3),
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class ForbiddenError(BaseException):
    """A reader did what no file may make it do; no reader can catch it by accident."""


class _Watch:
    """What the audit hook, which Python never takes off again, knows."""

    allowed: tuple[str, ...] | None = None  # folders that may be changed; None while nobody watches
    seen: list[str]
    hooked = False


def _hook(event, arguments):
    if _Watch.allowed is None:
        return
    if event.startswith(_FORBIDDEN):
        told = f"{event}{arguments!r}"
    elif event == "exec" and _is_no_module(arguments[0].co_filename):
        told = f"exec of {arguments[0].co_filename}"
    elif event == "open" and (arguments[2] or 0) & _WRITING and not _is_allowed(arguments[0]):
        told = f"open of {arguments[0]!r} to write"
    elif event in _CHANGES and (changed := _other_paths(event, arguments)):
        told = f"{event} of {changed[0]!r}"
    else:
        return
    _Watch.seen.append(told[:500])
    raise ForbiddenError(told[:500])


def _is_no_module(name):
    """Tell whether code with such a file name came from a text; the standard library does that too, while it loads."""
    if not name.startswith("<"):
        return name.startswith(_Watch.allowed)
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return False
        frame = frame.f_back
    return True


def _is_allowed(path):
    if isinstance(path, int) or path == os.devnull:
        return True
    return os.path.realpath(os.fsdecode(path)).startswith(_Watch.allowed)


def _other_paths(event, arguments):
    """Return the paths that an event changes and may not; those within an open folder are that folder's."""
    n, descriptor = _CHANGES[event]
    if descriptor is not None and arguments[descriptor] not in (None, -1):
        return []
    return [path for path in arguments[:n] if not _is_allowed(path)]


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[None]:
    """See that nothing is run, started or reached, and that no file is changed but in a folder or the temporary one.

    Whether or not the reader got over it, a `ForbiddenError` is raised at the end.
    """
    if not _Watch.hooked:
        sys.addaudithook(_hook)
        _Watch.hooked = True
    _Watch.seen = []
    _Watch.allowed = tuple(os.path.realpath(each) for each in (folder, tempfile.gettempdir()))
    try:
        yield
    finally:
        _Watch.allowed = None
    if _Watch.seen:
        raise ForbiddenError(_Watch.seen[0])
