"""Options of the command line are the fields of the settings: their names, defaults, checks and sentences."""

import pytest
from click.testing import CliRunner

from twolayer.cli import twolayer
from twolayer.cli.options import spelled, split_names, taken
from twolayer.data.request import DataRequest
from twolayer.runs.request import Request
from twolayer.settings import Settings, default_of, setting_fields

TRAIN = twolayer.commands["train"]
FIELDS = [(kind, each) for kind in (DataRequest, Settings, Request) for each in setting_fields(kind)]
TEXTS = ("data", "target", "ignore", "positive", "test", "labels")  # take any
REFUSING = [each for _, each in FIELDS if each.name not in TEXTS and not isinstance(default_of(each), bool)]
GIVEN = {
    "--target=a=b --x": {"target": "a=b --x"},
    '--ignore=a|--ignore="b,c",d': {"ignore": ("a", "b,c", "d")},
    "--positive=-1": {"positive": "-1"},
    "--hold-out=0.25": {"hold_out": 0.25},
    "--keep-spellings": {"keep_spellings": True},
    "--size=28x30": {"size": (28, 30)},
    "--hidden=7|--activation=relu": {"n_hidden": 7, "activation": "relu"},
    "--loss=log|--init=he": {"loss": "log", "init": "he"},
    "--solver=adam|--batch-size=9|--learning-rate=1e-17": {"solver": "adam", "batch_size": 9, "learning_rate": 1e-17},
    "--learning-rate=auto|--tol=0|--l2=0.1": {"learning_rate": "auto", "tol": 0.0, "l2": 0.1},
    "--weights=balanced|--seed=4": {"class_weight": "balanced", "random_state": 4},
    "--threads=3|--engine=streamed": {"n_threads": 3, "engine": "streamed"},
    "--early-stopping|--validation-fraction=0.2": {"early_stopping": True, "validation_fraction": 0.2},
    "--no-early-stopping|--no-keep-spellings|--pictures": {
        "early_stopping": False,
        "keep_spellings": False,
        "pictures": True,
    },
    "--early-stopping|--n-iter-no-change=3": {"early_stopping": True, "n_iter_no_change": 3},
    "--no-pictures|--checkpoint=0.5": {"pictures": False, "checkpoint_seconds": 0.5},
}


def parse(*arguments):
    """Return what the command `train` makes of its arguments."""
    return TRAIN.make_context("train", list(arguments)).params


@pytest.mark.parametrize(("kind", "each"), FIELDS, ids=lambda value: getattr(value, "name", ""))
def test_each_setting_is_an_option_with_its_default(kind, each):
    """What is not given is what the library takes."""
    assert taken(kind, parse())[each.name] == default_of(each)
    if each.name != "data":
        option = each.metadata["option"] or each.name.replace("_", "-")
        assert any(f"--{option}" in parameter.opts for parameter in TRAIN.params)


@pytest.mark.parametrize("arguments", GIVEN)
def test_an_option_gives_its_setting(arguments):
    """In its plain form; all others keep their defaults."""
    given = parse(*arguments.split("|"))
    assert given == {**parse(), **GIVEN[arguments]}
    Request(DataRequest(**taken(DataRequest, given)), Settings(**taken(Settings, given)), **taken(Request, given))


@pytest.mark.parametrize("each", REFUSING, ids=lambda each: each.name)
def test_each_invalid_value_is_refused_by_the_name_of_the_option(each):
    """In the library's sentence, without a word of None, which nobody can type."""
    option = f"--{each.metadata['option'] or each.name.replace('_', '-')}"

    ended = CliRunner().invoke(TRAIN, [f"{option}=nothing like that"])

    assert ended.exit_code == 2
    sentence = ended.stderr.splitlines()[-1]
    assert sentence.startswith(f"Error: {option} must be ")
    assert sentence.endswith("got 'nothing like that'.")
    assert "None" not in sentence


def test_settings_in_a_sentence_are_spelled_as_options():
    """Where the command has them; others are plain words, and quoted text stays as it is."""
    sentence = "Leave `n_hidden` out, or `out`, or `data`, or `sample_weight`, or `code_` 'n_hidden'."

    assert spelled(sentence, TRAIN) == "Leave --hidden out, or --out, or DATA, or sample_weight, or code_ 'n_hidden'."
    assert spelled(sentence, twolayer.commands["predict"]).startswith("Leave n_hidden out, or --out, or DATA")
    assert spelled(sentence, None) == sentence.replace("`", "")


def test_names_are_split_as_a_line_of_csv():
    """A name with a comma stands in quotes."""
    assert split_names(("a, b", '"c, d",e')) == ("a", "b", "c, d", "e")
    assert split_names(()) == ()


def test_help_has_the_options_in_sections_and_examples():
    """A person finds first what the data are, then how to train."""
    text = CliRunner().invoke(twolayer, ["train", "--help"]).stdout

    titles = [text.index(f"\n{title}:") for title in ("Options", "Data", "Network and training", "Run")]
    assert titles == sorted(titles)
    assert "twolayer train people.csv --target income" in text
    assert "[default: chosen by the recipe; plain 32]" in " ".join(text.split())
