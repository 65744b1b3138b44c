"""The files that the search begins with: small ones of every variety, and one for each rule that can be broken.

    python -m tests.fuzz.seeds

writes them into `corpus/`; files that a search found stay beside them.
"""

import gzip
import re
import zipfile
from pathlib import Path

import numpy as np

from tests import test_arrays
from tests.fuzz import run_seeds

CORPUS = Path(__file__).with_name("corpus")


def idx_files() -> dict[str, bytes]:
    """Return IDX files whole and broken."""
    images = b"\0\0\x08\3" + b"\0\0\0\4\0\0\0\1\0\0\0\2" + bytes(range(8))
    files = {"images": images, "labels": b"\0\0\x08\1\0\0\0\4\0\1\0\1", "gzip": gzip.compress(images, mtime=0)}
    for code, dtype in ((9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")):
        values = np.arange(4, dtype=dtype).tobytes()
        files[f"type {code}"] = bytes([0, 0, code, 2]) + b"\0\0\0\2\0\0\0\2" + values
    nan = np.array([np.nan], ">f4").tobytes()
    files |= {
        "empty": b"",
        "not a number": b"\0\0\x0d\2\0\0\0\1\0\0\0\1" + nan,
        "cut in the header": images[:7],
        "cut in the values": images[:-1],
        "a byte too many": images + b"x",
        "no type": b"\0\0\7" + images[3:],
        "no dimensions": b"\0\0\x08\0",
        "many dimensions": b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x",
        "no images": b"\0\0\x08\3" + bytes(4) + b"\0\0\0\1\0\0\0\2",
        "four gigabytes": b"\0\0\x08\2\0\0\xff\xff\0\1\0\0" + b"x",
        "more than any memory": b"\0\0\x0e\3" + b"\xff" * 12,
        "gzip cut": gzip.compress(images, mtime=0)[:-9],
        "gzip checksum": gzip.compress(images, mtime=0)[:-8] + bytes(8),
        "gzip twice": gzip.compress(images[:10], mtime=0) + gzip.compress(images[10:], mtime=0),
        "gzip with a tail": gzip.compress(images, mtime=0) + b"tail",
        "gzip of much": gzip.compress(b"\0\0\x08\1\1\0\0\0" + bytes(2**20), mtime=0),
    }
    return files


def npy(shape: object = (4, 2), descr: object = "|u1", values: bytes = bytes(8)) -> bytes:
    """Return an NPY of a header and bytes."""
    return test_arrays.header(shape, descr) + values


def npy_files() -> dict[str, bytes]:
    """Return NPY files whole and broken."""
    objects = test_arrays.npy(np.array([[print]], object))
    files = {f"type {code}": npy(descr=code, values=bytes(8 * int(code[2:]))) for code in ("<f4", ">f8", "<i2", "|b1")}
    files |= {
        "bytes": npy(),
        "one column": npy(shape=(8, 1), values=b"\0\1" * 4),
        "labels": npy(shape=(8,)),
        "texts": npy(shape=(2,), descr="<U1"),
        "letters": npy(shape=(4,), descr="|S2"),
        "version 2": npy()[:6] + b"\2\0" + npy()[8:10] + b"\0\0" + npy()[10:],
        "version 3": npy().replace(b"Y\1\0", b"Y\3\0"),
        "other order": npy().replace(b"False", b"True "),
        "empty": b"",
        "cut in the header": npy()[:30],
        "cut in the values": npy()[:-1],
        "objects": objects,
        "a type of objects": npy(descr=[("a", "|O")]),
        "named columns": npy(descr=[("a", "<f4"), ("b", "<f4")]),
        "complex": npy(descr="<c8", values=bytes(64)),
        "a shape below 0": npy(shape=(-4, -2)),
        "a shape of true": npy(shape=(True, 8)),
        "a shape of 2^63": npy(shape=(2**63, 2)),
        "no shape": npy(shape=()),
        "no values": npy(shape=(0, 2), values=b""),
        "a type of no size": npy(descr="<U0"),
        "python 2": npy(shape="(4L, 2L)"),
        "nested deeply": npy(shape="(" * 200),
        "a call": npy(shape="(__import__('os').getpid(), 2)"),
        "half letters": npy(shape=(2,), descr="<U1", values=b"\0\xd8\0\0" * 2),
        "not a number": npy(shape=(2, 1), descr="<f4", values=b"\0\0\xc0\x7f" * 2),
    }
    return files


def npz_files() -> dict[str, bytes]:
    """Return NPZ files whole and broken."""
    npz, objects = test_arrays.npz, test_arrays.npy(np.array([[print]], object))
    four = {"x_train": npy(), "y_train": npy(shape=(4,), values=b"\0\1\0\1")}
    four |= {name.replace("train", "test"): content for name, content in four.items()}
    plain, packed = npz(X=npy(), y=four["y_train"]), npz(zipfile.ZIP_DEFLATED, **four)
    large = npz(zipfile.ZIP_DEFLATED, X=npy(shape=(1024, 1024), values=bytes(2**20)))
    encrypted = bytearray(plain)
    encrypted[plain.index(b"PK\1\2") + 8] |= 1
    files = {
        "plain": plain,
        "packed": packed,
        "texts": npz(X=npy(shape=(2, 1), values=b"12"), y=npy(shape=(2,), descr="<U2", values=b"a\0\0\0\0\0\0\0" * 2)),
        "letters": npz(X=npy(shape=(2, 1), values=b"12"), y=npy(shape=(2,), descr="|S2", values=b"a\0bc")),
        "other names": npz(train_images=npy(), train_labels=four["y_train"], code=b"import os"),
        "no names": npz(a=npy()),
        "no members": npz(),
        "an array twice": npz(X=npy(), x_train=npy()),
        "labels too few": npz(X=npy(), y=npy(shape=(3,), values=b"\0\1\0")),
        "labels without samples": npz(X=npy(), y_test=npy(shape=(4,), values=b"\0\1\0\1")),
        "tests of another shape": npz(X=npy(), X_test=npy(shape=(2, 4))),
        "objects": npz(X=objects),
        "labels that signal": npz(
            X=npy(shape=(2, 1), values=b"12"), y=npy(shape=(2,), descr="<f4", values=b"\1\0\x80\x7f" * 2)
        ),
        "no array": npz(X=b"hello"),
        "empty": b"",
        "cut": packed[:-30],
        "a tail": plain + b"tail",
        "a checksum": plain[:-100].replace(bytes(8), bytes(7) + b"\1", 1) + plain[-100:],
        "another packing": npz(zipfile.ZIP_BZIP2, X=npy()),
        "encrypted": bytes(encrypted),
        "much": large,
    }
    for name, size in (("a claim of 3 GB", 3 * 10**9), ("a claim of 1 MB", 10**6)):
        lie = bytearray(npz(zipfile.ZIP_DEFLATED, X=npy(shape=(10**6, size // 10**6), values=b"")))
        for place in (22, lie.index(b"PK\1\2") + 24):
            lie[place : place + 4] = size.to_bytes(4, "little")
        files[name] = bytes(lie)
    return files


def csv_files() -> dict[str, bytes]:
    """Return CSV files of many dialects, whole and broken."""
    rows = [["a", "b b", "y"], *([f"{k / 4}", "uvw"[k % 3], "no" if k % 2 else "yes"] for k in range(8))]

    def text(separator: str = ",", end: str = "\n", decimal: str = ".") -> bytes:
        lines = (separator.join(row) for row in rows)
        return (end.join(lines) + end).replace(".", decimal).encode()

    return {
        "comma": text(),
        "semicolon": text(";", decimal=","),
        "tab": text("\t", "\r\n"),
        "pipe": text("|", "\r"),
        "space": text().replace(b" ", b"_").replace(b",", b" "),
        "quoted": b"".join(b",".join(b'"%s"' % v for v in line.split(b",")) + b"\n" for line in text().splitlines()),
        "quotes within": text().replace(b"u,", b'"u ""\n;",'),
        "padded": text().replace(b",", b" , "),
        "missing": text().replace(b"u", b"NA").replace(b"0.5", b""),
        "no header": text().partition(b"\n")[2],
        "whole numbers": b"n,m,y\n" + b"".join(b"%d,%d,%d\n" % (k, k * k, k % 2) for k in range(8)),
        "dates": b"d,y\n2020-01-01,1\n2021-02-03,0\n",
        "times": b"t,y\n01:02:03,1\n04:05:06.5,0\n",
        "byte order mark": b"\xef\xbb\xbf" + text(),
        "utf-16": text().decode().encode("utf-16"),
        "latin-1": text().replace(b"u", b"\xfc"),
        "gzip": gzip.compress(text(), mtime=0),
        "gzip cut": gzip.compress(text(), mtime=0)[:-9],
        "gzip checksum": gzip.compress(text(), mtime=0)[:-8] + bytes(8),
        "zeros": b"a,y\n1,\0\n",
        "empty": b"",
        "one column": b"y\n1\n2\n",
        "one row": b"a,y\n1,2\n",
        "header only": b"a,b,y\n",
        "ragged": text() + b"1\n",
        "two line ends": text().replace(b"\n", b"\r\n", 3),
        "an open quote": text() + b'"1,2,3\n4,5,6\n',
        "a name twice": b"a,a,A,y\n1,2,3,x\n4,5,6,z\n",
        "names to be quoted": b'"a""","\'; DROP TABLE data; --",rowid,y\n1,2,3,x\n4,5,6,z\n',
        "names of ours": b"_twolayer_kept,_twolayer_code,data,frame,c0,y\n1,2,3,4,5,x\n6,7,8,9,10,z\n",
        "formulas": b"a,y\n=cmd|' /C calc'!A0,1\n@SUM(1),0\n",
        "infinite": b"a,y\n1e400,1\ninf,0\n-inf,1\nnan,0\n",
        "huge": b"a,y\n1e308,1\n-1e308,0\n1.7e308,1\n",
        "many digits": b"a,y\n" + b"9" * 400 + b",1\n170141183460469231731687303715884105728,0\n",
        "zeros in front": b"a,y\n007,1\n008,0\n",
        "controls": b"\x1b[31ma,y\n\x07,\x1b]0;x\x07\n\x08,\x7f\n",
        "right to left": "a,y\n\u202e1,x\n2,\u202ez\n".encode(),
        "half letters": b"a,y\n\xed\xa0\x80,x\n\xf4\x90\x80\x80,z\n",
        "many columns": b",".join(b"c%d" % k for k in range(15)) + b"\n" + (b",".join([b"1"] * 15) + b"\n") * 3,
        "parquet": b"PAR1" + bytes(8) + b"PAR1",
    }


MAKERS = run_seeds.MAKERS | {"idx": idx_files, "npz": npz_files, "npy": npy_files, "csv": csv_files}


def file_name(name: str) -> str:
    """Return the name of the file for what is in it: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def main() -> None:
    """Write all files."""
    for kind, make in MAKERS.items():
        (CORPUS / kind).mkdir(parents=True, exist_ok=True)
        for name, content in make().items():
            (CORPUS / kind / file_name(name)).write_bytes(content)


if __name__ == "__main__":
    main()
