"""Whatever a submission does, its calls have answers in time, and nothing of ours is touched."""

import contextlib
import os
import time
from pathlib import Path

import numpy as np
import pytest

from twolayer.teach.sandbox import Call, Limits, _apart, run, to_array
from twolayer.teach.submission import take_apart

LIMITS = Limits(seconds=3.0, memory=2**30)


def ask(source, *functions, limits=LIMITS, arguments=(), replaced=(), reference=""):
    """Return what comes of one call of each function."""
    calls = [Call(name, name, 0, arguments, replaced) for name in functions]
    return run(take_apart("s", ["import numpy as np, os, sys", source]).parts, reference, calls, limits)


def test_arrays_go_in_and_come_out_to_the_last_bit():
    """Numbers, arrays, dictionaries and tuples."""
    X = np.random.default_rng(0).normal(size=(3, 4)) / 3
    found = ask("def f(X, p):\n    return {'X': X, 'n': 3}, X > p['a'], [1.5, 2]\n", "f", arguments=(X, {"a": 0.5}))[
        "f"
    ]
    record, flags, numbers = found.result["items"]

    np.testing.assert_array_equal(to_array(record["items"]["X"]), X)
    assert to_array(record["items"]["n"]) == 3
    np.testing.assert_array_equal(to_array(flags), X > 0.5)
    assert to_array(numbers).tolist() == [1.5, 2]
    assert to_array({"kind": "none"}) is None


def test_helpers_can_be_the_courses_own():
    """A function is judged with right ones in their place."""
    source = "def g(x):\n    return -1\ndef f(x):\n    return g(x)\n"
    assert to_array(ask(source, "f", arguments=(2.0,))["f"].result) == -1
    found = ask(source, "f", arguments=(2.0,), replaced=("g",), reference="def g(x):\n    return 10 * x\n")
    assert to_array(found["f"].result) == 20


def test_the_random_stream_is_that_of_the_seed():
    """As after np.random.seed."""
    np.random.seed(0)
    np.testing.assert_array_equal(
        to_array(ask("def f():\n    return np.random.randn(3)", "f")["f"].result), np.random.randn(3)
    )


@pytest.mark.parametrize(
    "body",
    ["while True: pass", "os._exit(0)", "os.kill(os.getpid(), 9)", "return [bytearray(10**9) for _ in range(99)]",
     "import time; time.sleep(99)", "return f()", "sys.exit(3)", "return input()", "raise KeyboardInterrupt"],
)  # fmt: skip
def test_a_function_that_misbehaves_costs_only_itself(body):
    """An endless loop, an exit, a bomb: it has an error, and the others their results."""
    begin = time.monotonic()
    found = ask(f"def f():\n    {body}\ndef g():\n    return 7\n", "f", "g")

    assert found["f"].error or found["f"].result["kind"] == "none"  # who is alone in the system cannot kill itself
    assert to_array(found["g"].result) == 7
    assert time.monotonic() - begin < 12


def test_definitions_that_misbehave_are_skipped():
    """A class that never ends when it is defined; what fails to import is stood in for."""
    source = "import tensorflow as tf\nimport nowhere.at.all\nclass A:\n    while True: pass\ndef g():\n    return 7\n"
    assert to_array(ask(source, "g")["g"].result) == 7


def running(text):
    """Tell whether a process runs whose command has a text in it."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text in path.read_text():
                return True
    return False


def test_children_are_ended_with_it():
    """A process that was started does not outlive the check."""
    found = ask("def f():\n    if os.fork() == 0:\n"
                "        os.execvp('sleep', ['sleep', '98765.4321'])\n    return 1", "f")  # fmt: skip

    assert to_array(found["f"].result) == 1
    time.sleep(0.3)
    assert not running("98765.4321")


@pytest.mark.skipif("--pid" not in _apart(), reason="this system lets no process be alone")
def test_other_processes_are_out_of_reach():
    """It can neither end the process that checks nor leave anything behind."""
    source = ("def f():\n    os.kill(os.getppid(), 15)\n    return 1\ndef g():\n    if os.fork() == 0:\n"
              "        os.setsid()\n        os.execvp('sleep', ['sleep', '98765.1234'])\n    return 2\n")  # fmt: skip
    found = ask(source, "f", "g")

    assert found["g"].error is None
    time.sleep(0.3)
    assert not running("98765.1234")


@pytest.mark.parametrize(
    "line",
    ["null", "[]", "3", "[" * 99999, '{"id": [1]}', '{"id": "x", "result": 3}', '{"id": "f", "error": 3}',
     '{"id": "f", "result": {"kind": "array", "shape": [3], "values": [1]}}', '{"begun": 999}', "\\xff", "x" * 10**7,
     '{"id": "f", "result": {"kind": "tuple", "items": [3]}}', '{"called": "x"}'],
)  # fmt: skip
def test_what_is_written_into_the_pipe_breaks_nothing(line):
    """It may spoil the submission's own results, no more."""
    source = (f"def f():\n    for k in range(3, 64):\n        try: os.write(k, {line!r}.encode() + b'\\n')\n"
              "        except OSError: pass\n    return 1\ndef g():\n    return 7\n")  # fmt: skip
    found = ask(source, "f", "g")

    assert set(found) == {"f", "g"}
    assert found["f"].error or to_array(found["f"].result) == 1


def test_its_folder_may_be_gone():
    """What a submission does to its own folder is nobody else's matter."""
    source = "import shutil\ndef f():\n    shutil.rmtree(os.getcwd())\n    return 1\n"

    assert to_array(ask(source, "f")["f"].result) == 1


def test_files_of_ours_are_not_in_reach_by_name(tmp_path, monkeypatch):
    """It works in a folder of its own, and prints to nowhere; what it writes is limited."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious").write_text("x")
    body = "print('x' * 10**7)\n    open('mine', 'w').write('x')\n    os.remove('precious')"
    assert "FileNotFoundError" in ask(f"def f():\n    {body}", "f")["f"].error
    assert os.listdir(tmp_path) == ["precious"]
    assert ask("def f():\n    open('big', 'w').write('x' * 10**7)", "f")["f"].error


def test_odd_results_are_named_by_their_type():
    """A function, a text, a huge array, a list within itself."""
    odd = "x = []\n    x.append(x)\n    return x"
    for body, kind in (
        ("return ask", "error"),
        ("return 'text'", "other"),
        ("return np.zeros(10**6)", "other"),
        (odd, "tuple"),
    ):
        answer = ask(f"def f():\n    {body}", "f")["f"]
        assert (answer.result["kind"] if answer.error is None else "error") == kind
