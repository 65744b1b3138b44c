"""The request of a run: one value, and `run.json` is exactly that."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.data.request import DataRequest
from twolayer.errors import FileFormatError, SettingError
from twolayer.runs.request import MAX_FILE_BYTES, Request
from twolayer.settings import Settings

SMALL = Request(DataRequest("people.csv", target="income"), Settings(n_hidden=3))
positive = st.floats(0, exclude_min=True, allow_infinity=False, allow_nan=False)
data = st.builds(
    DataRequest,
    data=st.text(),
    target=st.none() | st.text(),
    ignore=st.lists(st.text()).map(tuple),
    hold_out=st.none() | st.floats(0, 1, exclude_max=True),
    keep_spellings=st.booleans(),
    size=st.none() | st.tuples(st.integers(1, 999), st.integers(1, 999)),
)
settings = st.builds(
    Settings,
    n_hidden=st.integers(1, 2**31 - 1),
    loss=st.sampled_from(["square", "log"]),
    solver=st.sampled_from(["gd", "adam"]),
    learning_rate=positive | st.just("auto"),
    tol=st.just(0) | positive,
    class_weight=st.sampled_from([None, "balanced"]),
    early_stopping=st.booleans(),
    random_state=st.integers(0, 2**63 - 1),
)
requests = st.builds(Request, data, settings, checkpoint_seconds=st.none() | positive, pictures=st.booleans())


def changed(**changes):
    """Return the record of a small request with something changed, as the content of a file."""
    record = json.loads(SMALL.to_json())
    for path, value in changes.items():
        *outer, name = path.split("__")
        part = record[outer[0]] if outer else record
        part.pop(name, None)
        if value is not ...:
            part[name] = value
    return json.dumps(record).encode()


@given(requests)
def test_a_request_comes_back_as_it_was(request):
    """Each setting of each part, to the last bit."""
    assert Request.from_json(request.to_json(), "run.json") == request


def test_a_setting_is_checked_as_any_other():
    """The seconds between checkpoints are a number, the pictures drawn or not."""
    with pytest.raises(SettingError, match="`checkpoint_seconds` must be a number of at least 0 or None; got -1"):
        replace(SMALL, checkpoint_seconds=-1)
    with pytest.raises(SettingError, match="`pictures` must be True or False"):
        replace(SMALL, pictures="perhaps")


DAMAGED = {
    "nothing": b"",
    "a list": b"[]",
    "an empty object": b"{}",
    "brackets": b"[" * 100_000,
    "half a surrogate pair": "\ud800".encode("utf-8", "surrogatepass"),
    "too much": b" " * (MAX_FILE_BYTES + 1) + SMALL.to_json(),
    "a name that stands twice": SMALL.to_json().replace(b'"tol"', b'"l2"'),
    "NaN": SMALL.to_json().replace(b"0.1", b"NaN"),
    "a version that is not a number": changed(format_version=True),
    "version 0": changed(format_version=0),
    "a missing part": changed(data=...),
    "a part that is not an object": changed(settings=[1]),
    "a missing setting": changed(settings__tol=...),
    "an unknown setting": changed(settings__speed=1),
    "an unknown name": changed(code="import os"),
    "an invalid value": changed(settings__n_hidden=0),
    "a value in another form": changed(settings__n_hidden="3"),
    "settings that do not go together": changed(settings__batch_size=5),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_request_is_told(content):
    """In one sentence, which names the file and what to do."""
    with pytest.raises(
        FileFormatError, match=r"^run\.json cannot be resumed from: .*; start a new run with the same settings\.$"
    ):
        Request.from_json(content, "run.json")


@pytest.mark.parametrize("part", ["data", "settings"])
def test_each_setting_of_another_type_is_told(part):
    """Whatever its own type is."""
    for name in json.loads(SMALL.to_json())[part]:
        with pytest.raises(FileFormatError, match=r"run\.json cannot be resumed from: "):
            Request.from_json(changed(**{f"{part}__{name}": {"x": [1]}}), "run.json")


def test_a_request_of_another_version_is_told():
    """A newer one asks for an update; an older one cannot be resumed."""
    with pytest.raises(FileFormatError, match="update twolayer"):
        Request.from_json(b'{"format_version": 4, "parameters": []}', "run.json")
    with pytest.raises(FileFormatError, match=r"older.*start a new run with the same settings"):
        Request.from_json(b'{"format_version": 1, "arguments": ["--", "mnist:0,1"]}', "run.json")
