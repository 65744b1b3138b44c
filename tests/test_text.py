"""Words for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.text import choices, count, free_name, is_text, join, percent, shorten


def test_numbers_stand_with_their_nouns():
    """One error, several errors, and a thousand with a comma."""
    assert [count(n, "error") for n in (0, 1, 2, 1024)] == ["0 errors", "1 error", "2 errors", "1,024 errors"]
    assert percent(1, 8) == "12.5 %"


def test_lists_stand_in_sentences():
    """All of a short one, the beginning of a long one, and what can be chosen from."""
    assert join([1, "a"]) == "1, a"
    assert join(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..."
    assert join(range(3), most=2) == "0, 1, ..."
    assert [choices(items) for items in ([], ["a"], ["a", "b"], ["a", "b", 3])] == ["", "a", "a or b", "a, b or 3"]


@given(st.text(), st.integers(3, 80))
def test_a_shortened_text_is_one_line_of_so_many_letters(text, most):
    """What fits stays, but for its white space."""
    short = shorten(text, most)

    assert len(short) <= most
    assert len(short.splitlines()) <= 1
    assert short == " ".join(text.split()) or short.endswith("...")


@given(st.text(alphabet=st.characters(), max_size=20))
def test_text_is_what_utf_8_can_write(text):
    """Half a surrogate pair is not."""
    assert is_text(text)
    assert not is_text(text + "\ud800")


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "b"])))
def test_a_free_name_is_not_taken(taken):
    """It is the name itself where that is free, else with the first number that is."""
    name = free_name("a", taken)

    assert name not in taken
    assert name == "a" or "a" in taken
    assert name in ("a", "a_2", "a_3", "a_4")


@pytest.mark.parametrize("value", [None, 3, {"a": 1}])
def test_any_value_can_be_shortened(value):
    """As its text."""
    assert shorten(value) == str(value)
