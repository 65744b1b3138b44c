"""A request for data is checked when it is made, and comes back from its record."""

import json
from pathlib import Path

import pytest

from twolayer.data.request import DataRequest
from twolayer.errors import SettingError
from twolayer.settings import default_of, setting_fields


def test_a_request_comes_back_from_its_record():
    """Also by way of JSON, which has no tuples."""
    request = DataRequest("pets", target="y", ignore=("a", "b"), size=(7, 9), memory="1.5GB", hold_out=0.3)

    assert DataRequest.make(json.loads(json.dumps(request.to_record()))) == request
    assert (request.memory, DataRequest().data) == (1_500_000_000, "mnist:0,1")


def test_values_come_in_plain_form():
    """Paths as text, a single name as one of several, a size as two numbers."""
    request = DataRequest(Path("x", "y"), labels=Path("z"), ignore="a", size=" 28X30 ")

    assert (request.data, request.labels, request.ignore, request.size) == (str(Path("x", "y")), "z", ("a",), (28, 30))


WRONG = {
    "data": [3, None],
    "target": [3],
    "ignore": [3, [1]],
    "hold_out": [1, -0.1, float("nan"), "x"],
    "keep_spellings": ["yes"],
    "size": [(0, 28), (28,), (2.5, 3), 28, "28", "0x3", (10**5, 10**5), "x"],
    "colour": ["sepia"],
    "encoding": ["ascii", None],
    "memory": ["much", "-1GB", 0],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_an_invalid_value_is_told(name, value):
    """With what it must be."""
    with pytest.raises(SettingError, match=rf"^`{name}` must be .*; got .*\.$"):
        DataRequest(**{name: value})


def test_samples_are_tested_on_in_one_way():
    """Some held out, or others."""
    with pytest.raises(SettingError, match=r"`hold_out` and `test` cannot be used together"):
        DataRequest("x", test="y", hold_out=0.2)


@pytest.mark.parametrize("each", setting_fields(DataRequest), ids=lambda each: each.name)
def test_every_field_explains_itself(each):
    """For help; its default is valid."""
    assert each.metadata["summary"].endswith(".")
    assert each.metadata["kind"].check(each.name, default_of(each)) == default_of(each)
