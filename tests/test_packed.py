"""What a compressed file may hold depends on what is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.data.packed import MOST_ALWAYS, MOST_TIMES, check_unpacked, most_unpacked
from twolayer.errors import FileFormatError


@given(st.integers(0, 2**40))
def test_a_hundred_times_what_is_stored_may_come_out(stored):
    """And 256 MiB of any file, not a byte more."""
    most = most_unpacked(stored)

    assert most == max(256 * 2**20, 100 * stored)
    check_unpacked("it", most, stored)
    with pytest.raises(FileFormatError, match=r"it claims [\d,]+ bytes out of [\d,]+: a decompression bomb"):
        check_unpacked("it", most + 1, stored)


def test_the_limits_are_those_that_are_promised():
    """SECURITY.md names them."""
    assert (MOST_ALWAYS, MOST_TIMES) == (256 * 2**20, 100)
