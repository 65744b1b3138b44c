"""The proof sheet agrees with the assignment, and catches every usual slip."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import twolayer.proof
from twolayer import course
from twolayer.proof import NETWORK_SIZES, STEPS, Sheet, prove

# known fact 3 of exercise 10: training accuracy with `predict`, to five places
BY_PREDICT = (0.46767, 0.74370, 0.46767, 0.53233, 0.51109, 0.46451, 0.53233, 0.45582, 0.74070, 0.53241, 0.54599)


@pytest.fixture(scope="module")
def sheet():
    return prove()


@pytest.fixture(scope="module")
def prove_with():
    """Return a proof of the course with some functions replaced; a few digits are enough for what goes wrong."""
    digits = tuple(array[:, :50] for array in course.load_mnist())
    functions = {name: getattr(course, name) for name in course.__all__} | {"load_mnist": lambda: digits}
    return lambda on_exercise=None, **replaced: prove(SimpleNamespace(**{**functions, **replaced}), on_exercise)


@pytest.fixture
def prove_at_once(monkeypatch):
    """Return a function that makes the command show a given sheet."""
    return lambda sheet: monkeypatch.setattr(twolayer.proof, "prove", lambda **_: sheet)


def test_every_printed_number_agrees(sheet):
    """All 207 numbers of the assignment are re-derived."""
    assert [figure for figure in sheet.figures if not figure.agrees] == []
    assert sheet.agrees
    assert sheet.n_agreeing == sheet.n_numbers == 207


def test_exercise_10_shows_both_readings(sheet):
    """The printed table is the class of the mean; `predict` gives other accuracies for most sizes."""
    assert [reading.n_h for reading in sheet.readings] == list(NETWORK_SIZES)
    assert all(reading.printed == reading.by_mean for reading in sheet.readings)
    assert [round(reading.by_predict[0], 5) for reading in sheet.readings] == pytest.approx(BY_PREDICT, abs=1.1e-5)


def test_the_users_random_stream_goes_on_as_if_nothing_had_happened(prove_with):
    """Proving restores the state of the global generator; each exercise is announced in order."""
    np.random.seed(3)
    expected = np.random.randn()
    np.random.seed(3)
    announced = []

    prove_with(announced.append)

    assert np.random.randn() == expected
    assert tuple(announced) == STEPS


def back_propagation_with(slip):
    """Return a backward pass with one usual slip."""

    def back_propogation(X, Y, parameters, cache):
        W2, Z1, A1, Z2, A2 = parameters["W2"], *(cache[name] for name in ("Z1", "A1", "Z2", "A2"))
        s = course.sigmoid_derivative
        m = 1 if slip == "missing 1/m" else Y.shape[1]
        dZ2 = (A2 - Y) / m * s(A2 if slip == "derivative of A" else Z2)
        dW2 = A1 @ dZ2.T if slip == "transposed product" else dZ2 @ A1.T
        db2 = np.sum(dZ2, axis=1, keepdims=slip != "no keepdims")
        dZ1 = (W2.T @ dZ2) * s(A1 if slip == "derivative of A1" else Z1)
        if slip == "updated W2":
            dZ1 = ((W2 - 0.01 * dW2).T @ dZ2) * s(Z1)
        dW1 = dZ1 @ X.T
        db1 = np.sum(dZ1, axis=0 if slip == "wrong axis" else 1, keepdims=True)
        return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}

    return back_propogation


def train_loop_with(back_propogation):
    """Return the training loop on top of another backward pass."""

    def train_loop(X, Y, n_h, learning_rate, max_iteration, print_cost=True):
        parameters = course.initialize_parameters(*course.neural_network_structure(X, Y, n_h))
        for k in range(max_iteration):
            A2, cache = course.forward_propagation(X, parameters)
            if print_cost:
                print(f"Epoch {k}: Loss = {course.compute_cost(A2, Y)}")
            grads = back_propogation(X, Y, parameters, cache)
            parameters = course.update_parameters(parameters, grads, learning_rate)
        return parameters

    return train_loop


def wrong_figures(sheet):
    """Return the exercises with a figure that differs."""
    return {f"{figure.exercise} {figure.quantity}" for figure in sheet.figures if not figure.agrees}


def test_the_right_formulas_in_other_words_are_not_accused(prove_with):
    """The planted backward pass without a slip differs nowhere before the digits."""
    right = back_propagation_with(None)

    wrong = wrong_figures(prove_with(back_propogation=right, train_loop=train_loop_with(right)))

    assert {name for name in wrong if not name.startswith(("8.1 ", "9 ", "10 "))} == set()


@pytest.mark.parametrize(
    ("slip", "spoiled"),
    [
        ("missing 1/m", "dW1"),
        ("transposed product", "dW2"),
        ("derivative of A", "dW2"),
        ("derivative of A1", "dW1"),
        ("no keepdims", "db2"),
        ("updated W2", "dW1"),
        ("wrong axis", "db1"),
    ],
)
def test_each_slip_in_the_gradient_is_caught_where_it_is_made(slip, spoiled, prove_with):
    """A wrong formula differs in exercise 6 at the gradient that it spoils, and nowhere before."""
    slipped = back_propagation_with(slip)

    wrong = wrong_figures(prove_with(back_propogation=slipped, train_loop=train_loop_with(slipped)))

    assert f"6 {spoiled}" in wrong
    assert {name for name in wrong if name.split()[0] in set("12345")} == set()


@pytest.mark.parametrize(
    ("name", "function", "figure"),
    [
        ("neural_network_structure", lambda X, Y, n_h=5: (X.shape[0], 5, Y.shape[0]), "1 n_h"),
        ("initialize_parameters", lambda a, b, c: None, "2 W1"),
        ("initialize_parameters", lambda a, b, c: {"W1": np.random.rand(b, a)}, "2 W2"),
        ("sigmoid", lambda x: 1 / (1 + np.exp(x)), "3 sigmoid"),
        ("sigmoid", lambda x: None, "3 sigmoid"),
        ("sigmoid_derivative", lambda x: x * (1 - x), "3 derivative"),
        ("forward_propagation", lambda X, p: (_ for _ in ()).throw(RuntimeError("not yet written")), "4 mean of Z1"),
        ("computer_cost", lambda A2, Y: np.sum((A2 - Y) ** 2) / 2, "5 cost"),
        ("computer_cost", lambda A2, Y: np.nan, "5 cost"),
        ("update_parameters", lambda p, g, r: {k: p[k] + r * g["d" + k] for k in p}, "7 W1"),
        ("update_parameters", lambda p, g, r: p, "7 b1"),
        ("train_loop", lambda X, Y, n_h, r, n, print_cost=True: print("Epoch 0: Loss = 0.5413416"), "8 loss, epoch 0"),
        ("predict", lambda X, p: np.zeros((1, X.shape[1])), "9 train accuracy"),
    ],
)
def test_each_wrong_function_is_caught(name, function, figure, prove_with):
    """Wrong values, wrong shapes, nothing at all, an exception: each differs on the sheet and ends in no crash."""
    assert figure in wrong_figures(prove_with(**{name: function}))


def test_the_command_shows_every_figure_and_both_readings(call, sheet, prove_at_once):
    """One line a quantity, exit code 0; a line on stderr says that it takes a while."""
    prove_at_once(sheet)
    code, out, err = call("proof")

    assert code == 0
    assert "207 of 207 printed numbers agree" in out
    assert "DIFFERS" not in out
    assert "0.74370 / 0.73428" in out
    assert len(err.splitlines()) == 1


def test_the_command_tells_what_differs(call, sheet, prove_at_once):
    """Exit code 1 in every form; in JSON a number that is not finite becomes null."""
    sigmoid = next(figure for figure in sheet.figures if figure.quantity == "sigmoid")
    wrong = replace(
        sigmoid, printed=["0.5", "0.25"], computed=[0.5, np.nan], places=[8, 8], digits=[8, 0], agrees=False
    )
    prove_at_once(Sheet([wrong, replace(wrong, printed=["0.5"], computed=[], note="KeyError: 'dW1'")]))

    code, out, _ = call("proof", "--json")
    assert (code, json.loads(out)["agrees"], json.loads(out)["figures"][0]["computed"]) == (1, False, [0.5, None])
    code, out, _ = call("proof", "--all")
    assert code == 1
    assert [line.split()[-1] for line in out.splitlines()[2:5]] == ["DIFFERS"] * 3
    assert "KeyError" in out
    assert "0 of 3 printed numbers agree" in call("proof")[1]


def test_a_terminal_sees_a_progress_bar(call, sheet, monkeypatch):
    """It names the exercise and counts the steps."""
    monkeypatch.setattr(twolayer.proof, "prove", lambda on_exercise: on_exercise("8.1") or sheet)
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)
    monkeypatch.setenv("TERM", "xterm")

    err = call("proof", "--json")[2]

    assert "Exercise 8.1" in err
    assert f"/{len(STEPS)}" in err
