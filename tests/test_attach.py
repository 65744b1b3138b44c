"""A cluster is reached or refused in one sentence, within its time."""

import socketserver
import sys
import threading
import time

import pytest

from twolayer.engines import attach
from twolayer.engines.attach import Address, attached, check_memory, check_versions, find_workers
from twolayer.engines.attach import Worker as OneWorker
from twolayer.errors import ClusterError, SettingError

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.parametrize("address", ["", "local", "local:0", "http://a:1", "tcp://host", "8786", "tcp://h:99999"])
def test_what_is_no_address_gets_one_sentence(address):
    """It says what one looks like."""
    with pytest.raises(SettingError, match="tcp://HOST:PORT, tls://HOST:PORT or local:N"):
        Address.parse(address)


@pytest.mark.parametrize(
    ("address", "warned"),
    [("tcp://10.1.2.3:8786", True), ("tcp://127.0.0.1:8786", False), ("tcp://[::1]:8786", False),
     ("tls://10.1.2.3:8786", False), ("local:3", False)],
)  # fmt: skip
def test_an_open_cluster_is_warned_of(address, warned):
    """Whoever reaches it runs code there, but for the one of this machine."""
    warning = Address.parse(address).warning()

    assert (warning is not None) is warned
    assert warning is None or "use tls://" in warning


@pytest.mark.slow
def test_an_address_where_nobody_answers_gets_one_sentence(monkeypatch):
    """Within the time that is given, whether nobody is there, or another program, which speaks or is silent."""
    monkeypatch.setattr(attach, "ATTACH_SECONDS", 1.0)
    monkeypatch.setattr(attach, "_SPEAKS_SECONDS", 0.5)
    begin = time.perf_counter()
    with pytest.raises(ClusterError, match=r"Nobody answers at tcp://127\.0\.0\.1:9"), attached("tcp://127.0.0.1:9"):
        pass
    for words in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):

        class Speak(socketserver.BaseRequestHandler):
            def handle(self, words=words):
                """Say it, and wait for the other one to leave."""
                self.request.sendall(words)
                time.sleep(0 if words else 1)

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Speak) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"tcp://127.0.0.1:{server.server_address[1]}"
            with pytest.raises(ClusterError, match="as a scheduler of Dask does"), attached(address):
                pass
            server.shutdown()
    assert time.perf_counter() - begin < 10


def test_a_missing_package_is_named_by_its_extra(monkeypatch):
    """With the line that installs it."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SettingError, match=r"pip install 'twolayer\[cluster\]'"), attached("local:2"):
        pass


def test_other_versions_are_refused():
    """Naming both, or what is lacking."""
    own = {"twolayer": "1", "numpy": "2", "duckdb": "3", "distributed": "4"}
    found = {"client": {"packages": own}, "workers": {"tcp://a:1": {"packages": dict(own)}}}
    check_versions(found)

    found["workers"]["tcp://a:1"]["packages"]["numpy"] = "2.1"
    with pytest.raises(ClusterError, match=r"worker tcp://a:1 has numpy 2\.1, this process 2: install the same"):
        check_versions(found)
    found["workers"]["tcp://a:1"]["packages"].update(numpy="2", twolayer=None)
    with pytest.raises(ClusterError, match="lacks twolayer: install twolayer 1 there"):
        check_versions(found)


def test_partitions_take_half_of_the_memory_at_most():
    """Beyond, Dask writes to disk what each step needs; workers without a limit may take all."""
    workers = [OneWorker("a", 1, 10**9), OneWorker("b", 1, 10**9)]
    check_memory(workers, 10**9)
    check_memory([OneWorker("a", 1, 0)], 10**12)

    with pytest.raises(ClusterError, match=r"take 1\.10 GB, more than half of the memory of 2 workers, 1\.00 GB"):
        check_memory(workers, 1_100_000_000)


@pytest.mark.slow
def test_workers_are_started_here_and_ended():
    """So many, of one thread each."""
    with attached("local:2") as client:
        assert [worker.n_threads for worker in find_workers(client)] == [1, 1]
        assert client.submit(int, "3").result() == 3
    assert client.status == "closed"
