"""The convention is the one in which the functions that tell one do best, and the courses' own in doubt."""

from dataclasses import replace

import numpy as np
import pytest

from tests.teach.transposed import ROWS
from tests.teach.variants import HEAD, RIGHT
from twolayer.teach.choice import Exam, ask_in_others, choose, identify, is_fair_start, measure
from twolayer.teach.conventions import CONVENTIONS, OTHERS, STANDARD
from twolayer.teach.lessons import COURSES
from twolayer.teach.returned import SEEDS
from twolayer.teach.sandbox import Answer, Limits
from twolayer.teach.submission import take_apart

LESSONS = {lesson.name: lesson for lesson in COURSES["homework2"]}
START = LESSONS["initialize_parameters"]


def examine(sources):
    """Return an exam of functions by their names."""
    submission = take_apart("s", [HEAD, *sources.values()])
    return Exam(submission, "homework2", {name: name for name in sources}, Limits(5.0))


def test_the_best_convention_is_chosen():
    """Of the first call of each function in all of them."""
    exam = examine(ROWS)
    others = ask_in_others(exam, exam.ask([STANDARD]))
    levels = {each.name: measure(exam, others, each) for each in OTHERS}
    levels["standard"] = measure(exam, exam.ask([STANDARD]), STANDARD)

    assert choose(exam, levels).name == "rows"
    assert levels["rows"]["back_propagation"] == (1, 1, 1)
    assert levels["standard"]["back_propagation"] == (0, 0, 0)


@pytest.mark.parametrize(("better", "chosen"), [((), "standard"), (("compute_cost",), "standard"),
                                                (("forward_propagation",), "rows")])  # fmt: skip
def test_in_doubt_it_is_the_courses_own(better, chosen):
    """Where none is better, or only what tells none."""
    exam = examine({name: f"def {name}(): pass\n" for name in LESSONS})
    levels = {name: dict.fromkeys(LESSONS, (0, 0, 1)) for name in CONVENTIONS}
    levels["rows"] |= dict.fromkeys(better, (1, 1, 1))

    assert choose(exam, levels).name == chosen


def test_what_did_not_come_back_is_not_asked_again():
    """Its time is lost once."""
    exam = replace(examine({"sigmoid": "def sigmoid(x):\n    while True: pass\n"}), limits=Limits(1.0))
    answers = exam.ask([STANDARD])

    assert answers[identify(LESSONS["sigmoid"], STANDARD, 1, 0)].error.startswith("it did not come back")
    assert ask_in_others(exam, answers) == {}


@pytest.mark.parametrize("convention", ["standard", "rows", "rows, flat outputs and W2"])
def test_a_start_is_known_by_its_distribution(convention):
    """In whichever order it is drawn, by another generator; not if it is uniform."""
    kind = CONVENTIONS[convention]
    shapes = {
        "standard": ("(n_h, n_x)", "(n_h, 1)", "(n_y, n_h)", "(n_y, 1)"),
        "rows": ("(n_x, n_h)", "(1, n_h)", "(n_h, n_y)", "(1, n_y)"),
        "rows, flat outputs and W2": ("(n_x, n_h)", "n_h", "n_h", "1"),
    }[convention]
    source = ("def initialize_parameters(n_x, n_h, n_y):\n    r = np.random.default_rng(5)\n"
              "    W2 = r.normal(size={2}) / np.sqrt(n_h)\n    W1 = r.normal(size={0}) / np.sqrt(n_x)\n"
              "    return dict(W1=W1, W2=W2, b1=np.zeros({1}), b2=np.zeros({3}))\n").format(*shapes)  # fmt: skip
    n_y = 0 if kind.outputs == "flat" else 2
    for text, fair in ((source, True), (source.replace("normal(", "uniform("), False)):
        answers = examine({"initialize_parameters": text}).ask([kind], once=True)
        assert is_fair_start(START, answers[identify(START, kind, n_y, SEEDS[0])], kind) is fair
    assert not is_fair_start(START, Answer(error="it stopped"), kind)


def test_right_functions_are_right_in_the_courses_own():
    """By their first call."""
    exam = examine({v.function: v.source for v in reversed(RIGHT) if v.course == "homework2"})
    spelled = {"compute_cost": "computer_cost", "back_propagation": "back_propogation"}
    exam = replace(exam, named={name: spelled.get(name, name) for name in exam.named})
    assert np.all(list(measure(exam, exam.ask([STANDARD]), STANDARD).values()))
