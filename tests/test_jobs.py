"""Jobs on a cluster are each done once, whoever dies; sweeps have the numbers of this machine."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import twolayer
from tests.test_sweeps import numbers
from twolayer.engines import jobs
from twolayer.engines.attach import attached
from twolayer.engines.jobs import call_all
from twolayer.errors import ClusterError

distributed = pytest.importorskip("distributed")
pytestmark = [  # a killed process leaves sockets open
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def client():
    """Return a client of two workers."""
    with attached("local:2") as client:
        yield client


@pytest.fixture(scope="module")
def samples():
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 4))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


def wait_and_die(folder, number):
    """Kill the process that does the third job, but once."""
    marker = Path(folder, "killed")
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return number


def die(*_):
    """Kill the process."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_costs_nothing_but_time(client, tmp_path):
    """Each job is done once, by another worker."""
    done = list(call_all(client, wait_and_die, [(str(tmp_path), (number,)) for number in range(8)]))

    assert sorted(done) == list(range(8))
    assert (tmp_path / "killed").exists()


def test_a_job_that_kills_its_workers_ends_in_a_sentence(monkeypatch):
    """It is not tried for ever."""
    monkeypatch.setattr(jobs, "MOST_TRIES", 1)
    with attached("local:2") as client, pytest.raises(ClusterError):
        list(call_all(client, die, [("", (1,))]))


def test_a_sweep_on_a_cluster_has_the_same_numbers(samples, client, tmp_path):
    """As networks one by one on this machine; what is known is not trained again."""
    grid, plain = {"n_hidden": [2, 5], "learning_rate": [0.1, 1.0]}, {"recipe": "none", "max_iter": 20, "seeds": 2}
    here = twolayer.sweep(*samples, grid, **plain, jobs=2)
    there = twolayer.sweep(*samples, grid, **plain, cluster=client.scheduler.address, folder=tmp_path)

    assert numbers(there) == numbers(here)
    assert twolayer.sweep(*samples, grid, **plain, folder=tmp_path) == there


def test_a_grid_search_runs_on_a_cluster(samples, client):
    """By joblib's Dask backend, with the scores of this machine."""
    import joblib
    from sklearn.model_selection import GridSearchCV

    def search():
        network = twolayer.TwoLayerClassifier(members=1, random_state=0)
        return GridSearchCV(network, {"n_hidden": [2, 5]}, cv=3).fit(*samples).cv_results_["mean_test_score"]

    with distributed.Client(client.scheduler.address, set_as_default=True), joblib.parallel_config(backend="dask"):
        there = search()
    np.testing.assert_array_equal(there, search())
