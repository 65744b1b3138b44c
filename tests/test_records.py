"""A record comes back as it was written, and no other text or file is taken for one."""

import json
import math
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.aliases import Array
from twolayer.errors import FileFormatError
from twolayer.files.records import BrokenRuleError, FileForm, Record, broken_rules, decode, encode, pack, take, unpack
from twolayer.parameters import Parameters, Sizes


class Old(Record, kw_only=True, forbid_unknown_fields=True):
    """A record of format 2."""

    size: int
    more: dict[str, Any] = msgspec.field(default_factory=dict)


class New(Old, kw_only=True, forbid_unknown_fields=True):
    """A record of format 3."""

    name: str


VERSIONS = {2: Old, 3: New}
FORM = FileForm("thing", "key", VERSIONS, 10_000, 1000, "make another one")
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=10,
)


@given(st.integers(-(2**200), 2**200), st.text(), st.dictionaries(st.text(), JSON, max_size=4))
def test_a_record_comes_back(size, name, more):
    """Numbers of any size, floats to the last bit and text of any kind; the names are sorted."""
    record = New(format_version=3, size=size, name=name, more=more)
    text = encode(record)

    assert decode(text.encode(), VERSIONS) == record
    assert list(json.loads(text)) == ["format_version", "more", "name", "size"]


@pytest.mark.parametrize("value", [math.nan, -math.inf, "\ud800", object()])
def test_what_json_lacks_is_not_written(value):
    """Numbers that are not finite, halves of letters and objects."""
    with pytest.raises((ValueError, TypeError)):
        encode(Old(format_version=2, size=1, more={"x": value}))


WRONG = {
    '{"format_version": 4, "other": 1}': "is 4, the newest that this version of twolayer reads is 3",
    '{"format_version": 1, "size": 1}': "1 is older than 2",
    '{"format_version": 0}': "format_version: Expected int >= 1",
    '{"format_version": 2.0}': "got float",
    '{"size": 1}': "missing required field format_version",
    '{"format_version": 2}': "missing required field size",
    '{"format_version": 2, "size": 1, "name": "a"}': "unknown field name",
    '{"format_version": 3, "size": 1}': "missing required field name",
    '{"format_version": 2, "size": true}': "size: Expected int, got bool",
    '{"format_version": 2, "size": 1, "size": 1}': "a name occurs twice",
    '{"format_version": 3, "format_version": 2, "size": 1}': "a name occurs twice",
    '{"format_version": 2, "size": 1, "more": {"a": [{"b": 1, "\\u0062": 2}]}}': "a name occurs twice",
    '{"format_version": 2, "size": NaN}': "malformed",
    '{"format_version": 2, "size": 1, "more": {"a": 1e999}}': "out of range",
    '{"format_version": 2, "size": 1, "more": {"a": ' + "9" * 5000 + "}}": "out of range",
    '{"format_version": 2, "size": 1, "more": {"a": "\\ud800..."}}': "malformed",
    '{"format_version": 2, "size": 1, "more": {"a": ' + "[" * 100_000 + "}}": "recursion",
    '{"format_version": 2, "size": 1, "more": {"a": [' + "[]," * 250_000 + "0]}}": "more than 250,000",
    '{"format_version": 2, "size": 1} {}': "malformed",
    "\ufeff{}": "malformed",
    "[]": "Expected object, got array",
    "": "truncated",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:70])
def test_each_wrong_text_is_told(text):
    """One reason, without backticks, which name settings in errors."""
    with pytest.raises(BrokenRuleError, match=WRONG[text]) as caught:
        decode(text.encode(), VERSIONS)

    assert "`" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_bytes_that_are_not_text_are_told():
    """In UTF-8 alone."""
    for text in (b'{"format_version": 2, "size": 1, "more": {"a": "\xff"}}', '{"format_version": 2}'.encode("utf-16")):
        with pytest.raises(BrokenRuleError, match="its request is invalid"):
            decode(text, VERSIONS, "its request")


def test_a_broken_rule_becomes_an_error_with_advice():
    """The usual one, or its own: a newer file asks for a newer twolayer."""
    for text, advice in ((b"", "remove it"), (b'{"format_version": 9}', "update twolayer")):
        with pytest.raises(FileFormatError, match=rf"^x: .*; {advice}\.$"), broken_rules("x", "remove it"):
            decode(text, VERSIONS)


def test_a_file_comes_back(tmp_path):
    """The record and the arrays, from a file and from its content."""
    record, arrays = New(format_version=3, size=1, name="ü"), {"a": np.arange(3.0), "b": np.zeros((0, 2), np.float32)}
    content = FORM.write(record, arrays)
    (tmp_path / "file").write_bytes(content)

    for found, theirs in (FORM.parse(content, "it"), FORM.read(tmp_path / "file")):
        assert found == record
        assert {name: (each.dtype, each.tolist()) for name, each in theirs.items()} == {
            name: (each.dtype, each.tolist()) for name, each in arrays.items()
        }


def test_no_file_is_written_that_would_not_be_read(tmp_path):
    """Nor is one that is too large read."""
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        FORM.write(New(format_version=3, size=1, name="x" * 1000), {})
    (tmp_path / "file").write_bytes(bytes(10_001))
    with pytest.raises(FileFormatError, match=r"larger than any thing .10,000 bytes.; make another one"):
        FORM.read(tmp_path / "file")


@dataclass(frozen=True)
class Inner:
    """A part."""

    vector: Array
    weight: float
    count: int


@dataclass(frozen=True)
class Outer:
    """A value of all that can be packed."""

    inner: Inner | None
    parts: tuple[Array, ...]
    inners: tuple[Inner, ...]
    score: float | None
    name: str
    parameters: Parameters


SIZES = Sizes(2, 1, 1)
VECTORS = st.lists(st.floats(), max_size=3).map(np.array)
INNERS = st.builds(Inner, VECTORS, st.floats(), st.integers(0, 2**53))
OUTERS = st.builds(
    Outer,
    st.none() | INNERS,
    st.lists(VECTORS, max_size=2).map(tuple),
    st.lists(INNERS, max_size=2).map(tuple),
    st.none() | st.floats(),
    st.text(),
    st.just(Parameters(np.arange(5, dtype=np.float32), SIZES)),
)


def readers_of(arrays):
    """Return what makes arrays and parameters of names."""
    return {
        Array: lambda packed, name: take(arrays, packed, name),
        Parameters: lambda packed, name: Parameters(take(arrays, packed, name), SIZES),
    }


@given(OUTERS)
def test_what_is_packed_comes_back(value):
    """Dataclasses within dataclasses, tuples of arrays, numbers that are not finite: to the last bit."""
    arrays = {}
    packed = json.loads(json.dumps(pack(value, arrays, "it"), allow_nan=False))
    left = dict(arrays)

    found = unpack(Outer, packed, "it", readers_of(left))

    assert left == {}
    again = {}
    assert pack(found, again, "it") == packed
    assert {name: each.tobytes() for name, each in again.items()} == {
        name: each.tobytes() for name, each in arrays.items()
    }


MISFITS = [
    (int, -1),
    (int, 2**53 + 1),
    (int, True),
    (int, 1.0),
    (float, "high"),
    (float, None),
    (float, [1.0]),
    (str, 1),
    (float | None, {}),
    (Array, "elsewhere"),
    (Array, None),
    (tuple[Array, ...], "it.0"),
    (tuple[Array, ...], ["it.1"]),
    (Inner, []),
    (Inner, {"vector": "it.vector", "weight": 1.0}),
    (Inner, {"vector": "it.vector", "weight": 1.0, "count": 1, "more": 1}),
]


@pytest.mark.parametrize(("kind", "packed"), MISFITS)
def test_what_is_packed_otherwise_is_told(kind, packed):
    """By the name of the part."""
    with pytest.raises(BrokenRuleError, match="it"):
        unpack(kind, packed, "it", readers_of({"it": np.zeros(1), "it.0": np.zeros(1)}))


def test_the_numbers_of_msgspec_are_those_of_python():
    """To the last bit, however many digits are written."""
    random = np.random.default_rng(0)
    values = random.integers(0, 2**63, 20_000).view(np.float64)
    texts = [text for value in values[np.isfinite(values)] for text in (repr(float(value)), f"{value:.25e}")]

    assert msgspec.json.decode(f"[{','.join(texts)}]", type=list[float]) == [float(text) for text in texts]
