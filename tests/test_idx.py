"""IDX files: what is written comes back, what is damaged is told."""

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from twolayer.data.readers import idx
from twolayer.errors import FileFormatError

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
NATIVE = [np.dtype(dtype).newbyteorder("=") for dtype in idx.IDX_TYPES.values()]
SMALL = b"\0\0\x08\x02" + b"\0\0\0\2" + b"\0\0\0\3" + bytes(range(6))


@SAME_FOLDER
@given(
    array=st.sampled_from(NATIVE).flatmap(lambda dtype: arrays(dtype, array_shapes(max_dims=4, min_side=0))),
    ending=st.sampled_from(["", ".gz"]),
)
def test_every_type_and_shape_comes_back(write_idx, array, ending):
    """Reading returns the values, shape and type, in the processor's byte order, gzipped or not."""
    read = idx.read_idx(write_idx(f"file{ending}", array))

    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(array, read)


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("length", range(len(SMALL)))
def test_a_file_cut_short_anywhere_is_told(tmp_path, length, gzipped):
    """Whatever is missing, in the header or in the values, the answer is one sentence with the file's name."""
    path = tmp_path / "short"
    path.write_bytes(gzip.compress(SMALL[:length]) if gzipped else SMALL[:length])

    with pytest.raises(FileFormatError, match=r"short is (not an IDX file|cut short)"):
        idx.read_idx(path)


def test_gzip_data_cut_short_is_told(tmp_path):
    """A download that broke off is called damaged."""
    whole = gzip.compress(SMALL[:3] + b"\1\0\0\3\xe8" + np.random.default_rng(0).bytes(1000))
    path = tmp_path / "short.gz"
    for length in range(2, len(whole) - 1, 50):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match="damaged"):
            idx.read_idx(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (SMALL + b"x", "is longer than"),
        (b"\1" + SMALL[1:], "not an IDX file"),
        (SMALL[:2] + b"\x07" + SMALL[3:], "not an IDX file"),
        (SMALL[:3] + b"\0", "not an IDX file"),
        (b"<!DOCTYPE html>", "not an IDX file"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "claims"),
        (b"\0\0\x08\x01" + b"\0\xff\xff\xff" + b"x", "cut short"),
        (gzip.compress(b"\0\0\x08\x01" + b"\xef\xff\xff\xff", mtime=0), "cut short"),
        (b"\0\0\x08\x41" + b"\0\0\0\1" * 65 + b"x", "65 dimensions"),
        (b"\0\0\x08\xff" + b"\xff" * 1020 + b"x", "255 dimensions"),
        (b"\0\0\x08\4" + bytes(4) + b"\x80\0\0\0" * 3, "4 dimensions"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, content, sentence):
    """Too long, another kind of file, sizes that cannot be: each has its sentence."""
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(FileFormatError, match=sentence):
        idx.read_idx(path)
