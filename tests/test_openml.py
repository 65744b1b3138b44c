"""Tables from OpenML, and what is said where there are none."""

import http.client
from urllib.error import URLError

import pandas as pd
import pytest
import sklearn.datasets
from sklearn.utils import Bunch

from twolayer.data.readers.openml import read_openml
from twolayer.errors import MissingFileError, SettingError


@pytest.fixture
def openml(monkeypatch):
    """Put something in the place of the function that fetches from OpenML, and return what it was asked for."""

    def put(answer):
        asked = []

        def fetch_openml(name, *, version, as_frame, n_retries):
            asked.append((name, version, as_frame, n_retries))
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
        return asked

    return put


@pytest.mark.parametrize(("name", "asked"), [("openml:adult", ("adult", "active")), ("openml:adult@2", ("adult", 2))])
def test_a_table_from_openml(openml, name, asked):
    """With its target, where it names one."""
    frame = pd.DataFrame({"age": [30.0, 40.0], "class": pd.Categorical(["yes", "no"])})
    calls = openml(Bunch(frame=frame, target_names=["class"]))
    table = read_openml(name)

    assert calls == [(*asked, True, 1)]
    assert (table.name, table.kinds, table.target) == (name, {"age": "number", "class": "category"}, "class")
    openml(Bunch(frame=frame, target_names=[]))
    assert read_openml(name).target is None


@pytest.mark.parametrize(
    ("failure", "kind", "sentence"),
    [
        (ImportError("no pandas"), SettingError, r"need pandas: pip install 'twolayer\[openml\]'"),
        (ValueError("No known data.\nMore."), MissingFileError, r"no usable table 'openml:x' \(No known data\)"),
        (URLError("no route"), MissingFileError, "Cannot download 'openml:x' .*no route.*: try again"),
        (TimeoutError(), MissingFileError, r"Cannot download 'openml:x' .*\(TimeoutError\)"),
        (http.client.IncompleteRead(b""), MissingFileError, "Cannot download"),
        (EOFError("cut short"), MissingFileError, r"Cannot download .* \(cut short\)"),
    ],
)
def test_what_openml_does_not_give_is_told(openml, failure, kind, sentence):
    """No pandas, no such table, no network."""
    openml(failure)

    with pytest.raises(kind, match=sentence):
        read_openml("openml:x")


def test_an_openml_version_that_is_no_number_is_told(openml):
    """Nothing is asked for."""
    calls = openml(None)

    with pytest.raises(MissingFileError, match="no usable table 'openml:x@y'"):
        read_openml("openml:x@y")
    assert calls == []
