"""What a training leaves can be told to a person and to a program."""

import pytest

from twolayer.parameters import Parameters
from twolayer.training.history import Epoch
from twolayer.training.result import Result, State, Status

KEYS = {"status", "message", "iterations", "cost", "train_accuracy", "train_errors", "train_samples"}
KEYS |= {"test_accuracy", "test_errors", "test_samples", "seconds", "engine"}


def a_result(**changes):
    """Return a result of 2,000 samples, with a few of them wrong."""
    values = {"parameters": None, "status": Status.FINISHED, "message": "Finished.", "n_iter": 1200, "cost": 0.125}
    values |= {"train_correct": 1999, "n_train": 2000, "test_correct": 7, "n_test": 10, "seconds": 1.5}
    return Result(**{**values, "engine": "whole", "history": [], **changes})


def test_the_figures_have_a_line_for_a_person_and_keys_for_a_program():
    """Each key once, as `--json` has them."""
    figures = a_result().figures()
    values = {name: value for figure in figures for name, value in figure.values.items()}

    assert set(values) == KEYS
    assert sum(len(figure.values) for figure in figures) == len(KEYS)
    expected = {"status": "finished", "train_errors": 1, "test_accuracy": 0.7, "test_errors": 3}
    assert values | expected == values
    texts = {figure.label: figure.text for figure in figures}
    assert texts["iterations"] == "1,200"
    assert texts["training accuracy"] == "99.95 %  (1 error of 2,000)"
    assert texts["test accuracy"] == "70.00 %  (3 errors of 10)"
    assert texts["time"] == "1.50 s"


def test_without_test_samples_their_figures_are_none():
    """Not zero."""
    figures = a_result(test_correct=None, n_test=None).figures()
    (test,) = (figure for figure in figures if figure.label == "test accuracy")

    assert test.text == "no test samples"
    assert set(test.values.values()) == {None}


@pytest.mark.parametrize("status", Status)
def test_a_status_is_its_own_text(status):
    """As a program reads it."""
    assert status == str(status) == status.value


def test_the_history_of_a_state_ends_where_its_iteration_begins():
    """Later epochs may stand behind it in the list that the training goes on writing."""
    epochs = [Epoch(k, 0.5, 0.5, None, 0.1) for k in range(4)]

    assert State(2, Parameters.__new__(Parameters), None, epochs=epochs).history == epochs[:2]
