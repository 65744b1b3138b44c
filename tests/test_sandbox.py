"""Whatever a submission does, its calls have answers in time, and nothing of ours is touched."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from twolayer.teach.sandbox import Call, Limits, run, to_array
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

    assert found["f"].error
    assert to_array(found["g"].result) == 7
    assert time.monotonic() - begin < 12


def test_definitions_that_misbehave_are_skipped():
    """A class that never ends when it is defined; what fails to import is stood in for."""
    source = "import tensorflow as tf\nimport nowhere.at.all\nclass A:\n    while True: pass\ndef g():\n    return 7\n"
    assert to_array(ask(source, "g")["g"].result) == 7


def test_children_are_ended_with_it():
    """A process that was started does not outlive the check."""
    found = ask("def f():\n    pid = os.fork()\n    if pid == 0:\n        while True: pass\n    return pid", "f")
    pid = int(to_array(found["f"].result))

    time.sleep(0.3)
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


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
