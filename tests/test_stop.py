"""A request to stop: by a signal, a button or a listener; handlers are taken for the time of a training alone."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress

import numpy as np
import pytest

from twolayer import fit_model
from twolayer.training.result import Status
from twolayer.training.stop import StopRequest

ENDLESS = {"learning_rate": 1e-9, "max_iter": 10**9, "tol": 0}
X = np.random.default_rng(0).standard_normal((30, 2))
Y = (X[:, 0] > 0).astype(int)
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@pytest.fixture(autouse=True)
def handlers():
    """Leave the handlers of signals as they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number=signal.SIGINT):
    """Send a signal to this process, and wait until Python has handled it."""
    os.kill(os.getpid(), number)
    for _ in range(100):
        time.sleep(0)


def test_anyone_may_ask():
    """From any thread; it stays asked."""
    stop = StopRequest()
    assert not stop.asked

    other = threading.Thread(target=stop.ask)
    other.start()
    other.join()

    assert stop.asked


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_asks_and_the_second_raises(number):
    """Where Ctrl-C's default handler stood, which stands there again afterwards."""
    signal.signal(number, signal.default_int_handler)
    stop = StopRequest()
    with stop.on_signals():
        send(number)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            send(number)

    assert signal.getsignal(number) is signal.default_int_handler


def test_the_first_signal_only_asks_also_after_a_button():
    """It is the second Ctrl-C that gives up what was trained."""
    stop = StopRequest()
    stop.ask()
    with stop.on_signals():
        send()
        with pytest.raises(KeyboardInterrupt):
            send()


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("own", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "a function"])
def test_a_handler_of_the_users_own_is_left_alone(number, own):
    """Also one that was set meanwhile."""
    signal.signal(number, own)
    with StopRequest().on_signals() as stop:
        assert signal.getsignal(number) is own
        send(number)
    assert not stop.asked
    signal.signal(number, signal.default_int_handler)
    with StopRequest().on_signals():
        signal.signal(number, own)
    assert signal.getsignal(number) is own


def test_handlers_are_restored_after_an_error():
    """As after a training."""
    with pytest.raises(ZeroDivisionError), StopRequest().on_signals():
        raise ZeroDivisionError

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_requests_can_be_nested():
    """The outermost one hears the signals, its own once more within too: a run holds a training."""
    outer, inner = StopRequest(), StopRequest()
    with outer.on_signals(), outer.on_signals(), inner.on_signals():
        send()
        assert (outer.asked, inner.asked) == (True, False)

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_thread_leaves_handlers_alone():
    """Python allows them in the main thread only; a training in a thread is stopped by its request."""
    stop, results = StopRequest(), queue.SimpleQueue()
    began = threading.Event()

    def train():
        results.put(fit_model(X, Y, stop=stop, on_epoch=lambda _: began.set(), **ENDLESS)[1])

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    assert began.wait(60)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        send()
    assert thread.is_alive()
    stop.ask()

    result = results.get(timeout=60)
    assert result.status == Status.INTERRUPTED
    assert result.n_iter == len(result.history) - 1


@pytest.mark.parametrize("how", ["signal", "request", "listener"])
def test_a_listener_can_ask(how):
    """By a signal to its own process, by the request, or by its answer: nothing of the iteration at hand is lost."""
    stop = StopRequest()

    def listen(event):
        if event.epoch.iteration != 5:
            return False
        {"signal": send, "request": stop.ask, "listener": lambda: None}[how]()
        return how == "listener"

    model, result = fit_model(X, Y, stop=stop, on_event=listen, **ENDLESS)

    assert result.status == (Status.STOPPED_EARLY if how == "listener" else Status.INTERRUPTED)
    assert (result.n_iter, len(result.history)) == (5, 6)
    assert model.settings["status"] == str(result.status)


TRAIN = """
import signal, sys, time
import numpy as np
from twolayer import fit_model
how, engine = sys.argv[1:]
for name in ("SIGINT", "SIGTERM"):
    signal.signal(getattr(signal, name), signal.default_int_handler)
X = np.random.default_rng(0).standard_normal((3000, 20))

def listen(epoch):
    if epoch.iteration == 3:
        print("training", flush=True)
        if how == "hangs":
            time.sleep(600)

began = time.perf_counter()
try:
    settings = dict(learning_rate=1e-9, max_iter=10**9, tol=0, engine=engine, n_threads=2)
    model, result = fit_model(X, (X[:, 0] > 0).astype(int), on_epoch=listen, **settings)
    print(result.status, result.n_iter == len(result.history) - 1, model.settings["status"], flush=True)
except KeyboardInterrupt:
    print("KeyboardInterrupt", flush=True)
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def test_ctrl_c_in_a_process_of_its_own():
    """SIGINT and SIGTERM end a training as interrupted, with each engine; a second one gives up a hanging callback."""
    cases = (signal.SIGINT, "trains", "auto"), (signal.SIGTERM, "trains", "streamed"), (signal.SIGINT, "hangs", "auto")
    with ExitStack() as stack:
        commands = [[sys.executable, "-c", TRAIN, *case] for _, *case in cases]
        started = [stack.enter_context(subprocess.Popen(each, stdout=subprocess.PIPE, text=True)) for each in commands]
        for process, (number, *_) in zip(started, cases, strict=True):
            stack.callback(process.kill)
            assert process.stdout.readline() == "training\n"
            process.send_signal(number)
        for process in started[:2]:
            assert process.communicate(timeout=60)[0] == "interrupted True interrupted\nTrue\n"
        assert started[2].poll() is None
        for _ in range(60):  # two that come before it runs are one to a process
            started[2].send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                assert started[2].communicate(timeout=1)[0] == "KeyboardInterrupt\nTrue\n"
                break
        assert started[2].poll() == 0


def test_a_notebook_is_interrupted(monkeypatch):
    """The button of a notebook ends the training of a cell as interrupted, and the next cell has its result."""
    manager = pytest.importorskip("jupyter_client.manager")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    kernel, client = manager.start_new_kernel()
    try:
        client.execute(
            "import numpy as np\nfrom twolayer import fit_model\n"
            "X = np.random.default_rng(0).standard_normal((300, 2))\n"
            "model, result = fit_model(X, (X[:, 0] > 0).astype(int), learning_rate=1e-9, max_iter=10**9, tol=0,\n"
            "    on_epoch=lambda epoch: print('training', flush=True) if epoch.iteration == 0 else None)\n"
            "print(result.status, result.n_iter == len(result.history) - 1)"
        )
        printed = ""
        while "training" not in printed:
            message = client.get_iopub_msg(timeout=60)
            assert message["msg_type"] != "error", message["content"]
            printed += message["content"].get("text", "")
        kernel.interrupt_kernel()
        reply = client.get_shell_msg(timeout=60)
        while "interrupted" not in printed:
            printed += client.get_iopub_msg(timeout=60)["content"].get("text", "")

        assert reply["content"]["status"] == "ok"
        assert printed.split() == ["training", "interrupted", "True"]
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
