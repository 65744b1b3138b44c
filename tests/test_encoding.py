"""Columns become values as scikit-learn's own transformers make them, and numbers by the laws of their encodings."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import norm
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from twolayer.data.encoding import (
    DATE_PARTS,
    MAX_COLUMNS,
    MAX_NUMBER,
    MIN_STEP,
    CategoryColumn,
    Curve,
    EncodedRows,
    Encoding,
    NumberColumn,
    UnusedColumn,
    fit_encoding,
    fit_number,
)
from twolayer.data.rows import ArrayRows, MemoryRows, gather
from twolayer.errors import DataError

FINITE = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-6, 1e6)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
SCALINGS = ("standard", "clip", "quantile", "bins")


@st.composite
def curves(draw):
    """Draw a curve of any knots."""
    x = sorted(draw(st.lists(FINITE.map(lambda x: x + 0.0), min_size=1, max_size=9, unique=True)))
    assume(all(b - a >= MIN_STEP for a, b in itertools.pairwise(x)))
    y = draw(st.lists(FINITE, min_size=len(x), max_size=len(x)))
    return Curve(draw(TEXTS), tuple(x), tuple(y), draw(FINITE))


NUMBERS = st.builds(
    NumberColumn,
    TEXTS,
    FINITE,
    POSITIVE,
    st.booleans(),
    st.just(0.0) | POSITIVE,
    st.lists(curves(), max_size=3).map(tuple),
    st.sampled_from(["", *DATE_PARTS]),
)
CATEGORIES = st.builds(
    CategoryColumn, TEXTS, st.lists(TEXTS, min_size=1, max_size=4, unique=True).map(tuple), st.booleans(), st.booleans()
)


@st.composite
def encodings(draw):
    """Draw an encoding of a table whose columns have names of their own."""
    columns = draw(st.lists(NUMBERS | CATEGORIES, min_size=1, max_size=5, unique_by=lambda column: column.name))
    target = draw(TEXTS.filter(lambda name: name not in {column.name for column in columns}))
    return Encoding(target, tuple(columns))


@st.composite
def array_encodings(draw):
    """Draw an encoding of an array, at least one of whose columns is used."""
    kinds = draw(st.lists(NUMBERS | st.builds(UnusedColumn, TEXTS), min_size=1, max_size=5))
    columns = [replace(column, name=f"x{k}") for k, column in enumerate(kinds)]
    columns = [replace(column, part="") if isinstance(column, NumberColumn) else column for column in columns]
    assume(any(column.n_values for column in columns))
    return Encoding(None, tuple(columns))


def encoded(column, raw):
    """Return the values that a column makes."""
    return Encoding("y", (column,)).encode([np.asarray(raw)], np.float64)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=30).filter(lambda values: len(set(values)) > 1))
def test_numbers_are_standardized_as_scikit_learn_does(values):
    """By the mean and the standard deviation of the values."""
    X = np.asarray(values, float)[:, None]

    column = fit_number("x", X[:, 0], "standard")

    np.testing.assert_allclose(encoded(column, X[:, 0]), StandardScaler().fit_transform(X), rtol=1e-9, atol=1e-9)


@given(st.lists(FINITE | st.just(np.nan), max_size=20), NUMBERS)
def test_a_missing_number_is_the_mean_with_an_indicator_on_request(values, column):
    """It becomes 0, its curves what they have for it, and the missing indicator is 1 there and nowhere else."""
    values = np.asarray(values, float)
    X = encoded(column, values)

    assert X.shape == (len(values), column.n_values) == (len(values), len(column.value_names))
    assert (X[np.isnan(values), 0] == 0).all()
    for k, curve in enumerate(column.curves, 1):
        assert (X[np.isnan(values), k] == curve.missing).all()
    assert np.isfinite(X).all()
    if column.flagged:
        np.testing.assert_array_equal(X[:, -1], np.isnan(values))


@given(FINITE, POSITIVE, POSITIVE, st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20))
def test_a_clip_bounds_and_keeps_the_order(mean, deviation, clip, values):
    """Values stay within it and rise with the numbers; near the mean nothing changes, and no number overflows."""
    values = np.sort(np.array([*values, mean, *(mean + 1e-9 * deviation * np.arange(5))]))
    plain = np.clip((values - mean) / deviation, -1e200, 1e200)
    clipped = encoded(NumberColumn("x", mean, deviation, clip=clip), values)[:, 0]

    assert (np.abs(clipped) <= clip * (1 + 1e-12)).all()
    assert (np.diff(clipped) >= -1e-12 * clip).all()
    np.testing.assert_allclose(clipped, plain / np.hypot(1, plain / clip), rtol=1e-12, atol=1e-300)


@given(curves(), st.lists(FINITE, min_size=1))
def test_a_curve_goes_through_its_knots_and_is_a_line_between(curve, values):
    """Constant outside, as a sum of weights of the two neighbours says."""
    column = NumberColumn("x", 0.0, 1.0, curves=(curve,))
    x, y = np.array(curve.x), np.array(curve.y)

    np.testing.assert_array_equal(encoded(column, x)[:, 1], y)
    np.testing.assert_array_equal(encoded(column, [-1e9, 1e9])[:, 1], y[[0, -1]])
    for value, found in zip(values, encoded(column, values)[:, 1], strict=True):
        right = int(np.searchsorted(x, value).clip(0, len(x) - 1))
        left = max(0, right - (x[right] >= value))
        near = 0.5 if left == right else min(1, max(0, (value - x[left]) / (x[right] - x[left])))
        expected = y[left] * (1 - near) + y[right] * near
        assert found == pytest.approx(expected, abs=1e-9 * max(1, abs(y).max()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("clip", [0.0, 3.0])
@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308, -1e308])
def test_numbers_out_of_range_are_refused(dtype, clip, value):
    """Infinite ones, and those that the type of the values cannot hold; a clip holds all that are finite."""
    encoding = Encoding(None, (NumberColumn("far", 1.0, 0.01, clip=clip),))
    X = np.array([[0.0], [value]])

    if clip and np.isfinite(value):
        np.testing.assert_allclose(encoding.encode_rows(X, dtype)[1], np.sign(value) * clip, rtol=1e-7)
        return
    with pytest.raises(DataError, match=r"'far' of it has (an infinite value|a value too large to compute with): rep"):
        encoding.encode_rows(X, dtype, "it")


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=20))
def test_categories_are_one_hot_as_scikit_learn_does(values):
    """A column a level; what is no level is 0 everywhere."""
    levels = ("a", "b", "c")
    expected = OneHotEncoder(categories=[list(levels)], handle_unknown="ignore", sparse_output=False).fit_transform(
        np.array(values)[:, None]
    )
    codes = [levels.index(value) + 1 if value in levels else 0 for value in values]

    np.testing.assert_array_equal(encoded(CategoryColumn("c", levels), codes), expected)


@given(CATEGORIES, st.data())
def test_a_category_fits_one_place(column, data):
    """Its level's, that of the others, or that of the missing; without such a place it is 0 everywhere."""
    n = len(column.levels)
    codes = np.array(data.draw(st.lists(st.integers(-1, n), min_size=1, max_size=9)))
    X = encoded(column, codes)
    places = {**{k + 1: k for k in range(n)}, **({0: n} if column.rare else {})}
    places |= {-1: n + column.rare} if column.flagged else {}

    for code, row in zip(codes, X, strict=True):
        assert row.tolist() == [float(place == places.get(code)) for place in range(X.shape[1])]


@given(encodings() | array_encodings(), st.integers(0, 5))
def test_each_value_has_a_name(encoding, m):
    """As many names as values; those of a category name its levels, and that of a part of a date the part."""
    X = encoding.encode([np.ones(m, int) for _ in encoding.columns], np.float32)

    assert X.shape == (m, encoding.n_values) == (m, len(encoding.value_names))
    assert X.dtype == np.float32
    for column in encoding.columns:
        if isinstance(column, CategoryColumn):
            assert f"{column.name}={column.levels[0]}" in encoding.value_names
        elif isinstance(column, NumberColumn):
            assert (f"{column.name} {column.part}" if column.part else column.name) in encoding.value_names


def test_parts_of_a_date_are_one_field():
    """Beside each other under one name; all other columns are fields of their own."""
    number = NumberColumn("a", 0.0, 1.0)
    year, age = (NumberColumn("b", 0.0, 1.0, part=part) for part in ("year", "age"))
    other, unused = replace(year, name="c"), UnusedColumn("d")

    fields = Encoding("y", (number, year, age, other, unused, unused)).fields

    assert fields == [(number,), (year, age), (other,), (unused,), (unused,)]


def test_many_rows_are_encoded_as_few_are():
    """Rows written part by part are the rows written one by one."""
    random = np.random.default_rng(0)
    encoding = Encoding("y", (NumberColumn("a", 3, 2, True), CategoryColumn("b", ("x", "z"), True, True)))
    numbers, codes = random.standard_normal(2500), random.integers(-1, 3, 2500)
    numbers[::7] = np.nan

    X = encoding.encode([numbers, codes], np.float64)

    one_by_one = [encoding.encode([numbers[k : k + 1], codes[k : k + 1]], np.float64) for k in range(2500)]
    np.testing.assert_array_equal(X, np.concatenate(one_by_one))


@given(array_encodings(), st.integers(0, 30), st.sampled_from([np.float32, np.float64]))
def test_rows_of_an_array_are_encoded_column_by_column(encoding, m, dtype):
    """Whatever holds them: arrays of any type, sparse ones, blocks; an unused column makes nothing."""
    X = np.random.default_rng(m).integers(0, 5, (m, len(encoding.columns))).astype(np.uint8)
    expected = encoding.encode(list(X.T.astype(float)), dtype)

    for rows in (X, X.astype(np.float32), np.asfortranarray(X), sparse.csr_array(X)):
        found = encoding.encode_rows(rows, dtype)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)
    for rows in (MemoryRows(X), ArrayRows(X, 7)):
        found = EncodedRows(rows, encoding, dtype)
        assert (found.shape, found.blocks) == (expected.shape, rows.blocks)
        np.testing.assert_array_equal(gather(found), expected)


NUMBERS_WITH_TIES = st.lists(st.integers(-3, 3) | FINITE, min_size=1, max_size=60)


@pytest.mark.parametrize("scaling", SCALINGS)
@given(
    values=st.lists(st.integers(-3, 3).map(float) | FINITE | st.just(np.nan), min_size=1, max_size=40), data=st.data()
)
def test_a_weight_is_how_often_a_number_occurs(scaling, values, data):
    """Bit by bit: a weight of 2 is the same number twice, a weight of 0 is none."""
    weight = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values))))
    values = np.array(values)
    order = data.draw(st.permutations(range(len(values))))

    column = fit_number("x", values, scaling, weight)

    assert repr(column) == repr(fit_number("x", np.repeat(values, weight), scaling))
    assert repr(column) == repr(fit_number("x", values[order], scaling, weight[order]))
    if (weight == 1).all():
        assert repr(column) == repr(fit_number("x", values, scaling))


@pytest.mark.parametrize("scaling", SCALINGS)
@given(values=NUMBERS_WITH_TIES)
def test_a_fitted_column_is_within_the_rules_of_the_file(scaling, values):
    """Finite numbers, rising knots that are numbers of the data, at most 65; no curve for one or two numbers."""
    different = sorted({value + 0.0 for value in values})
    column = fit_number("x", np.array(values, float), scaling)

    if len(different) == 1:
        assert column is None
        return
    assert 0 < column.deviation <= max(abs(value - column.mean) for value in values)
    assert different[0] <= column.mean <= different[-1]
    assert (column.clip, column.flagged, column.part) == (0 if scaling == "standard" else 3, False, "")
    assert bool(column.curves) == (scaling in ("quantile", "bins") and len(different) > 2)
    for curve in column.curves:
        assert (np.diff(curve.x) >= MIN_STEP).all()
        assert set(curve.x) <= set(different)
        assert len(curve.x) == len(curve.y) <= 65
        assert np.isfinite(curve.y).all()


@given(values=NUMBERS_WITH_TIES.filter(lambda values: len({value + 0.0 for value in values}) > 2))
def test_quantiles_rise_with_the_numbers_and_are_normal(values):
    """They are the normal quantiles of the middle of a number's ranks: exact at the ends, and where there are few."""
    values = np.sort(np.array(values, float))
    assume(np.diff(np.unique(values)).min() >= MIN_STEP)  # those that are closer share a knot
    column = fit_number("x", values, "quantile")
    quantile = encoded(column, values)[:, 1]
    first = np.searchsorted(values, values, "left")
    expected = norm.ppf((first + np.searchsorted(values, values, "right")) / 2 / len(values))

    assert (np.diff(quantile) >= -1e-12).all()
    np.testing.assert_allclose(quantile[[0, -1]], expected[[0, -1]], rtol=1e-9, atol=1e-12)
    knots = np.isin(values, column.curves[0].x)
    np.testing.assert_allclose(quantile[knots], expected[knots], rtol=1e-9, atol=1e-12)
    assert np.abs(quantile - expected).max() < np.ptp(expected)


def test_quantiles_of_many_numbers_are_those_of_scikit_learn():
    """Within what 65 knots can say; the training data become normal."""
    values = np.exp(np.random.default_rng(0).standard_normal(20_000))
    expected = QuantileTransformer(output_distribution="normal", n_quantiles=2000).fit_transform(values[:, None])[:, 0]
    quantile = encoded(fit_number("x", values, "quantile"), values)[:, 1]

    inner = np.abs(expected) < 2
    np.testing.assert_allclose(quantile[inner], expected[inner], atol=0.05)
    assert abs(quantile.mean()) < 0.02
    assert quantile.std() == pytest.approx(1, abs=0.05)


@given(
    values=NUMBERS_WITH_TIES.filter(lambda values: len({value + 0.0 for value in values}) > 2), more=st.lists(FINITE)
)
def test_bins_fill_one_after_the_other(values, more):
    """Each from 0 to 1, the next not before the last is full; widths times fillings add up to the number itself."""
    column = fit_number("x", np.array(values, float), "bins")
    edges = np.array([column.curves[0].x[0], *(curve.x[-1] for curve in column.curves)])
    numbers = np.array([*values, *more], float)
    bins = encoded(column, numbers)[:, 1:]

    assert len(column.curves) <= 8
    assert ((bins >= 0) & (bins <= 1)).all()
    assert ((bins[:, 1:] == 0) | (bins[:, :-1] == 1)).all()
    total = edges[0] + bins @ np.diff(edges)
    span = max(abs(edges))
    np.testing.assert_allclose(total, np.clip(numbers, edges[0], edges[-1]), rtol=0, atol=1e-12 * span)
    np.testing.assert_allclose(
        [curve.missing for curve in column.curves], bins[: len(values)].mean(axis=0), rtol=1e-9, atol=1e-12
    )


def test_bins_have_the_edges_of_numpys_quantiles():
    """Where all numbers differ and their number is a multiple of eight, each holds an eighth of them."""
    values = np.random.default_rng(0).permutation(np.arange(800.0) ** 2)
    column = fit_number("x", values, "bins")
    expected = np.quantile(values, np.linspace(0, 1, 9), method="inverted_cdf")

    np.testing.assert_array_equal([column.curves[0].x[0], *(curve.x[-1] for curve in column.curves)], expected)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("size", [1e-307, 1e-200, 1.0, 1e15, 1e154, 1e299])
def test_numbers_of_any_size_are_fitted_alike(scaling, size):
    """No square overflows, and none is lost."""
    small = np.random.default_rng(0).standard_normal(200)
    one, other = fit_number("x", small, scaling), fit_number("x", small * size, scaling)

    assert other.deviation == pytest.approx(one.deviation * size, rel=1e-9)
    X, Y = encoded(one, small), encoded(other, small * size)
    if size > 1e-300:
        np.testing.assert_allclose(Y, X, rtol=1e-9, atol=1e-9)
    assert np.isfinite(Y).all()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize(
    "values", [[0.0, 5e-324, 1e-323, 1.0], [1e16, 1e16 + 2, 1e16 + 4], [0.0] * 999 + [1e-9, 1e9], [-0.0, 0.0, 1.0]]
)
def test_odd_numbers_make_finite_values(scaling, values):
    """Neighbours that float64 hardly tells apart, rare far ones, and zeros of both signs."""
    column = fit_number("x", np.array(values), scaling)

    assert np.isfinite(encoded(column, values)).all()
    assert all(min(np.diff(curve.x), default=1) >= MIN_STEP for curve in column.curves)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_tiny_weights_make_finite_quantiles(scaling):
    """A sum that rounds to 1 is no probability of 1."""
    column = fit_number("x", np.arange(5.0), scaling, np.array([1e-30, 1, 1, 1, 1e-30]))

    assert np.isfinite(encoded(column, np.arange(5.0))).all()


def test_a_column_that_says_nothing_is_not_fitted():
    """One number, none, and none that counts; where some are missing the indicator is left."""
    none, nan = np.zeros(3), np.array([np.nan, 4.0, 4.0])

    assert fit_number("x", np.full(4, 7.0), "quantile") is None
    assert fit_number("x", np.full(4, np.nan), "quantile") is None
    assert fit_number("x", np.empty(0), "quantile") is None
    assert fit_number("x", np.arange(3.0), "quantile", none) is None
    assert fit_number("x", np.array([1.0, 2.0]), "quantile", np.array([0, 1])) is None
    assert fit_number("x", nan, "quantile", flagged=False) is None
    assert fit_number("x", nan, "quantile") == NumberColumn("x", 4.0, 1.0, flagged=True)
    assert fit_number("x", np.array([np.nan, 4.0, 5.0]), "clip", np.array([0, 1, 1])).flagged is False


@pytest.mark.parametrize("value", [np.inf, -np.inf, MAX_NUMBER, -1.7e308])
def test_numbers_too_large_to_add_up_are_refused(value):
    """The sentence names the column."""
    with pytest.raises(DataError, match=r"^Column 'size' has numbers that are infinite or too large to add up: re"):
        fit_number("size", np.array([0.0, 1.0, value]), "clip")


@pytest.mark.parametrize("scaling", SCALINGS)
def test_an_array_is_fitted_column_by_column(scaling):
    """Dense or sparse; a column that never changes is unused and keeps its place."""
    random = np.random.default_rng(0)
    X = random.poisson(0.7, (200, 4)).astype(float)
    X[:, 2], weight = 5.0, random.random(200)

    encoding = fit_encoding(X, scaling, weight)

    columns = [fit_number(f"x{k}", X[:, k], scaling, weight) for k in (0, 1, 3)]
    assert encoding == Encoding(None, (*columns[:2], UnusedColumn("x2"), columns[2]))
    assert fit_encoding(sparse.csr_array(X), scaling, weight) == encoding
    named = fit_encoding(X.astype(np.float32), scaling, weight, names="abcd", flagged=True)
    assert [column.name for column in named.columns] == list("abcd")
    assert all(column.flagged for column in named.columns)


def test_an_encoding_is_not_larger_than_its_file():
    """Thousands of columns have no curves, and no array has too many columns."""
    X = np.random.default_rng(0).random((5, 4001))

    assert fit_encoding(X, "bins") == fit_encoding(X, "clip")
    with pytest.raises(DataError, match=r"at most 20,000 columns, not 20,001: leave some out"):
        fit_encoding(np.zeros((2, MAX_COLUMNS + 1)), "clip")


def test_a_fitted_mean_is_exact_where_sums_are():
    """Of whole numbers, whatever their order and weights."""
    values = np.random.default_rng(0).integers(0, 100, 5000).astype(float)
    column = fit_number("x", values, "standard")

    assert column.mean == pytest.approx(math.fsum(values) / 5000, rel=1e-15)
    assert column.deviation == pytest.approx(values.std(), rel=1e-14)
