"""One training on a cluster: the network of one machine, the same bits on however many workers and whoever dies."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import twolayer

pytest.importorskip("distributed")
pytestmark = [  # a killed process leaves sockets open
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
LONG = ("--solver", "gd", "--learning-rate", "0.5", "--tol", "0", "--iterations", "250")
PLAIN = ("--recipe", "none", "--hidden", "6", "--iterations", "12", "--loss", "log")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Return the folder of a table in four files, one of them empty, with missing values and a rare category."""
    folder, random = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    for k in range(4):
        n = 0 if k == 3 else 700
        table = pd.DataFrame(random.normal(size=(n, 3)), columns=list("abc"))
        table["town"] = random.choice(["Ulm", "Bonn", "Kiel"], n) if n else np.array([], object)
        score = table["a"] * table["b"] + (table["town"] == "Ulm") + 0.3 * random.normal(size=n)
        table["y"] = np.where(score > 0.2, "yes", "no") if n else np.array([], object)
        table.loc[random.random(n) < 0.05, "a"] = np.nan
        table.to_parquet(folder / f"part{k}.parquet")
    return folder


@pytest.fixture
def train(call, parts, tmp_path, monkeypatch):
    """Return a function that trains on a cluster and gives the model."""
    monkeypatch.chdir(tmp_path)

    def train(out, *options, cluster="local:2"):
        source = str(parts / "*.parquet")
        code, _, err = call("train", source, "--target", "y", "--cluster", cluster, "--out", out, *options, "--quiet")
        assert code == 0, err
        return twolayer.load(f"{out}/model.safetensors")

    return train


def vector(model):
    """Return all parameters as one array."""
    return np.concatenate([model.parameters[name].ravel() for name in ("W1", "b1", "W2", "b2")])


@pytest.mark.parametrize("solver", [("--solver", "lbfgs"), ("--solver", "gd", "--weights", "balanced", "--l2", "0.01"),
                                    ("--solver", "momentum", "--learning-rate", "0.5")])  # fmt: skip
def test_any_number_of_workers_gives_the_same_bits(train, solver):
    """One, two and four, for every full-batch solver, with weights of classes and a penalty."""
    models = [train(f"run{n}", *PLAIN, *solver, cluster=f"local:{n}") for n in (1, 2, 4)]

    for other in models[1:]:
        np.testing.assert_array_equal(vector(other), vector(models[0]))
        assert other.encoding == models[0].encoding


def test_it_is_the_training_of_one_machine(train, call, parts):
    """On the same rows, float64: the encoding but for the rounding of sums, and the network but for that."""
    options = (*PLAIN, "--dtype", "float64", "--hold-out", "0")
    there = train("there", *options)
    assert call("train", str(parts / "*.parquet"), "--target", "y", *options, "--out", "here", "--quiet")[0] == 0
    here = twolayer.load("here/model.safetensors")

    for one, other in zip(there.encoding.columns, here.encoding.columns, strict=True):
        assert (one.name, type(one), one.flagged) == (other.name, type(other), other.flagged)
        if hasattr(one, "mean"):
            assert (one.mean, one.deviation) == pytest.approx((other.mean, other.deviation), rel=1e-12)
        else:
            assert (one.levels, one.rare) == (other.levels, other.rare)
    np.testing.assert_allclose(vector(there), vector(here), rtol=1e-6, atol=1e-8)


def test_a_worker_that_is_killed_changes_no_bit(train):
    """Its partitions are loaded by another one, and the training goes on."""
    from distributed import LocalCluster

    undisturbed = train("calm", *PLAIN, *LONG)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        pids = [worker.process.process.pid for worker in cluster.workers.values() if worker.process]
        killed = []
        killer = threading.Timer(1.0, lambda: killed.append(os.kill(pids[0], signal.SIGKILL)))
        killer.start()
        model = train("killed", *PLAIN, *LONG, cluster=cluster.scheduler_address)
        killer.cancel()

    assert killed
    np.testing.assert_array_equal(vector(model), vector(undisturbed))


def test_a_finished_run_is_resumed_on_a_cluster(train, call):
    """The bits of a run with as many iterations from the beginning."""
    whole = train("whole", *PLAIN, "--iterations", "20")
    train("part", *PLAIN, "--iterations", "8")
    code, _, err = call("train", "--resume", "part", "--iterations", "20", "--quiet")

    assert code == 0, err
    np.testing.assert_array_equal(vector(twolayer.load("part/model.safetensors")), vector(whole))


def test_with_nothing_set_it_stops_by_held_out_rows(train):
    """One network, and a note that says so; the record names the cluster."""
    model = train("plain")

    assert len(model.parameters["W1"]) == 64
    assert json.loads(Path("plain/run.json").read_text())["cluster"] == "local:2"


def test_what_cannot_be_trained_on_a_cluster_is_told(refused, parts, tmp_path, monkeypatch):
    """One sentence each, in a few seconds, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    Path("odd").mkdir()
    table = pd.read_parquet(parts / "part0.parquet")
    table.to_parquet("odd/one.parquet")
    table.drop(columns="b").to_parquet("odd/two.parquet")
    begin = time.perf_counter()
    for data, sentence in (
        ((str(parts / "nothing*.parquet"), "--target", "y"), "There are no files like"),
        ((str(parts / "*.parquet"), "--target", "z"), "no column 'z'"),
        (("odd/*.parquet", "--target", "y"), "has a column 'b' and"),
        (("mnist:0,1",), "is for tables in files"),
        ((str(parts / "*.parquet"), "--target", "y", "--solver", "adam", "--batch-size", "20"), "batch"),
    ):
        assert sentence in refused("train", *data, "--cluster", "local:1", "--quiet")
    assert time.perf_counter() - begin < 60
    assert not Path("runs").exists()
