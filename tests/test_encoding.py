"""Columns become values as scikit-learn's own transformers make them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from twolayer.data.tables.encoding import CategoryColumn, NumberColumn, TableEncoding

FINITE = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-6, 1e6)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
NUMBERS = st.builds(NumberColumn, TEXTS, FINITE, POSITIVE, st.booleans())
CATEGORIES = st.builds(
    CategoryColumn, TEXTS, st.lists(TEXTS, min_size=1, max_size=4, unique=True).map(tuple), st.booleans(), st.booleans()
)


@st.composite
def encodings(draw):
    """Draw an encoding whose columns have names of their own."""
    columns = draw(st.lists(NUMBERS | CATEGORIES, min_size=1, max_size=5, unique_by=lambda column: column.name))
    target = draw(TEXTS.filter(lambda name: name not in {column.name for column in columns}))
    return TableEncoding(target, tuple(columns))


def encoded(column, raw):
    """Return the values that a column makes."""
    return TableEncoding("y", (column,)).encode([np.asarray(raw)], np.float64)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=30).filter(lambda values: len(set(values)) > 1))
def test_numbers_are_standardized_as_scikit_learn_does(values):
    """By the mean and the standard deviation of the values."""
    X = np.asarray(values, float)[:, None]
    scaler = StandardScaler().fit(X)
    column = NumberColumn("x", float(scaler.mean_[0]), float(scaler.scale_[0]))

    np.testing.assert_allclose(encoded(column, X[:, 0]), scaler.transform(X), rtol=1e-9, atol=1e-12)


@given(st.lists(FINITE | st.just(np.nan), max_size=20), FINITE, POSITIVE, st.booleans())
def test_a_missing_number_is_the_mean_with_an_indicator_on_request(values, mean, deviation, flagged):
    """It becomes 0, and the missing indicator is 1 there and nowhere else."""
    values = np.asarray(values, float)
    X = encoded(NumberColumn("x", mean, deviation, flagged), values)

    assert X.shape == (len(values), 1 + flagged)
    assert (X[np.isnan(values), 0] == 0).all()
    assert np.isfinite(X).all()
    if flagged:
        np.testing.assert_array_equal(X[:, 1], np.isnan(values))


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


@given(encodings(), st.integers(0, 5))
def test_each_value_has_a_name(encoding, m):
    """As many names as values; those of a category name its levels."""
    X = encoding.encode([np.ones(m, int) for _ in encoding.columns], np.float32)

    assert X.shape == (m, encoding.n_values) == (m, len(encoding.value_names))
    assert X.dtype == np.float32
    for column in encoding.columns:
        if isinstance(column, CategoryColumn):
            assert f"{column.name}={column.levels[0]}" in encoding.value_names
        else:
            assert column.name in encoding.value_names


def test_many_rows_are_encoded_as_few_are():
    """Rows written part by part are the rows written one by one."""
    random = np.random.default_rng(0)
    encoding = TableEncoding("y", (NumberColumn("a", 3, 2, True), CategoryColumn("b", ("x", "z"), True, True)))
    numbers, codes = random.standard_normal(2500), random.integers(-1, 3, 2500)
    numbers[::7] = np.nan

    X = encoding.encode([numbers, codes], np.float64)

    one_by_one = [encoding.encode([numbers[k : k + 1], codes[k : k + 1]], np.float64) for k in range(2500)]
    np.testing.assert_array_equal(X, np.concatenate(one_by_one))
