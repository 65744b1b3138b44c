"""The shipped digits: whole, in order, cached, and safe from a bad cache."""

import hashlib
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from twolayer.data.readers import mnist
from twolayer.data.readers.idx import read_idx
from twolayer.errors import FileFormatError, SettingError

NAMES = list(mnist._SHA256)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return a fresh cache folder."""
    monkeypatch.setenv("TWOLAYER_CACHE", str(tmp_path))
    return tmp_path / "mnist"


def test_digits_0_and_1_are_those_of_the_assignment():
    """12,665 and 2,115 images of 784 bytes, with 6,742 and 1,135 ones."""
    X_train, y_train, X_test, y_test = mnist.load_mnist((0, 1))

    assert (X_train.shape, X_test.shape, X_train.dtype) == ((12665, 784), (2115, 784), np.uint8)
    assert ((y_train == 1).sum(), (y_test == 1).sum()) == (6742, 1135)


def test_all_digits_are_the_original_files():
    """Without a choice the rows are those of the original files, in their order."""
    X_train, y_train, X_test, y_test = mnist.load_mnist()

    for array, name in ((X_train, NAMES[0]), (y_train, NAMES[1]), (X_test, NAMES[2]), (y_test, NAMES[3])):
        original = read_idx(mnist._SHIPPED / f"{name}.gz")
        np.testing.assert_array_equal(original.reshape(array.shape), array)


def test_a_choice_keeps_the_order_of_the_files():
    """The order of the digits in the choice does not matter."""
    X, y, *_ = mnist.load_mnist()

    for chosen in ((9, 4), (4, 9), np.array([4, 9])):
        X_pair, y_pair, *_ = mnist.load_mnist(chosen)
        np.testing.assert_array_equal(y[np.isin(y, (4, 9))], y_pair)
        np.testing.assert_array_equal(X[np.isin(y, (4, 9))], X_pair)


@pytest.mark.parametrize("digits", [(), (0, 0), (0, 10), (-1, 2), (0.5, 1), "01", 7, ("0", "1")])
def test_a_wrong_choice_is_told(digits):
    """The sentence shows what was given and what to give."""
    with pytest.raises(SettingError, match="digits 0 to 9"):
        mnist.load_mnist(digits)


def test_the_first_use_fills_the_cache_and_the_next_maps_it(cache):
    """The unpacked files carry the published checksums, and arrays are views of the mapped file."""
    mnist.load_mnist()
    X_train, *_ = mnist.load_mnist()

    assert sorted(os.listdir(cache)) == sorted(NAMES)
    for name, sha256 in mnist._SHA256.items():
        assert hashlib.sha256((cache / name).read_bytes()).hexdigest() == sha256
    base = X_train
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.parametrize(
    "damage", ["flipped", *(pytest.param(each, marks=pytest.mark.slow) for each in ("empty", "short")), "folder"]
)
def test_a_damaged_cache_is_passed_over(cache, damage):
    """Whatever stands in the cache, the digits are right; a damaged file is replaced."""
    expected = hashlib.sha256(mnist.load_mnist()[0]).hexdigest()
    path = cache / NAMES[0]
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        content[40_000_000] ^= 1
        path.write_bytes({"flipped": content, "empty": b"", "short": content[:100]}[damage])

    assert hashlib.sha256(mnist.load_mnist()[0]).hexdigest() == expected
    if damage != "folder":
        assert path.stat().st_size == 47_040_016


def test_a_cache_that_cannot_be_written_is_passed_over(tmp_path, monkeypatch):
    """With a file in place of the folder nothing can be cached, and the digits still load."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TWOLAYER_CACHE", str(tmp_path / "file"))

    assert len(mnist.load_mnist((0, 1))[0]) == 12665


def test_a_damaged_installation_is_told(tmp_path, monkeypatch):
    """If a shipped file is not what it was, the sentence says to install again."""
    monkeypatch.setenv("TWOLAYER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "_SHIPPED", tmp_path)
    for content in (None, b"\x1f\x8bnonsense"):
        if content:
            (tmp_path / f"{NAMES[0]}.gz").write_bytes(content)
        with pytest.raises(FileFormatError, match="reinstall twolayer"):
            mnist.load_mnist()


def test_the_digits_load_without_a_network(tmp_path, monkeypatch):
    """No socket is opened."""
    monkeypatch.setenv("TWOLAYER_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "socket", None)

    assert len(mnist.load_mnist((3, 8))[1]) == 6131 + 5851


def test_the_platforms_cache_folder_is_used(tmp_path):
    """Without TWOLAYER_CACHE the folder is the platform's, here as XDG_CACHE_HOME says."""
    if not sys.platform.startswith("linux"):
        pytest.skip("XDG_CACHE_HOME is Linux's")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "TWOLAYER_CACHE": ""}
    code = "from twolayer.data.readers.mnist import cache_folder; print(cache_folder())"
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert printed.stdout.strip() == str(tmp_path / "twolayer")
