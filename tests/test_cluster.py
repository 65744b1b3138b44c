"""Trainings on a cluster have the numbers of this machine, and a lost worker costs nothing but time."""

import os
import signal
import socketserver
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import twolayer
from tests.test_sweeps import numbers
from twolayer import cluster
from twolayer.cluster import connect
from twolayer.errors import DataError, SettingError

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def samples():
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 4))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.fixture(scope="module")
def scheduler():
    """Return a cluster of two processes; its address is where one can be reached."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as made:
        yield made


@pytest.mark.slow
def test_a_sweep_on_a_cluster_has_the_same_numbers(samples, scheduler, tmp_path):
    """As networks one by one on this machine; what is known is not trained again."""
    grid, plain = {"n_hidden": [2, 5], "learning_rate": [0.1, 1.0]}, {"recipe": "none", "max_iter": 20, "seeds": 2}
    here = twolayer.sweep(*samples, grid, **plain, jobs=2)
    there = twolayer.sweep(*samples, grid, **plain, cluster=scheduler.scheduler_address, folder=tmp_path)

    assert numbers(there) == numbers(here)
    assert twolayer.sweep(*samples, grid, **plain, folder=tmp_path) == there


def wait_and_die(folder, number):
    """Kill the process that trains the third job, but once."""
    marker = Path(folder, "killed")
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return number


def die(_):
    """Kill the process that trains."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(tmp_path):
    """Each job is done once, by another worker."""
    with connect("local:2") as workers:
        done = list(workers.run(wait_and_die, [(str(tmp_path), number) for number in range(8)]))

    assert sorted(done) == list(range(8))
    assert (tmp_path / "killed").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_training_that_kills_its_workers_ends_in_a_sentence(monkeypatch):
    """It is not tried for ever."""
    monkeypatch.setattr(cluster, "_MOST_LOSSES", 1)
    with connect("local:2") as workers, pytest.raises(DataError, match="again and again: give the workers more memory"):
        list(workers.run(die, [(1,)]))


@pytest.mark.parametrize("address", ["", "local", "local:0", "http://a:1", "tcp://host", "8786"])
def test_what_is_no_address_gets_one_sentence(address):
    """It says what one looks like."""
    with pytest.raises(SettingError, match="tcp://HOST:PORT, tls://HOST:PORT, or local:N"), connect(address):
        pass


@pytest.mark.slow
def test_an_address_where_nobody_answers_gets_one_sentence(monkeypatch):
    """Within the time that is given."""
    monkeypatch.setattr(cluster, "_SECONDS", 1)
    begin = time.perf_counter()
    with (
        pytest.raises(SettingError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        connect("tcp://127.0.0.1:9"),
    ):
        pass
    assert time.perf_counter() - begin < 10


@pytest.mark.slow
def test_another_program_that_answers_gets_one_sentence():
    """One that says something, and one that says nothing."""
    for words in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):
        with socketserver.TCPServer(
            ("127.0.0.1", 0), lambda request, *_, words=words: request.sendall(words)
        ) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"tcp://127.0.0.1:{server.server_address[1]}"
            with pytest.raises(SettingError, match="No Dask scheduler answers"), connect(address):
                pass
            server.shutdown()


@pytest.mark.slow
def test_workers_of_another_version_are_refused(scheduler, monkeypatch):
    """Naming both; and so is a cluster without a worker."""
    monkeypatch.setattr(cluster, "version", lambda name: "0.0.1" if name == "numpy" else "0.1.0")
    with (
        pytest.raises(DataError, match=r"has numpy .*, this machine 0.0.1: install the same"),
        connect(scheduler.scheduler_address),
    ):
        pass
    monkeypatch.setattr(cluster, "_SECONDS", 1)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty,
        pytest.raises(DataError, match="has no worker"),
        connect(empty.scheduler_address),
    ):
        pass


def test_an_open_cluster_is_warned_of(monkeypatch):
    """Whoever reaches it runs code there, but for the one of this machine."""
    told = []
    monkeypatch.setattr(cluster, "_SECONDS", 0.2)
    with pytest.raises(SettingError, match="No Dask scheduler answers"), connect("tcp://192.0.2.1:8786", told.append):
        pass
    assert len(told) == 1
    assert "prefer tls://" in told[0]


def test_a_missing_package_is_named_by_its_extra(monkeypatch):
    """With the line that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(SettingError, match=r"pip install 'twolayer\[cluster\]'"), connect("local:2"):
        pass


@pytest.mark.slow
def test_a_grid_search_runs_on_a_cluster(samples, scheduler):
    """By joblib's Dask backend, with the scores of this machine."""
    import joblib
    from sklearn.model_selection import GridSearchCV

    def search():
        network = twolayer.TwoLayerClassifier(members=1, random_state=0)
        return GridSearchCV(network, {"n_hidden": [2, 5]}, cv=3).fit(*samples).cv_results_["mean_test_score"]

    with distributed.Client(scheduler.scheduler_address, set_as_default=True), joblib.parallel_config(backend="dask"):
        there = search()
    np.testing.assert_array_equal(there, search())
