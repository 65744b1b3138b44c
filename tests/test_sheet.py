"""A printed number beside a computed one."""

import numpy as np
import pytest

from twolayer.proof.sheet import Failure, compare


@pytest.mark.parametrize(
    ("text", "number", "in_array", "agreeing"),
    [
        ("0.5413416581298806", 0.5413416581298806, False, "16/16"),
        ("0.5413416581298806", 0.5413416581298806 + 3e-14, False, "13/16"),
        ("0.8094419", 0.809441904, True, "8/8"),
        ("0.8094419", 0.80944192, True, "7/8"),
        ("4.00223279e-04", 4.0022327902e-4, True, "8/8"),
        ("4.00223279e-04", 4.01e-4, True, "1/8"),
        ("0.", 0.0, True, "8/8"),
        ("0.", 1e-12, True, "0/8"),
        ("12665", 12665.0, True, "5/5"),
        ("12665", 12664.0, True, "0/5"),
        ("0.5", np.nan, False, "0/1"),
    ],
)
def test_agreeing_places_are_counted_as_printed(text, number, in_array, agreeing):
    """Arrays are printed to eight places, those of the mantissa with an exponent; zeros and whole numbers are exact."""
    figure = compare("1", "x", [text] if in_array else text, [number] if in_array else number)

    assert f"{figure.digits[0]}/{figure.places[0]}" == agreeing


def test_losses_need_fourteen_places_and_accuracies_all():
    """The last digits of a sum depend on its order; those of a count divided by a count do not."""
    printed, computed = "0.5413416581298806", 0.5413416581298806 + 4e-15

    assert compare("8", "loss, epoch 0", printed, computed).agrees
    assert not compare("9", "train accuracy", printed, computed).agrees


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (None, "shape () instead of (1, 2)"),
        ([[1.0, 2.0, 3.0]], "shape (1, 3) instead of (1, 2)"),
        ([["a", "b"]], "ValueError: could not convert string to float: 'a'"),
        (Failure(KeyError("dW1")), "KeyError: 'dW1'"),
    ],
)
def test_a_value_that_cannot_be_compared_is_noted(value, note):
    """Nothing at all, another shape, no numbers, an exception: the figure differs and the note says why."""
    figure = compare("6", "dW1", [["1.5", "2."]], value)

    assert (figure.agrees, figure.computed, figure.note.replace("np.str_('a')", "'a'")) == (False, [], note)
