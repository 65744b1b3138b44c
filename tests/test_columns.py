"""What columns hold is counted as pandas counts it: parts of dates, texts too many to be categories, curves."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twolayer.data.encoding import DATE_PARTS, CategoryColumn, NumberColumn, fit_number
from twolayer.data.rows import gather
from twolayer.data.tables import survey as module
from twolayer.data.tables.reading import read_table
from twolayer.data.tables.survey import survey_table
from twolayer.data.tables.tables import TableRows, as_table
from twolayer.errors import DataError
from twolayer.export.samples import date_part

YEARS = (datetime(1700, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001
SCALINGS = ("standard", "clip", "quantile", "bins")


def survey(columns, *, m=None, **options):
    """Return what is found in columns beside a random class; a column of dates is one of the report."""
    frame = pd.DataFrame(columns)
    frame["y"] = np.random.default_rng(0).integers(0, 2, m or len(frame))
    return survey_table(as_table(frame, "people.csv"), "y", compare_rows=False, **options)


def encode(columns, found):
    """Return the values of other columns, under the names of the values."""
    X = gather(TableRows(as_table(columns), found.encoding, dtype=np.float64))
    return dict(zip(found.encoding.value_names, X.T, strict=True))


def standardized(values, known):
    """Return values standardized by those that are known; 0 where they are missing."""
    return np.nan_to_num((values - values[known].mean()) / values[known].std())


@settings(max_examples=20)
@given(st.lists(st.datetimes(*YEARS) | st.none(), min_size=12, max_size=40, unique=True))
def test_dates_become_their_parts(dates):
    """As pandas knows them, each standardized; a part that never varies is left out."""
    when = pd.Series(dates * 2, dtype="datetime64[us]")
    found = survey({"when": when})
    values, known = encode({"when": when}, found), when.notna().to_numpy()
    parts = {"year": when.dt.year, "month": when.dt.month, "day": when.dt.day, "weekday": when.dt.day_of_week}
    parts |= {"hour": when.dt.hour, "age": (when - pd.Timestamp("1970-01-01")) / pd.Timedelta("1D")}
    parts = {name: part.to_numpy(float) for name, part in parts.items() if part.max() > part.min()}

    assert list(values) == [*(f"when {name}" for name in parts), *(["when missing"] if None in dates else [])]
    for name, part in parts.items():
        np.testing.assert_allclose(values[f"when {name}"], standardized(part, known), rtol=1e-6, atol=1e-6)
    if None in dates:
        np.testing.assert_array_equal(values["when missing"], ~known)


KINDS = {
    "dates": (pd.Series([date(2020, 2, 27 + k % 3) for k in range(60)]), "2020-02-27 to 2020-02-29", "day,weekday,age"),
    "a leap year": (
        pd.Series(pd.date_range("2020-01-01", periods=60, freq="7D")),
        "2020-01-01 to 2021-02-17",
        "year,month,day,age",
    ),
    "times": (pd.Series([time(10, k) for k in range(60)]), "10:00:00 to 10:59:00", "age"),
    "spans": (pd.Series([timedelta(days=k % 5, hours=12) for k in range(60)]), "0.5 d to 4.5 d", "age"),
    "hours": (
        pd.Series(pd.date_range("2020-01-01", periods=60, freq="17min")),
        "2020-01-01 to 2020-01-01 16:43:00",
        "hour,age",
    ),
    "a time zone": (
        pd.Series(pd.date_range("2019-12-31 23:30", periods=60, freq="15min", tz="Etc/GMT+1")),
        "2020-01-01 00:30:00 to 2020-01-01 15:15:00",
        "hour,age",
    ),
}


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_date_is_shown_with_its_parts(kind, scaling):
    """From the first to the last, in UTC; those with a missing value say how many, at the end."""
    values, span, parts = KINDS[kind]
    missing = values.where(np.arange(60) % 10 > 0, None)

    found, flagged = survey({"when": values}, scaling=scaling), survey({"when": missing}, scaling=scaling)

    assert found.report.columns == (("when", "date", f"{span}, as {parts.replace(',', ', ')}"),)
    assert found.report.warnings == ()
    assert [column.part for column in found.encoding.columns] == parts.split(",")
    assert flagged.report.columns[0][2].endswith(f", as {parts.replace(',', ', ')}; 6 missing")
    assert [column.flagged for column in flagged.encoding.columns] == [False] * parts.count(",") + [True]


def test_parts_of_a_date_are_encoded_as_other_numbers():
    """With the same clip and curves as a column of these numbers."""
    when = pd.Series(pd.date_range("1990-01-01", periods=900, freq="97h"))
    numbers = {part: date_part(when.to_numpy("M8[s]").astype(float), part) for part in DATE_PARTS[:-1]}
    for scaling in ("clip", "quantile", "bins"):
        found, expected = survey({"when": when}, scaling=scaling), survey(numbers, scaling=scaling)
        known = {column.name: column for column in expected.encoding.columns}
        for column in found.encoding.columns[:-1]:
            assert replace(column, name=column.part, part="") == known[column.part]


USELESS = {
    "the same date": (pd.Timestamp("2020-01-01"), "always 2020-01-01"),
    "the same time": (pd.Timestamp("2020-01-01 10:30"), "always 2020-01-01 10:30:00"),
    "no date": (pd.Series([pd.NaT] * 60, dtype="datetime64[us]"), "no values"),
}


@pytest.mark.parametrize("kind", USELESS)
def test_dates_that_tell_nothing_are_left_out_with_a_note(kind):
    """As other columns are."""
    values, reason = USELESS[kind]
    found = survey({"x": np.arange(60) / 7, "when": values}, m=60)

    assert found.report.columns[1] == ("when", "ignored", reason)
    assert found.report.warnings == (f"Column 'when' is left out: {reason}.",)
    assert [column.name for column in found.encoding.columns] == ["x"]


def test_dates_can_be_left_out_on_request():
    """They are then not looked at."""
    when = pd.Series(pd.date_range("2020", periods=60))
    found = survey({"x": np.arange(60) / 7, "when": when}, ignore=["when"])

    assert found.report.columns[1] == ("when", "ignored", "left out on request")


def test_dates_that_are_the_same_or_give_the_class_away_are_told():
    """As numbers and categories are."""
    when = pd.Series(pd.date_range("2020", periods=300, freq="29h"))
    twins = survey({"when": when, "then": when.copy()})
    leak = pd.DataFrame({"x": np.random.default_rng(0).random(300), "y": np.arange(300) % 2})
    leak["when"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(leak["y"] * 10 + np.arange(300) % 3, "D")

    assert twins.report.warnings == ("Column 'then' is the same as 'when': leave one of them out with `ignore`.",)
    (warning,) = survey_table(as_table(leak), "y").report.warnings
    assert warning.startswith("Column 'when' alone determines the class")


def test_a_model_of_dates_takes_any_kind_of_them():
    """Days and times, with and without a time zone, of pandas, polars and Python, and texts that are dates."""
    days = pd.Series(pd.date_range("2019-12-30", periods=60))
    found = survey({"when": days})
    expected = encode({"when": days}, found)

    same = {
        "dates": {"when": [day.date() for day in days]},
        "datetimes": {"when": np.array(list(days.dt.to_pydatetime()), object)},
        "seconds": {"when": days.astype("datetime64[s]")},
        "UTC": pd.DataFrame({"when": days.dt.tz_localize("UTC")}),
        "a time zone": pd.DataFrame({"when": days.dt.tz_localize("UTC").dt.tz_convert("Etc/GMT-9")}),
        "texts": {"when": days.astype(str).to_numpy(object)},
        "texts with times": {"when": (days.astype(str) + "T00:00:00Z").to_numpy(object)},
        "polars": pl.DataFrame({"when": days.to_numpy()}),
    }
    for kind, columns in same.items():
        found_values = encode(columns, found)
        for name, values in expected.items():
            np.testing.assert_allclose(found_values[name], values, rtol=1e-12, atol=1e-12, err_msg=kind)


def test_a_date_without_end_is_missing(tmp_path):
    """DuckDB has infinite ones."""
    path = tmp_path / "endless.parquet"
    dates = "SELECT 'infinity'::TIMESTAMP AS \"when\" UNION ALL SELECT '-infinity'::TIMESTAMP"
    duckdb.sql(f"COPY ({dates}) TO '{path}'")
    found = survey({"when": pd.Series(pd.date_range("2019-12-30", periods=60))})

    assert not gather(TableRows(read_table(str(path)), found.encoding)).any()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([1.5, 2.5], "holds numbers where the model needs dates: repair it"),
        (["2020-01-01", "soon"], "holds text \\('soon'\\) where the model needs dates: repair it"),
    ],
)
def test_what_is_no_date_is_refused(values, sentence):
    """Numbers could count anything from any day."""
    found = survey({"when": pd.Series(pd.date_range("2019-12-30", periods=60))})

    with pytest.raises(DataError, match=f"^Column 'when' of the data {sentence}"):
        encode({"when": values}, found)


def texts(*counts):
    """Return texts of which each occurs so often, in any order."""
    values = [f"text {k}" for k, n in enumerate(counts) for _ in range(n)]
    return np.random.default_rng(0).permutation(np.array(values, object))


FREE_TEXTS = {
    "40 that occur 10 times among 3,000": texts(*[12] * 40, *[2] * 1560, *[1] * 1400),
    "identifiers, some of them twice": texts(*[2] * 100, *[1] * 4800),
    "none of which is frequent": texts(*[7] * 700),
    "few rows": texts(*[3] * 10, *[1] * 60),
    "101 that are as frequent as the others": texts(*[10] * 500),
    "a common one, and others": texts(400, *[1] * 600),
}


@pytest.mark.parametrize("scaling", SCALINGS[1:])
@pytest.mark.parametrize("kind", FREE_TEXTS)
def test_texts_too_many_to_be_categories_are_left_out(kind, scaling):
    """With a sentence that says why and what to do."""
    values = FREE_TEXTS[kind]
    found = survey({"x": np.random.default_rng(1).random(len(values)), "note": values}, scaling=scaling)

    assert [column.name for column in found.encoding.columns] == ["x"]
    (warning,) = found.report.warnings
    assert warning.startswith("Column 'note' is left out: ")
    assert warning.endswith("; if it matters, make a few categories or numbers of it.")
    assert found.report.columns[1][1] == "ignored"


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize(
    "values", [texts(*[20] * 40, *[1] * 700), texts(*[12] * 99), texts(500, 300, *[1] * 150), texts(*[2] * 20)]
)
def test_texts_of_which_most_are_frequent_are_categories(scaling, values):
    """The others share a value."""
    found = survey({"note": values}, scaling=scaling)
    (column,) = found.encoding.columns

    assert isinstance(column, CategoryColumn)
    assert column.rare == (pd.Series(values).nunique() > len(column.levels))
    assert found.report.warnings == ()


def test_standardized_tables_keep_the_texts_they_always_had():
    """Their values stay what they were."""
    found = survey({"note": FREE_TEXTS["40 that occur 10 times among 3,000"]})
    (column,) = found.encoding.columns

    assert (len(column.levels), column.rare) == (40, True)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_numbers_are_fitted_by_the_training_rows(scaling):
    """As `fit_number` does it of them; the mean is then DuckDB's, to the last digits."""
    random = np.random.default_rng(0)
    columns = {"pay": np.exp(random.normal(size=500)), "age": random.integers(0, 9, 500).astype(float)}
    columns["pay"][::9] = np.nan
    found = survey(columns, scaling=scaling, fraction=0.3)

    for column in found.encoding.columns:
        expected = fit_number(column.name, columns[column.name][found.train], scaling)
        assert isinstance(column, NumberColumn)
        assert (column.mean, column.deviation) == pytest.approx((expected.mean, expected.deviation), rel=1e-12)
        assert (column.flagged, column.clip, column.curves) == (expected.flagged, expected.clip, expected.curves)


def test_a_table_of_too_many_dates_is_refused(monkeypatch):
    """The parts of all of them would not fit into a model file."""
    monkeypatch.setattr(module, "MAX_COLUMNS", 11)
    when = pd.Series(pd.date_range("2020", periods=300, freq="31h"))

    assert len(survey({"a": when}).encoding.columns) == 6
    with pytest.raises(DataError, match="more than 11 columns, the parts of its dates counted: leave some out with"):
        survey({"a": when, "b": when})
