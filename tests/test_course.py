"""The assignment's functions, called as the assignment's cells call them."""

import inspect

import numpy as np
import pytest

from twolayer import course

SIGNATURES = {
    "neural_network_structure": ["X", "Y", "n_h=5"],
    "initialize_parameters": ["n_x", "n_h", "n_y"],
    "sigmoid": ["x"],
    "sigmoid_derivative": ["x"],
    "forward_propagation": ["X", "parameters"],
    "computer_cost": ["A2", "Y"],
    "compute_cost": ["A2", "Y"],
    "back_propogation": ["X", "Y", "parameters", "cache"],
    "back_propagation": ["X", "Y", "parameters", "cache"],
    "update_parameters": ["parameters", "grads", "learning_rate"],
    "train_loop": ["X", "Y", "n_h", "learning_rate", "max_iteration", "print_cost=True"],
    "predict": ["X", "parameters"],
}


@pytest.fixture
def cells():
    """Return a namespace with the assignment's imports and every name of the course, seeded."""
    namespace = {}
    exec("import numpy as np\nfrom twolayer.course import *\nnp.random.seed(1)", namespace)
    return namespace


def run(cell, namespace, capsys):
    """Return what a cell prints."""
    exec(cell, namespace)
    return capsys.readouterr().out


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_the_assignments(name):
    """Names, order and defaults of the arguments as handed out."""
    parameters = inspect.signature(getattr(course, name)).parameters.values()

    assert SIGNATURES[name] == [p.name if p.default is p.empty else f"{p.name}={p.default}" for p in parameters]


def test_star_import_brings_the_functions_and_nothing_else():
    """`from twolayer.course import *` leaves the user's np and plt alone."""
    assert {*SIGNATURES, "load_mnist"} == set(course.__all__)


def test_cells_of_the_first_exercises_print_the_assignments_outputs(cells, capsys):
    """Structure, means of the forward pass and cost come out to the last printed digit."""
    printed = run(
        "X = np.random.randn(2, 3)\nY = np.random.randn(1, 3)\n"
        "n_x, n_h, n_y = neural_network_structure(X, Y, 10)\nprint('The size of the hidden layer: n_h = ' + str(n_h))\n"
        "parameters = initialize_parameters(n_x, n_h, n_y)\nprint('W2 = ' + str(parameters['W2']))\n"
        "A2, cache = forward_propagation(X, parameters)\nprint(f'cost = {computer_cost(A2, Y)}')\n"
        "grads = back_propogation(X, Y, parameters, cache)\nprint('db2 = ' + str(grads['db2']))",
        cells,
        capsys,
    )

    assert printed.splitlines() == [
        "The size of the hidden layer: n_h = 10",
        "W2 = [[ 0.16771312 -0.21872233 -0.12546448 -0.21730309 -0.26727749 -0.21226666",
        "  -0.0040049  -0.35332456  0.07412875  0.52487553]]",
        "cost = 0.5239053069310721",
        "db2 = [[-0.0032622]]",
    ]


def test_train_loop_prints_a_loss_before_each_step(cells, capsys):
    """One `Epoch k: Loss = ...` line a step, and silence when asked."""
    printed = run("_ = train_loop(np.eye(2), np.ones((1, 2)), 3, 0.01, 4)", cells, capsys)

    assert [line.split(":")[0] for line in printed.splitlines()] == [f"Epoch {k}" for k in range(4)]
    assert run("_ = train_loop(np.eye(2), np.ones((1, 2)), 3, 0.01, 4, False)", cells, capsys) == ""


def test_the_start_is_drawn_from_the_global_generator():
    """The same seed gives the same start; W1 is drawn before W2."""
    np.random.seed(5)
    parameters = course.initialize_parameters(4, 3, 2)
    np.random.seed(5)

    np.testing.assert_array_equal(np.random.randn(3, 4) / 2, parameters["W1"])
    np.testing.assert_array_equal(np.random.randn(2, 3) / np.sqrt(3), parameters["W2"])


@pytest.mark.parametrize("x", [0, 0.0, False, [0, 0], np.zeros(2, int), np.zeros(2)])
def test_sigmoid_takes_numbers_lists_and_integers(x):
    """Students call it with whatever is at hand."""
    assert (course.sigmoid(x) == 0.5).all()
    assert (course.sigmoid_derivative(x) == 0.25).all()
    assert np.shape(x) == course.sigmoid(x).shape


def test_digits_have_the_assignments_shapes():
    """Columns are samples, pixels between 0 and 1, labels 0 and 1 in one row."""
    X_train, Y_train, X_test, Y_test = course.load_mnist()

    assert [a.shape for a in (X_train, Y_train, X_test, Y_test)] == [(784, 12665), (1, 12665), (784, 2115), (1, 2115)]
    assert (X_train.min(), X_train.max(), X_train.dtype) == (0.0, 1.0, np.float64)
    np.testing.assert_array_equal([0, 1], np.unique(Y_train))
