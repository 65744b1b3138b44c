"""Changes of files that know their form: checksums, lengths and the JSON within are brought back in order afterwards.

Without them nearly every change ends at a checksum or at the first brace.
"""

import ast
import copy
import gzip
import io
import json
import math
import random
import re
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Raw = Callable[[bytes, int], bytes]  # content and the length allowed to changed content

_VALUES = (None, True, False, 0, 1, 2, -1, 0.5, -0.0, 1e-320, 1e300, 1e308, 1e999, float("nan"), 2**31, 2**53, 2**63)
_VALUES += (2**64, 10**30, -(10**30), "", "a", "\0", "a\0", "\ud800", "é", "\x1b[2J", "\n", "x" * 300, "1", "nan")
_VALUES += ([], {}, [[]], [1], ["a", "b"], {"a": 1}, "sigmoid", "relu", "number", "category", "F32", "F64", "BF16")
_TYPES = [
    "|u1",
    "|i1",
    "|b1",
    "<f2",
    "<f4",
    ">f8",
    "<f8",
    "<i8",
    ">u2",
    "<U1",
    ">U3",
    "|S2",
    "|O",
    "<c8",
    "<M8[s]",
    "|V4",
]
_SHAPES = ("(4, 2)", "(4,)", "()", "(0, 2)", "(2, 2, 2)", "(-1, 2)", "(4L, 2L)", "(True, 8)", f"({2**63}, 2)", "(1,)*9")
_NAMES = ("x_train", "y_train", "x_test", "y_test", "X", "y", "Y", "labels", "images", "a\0b", "../x", "\x1b[2J")
_FIELDS = (b"", b"NA", b"nan", b"inf", b"1e999", b"-1", b"1,5", b"0,25", b"1_000", b"007", b"9" * 40, b"1e-400")
_FIELDS += (b"true", b'"', b'""', b'"a""b"', b"'", b"\\", b"\0", b"\x1b[2J", b"\xff", "é".encode(), b"2020-01-01")
_FIELDS += (b"12:30", b" 1 ", b"rowid", b"_twolayer_kept", b"x" * 300, b"#", b"[1, 2]", b"{'a': 1}", b"\xe2\x80\xa8")
_FIELDS += (b"=1+1", b"%s", b"*")
_SEPARATORS = (b",", b";", b"\t", b"|", b" ", b"\n", b"\r\n", b"\r")


def mutate(kind: str, content: bytes, limit: int, seed: int, raw: Raw | None = None) -> bytes:
    """Return a file like another, of a kind in `MUTATORS` and at most so many bytes; the seed chooses the way.

    `raw` changes bytes without knowing what they are; it is `scramble` when not given.
    """
    choose = random.Random(seed)
    change = raw or (lambda some, most: scramble(some, most, choose))
    with_limit: Raw = lambda some, most: change(some, min(most, limit)) if len(some) <= limit else some[:limit]  # noqa: E731
    if choose.random() < 0.25:
        return with_limit(content, limit)
    changed = MUTATORS[kind](content, choose, with_limit)
    return changed if len(changed) <= limit else with_limit(content, limit)


def scramble(content: bytes, limit: int, choose: random.Random) -> bytes:
    """Return bytes of which some are changed, left out, doubled or put in."""
    changed = bytearray(content)
    for _ in range(choose.choice((1, 1, 2, 4))):
        place, size = choose.randint(0, len(changed)), choose.choice((1, 1, 2, 4, 8, 64))
        some = changed[place : place + size]
        changed[place : place + size] = choose.choice(
            (b"", some * 2, choose.randbytes(len(some)), some + b"\xff", bytes(size))
        )
    return bytes(changed[:limit])


def _safetensors(content, choose, raw):
    """Change header, text within the header, or values; the length of the header fits again."""
    length = int.from_bytes(content[:8], "little")
    header, values = content[8 : 8 + length], content[8 + length :]
    try:
        parsed = json.loads(header)
        (key, text) = next(iter(parsed["__metadata__"].items()))
        record = json.loads(text)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, StopIteration):
        parsed = None
    way = choose.randrange(6)
    if parsed is None or way == 0:
        header = raw(header, 1 << 20)
    elif way == 1:
        values = raw(values, 1 << 20)[: len(values)].ljust(len(values), b"\0")
    elif way == 2:
        header = _dump(_change_json(parsed, choose), choose)
    else:
        text = raw(text.encode("utf-8", "replace"), 1 << 20).decode("utf-8", "replace") if way == 3 else None
        if text is None:
            text = _dump(_change_json(record, choose), choose).decode("utf-8", "surrogatepass")
        parsed["__metadata__"][key] = text
        header = json.dumps(parsed).encode()
    return len(header).to_bytes(8, "little") + header + values


def _checkpoint(content, choose, raw):
    """Change a checkpoint, mostly with a checksum that is right."""
    from twolayer.files.checkpoint import seal  # not before its lines are followed

    changed = _safetensors(content, choose, raw)
    return changed if choose.random() < 0.05 else seal(changed)


def _json_file(content, choose, raw):
    try:
        return _dump(_change_json(json.loads(content), choose), choose)
    except (ValueError, RecursionError):
        return raw(content, 1 << 20)


def _json_lines(content, choose, raw):
    """Change one line, or their order."""
    lines = content.splitlines(keepends=True) or [b"\n"]
    place = choose.randrange(len(lines))
    way = choose.randrange(6)
    if way == 0:
        lines.insert(place, choose.choice(lines))
    elif way == 1:
        del lines[place]
    elif way == 2:
        lines.append(lines[-1].replace(b'"iteration": %d,' % (len(lines) - 1), b'"iteration": %d,' % len(lines)))
    else:
        lines[place] = _json_file(lines[place], choose, raw) + b"\n"
    return b"".join(lines)


def _change_json(value: Any, choose: random.Random) -> Any:
    """Return a JSON value with one of the values within it changed, left out, doubled or put in."""
    holder = [copy.deepcopy(value)]
    places: list[tuple[Any, Any]] = []
    todo: list[Any] = [holder]
    while todo:
        box = todo.pop()
        for key in list(box) if isinstance(box, dict) else range(len(box)):
            places.append((box, key))
            if isinstance(box[key], dict | list):
                todo.append(box[key])
    box, key = choose.choice(places)
    other = choose.choice(places)
    way = choose.randrange(5)
    if way == 0 and box is not holder:
        del box[key]
    elif way == 1 and isinstance(box, list) and box is not holder:
        box.insert(key, copy.deepcopy(box[key]))
    elif way == 2 and isinstance(box, dict):
        box[choose.choice(("a", "", "name", "é", "\0", str(choose.choice(list(box)))))] = copy.deepcopy(box[key])
    elif way == 3:
        box[key] = copy.deepcopy(other[0][other[1]])
    else:
        box[key] = copy.deepcopy(choose.choice(_VALUES))
    return holder[0]


def _dump(value: Any, choose: random.Random) -> bytes:
    text = json.dumps(value, ensure_ascii=choose.random() < 0.8, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if choose.random() < 0.05:
        text = text.replace(b"{", b'{"a": 0, ', 1).replace(b"{", b'{"a": 0, ', 1)
    return text


def _idx(content, choose, raw):
    """Change type, sizes or values, within gzip too."""
    plain, packed = unpack(content)
    way = choose.randrange(5)
    if way == 0 or len(plain) < 8:
        plain = raw(plain, 1 << 20)
    elif way == 1:
        plain = _idx_fitted(plain[:2] + bytes([choose.choice((8, 9, 11, 12, 13, 14, 7))]) + plain[3:])
    elif way == 2:
        n = choose.randint(0, 12)
        sizes = b"".join(choose.choice((0, 1, 1, 2, 4, 255, 2**31, 2**32 - 1)).to_bytes(4, "big") for _ in range(n))
        plain = _idx_fitted(plain[:3] + bytes([n]) + sizes + plain[-8:])
    elif way == 3:
        place = choose.randrange(4, 4 + 4 * max(1, min(plain[3], 3)))
        plain = plain[:place] + bytes([choose.choice((0, 1, 2, 4, 16, 255))]) + plain[place + 1 :]
    else:
        head = plain[: 4 + 4 * plain[3]]
        plain = head + raw(plain[len(head) :], 1 << 20)[: len(plain) - len(head)].ljust(len(plain) - len(head), b"\1")
    return _pack(plain, choose, raw) if packed != (choose.random() < 0.2) else plain


def _idx_fitted(content):
    """Return a file of the length that its header promises, where that is short."""
    head = content[: 4 + 4 * content[3]]
    size = {8: 1, 9: 1, 11: 2, 12: 4, 13: 4, 14: 8}.get(head[2], 1)
    n = size * math.prod(int.from_bytes(head[k : k + 4], "big") for k in range(4, len(head), 4))
    return head + content[len(head) :][:n].ljust(n, b"\1") if n < 10_000 else content


def _npy(content, choose, raw):
    """Change the header's text or the values; lengths fit again."""
    match = re.match(rb"\x93NUMPY(.)\0(..)", content, re.DOTALL)
    if match is None:
        return raw(content, 1 << 20)
    n_length = 2 if match[1] == b"\1" else 4
    start = 8 + n_length
    end = start + int.from_bytes(content[8:start], "little")
    text, values = content[start:end].decode("latin-1"), content[end:]
    way = choose.randrange(6)
    if way == 0:
        text = raw(text.encode("latin-1"), 1 << 20).decode("latin-1")
    elif way == 1:
        values = raw(values, 1 << 20)[: len(values)].ljust(len(values), b"\1")
    elif way == 2:
        text = re.sub(r"\([^)]*\)", lambda _: choose.choice(_SHAPES), text, count=1)
    elif way == 3:
        text = re.sub(r"'descr': '[^']*'", lambda _: f"'descr': '{choose.choice(_TYPES)}'", text)
    elif way == 4:
        text = re.sub(r"\d+", lambda found: choose.choice((found[0], "1", "2", "3", "4", "0", "12")), text)
    else:
        text = text.replace("False", "True") if "False" in text else text.replace("True", "False")
    if choose.random() < 0.8:
        values = _npy_fitted(text, values)
    if choose.random() < 0.1:
        n_length = 6 - n_length
    header = text.encode("latin-1", "replace")
    length = len(header).to_bytes(8, "little")[:n_length]
    return b"\x93NUMPY" + bytes([n_length // 2, 0]) + length + header + values


def _npy_fitted(text, values):
    """Return values as many as a header promises, where they are few."""
    try:
        header = ast.literal_eval(text.strip())
        n = math.prod(header["shape"]) * np.dtype(header["descr"]).itemsize
        return values[:n].ljust(n, b"\1") if 0 <= n < 10_000 else values
    except Exception:  # noqa: BLE001 - any text may stand there
        return values


def _npz(content, choose, raw):
    """Change members, their names and their packing; checksums fit again, but for one time in ten."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [
                (info.filename, archive.read(info)) for info in archive.infolist()[:20] if info.file_size < 1 << 16
            ]
    except Exception:  # noqa: BLE001 - zipfile fails in many ways
        return raw(content, 1 << 20)
    way = choose.randrange(6)
    if not members or way == 0:
        members.append((f"{choose.choice(_NAMES)}.npy", choose.choice(members)[1] if members else b""))
    elif way == 1:
        del members[choose.randrange(len(members))]
    elif way == 2:
        place = choose.randrange(len(members))
        members[place] = f"{choose.choice(_NAMES)}.npy", members[place][1]
    else:
        place = choose.randrange(len(members))
        members[place] = members[place][0], _npy(members[place][1], choose, raw)
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in members:
                info = zipfile.ZipInfo(name)
                info.extra = b"ab\2\0cd" if choose.random() < 0.1 else b""
                packing = choose.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
                archive.writestr(info, data, packing) if info.filename not in archive.namelist() else None
        changed = file.getvalue()
    return raw(changed, 1 << 20) if choose.random() < 0.1 else changed


def _csv(content, choose, raw):
    """Change lines, values or what stands between them, within gzip too."""
    plain, packed = unpack(content)
    wide = plain.startswith((b"\xff\xfe", b"\xfe\xff"))
    if wide:
        plain = plain.decode("utf-16", "replace").encode()
    lines = plain.splitlines(keepends=True) or [b"\n"]
    place = choose.randrange(len(lines))
    separator = max(_SEPARATORS[:5], key=plain.count)
    way = choose.randrange(9)
    if way == 0:
        lines = [raw(plain, 1 << 20)]
    elif way == 1:
        lines.insert(place, choose.choice(lines))
    elif way == 2:
        del lines[place]
    elif way == 3:
        old, new = separator if choose.random() < 0.7 else choose.choice(_SEPARATORS), choose.choice(_SEPARATORS)
        lines = [plain.replace(old, new)]
    elif way == 4:
        lines *= choose.choice((2, 3, 8))
    elif way == 5:
        lines = [line.rstrip(b"\r\n") + separator + choose.choice(_FIELDS) + b"\n" for line in lines]
    else:
        values = re.split(rb"([,;\t| \r\n]+)", lines[place])
        values[choose.randrange(len(values))] = choose.choice(_FIELDS)
        lines[place] = b"".join(values)
    plain = b"".join(lines)
    if wide != (choose.random() < 0.02):
        plain = plain.decode("utf-8", "replace").encode(choose.choice(("utf-16", "utf-16-be")))
    return _pack(plain, choose, raw) if packed != (choose.random() < 0.02) else plain


def unpack(content):
    """Return what is within gzip, and whether it was."""
    if not content.startswith(b"\x1f\x8b"):
        return content, False
    try:
        return zlib.decompressobj(31).decompress(content, 1 << 16), True
    except zlib.error:
        return content, True


def _pack(plain, choose, raw):
    packed = gzip.compress(plain, 1, mtime=0)
    return raw(packed, 1 << 20) if choose.random() < 0.1 else packed


MUTATORS: dict[str, Callable[[bytes, random.Random, Raw], bytes]] = {
    "model": _safetensors,
    "checkpoint": _checkpoint,
    "run": _json_file,
    "history": _json_lines,
    "idx": _idx,
    "npz": _npz,
    "npy": _npy,
    "csv": _csv,
}
