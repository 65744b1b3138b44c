"""Files made to do harm to what is read back of a run: model, checkpoint, history and request, one by one."""

import json

import pytest

from tests.little_memory import LINUX, MIB, read_with_little_memory
from tests.test_history import LINE
from tests.test_hostile_files import LOAD, READ_CHECKPOINT
from tests.test_model_file import with_header, with_text
from twolayer.errors import FileFormatError
from twolayer.files.model_file import from_bytes, to_bytes
from twolayer.runs.request import Request
from twolayer.training.history import from_json_lines, to_json_lines

READ_HISTORY = "twolayer.training.history:read_history"


def sparse(path, start, n_bytes):
    """Write a file that is as large as asked and takes no room on the disk."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(n_bytes)


@LINUX
def test_large_files_with_nothing_in_them_are_refused_before_they_are_read(tmp_path, small_model):
    """Four gigabytes of a hole in the disk: models, checkpoints, histories."""
    start = to_bytes(small_model)
    sparse(tmp_path / "model", start, 4 * 2**30)
    sparse(tmp_path / "larger", start, 4 * 2**30 + 1)
    sparse(tmp_path / "zeros", b"", 4 * 2**30)
    sparse(tmp_path / "history", b"", 256 * MIB + 1)
    record = b'{"checksum":"00000000","data":"","format_version":2,"library_version":"","settings":{},"state":{}}'
    with_key = with_header(start, {"__metadata__": {"twolayer_checkpoint": record.decode()}})
    sparse(tmp_path / "checkpoint", with_key, 16 * 2**30)
    sparse(tmp_path / "larger checkpoint", with_key, 16 * 2**30 + 1)

    models = read_with_little_memory(LOAD, tmp_path / "model", tmp_path / "larger", tmp_path / "zeros")
    (epochs,) = read_with_little_memory(READ_HISTORY, tmp_path / "history")
    checkpoints = read_with_little_memory(READ_CHECKPOINT, tmp_path / "checkpoint", tmp_path / "larger checkpoint")

    assert "do not end where the file ends" in models[0]
    assert "larger than any twolayer model" in models[1]
    assert "cut short" in models[2]
    assert "larger than any history" in epochs
    assert "do not end where the file ends" in checkpoints[0]
    assert "larger than any checkpoint" in checkpoints[1]


HEAVY = {  # JSON texts of 16 MiB that would become many objects
    "lists": b'{"a":[' + b"[]," * 5_500_000 + b"0]}",
    "objects": b'{"a":[' + b"{}," * 5_500_000 + b"0]}",
    "nested lists": b'{"a":[' + b"[[[[[[[]]]]]]]," * 1_100_000 + b"0]}",
    "names": b"{" + b",".join(b'"%x":0' % k for k in range(1_400_000)) + b"}",
    "names apart from colons": b"{" + b",".join(b'"%x" :0' % k for k in range(1_200_000)) + b"}",
}


@LINUX
def test_a_header_of_many_parts_is_refused_before_it_is_decoded(tmp_path, small_model):
    """Of 16 MiB, each of whose bytes would take fifty of memory; the text within the header as the header itself."""
    content = to_bytes(small_model)
    paths = []
    for name, text in HEAVY.items():
        paths += [tmp_path / name, tmp_path / f"{name} within"]
        paths[-2].write_bytes(with_header(content, text[: 16 * MIB]))
        within = with_text(
            content, b'\\"settings\\":{', b'\\"settings\\":{\\"a\\":' + text.replace(b'"', b'\\"') + b","
        )
        paths[-1].write_bytes(within if within[:8] < b"\0\0\0\1" + bytes(4) else within[:8])

    for path, sentence in zip(paths, read_with_little_memory(LOAD, *paths, room=200 * MIB), strict=True):
        assert "more than 250,000" in sentence or "cut short" in sentence or "not a JSON" in sentence, path


@LINUX
@pytest.mark.slow
def test_a_header_of_many_numbers_takes_little_memory(tmp_path, small_model):
    """What is not refused at 16 MiB is read within 300 MiB: numbers, and one long text."""
    content = to_bytes(small_model)
    paths = [tmp_path / "numbers", tmp_path / "text"]
    for path, value in zip(
        paths, (b"[" + b"1.5," * 4_190_000 + b"0]", b'\\"' + b"x" * 16_770_000 + b'\\"'), strict=True
    ):
        path.write_bytes(with_text(content, b'\\"settings\\":{', b'\\"settings\\":{\\"a\\":' + value + b","))

    assert read_with_little_memory(LOAD, *paths, room=300 * MIB) == ["a result", "a result"]


@LINUX
@pytest.mark.slow
def test_a_long_history_is_read_within_little_memory(tmp_path):
    """A million epochs in 400 MiB."""
    with (tmp_path / "history.jsonl").open("w") as file:
        for k in range(1_000_000):
            file.write(json.dumps({**LINE, "iteration": k, "cost": 1 / (k + 1), "seconds": k / 7}) + "\n")

    assert read_with_little_memory(READ_HISTORY, tmp_path / "history.jsonl", room=400 * MIB) == ["a result"]


@LINUX
@pytest.mark.parametrize(
    "content",
    [b"{" * MIB, b"[" * MIB, b'{"a":' * MIB, b"x" * 100 * MIB, b"[]," * 30 * MIB],
    ids=["braces", "brackets", "names", "letters", "lists"],
)
def test_a_history_of_one_long_line_is_refused_before_it_is_read(tmp_path, content):
    """Nested or not, however long."""
    (tmp_path / "history.jsonl").write_bytes(content)

    (sentence,) = read_with_little_memory(READ_HISTORY, tmp_path / "history.jsonl")

    assert "Line 1 of" in sentence


JSON = {
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "very many digits": b"9" * 10_000,
    "a name twice": b'{"a":1,"a":2}',
    "not a number": b"NaN",
    "endless": b"-Infinity",
    "too large": b"1e999",
    "half a surrogate pair": b'"\\ud800"',
    "a zero in a text": b'"\\u0000"',
    "a zero": b"\0",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "another encoding": '{"a": 1}'.encode("utf-16"),
    "half a letter": b'"\xc3"',
}


@pytest.mark.parametrize("name", JSON)
def test_json_that_is_none_or_too_much_is_told(small_model, name):
    """As a header, a record, settings, a line of a history, a request and a setting in it."""
    text, content = JSON[name], to_bytes(small_model)
    escaped = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    cases = [
        lambda: from_bytes(with_header(content, text)),
        lambda: from_bytes(with_text(content, b'"{\\"activation\\"', b'"' + escaped + b'{\\"activation\\"')),
        lambda: from_json_lines(text.decode("latin-1")),
        lambda: from_json_lines(json.dumps({**LINE, "cost": "@"}).replace('"@"', text.decode("latin-1"))),
        lambda: Request.from_json(text, "run.json"),
        lambda: Request.from_json(Request().to_json().replace(b"0.1", text), "run.json"),
    ]
    for case in cases:
        with pytest.raises(FileFormatError):
            case()
    with_setting = with_text(content, b'\\"settings\\":{', b'\\"settings\\":{\\"x\\":' + escaped + b",")
    if name == "a zero in a text":  # settings may hold any text
        model = from_bytes(with_setting)
        assert to_bytes(from_bytes(to_bytes(model))) == to_bytes(model)
        return
    with pytest.raises(FileFormatError):
        from_bytes(with_setting)


def test_a_score_that_is_no_number_becomes_none():
    """A user's own measure may give it, and the file is read again."""
    (epoch,) = from_json_lines(json.dumps({**LINE, "validation_score": 0.5}))
    odd = type(epoch)(**{**LINE, "validation_cost": float("inf"), "validation_score": float("nan")})

    assert from_json_lines(to_json_lines([odd])) == from_json_lines(json.dumps(LINE))
