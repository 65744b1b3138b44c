"""The proof sheet agrees with the assignment, and catches every usual slip."""

from types import SimpleNamespace

import numpy as np
import pytest

from twolayer import course
from twolayer.proof import NETWORK_SIZES, _agreeing_places, _places, prove

# known fact 3 of exercise 10: training accuracy with `predict`, to five places
BY_PREDICT = (0.46767, 0.74370, 0.46767, 0.53233, 0.51109, 0.46451, 0.53233, 0.45582, 0.74070, 0.53241, 0.54599)


@pytest.fixture(scope="module")
def sheet():
    return prove()


@pytest.fixture(scope="module")
def few_digits():
    """Return a stand-in for the digits: what is wrong shows in exercises 1 to 8, so the slow ones may be short."""
    X, Y, X_test, Y_test = course.load_mnist()
    return lambda: (X[:, :50], Y[:, :50], X_test[:, :50], Y_test[:, :50])


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


def test_the_users_random_stream_goes_on_as_if_nothing_had_happened(few_digits):
    """Proving gives the global generator its state back."""
    functions = {name: getattr(course, name) for name in course.__all__}
    np.random.seed(3)
    expected = np.random.randn()
    np.random.seed(3)

    prove(SimpleNamespace(**{**functions, "load_mnist": few_digits}))

    assert np.random.randn() == expected


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


SLIPS = (
    "missing 1/m",
    "transposed product",
    "derivative of A",
    "derivative of A1",
    "no keepdims",
    "updated W2",
    "wrong axis",
)


def wrong_figures(few_digits, **wrong):
    """Return the exercises with a figure that differs, digits left aside."""
    functions = {name: getattr(course, name) for name in course.__all__}
    sheet = prove(SimpleNamespace(**{**functions, "load_mnist": few_digits, **wrong}))
    return {f"{figure.exercise} {figure.quantity}" for figure in sheet.figures if not figure.agrees}


def test_the_right_formulas_in_other_words_are_not_accused(few_digits):
    """The planted backward pass without a slip differs nowhere before the digits."""
    right = back_propagation_with(None)

    wrong = wrong_figures(few_digits, back_propogation=right, train_loop=train_loop_with(right))

    assert {name for name in wrong if not name.startswith(("8.1 ", "9 ", "10 "))} == set()


@pytest.mark.parametrize("slip", SLIPS)
def test_each_slip_in_the_gradient_is_caught_where_it_is_made(slip, few_digits):
    """A wrong formula differs in exercise 6 at the gradient that it spoils."""
    slipped = back_propagation_with(slip)
    spoiled = {
        "missing 1/m": "dW1",
        "transposed product": "dW2",
        "derivative of A": "dW2",
        "derivative of A1": "dW1",
        "no keepdims": "db2",
        "updated W2": "dW1",
        "wrong axis": "db1",
    }[slip]

    wrong = wrong_figures(few_digits, back_propogation=slipped, train_loop=train_loop_with(slipped))

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
def test_each_wrong_function_is_caught(name, function, figure, few_digits):
    """Wrong values, wrong shapes, nothing at all, an exception: each differs on the sheet and ends in no crash."""
    assert figure in wrong_figures(few_digits, **{name: function})


@pytest.mark.parametrize(
    ("text", "number", "in_array", "agreeing"),
    [
        ("0.5413416581298806", 0.5413416581298806, False, 16),
        ("0.5413416581298806", 0.5413416581298806 + 3e-14, False, 13),
        ("0.8094419", 0.809441904, True, 8),
        ("0.8094419", 0.80944192, True, 7),
        ("4.00223279e-04", 4.0022327902e-4, True, 8),
        ("4.00223279e-04", 4.01e-4, True, 1),
        ("0.", 0.0, True, 8),
        ("0.", 1e-12, True, 0),
        ("12665", 12665.0, True, 5),
        ("12665", 12664.0, True, 0),
        ("0.5", np.nan, False, 0),
    ],
)
def test_agreeing_places_are_counted_as_printed(text, number, in_array, agreeing):
    """Arrays are printed to eight places, those of the mantissa with an exponent; zeros and whole numbers are exact."""
    assert _agreeing_places(text, number, _places(text, in_array=in_array)) == agreeing
