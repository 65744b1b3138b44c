"""The parameters are one vector, seen as the four arrays of the blackboard."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, SIZES, normal
from twolayer.equations import STARTS, initialize_parameters
from twolayer.errors import SettingError
from twolayer.parameters import NAMES, Parameters, Sizes, given_start, random_start

SHAPES = st.builds(Sizes, SIZES, SIZES, SIZES)
SMALL = Sizes(3, 2, 1)


@given(SHAPES, SEEDS, st.sampled_from(["float32", "float64"]))
def test_the_four_are_views_of_the_vector(sizes, seed, dtype):
    """In the order W1, b1, W2, b2, row by row, in its type and without a copy."""
    p = normal(sizes, np.random.default_rng(seed), dtype)

    assert [*p] == [*NAMES]
    assert (len(p), p.sizes.n_parameters, p.dtype) == (4, len(p.vector), dtype)
    assert {name: value.shape for name, value in p.items()} == sizes.shapes
    assert all(np.shares_memory(value, p.vector) for value in p.values())
    np.testing.assert_array_equal(np.concatenate([value.ravel() for value in p.values()]), p.vector)


@given(SHAPES, SEEDS)
def test_arrays_are_copied_into_a_vector(sizes, seed):
    """Of any memory order; in their own type, or another one."""
    arrays = {name: np.asfortranarray(value) for name, value in normal(sizes, np.random.default_rng(seed)).items()}

    p = Parameters.of(arrays)

    assert p.sizes == sizes
    for name, value in arrays.items():
        np.testing.assert_array_equal(p[name], value)
        assert not np.shares_memory(p[name], value)
    assert Parameters.of(arrays, "float32").dtype == np.float32


def test_parameters_elsewhere_keep_their_type():
    """As a solver that computes in float64 moves those of a training in float32."""
    p = normal(SMALL, np.random.default_rng(0), "float32")

    moved = p.moved_to(p.vector.astype(float) + 1)

    assert (moved.dtype, moved.sizes) == (np.float32, p.sizes)
    np.testing.assert_array_equal(moved.vector, (p.vector.astype(float) + 1).astype(np.float32))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_they_are_copied_and_pickled(again):
    """Views and all."""
    p = normal(SMALL, np.random.default_rng(0))

    other = again(p)

    np.testing.assert_array_equal(other.vector, p.vector)
    np.testing.assert_array_equal(other["W2"], p["W2"])
    assert all(np.shares_memory(value, other.vector) for value in other.values())


def test_the_text_names_the_sizes():
    """Not all the numbers; what is not a name of theirs is not there."""
    p = normal(SMALL, np.random.default_rng(0))

    assert repr(p) == "Parameters(n_x=3, n_h=2, n_y=1, dtype=float64)"
    with pytest.raises(KeyError):
        p["W3"]


@pytest.mark.parametrize("init", STARTS)
def test_a_random_start_is_the_blackboards(init):
    """Drawn in float64 from the generator of the seed, whatever the type."""
    expected = initialize_parameters(3, 2, 1, np.random.default_rng(7), init)

    for dtype in ("float32", "float64"):
        start = random_start(SMALL, dtype, 7, init)
        for name, value in expected.items():
            np.testing.assert_array_equal(start[name], value.astype(dtype))


def test_a_start_can_be_given():
    """By anything that makes arrays of numbers of the right shapes; it is not changed."""
    arrays = dict(normal(SMALL, np.random.default_rng(0)))

    for given_arrays in (arrays, {name: value.tolist() for name, value in arrays.items()}, Parameters.of(arrays)):
        start = given_start(given_arrays, SMALL, "float32")
        assert start.dtype == np.float32
        np.testing.assert_array_equal(start["W1"], arrays["W1"].astype(np.float32))
        assert not np.shares_memory(start.vector, arrays["W1"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: 3, "must be a dict of W1, b1, W2 and b2"),
        (lambda a: {"W1": a["W1"]}, "must be a dict of W1, b1, W2 and b2"),
        (lambda a: {**a, "W3": a["W1"]}, "must be a dict of W1, b1, W2 and b2"),
        (lambda a: {**a, "W1": a["W1"].T}, r"W1 must hold finite numbers in the shape \(2, 3\); got \(3, 2\)"),
        (lambda a: {**a, "b2": 1.0}, r"b2 must hold finite numbers in the shape \(1, 1\); got \(\)"),
        (lambda a: {**a, "b1": a["b1"] * np.nan}, "b1 must hold finite numbers"),
        (lambda a: {**a, "W2": a["W2"] * 1e300}, "W2 must hold finite numbers"),
        (lambda a: {**a, "W2": (a["W2"] * 1e300).tolist()}, "W2 must hold finite numbers"),
        (lambda a: {**a, "W2": a["W2"] * 1j}, "arrays of numbers; W2 is not"),
        (lambda a: {**a, "W2": "x"}, "arrays of numbers; W2 is not"),
        (lambda a: {**a, "W2": [[1, 2], [3]]}, "arrays of numbers; W2 is not"),
        (lambda a: {**a, "W2": None}, "W2"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(change, sentence):
    """By the name of the array and what it must be, without a warning."""
    arrays = {name: value + 2 for name, value in normal(SMALL, np.random.default_rng(0)).items()}
    with pytest.raises(SettingError, match=sentence):
        given_start(change(arrays), SMALL, "float32")
