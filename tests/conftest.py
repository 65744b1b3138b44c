"""What every test shares."""

import gc
import gzip
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from twolayer import cli
from twolayer.data.readers.idx import IDX_TYPES
from twolayer.fit import fit_model
from twolayer.model import Model

# A shared machine may pause anywhere. A change is judged by the same examples each time, by fewer of them in the quick
# suite; `--hypothesis-profile explore` looks for new ones.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.register_profile("quick", deadline=None, derandomize=True, max_examples=30)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("steady")


def pytest_configure(config):
    """Try fewer examples where the slow tests are left out too."""
    if config.getoption("markexpr") == "not slow" and not config.getoption("--hypothesis-profile"):
        hypothesis.settings.load_profile("quick")


@pytest.fixture(autouse=True, scope="session")
def session_cache(tmp_path_factory):
    """Keep the user's own cache out of the tests, and unpack the digits once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWOLAYER_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        yield


@pytest.fixture
def nothing_temporary(tmp_path, monkeypatch):
    """See that nothing is left where temporary files go."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    if os.listdir(temporary):  # a test that fails holds what it used
        gc.collect()
    assert os.listdir(temporary) == []


@pytest.fixture
def call(capfd):
    """Return a function that runs a command and gives exit code, stdout and stderr."""

    def call(*arguments):
        capfd.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def refused(call):
    """Return a function that runs a wrong command and gives the one sentence with which it is refused."""

    def refused(*arguments):
        code, out, err = call(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("twolayer: ")
        return err

    return refused


@pytest.fixture
def write_idx(tmp_path) -> Callable[..., Path]:
    """Return a function that writes an array as an IDX file, gzipped if its name says so."""

    def write(name: str, array: np.ndarray) -> Path:
        code = next(code for code, dtype in IDX_TYPES.items() if np.dtype(dtype).newbyteorder("=") == array.dtype)
        header = bytes([0, 0, code, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        content = header + array.astype(IDX_TYPES[code]).tobytes()
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


@pytest.fixture
def idx_folder(write_idx) -> Path:
    """Return a folder of four small IDX files: images of 2 x 3 pixels, labels 0, 1 and 2."""
    random = np.random.default_rng(0)
    for prefix, m in (("train", 60), ("t10k", 30)):
        y = np.arange(m, dtype=np.uint8) % 3
        images = random.integers(0, 80, (m, 2, 3)).astype(np.uint8)
        images[np.arange(m), 0, y] += 150
        write_idx(f"small/{prefix}-images-idx3-ubyte.gz", images)
        labels = write_idx(f"small/{prefix}-labels-idx1-ubyte", y)
    return labels.parent


@pytest.fixture
def small_model() -> Model:
    """Return a network trained for a moment on two classes of images of 2 x 3 pixels."""
    random = np.random.default_rng(1)
    y = np.arange(40) % 2
    X = random.integers(0, 100, (40, 6)) + 100 * y[:, None]
    model, _ = fit_model(X.astype(np.uint8), y, recipe="none", n_hidden=3, max_iter=20, scale=255.0, input_shape=(2, 3))
    return model


def draw_probabilities(m, n_classes, seed, sharpness=2.0, places=3):
    """Return probabilities and classes drawn from them, of each class some: the probabilities are calibrated."""
    random = np.random.default_rng(seed)
    logits = sharpness * random.normal(size=(m, n_classes))
    P = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (P.cumsum(axis=1) < random.random((m, 1))).sum(axis=1).clip(max=n_classes - 1)
    y[:n_classes] = range(n_classes)
    return np.round(P, places), y
