"""What a table holds is found out from its training rows, and each flaw that is planted is told, and no other."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from twolayer.data.encoding import CategoryColumn, NumberColumn
from twolayer.data.rows import gather
from twolayer.data.tables.survey import code_target, guess_target, survey_table
from twolayer.data.tables.tables import TableRows, as_table
from twolayer.errors import DataError

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=5)


def clean(m=300, seed=0, n_classes=2):
    """Return a table without any flaw: numbers, whole numbers, categories, a few missing values, random classes."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "height": random.normal(170, 10, m),
            "pay": np.exp(random.normal(size=m)),
            "age": random.integers(18, 90, m),
            "town": random.choice(["Ulm", "Bonn", "Köln", "Hof"], m, p=[0.4, 0.3, 0.2, 0.1]).astype(object),
            "owner": random.integers(0, 2, m),
            "y": random.permutation(np.arange(m) % n_classes),
        }
    )
    frame.loc[random.random(m) < 0.1, "pay"] = np.nan
    frame.loc[random.random(m) < 0.1, "town"] = None
    return frame


def survey(frame, target="y", **options):
    return survey_table(as_table(frame, "people.csv"), target, **{"fraction": 0.2, **options})


def samples(frame, found):
    """Return all rows of a table, encoded."""
    return gather(TableRows(as_table(frame), found.encoding, dtype=np.float64))


@FEW
@given(SEEDS, st.integers(20, 400), st.sampled_from([0.0, 0.2, 0.5]))
def test_numbers_are_standardized_by_the_training_rows(seed, m, fraction):
    """As scikit-learn's StandardScaler learns it of them; the rows held out may lie anywhere."""
    frame = clean(m, seed)[["height", "pay", "y"]]
    held_out = survey(frame, fraction=fraction).test
    frame.loc[held_out, "height"] += 1e4
    found = survey(frame, fraction=fraction)
    np.testing.assert_array_equal(found.test, held_out)
    scaler = StandardScaler().fit(frame.loc[found.train, ["height", "pay"]])
    expected = scaler.transform(frame[["height", "pay"]])
    missing = np.isnan(expected[:, 1])

    X = samples(frame, found)

    assert found.encoding.value_names[:2] == ["height", "pay"]
    np.testing.assert_allclose(X[:, :2], np.nan_to_num(expected), rtol=1e-9, atol=1e-9)
    if np.isnan(frame.loc[found.train, "pay"]).any():
        np.testing.assert_array_equal(X[:, 2], missing)
    else:
        assert X.shape[1] == 2


@FEW
@given(SEEDS, st.integers(30, 1500))
def test_categories_are_those_of_the_training_rows(seed, m):
    """One-hot as by scikit-learn, the most frequent first; rare and unseen share a place, missing have their own."""
    random = np.random.default_rng(seed)
    values = random.choice(list("aaaaaabbbbccdefg"), m).astype(object)
    values[random.random(m) < 0.05] = None
    frame = pd.DataFrame({"c": values, "x": random.normal(size=m), "y": np.arange(m) % 2})
    found = survey(frame)
    counts = frame.loc[found.train, "c"].value_counts()
    least = max(2, min(10, len(found.train) // 200))
    (column,) = (column for column in found.encoding.columns if column.name == "c")

    assert set(column.levels) == set(counts[counts >= least].index)
    assert [counts[level] for level in column.levels] == sorted(counts[list(column.levels)], reverse=True)
    assert column.rare == (len(counts) > len(column.levels))
    assert column.flagged == frame.loc[found.train, "c"].isna().any()
    one_hot = OneHotEncoder(categories=[list(column.levels)], handle_unknown="ignore", sparse_output=False)
    expected = [one_hot.fit_transform(frame[["c"]].fillna("missing").to_numpy())]
    expected += [(~frame["c"].isin(column.levels) & frame["c"].notna()).to_numpy()[:, None]] * column.rare
    expected += [frame["c"].isna().to_numpy()[:, None]] * column.flagged
    np.testing.assert_array_equal(samples(frame[["c", "x"]], found)[:, : len(column.value_names)], np.hstack(expected))


def test_what_is_learned_is_shown():
    """Each column with its kind and what it holds; the classes with their numbers."""
    frame = clean(200)
    frame["when"] = pd.Timestamp("2020-01-01")
    found = survey(frame, ignore=["when"])
    train = frame.loc[found.train]

    assert (found.report.n_train, found.report.n_test, found.report.target) == (160, 40, "y")
    assert found.report.classes == {"0": 80, "1": 80}
    shown = {name: (kind, summary) for name, kind, summary in found.report.columns}
    assert list(shown) == ["height", "pay", "age", "town", "owner", "when"]
    assert shown["height"] == ("number", f"{train['height'].min():g} to {train['height'].max():g}")
    assert shown["pay"][1].endswith(f"; {train['pay'].isna().sum()} missing")
    assert shown["town"] == ("category", f"4 levels; {train['town'].isna().sum()} missing")
    assert shown["when"] == ("ignored", "left out on request")
    assert [column.name for column in found.encoding.columns] == ["height", "pay", "age", "town", "owner"]


@settings(max_examples=8)
@given(SEEDS, st.integers(150, 900), st.integers(2, 4))
def test_clean_data_raise_no_alarm(seed, m, n_classes):
    """Random numbers and categories with random classes have no flaw that is worth a word."""
    assert survey(clean(m, seed, n_classes)).report.warnings == ()


def test_large_clean_data_raise_no_alarm():
    """Also where different values are counted approximately, and marks of 1 are rare."""
    frame = clean(70_000).drop(columns="pay")  # whose logarithm is indeed the better number
    frame["mark"] = (np.arange(len(frame)) % 2001 == 7).astype(int)

    assert survey(frame).report.warnings == ()


def set_rows(column, rows, value):
    """Return a change of some rows of a column."""

    def change(frame):
        frame.loc[rows, column] = value

    return change


LEFT_OUT = {
    "a counter": (np.arange(400), "counts the rows"),
    "a counter from anywhere": (np.arange(400) + 1_000_000, "counts the rows"),
    "a counter in any order": (np.random.default_rng(0).permutation(400), "counts the rows"),
    "names": ([f"person {k}" for k in range(400)], "nearly every row has a value of its own"),
    "a constant": (3, "always 3"),
    "a constant text": ("x", "always x"),
    "nothing": (None, "no values"),
    "no numbers": (np.nan, "no values"),
    "empty texts": (" ", "no values"),
}


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_columns_that_tell_nothing_are_left_out_with_a_note(kind):
    """Row counters, identifiers, constants and empty columns."""
    values, reason = LEFT_OUT[kind]
    found = survey(clean(400).assign(extra=values))

    advice = "; if it matters, make a few categories or numbers of it" * (kind == "names")
    assert found.report.warnings == (f"Column 'extra' is left out: {reason}{advice}.",)
    assert found.report.columns[-1] == ("extra", "ignored", reason)
    assert "extra" not in {column.name for column in found.encoding.columns}


def test_numbers_that_only_look_like_a_counter_are_kept():
    """A number of its own in each row is a number; so is a count that misses some, and one of few rows."""
    kept = survey(clean(400).assign(extra=np.arange(400) * 2, pay=np.arange(400, dtype=float)))
    few = survey(clean(20).assign(extra=range(20)))
    wide = survey(clean(400).assign(extra=np.arange(400) // 3 * 3))

    assert {"extra", "pay"} <= {column.name for column in kept.encoding.columns}
    for found in (few, wide):
        assert "extra" in {column.name for column in found.encoding.columns}


def test_many_rare_texts_are_left_out_as_such():
    """They are no identifiers, but none is frequent enough to learn of."""
    m = 4000
    found = survey(clean(m).assign(extra=[f"street {k % 700}" for k in range(m)]))

    reason = "no value occurs in 10 rows or more; if it matters, make a few categories or numbers of it"
    assert f"Column 'extra' is left out: {reason}." in found.report.warnings


def leak(frame):
    frame["extra"] = np.where(frame["y"] == 1, "approved", "refused")


def leak_of_several_values(frame):
    frame["extra"] = frame["y"] * 10 + np.arange(len(frame)) % 3


def repeat_rows(frame):
    return pd.concat([frame, frame[:100]], ignore_index=True)


def contradict(frame):
    return pd.concat([frame, frame[:30].assign(y=1 - frame["y"][:30])], ignore_index=True)


PLANTED = {
    "the same column": (lambda frame: frame.assign(extra=frame["height"]), "'extra' is the same as 'height'"),
    "the same categories": (lambda frame: frame.assign(extra=frame["town"]), "'extra' is the same as 'town'"),
    "a leak": (leak, "'extra' alone determines the class"),
    "a leak of several values": (leak_of_several_values, "'extra' alone determines the class"),
    "rows in both parts": (repeat_rows, "of the 100 test rows are also training rows"),
    "contradictions": (contradict, "60 rows are the same as others of another class"),
    "mostly missing": (set_rows("pay", slice(0, 320), None), "'pay' is missing in 8[0-9].[0-9] % of the rows"),
    "far values": (set_rows("height", [5, 6, 7], 1e9), "'height' has values .* standard deviations from its mean"),
    "a missing target": (set_rows("y", [3, 4], None), r"2 rows have no 'y' and are left out \(0.5 %\)"),
    "one missing target": (set_rows("y", [3], None), r"1 row has no 'y' and is left out \(0.2 %\)"),
    "a small class": (set_rows("y", slice(0, 7), 2), "Class 2 has only 6 training samples"),
    "an uneven class": (
        set_rows("y", slice(0, 370), 0),
        "Class 1 makes up [0-9.]+ % of the samples: set `class_weight` to balanced",
    ),
}


@pytest.mark.parametrize("flaw", PLANTED)
def test_a_planted_flaw_is_told(flaw):
    """In a sentence; without it there is none."""
    change, sentence = PLANTED[flaw]
    frame = clean(1000 if flaw == "far values" else 400)
    changed = change(frame)
    warnings = survey(frame if changed is None else changed).report.warnings

    assert re.search(sentence, "\n".join(warnings))
    assert len(warnings) <= 2
    assert all(warning.endswith(".") for warning in warnings)


def test_test_rows_of_one_class_are_told():
    """Their accuracy says little."""
    frame = clean(200)
    frame["y"] = (np.arange(200) < 3).astype(int)

    assert (
        "All test samples belong to class 0: the test accuracy means little."
        in survey(frame, fraction=0.1).report.warnings
    )


def test_rows_are_not_compared_where_memory_is_dear():
    """All else is told."""
    frame = repeat_rows(clean(400))

    assert survey(frame, compare_rows=False).report.warnings == ()


def test_a_column_of_missing_values_and_one_number_is_a_mark():
    """What is not missing is the mean, and the flag says which is which."""
    frame = clean(100).assign(extra=np.where(np.arange(100) % 3, 0.1, np.nan))
    found = survey(frame)
    (column,) = (column for column in found.encoding.columns if column.name == "extra")
    X = samples(frame, found)[:, -2:]

    assert (column.deviation, column.flagged) == (1.0, True)
    np.testing.assert_allclose(X[:, 0], 0, atol=1e-12)
    np.testing.assert_array_equal(X[:, 1], np.arange(100) % 3 == 0)


WRONG_COLUMNS = {
    "lists": (
        {"when": [[1, 2]] * 60},
        "Column 'when' of people.csv holds neither numbers nor text: leave it out with `ignore`",
    ),
    "infinite numbers": ({"when": [np.inf, -np.inf, 1.0] * 20}, "Column 'when' .* has 3[0-9] infinite values: repair"),
    "one infinite number": ({"when": [np.inf] + [1.0] * 59}, "Column 'when' .* has (1|an) infinite value"),
    "huge numbers": ({"when": [1e200, -1e200, 1.0] * 20}, "people.csv holds numbers too large to add up"),
    "numbers with a few texts": (
        {"when": [str(k / 7) for k in range(57)] + ["unknown"] * 3},
        "Column 'when' .* holds numbers, but text such as 'unknown' in 3 rows: repair it, or leave it out",
    ),
    "numbers with one text": (
        {"when": [str(k / 7) for k in range(59)] + ["~5"]},
        "Column 'when' .* holds numbers, but text such as '~5' in 1 row:",
    ),
}


@pytest.mark.parametrize("kind", WRONG_COLUMNS)
def test_columns_that_cannot_be_used_are_named(kind):
    """With what to do; left out on request they are no matter."""
    columns, sentence = WRONG_COLUMNS[kind]
    frame = clean(60).assign(**columns)

    with pytest.raises(DataError, match=sentence):
        survey(frame)
    assert survey(frame, ignore=list(columns)).report.columns[-1][1:] == ("ignored", "left out on request")


def test_long_texts_are_shortened_in_sentences():
    """A value may be a whole page."""
    page = "word " * 1000
    with pytest.raises(DataError, match=r"text such as 'word word .*\.\.\.' in 1 row") as caught:
        survey(clean(60).assign(when=[*map(str, np.arange(1, 60) / 7), page]))
    assert len(str(caught.value)) < 200
    assert len(survey(clean(60).assign(extra=page)).report.warnings[0]) < 200
    with pytest.raises(DataError, match=r"has a class 'word .*\.\.\.' in 'y'") as caught:
        code_target(as_table({"y": ["a", page]}), "y", ("a", "b"))
    assert len(str(caught.value)) < 200


def test_codes_with_a_few_letters_are_categories():
    """What stands for many rows each is no number with flaws."""
    frame = clean(300).assign(extra=[str(k % 30) if k % 31 else "3+" for k in range(300)])

    assert isinstance(survey(frame).encoding.columns[-1], CategoryColumn)


WRONG_TARGETS = {
    "decimals": (
        np.arange(60) / 7,
        "'y' holds numbers that are not whole: turn it into a few classes, such as low and high",
    ),
    "infinite": ([np.inf, 1.0, 2.0] * 20, "not whole"),
    "dates": (pd.date_range("2020", periods=60), "'y' holds dates"),
    "lists": ([[1]] * 60, "'y' holds neither numbers nor text"),
    "nothing": ([None] * 60, "'y' has no values"),
    "empty texts": (["", " "] * 30, "'y' has no values"),
    "one class": (["x"] * 60, "All samples belong to one class, x: the `target` 'y' needs at least two"),
    "one number": ([7] * 60, "All samples belong to one class, 7"),
    "spellings of two classes": (["hAd", "hEd", "had"] * 20, "'hAd' and 'had', two spellings"),
    "two spellings": (["Yes", "yes", "no"] * 20, "'Yes' and 'yes', two spellings of one class: .* `keep_spellings`"),
    "many digits": ([2**60, 2**60 + 1] * 30, "'y' holds numbers of more than 15 digits"),
}


@pytest.mark.parametrize("kind", WRONG_TARGETS)
def test_a_column_that_makes_no_classes_is_told(kind):
    """Each kind with a sentence of its own."""
    values, sentence = WRONG_TARGETS[kind]

    with pytest.raises(DataError, match=sentence):
        survey(clean(60).assign(y=values))


def test_at_most_a_thousand_classes():
    """More are no classes but identifiers."""
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=2002), "y": np.arange(2002) % 1001})

    assert len(survey(frame[frame["y"] < 1000], fraction=0.0).labels.classes) == 1000
    for values in (frame["y"], "class " + frame["y"].astype(str)):
        with pytest.raises(DataError, match="'y' has more than 1,000 values"):
            survey(frame.assign(y=values))


def test_columns_that_are_not_there_are_told():
    """The target, and those to ignore; and that nothing is left to learn from."""
    frame = clean(60)
    with pytest.raises(DataError, match=r"no column 'z', the `target`: it has height, pay, age, town, owner, y\."):
        survey(frame, "z")
    with pytest.raises(DataError, match="no columns 'a', 'b', to `ignore`"):
        survey(frame, ignore=["a", "b", "age"])
    with pytest.raises(DataError, match="no column besides 'y'"):
        survey(frame[["y"]])
    with pytest.raises(DataError, match="no column besides"):
        survey(frame[["age", "y"]], ignore=["age"])
    with pytest.raises(DataError, match=r"no column 'Heigth', the `target` \(did you mean 'height'\?\): it has"):
        survey(frame, "Heigth")
    wide = pd.DataFrame({f"c{k}": [1, 2] for k in range(20)})
    with pytest.raises(DataError, match=r"it has c0, .*, c11, \.\.\.\."):
        survey(wide)


@pytest.mark.parametrize(("n", "told"), [(30, False), (31, True), (400, True)])
def test_a_target_of_many_numbers_looks_like_a_quantity(n, told):
    """It is learned all the same; texts are classes, however many."""
    frame = clean(1000).assign(y=np.arange(1000) % n)
    sentence = f"The target 'y' has {n} different numbers and looks like a quantity"

    assert any(warning.startswith(sentence) for warning in survey(frame).report.warnings) == told
    assert "quantity" not in " ".join(survey(frame.assign(y="class " + frame["y"].astype(str))).report.warnings)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"a": [1.5, 2.5] * 30, "b": [0, 1] * 30, "c": [*range(60)]}, "b"),
        ({"a": ["x", "y"] * 30, "b": [1.5, 2.5] * 30, "c": ["z"] * 60}, "a"),
        ({"Target": ["x", "y"] * 30, "b": [0, 1] * 30}, "Target"),
        ({"a": [1.5, 2.5] * 30, "b": ["z"] * 60}, None),
        ({"a": pd.date_range("2020", periods=60)}, None),
    ],
)
def test_the_likeliest_target_is_found(columns, expected):
    """The column that is called so, or else the last one with few values that can be classes."""
    assert guess_target(as_table(columns if "a" not in columns else pd.DataFrame(columns))) == expected


@pytest.mark.parametrize(
    ("values", "classes", "codes"),
    [
        ([3, -1], (-1, 3), (1, 0)),
        ([3.0, -1.0], (-1, 3), (1, 0)),
        (["b", "a"], ("a", "b"), (1, 0)),
        ([" b", "a "], ("a", "b"), (1, 0)),
        ([True, False], ("false", "true"), (1, 0)),
        (["9", "10"], ("10", "9"), (1, 0)),  # texts
        (["1", "x"], ("1", "x"), (0, 1)),
    ],
)
def test_classes_are_sorted(values, classes, codes):
    """Whole numbers as numbers, texts as texts without the white space around them."""
    found = survey(clean(60).assign(y=values * 30))

    assert found.labels.classes == classes
    assert [type(label) for label in found.labels.classes] == [type(label) for label in classes]
    np.testing.assert_array_equal(found.labels.codes, codes * 30)


def test_the_positive_class_is_the_second():
    """Of two."""
    found = survey(clean(60), positive="0")

    assert found.labels.classes == (1, 0)
    np.testing.assert_array_equal(found.labels.codes, 1 - clean(60)["y"])


def test_two_spellings_are_two_classes_on_request():
    """Three classes here."""
    frame = clean(60).assign(y=["Yes", "yes", "no"] * 20)

    assert survey(frame, keep_spellings=True).labels.classes == ("Yes", "no", "yes")


def test_rows_without_a_class_are_learned_nothing_of():
    """They stand in neither part, and do not count in means."""
    frame = clean(100)
    frame.loc[::4, ["y", "height"]] = [np.nan, 1e6]
    found = survey(frame)

    assert (found.labels.codes[::4] == -1).all()
    assert not {*range(0, 100, 4)} & {*found.train, *found.test}
    assert len(found.train) + len(found.test) == 75
    (height,) = (column for column in found.encoding.columns if column.name == "height")
    assert isinstance(height, NumberColumn)
    assert height.mean == pytest.approx(frame.loc[found.train, "height"].mean())


def test_rows_without_a_class_are_compared_with_none():
    """Not even where they are the same as others."""
    frame = pd.concat([clean(400), clean(400)[:50].assign(y=np.nan)], ignore_index=True)
    (warning,) = survey(frame).report.warnings

    assert warning.startswith("50 rows have no 'y' and are left out")


@FEW
@given(SEEDS, st.floats(0.05, 0.6), st.integers(0, 5))
def test_each_class_has_its_share_held_out(seed, fraction, random_state):
    """To half a sample; the same seed holds the same out."""
    frame = clean(200, seed, 3)
    found = survey(frame, fraction=fraction, random_state=random_state)

    for k in range(3):
        n = int((found.labels.codes == k).sum())
        assert abs((found.labels.codes[found.test] == k).sum() - fraction * n) <= 0.5
    assert set(found.train) | set(found.test) == set(range(200))
    np.testing.assert_array_equal(found.test, survey(frame, fraction=fraction, random_state=random_state).test)


def test_classes_of_another_table_are_found():
    """Numbers among texts and texts among numbers; a class that is not among the classes is told."""
    for values, classes in ((["1", "0", None], (0, 1)), ([1.0, 0.0, None], (0, 1)), (["b", " a ", "NA"], ("a", "b"))):
        table = as_table(pd.DataFrame({"y": values}))
        np.testing.assert_array_equal(code_target(table, "y", classes).codes, [1, 0, -1])
    with pytest.raises(DataError, match=r"has a class 'c' in 'y' that is not among the classes \(a, b\)"):
        code_target(as_table({"y": ["a", "c"]}), "y", ("a", "b"))
    with pytest.raises(DataError, match=r"has a class '7.*' in 'y' that is not among the classes"):
        code_target(as_table({"y": [0, 7]}), "y", (0, 1))
    with pytest.raises(DataError, match="no column 'y', the `target`"):
        code_target(as_table({"x": [0, 7]}), "y", (0, 1))
