"""Settings are one list: what each may be, the sentence of each refusal, and all that is made from it."""

import json
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolayer.equations import ACTIVATIONS, LOSSES, STARTS
from twolayer.errors import SettingError
from twolayer.settings import (
    ENGINES,
    SOLVERS,
    Checked,
    Settings,
    choice,
    class_weights,
    default_of,
    flag,
    option_of,
    real,
    setting,
    setting_fields,
    text,
    to_markdown,
    whole,
)

NAMES = [each.name for each in setting_fields(Settings)]
NOT_NUMBERS = [None, "many", [], object(), 1j, float("nan"), float("inf"), "nan", "inf", True, False]


class Loss(StrEnum):
    """As somebody's own program may name it."""

    LOG = "log"


@pytest.mark.parametrize("value", [3, "3", np.int64(3), np.uint8(3)])
def test_whole_numbers_come_out_as_int(value):
    """Of any type that counts, or as text."""
    got = whole(1, 5).check("n", value)

    assert got == 3
    assert type(got) is int


@pytest.mark.parametrize(
    "value", [*NOT_NUMBERS, 0, 6, 3.0, "3.0", Decimal(3), np.float64(3), np.True_, 2**70, -(2**70)]
)
def test_other_numbers_are_not_whole_ones_within_bounds(value):
    """A float is refused even where it is whole, as is a truth value."""
    with pytest.raises(SettingError, match=r"^`n` must be a whole number from 1 to 5; got "):
        whole(1, 5).check("n", value)


@pytest.mark.parametrize("value", [0.5, "0.5", np.float32(0.5), Fraction(1, 2), Decimal("0.5")])
def test_numbers_come_out_as_float(value):
    """Of any type, or as text."""
    got = real(0).check("x", value)

    assert got == 0.5
    assert type(got) is float


@pytest.mark.parametrize("value", [*NOT_NUMBERS, -0.1, 10**400])
def test_other_values_are_not_numbers(value):
    """Truth values, infinities and NaN neither."""
    with pytest.raises(SettingError, match=r"^`x` must be a number of at least 0; got "):
        real(0).check("x", value)


@given(st.floats(), st.floats(-1e6, 1e6), st.floats(0, 1e6), st.booleans())
def test_bounds_are_kept(value, least, width, above):
    """The lower one is allowed where it says "of at least"; the upper one never."""
    kind, below = real(least, least + width + 1, above=above), least + width + 1
    allowed = (value > least or (value == least and not above)) and value < below

    if allowed:
        assert kind.check("x", value) == value
    else:
        sentence = f"a number {'greater than' if above else 'of at least'} {least:g} and less than {below:g}"
        with pytest.raises(SettingError) as error:
            kind.check("x", value)
        assert str(error.value) == f"`x` must be {sentence}; got {value!r}."


@pytest.mark.parametrize("value", ["log", Loss.LOG, np.str_("log")])
def test_a_choice_comes_out_as_text(value):
    """Also of an enumeration."""
    assert type(choice(LOSSES).check("loss", value)) is str


@pytest.mark.parametrize("value", ["Log", "", None, 1, ["log"], {"log"}, np.array(["log", "log"])])
def test_another_choice_is_refused(value):
    """With those that there are."""
    with pytest.raises(SettingError, match=r"^`loss` must be one of square, log; got "):
        choice(LOSSES).check("loss", value)


def test_flags_and_texts():
    """True and False of any type; text as it is."""
    assert [flag().check("on", value) for value in (True, np.False_, 1, 0)] == [True, False, True, False]
    assert text().check("name", "x y") == "x y"
    for kind, value in (
        (flag(), "yes"),
        (flag(), None),
        (flag(), 2),
        (flag(), np.array([1, 0])),
        (text(), 3),
        (text(), None),
    ):
        with pytest.raises(SettingError, match=r"^`it` must be (True or False|text); got "):
            kind.check("it", value)


def test_words_are_taken_as_they_are():
    """None or a word, where a kind has them; the sentence names them."""
    kind = whole(1, 5, None, "auto")

    assert (kind.check("n", None), kind.check("n", "auto"), kind.check("n", 2)) == (None, "auto", 2)
    with pytest.raises(SettingError, match=r"^`n` must be a whole number from 1 to 5, None or auto; got 'all'"):
        kind.check("n", "all")
    assert text(None).check("name", None) is None


def test_class_weights():
    """Numbers of at least 0 by their labels, "balanced" or None."""
    kind = class_weights()

    assert kind.check("w", {"a": 1, "b": np.float32(0.5)}) == {"a": 1.0, "b": 0.5}
    assert (kind.check("w", "balanced"), kind.check("w", None)) == ("balanced", None)
    for wrong in ("even", 3, [1, 2], {0: -1}, {0: "much"}, {0: float("nan")}, {0: float("inf")}, {0: None}):
        with pytest.raises(
            SettingError, match=r"^`w` must be a dict with a number of at least 0 for each class, balanced"
        ):
            kind.check("w", wrong)


def test_long_values_are_cut_in_the_sentence():
    """A sentence stays one."""
    with pytest.raises(SettingError) as error:
        choice(LOSSES).check("loss", "x" * 10_000)

    assert len(str(error.value)) < 200


@pytest.mark.parametrize("each", setting_fields(Settings), ids=lambda each: each.name)
def test_each_setting_has_a_default_a_summary_and_an_option(each):
    """The default is one of its values, in its plain form; the summary is a sentence."""
    kind = each.metadata["kind"]

    assert kind.check(each.name, default_of(each)) == default_of(each)
    assert each.metadata["summary"].endswith(".")
    assert option_of(each).startswith("--")
    with pytest.raises(SettingError, match=f"^`{each.name}` must be {kind.sentence[:20]}") as error:
        Settings(**{each.name: object()})
    assert error.value.settings[0] == each.name


def test_choices_are_those_of_the_tables():
    """Activations, losses, starts, solvers, engines."""
    choices = {each.name: each.metadata["kind"].choices for each in setting_fields(Settings)}

    assert choices["activation"] == tuple(ACTIVATIONS)
    assert choices["loss"] == tuple(LOSSES)
    assert choices["init"] == tuple(STARTS)
    assert (choices["solver"], choices["engine"]) == (SOLVERS, ENGINES)


VALID = {
    "n_hidden": st.integers(1, 99),
    "activation": st.sampled_from([*ACTIVATIONS]),
    "learning_rate": st.floats(1e-9, 1e9) | st.just("auto"),
    "max_iter": st.integers(1, 99),
    "tol": st.floats(0, 1),
    "class_weight": st.none() | st.just("balanced") | st.dictionaries(st.text() | st.integers(), st.floats(0, 9)),
    "dtype": st.sampled_from([None, "float32", "float64"]),
    "n_threads": st.none() | st.integers(1, 1024),
    "early_stopping": st.booleans(),
}


@given(st.fixed_dictionaries({}, optional=VALID))
def test_a_record_is_all_settings_as_json_holds_them(values):
    """Made again from the record they are the same, but for the labels of class weights, which are then text."""
    settings = Settings.make(values)
    record = json.loads(json.dumps(settings.to_record()))

    assert [*record] == NAMES
    assert all(record[name] == getattr(settings, name) for name in record if name != "class_weight")
    assert Settings.make(record).to_record() == settings.to_record()


def test_settings_do_not_change():
    """They are a value."""
    settings = Settings(n_hidden=3)

    with pytest.raises(FrozenInstanceError):
        settings.n_hidden = 4
    assert replace(settings, n_hidden=4) == Settings(n_hidden=4)


def test_an_unknown_setting_is_refused():
    """With those that there are."""
    with pytest.raises(
        SettingError, match=r"^There is no setting `hidden`: the settings are n_hidden, recipe, members"
    ):
        Settings.make({"n_hidden": 3, "hidden": 3})


@pytest.mark.parametrize("solver", [None, "lbfgs", "gd", "momentum"])
def test_only_adam_takes_mini_batches(solver):
    """The other solvers say so by their names."""
    name = solver or "lbfgs"
    with pytest.raises(
        SettingError, match=f"The solver {name} uses all samples at once: leave out `batch_size`"
    ) as error:
        Settings(solver=solver, batch_size=9)

    assert error.value.settings == ["batch_size", "solver"]
    assert Settings(solver="adam", batch_size=9).batch_size == 9


def test_lbfgs_takes_no_learning_rate():
    """It finds its own steps; without a solver, a rate means gradient descent."""
    with pytest.raises(SettingError, match="L-BFGS finds its own steps: leave `learning_rate` at auto"):
        Settings(solver="lbfgs", learning_rate=0.1)

    names = [
        Settings(**each).solver_name for each in ({}, {"learning_rate": 0.1}, {"solver": "adam", "learning_rate": 1})
    ]
    assert names == ["lbfgs", "gd", "adam"]


def test_the_fingerprint_is_what_decides_the_bits():
    """Not how many iterations are made, by what engine, or by how many threads."""
    fingerprint = Settings().fingerprint()

    assert set(NAMES) - set(fingerprint) == {"max_iter", "n_threads", "engine"}
    assert Settings(max_iter=3, n_threads=2, engine="whole").fingerprint() == fingerprint
    for other in ({"n_hidden": 3}, {"random_state": 3}, {"learning_rate": 0.1}, {"class_weight": {0: 2.0}}):
        assert Settings(**other).fingerprint() != fingerprint


def test_the_table_has_a_row_for_each_setting():
    """With its option and its default."""
    rows = to_markdown(Settings).splitlines()[2:]

    assert [row.split("`")[1] for row in rows] == NAMES
    assert all(row.count("|") == 6 for row in rows)
    assert "| `random_state` | `--seed` | 0 |" in next(row for row in rows if "`random_state`" in row)


@dataclass(frozen=True)
class More(Settings):
    """Settings with one more."""

    dropout: float = setting(0.25, real(0, 1), "Fraction of hidden units left out.", shown="a quarter")


def test_a_new_setting_is_one_field():
    """It is checked, kept, part of the fingerprint, refused in a sentence, and in the table: by being there."""
    assert [each.name for each in setting_fields(More)] == [*NAMES, "dropout"]
    more = More.make({"dropout": "0.5", "n_hidden": 3})

    assert (more.dropout, more.n_hidden, more.solver_name) == (0.5, 3, "lbfgs")
    assert more.to_record()["dropout"] == more.fingerprint()["dropout"] == 0.5
    assert default_of(fields(More)[-1]) == More().dropout == 0.25
    with pytest.raises(SettingError, match=r"^`dropout` must be a number of at least 0 and less than 1; got 1.0"):
        More(dropout=1.0)
    with pytest.raises(SettingError, match=r"the settings are .*, dropout"):
        More.make({"drop": 1})
    last = to_markdown(More).splitlines()[-1]
    assert last.startswith("| `dropout` | `--dropout` | a quarter | a number of at least 0 and less than 1 | Fraction")


@dataclass(frozen=True)
class Request(Checked):
    """Settings beside a field that is not one."""

    name: str
    size: int | None = setting(None, whole(1, 9, None), "Size.", option="s", decides=False)


def test_other_values_may_stand_beside_settings():
    """They are neither checked nor kept in the record."""
    request = Request("x", "3")

    assert (request.size, request.to_record(), request.fingerprint()) == (3, {"size": 3}, {})
    assert option_of(setting_fields(Request)[0]) == "--s"
