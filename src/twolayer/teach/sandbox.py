"""Runs what a submission defines in a process of its own, within limits of time, memory and files.

The process gets the sources, the calls and their arguments as JSON, and answers with numbers. What it protects from,
and what not, is in docs/SECURITY.md.
"""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twolayer.aliases import Array
from twolayer.teach.submission import Part

_RUNNER = Path(__file__).with_name("static") / "runner.py"
_DIGITS = Path(__file__).parents[1] / "data" / "mnist_files"
_MOST_STARTS = 8  # of one submission, each after a call that did not end
_MOST_ANSWER = 32 * 2**20  # bytes


@dataclass(frozen=True)
class Call:
    """A call that a submission is to make.

    Attributes
    ----------
    id : str
    function : str
    seed : int
        Of NumPy's global generator.
    arguments : tuple
    replaced : tuple of str
        Names of functions that are the course's own during the call.
    convention : str
        In which these take and give arrays; empty for their own.
    """

    id: str
    function: str
    seed: int
    arguments: tuple[Any, ...]
    replaced: tuple[str, ...]
    convention: str = ""


@dataclass(frozen=True)
class Answer:
    """What came of a call: a result as the runner encodes it, or an error."""

    result: Any = None
    error: str | None = None


class Answers(dict[str, Answer]):
    """Answers by the names of the calls.

    Attributes
    ----------
    digits : bool
        The submission loaded TensorFlow's MNIST, and got ours.
    """

    digits = False


@dataclass(frozen=True)
class Limits:
    """What a submission may take: seconds in all, and bytes of memory."""

    seconds: float = 10.0
    memory: int = 2 * 2**30


def run(parts: tuple[Part, ...], reference: str, calls: list[Call], limits: Limits) -> Answers:
    """Run a submission's definitions and make calls; each call has an answer, whatever it does.

    Parameters
    ----------
    parts : tuple of Part
    reference : str
        Source of the course's own functions.
    calls : list of Call
    limits : Limits

    Returns
    -------
    Answers
    """
    answers = Answers()
    skipped: set[int] = set()
    for _ in range(_MOST_STARTS):
        rest = [call for call in calls if call.id not in answers]
        if not rest:
            break
        last, ended = _start([(k, part) for k, part in enumerate(parts) if k not in skipped], reference, rest, limits,
                             answers)  # fmt: skip
        if ended:
            break
        if "called" in last:
            function = next(call.function for call in rest if call.id == last["called"])
            for call in rest:  # what does not end once does not end again
                if call.function == function and call.id not in answers:
                    answers[call.id] = Answer(
                        error=f"it did not come back within {limits.seconds:g} s, or ended the process"
                    )
        elif "begun" in last:
            skipped.add(last["begun"])
        else:
            break
    for call in calls:
        answers.setdefault(call.id, Answer(error="It could not be run."))
    return answers


def _start(
    parts: list[tuple[int, Part]], reference: str, calls: list[Call], limits: Limits, answers: Answers
) -> tuple[dict[str, Any], bool]:
    """Start the process once; return the last thing that it said it began, and whether it came to its end."""
    with tempfile.TemporaryDirectory(prefix="twolayer-check-", ignore_cleanup_errors=True) as folder:
        request = {
            "parts": [{"source": part.source, "function": part.function} for _, part in parts],
            "digits": str(_DIGITS),
            "reference": reference,
            "calls": [
                {**vars(call), "arguments": [_encode(value) for value in call.arguments]} for call in calls
            ],
            "limits": _resources(limits),
        }  # fmt: skip
        path = Path(folder, "request.json")
        path.write_text(json.dumps(request), encoding="utf-8")
        content = _communicate([*_apart(), sys.executable, "-I", str(_RUNNER), str(path)], folder, limits)
    last: dict[str, Any] = {}
    for line in content.splitlines():
        try:
            record = json.loads(line)
            if "id" in record:
                answers[_known(record["id"], calls)] = _read_answer(record)
            elif "called" in record:
                last = {"called": _known(record["called"], calls)}
            elif "begun" in record:
                last = {"begun": parts[record["begun"]][0]}
            elif "digits" in record:
                answers.digits = True
            elif "end" in record:
                return last, True
        except (ValueError, TypeError, KeyError, IndexError, RecursionError):  # a submission wrote into the pipe
            break
    return last, False


def _known(name: Any, calls: list[Call]) -> str:
    """Return the name of a call; a KeyError if there is none."""
    if name not in {call.id for call in calls}:
        raise KeyError(name)
    return str(name)


def _read_answer(record: dict[str, Any]) -> Answer:
    """Return an answer; an error of another form if it is none that the runner gives."""
    if "error" in record:
        return Answer(error=f"{record['error']['type']}: {record['error']['text']}".rstrip(": "))
    _require_result(record["result"])
    return Answer(record["result"])


def _require_result(result: Any) -> None:
    """Raise an error if something is no result as the runner encodes one."""
    kind = result["kind"]
    if kind == "array":
        np.array(result["values"], dtype=float).reshape(result["shape"])
    elif kind in ("tuple", "dict"):
        for item in result["items"].values() if kind == "dict" else result["items"]:
            _require_result(item)


def _communicate(command: list[str], folder: str, limits: Limits) -> str:
    """Run a command in a folder, and return what it writes to a pipe that only it has."""
    read, write = os.pipe()
    environment = {"PATH": os.environ.get("PATH", ""), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
                   "HOME": folder, "TMPDIR": folder, "MPLBACKEND": "agg"}  # fmt: skip
    try:
        process = subprocess.Popen(
            [*command, str(write)], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, pass_fds=(write,), start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(write)
    try:
        return _read_until(read, process, limits.seconds)
    finally:
        os.close(read)
        _end(process)


def _read_until(read: int, process: "subprocess.Popen[bytes]", seconds: float) -> str:
    """Return what is written to a pipe until it is closed, the time is over, or it is too much."""
    import select
    import time

    end, content = time.monotonic() + seconds, b""
    while (left := end - time.monotonic()) > 0 and len(content) < _MOST_ANSWER:
        ready, _, _ = select.select([read], [], [], min(left, 0.2))
        if ready:
            part = os.read(read, 2**16)
            if not part:
                break
            content += part
        elif process.poll() is not None:
            break
    return content.decode("utf-8", "replace")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _resources(limits: Limits) -> dict[str, int]:
    """Return the limits of the system, where it has any."""
    try:
        import resource
    except ImportError:  # Windows
        return {}
    wanted = {
        "RLIMIT_CPU": int(limits.seconds) + 1,
        "RLIMIT_AS": limits.memory,
        "RLIMIT_FSIZE": 2**20,
        "RLIMIT_NPROC": 64,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
    }
    return {name: most for name, most in wanted.items() if hasattr(resource, name)}


@functools.cache
def _apart() -> list[str]:
    """Return what to put before a command so that it has no network and reaches no other process, as far as may be."""
    processes = ["--pid", "--fork", "--kill-child"]
    for options in (["--net", *processes], ["--map-root-user", "--net", *processes], ["--net"],
                    ["--map-root-user", "--net"]):  # fmt: skip
        command = ["unshare", *options]
        if (
            shutil.which("unshare")
            and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
        ):
            return command
    return []


def _encode(value: Any) -> Any:
    """Return an argument as the runner decodes it."""
    if isinstance(value, np.ndarray):
        return {"array": value.ravel().tolist(), "shape": list(value.shape), "type": str(value.dtype)}
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    return value


def to_array(result: Any) -> Array | None:
    """Return the array that an encoded result is, or None."""
    if not isinstance(result, dict) or result.get("kind") != "array":
        return None
    return np.array(result["values"], dtype=float).reshape(result["shape"])
