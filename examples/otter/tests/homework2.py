"""Otter-Grader's tests of the assignment: each function with its points, and a word on what is wrong with it.

otter check homework2.ipynb --tests-path tests
"""

from otter.test_files import test_case

from twolayer.teach import assert_right

OK_FORMAT = False
name = "homework2"


@test_case(points=10)
def test_neural_network_structure(env):
    """Check one function by itself."""
    assert_right("neural_network_structure", env)


@test_case(points=10)
def test_initialize_parameters(env):
    """Check one function by itself."""
    assert_right("initialize_parameters", env)


@test_case(points=5)
def test_sigmoid(env):
    """Check one function by itself."""
    assert_right("sigmoid", env)


@test_case(points=5)
def test_sigmoid_derivative(env):
    """Check one function by itself."""
    assert_right("sigmoid_derivative", env)


@test_case(points=10)
def test_forward_propagation(env):
    """Check one function by itself."""
    assert_right("forward_propagation", env)


@test_case(points=10)
def test_computer_cost(env):
    """Check one function by itself."""
    assert_right("computer_cost", env)


@test_case(points=10)
def test_back_propogation(env):
    """Check one function by itself."""
    assert_right("back_propogation", env)


@test_case(points=10)
def test_update_parameters(env):
    """Check one function by itself."""
    assert_right("update_parameters", env)


@test_case(points=10)
def test_train_loop(env):
    """Check one function by itself."""
    assert_right("train_loop", env)


@test_case(points=10)
def test_predict(env):
    """Check one function by itself."""
    assert_right("predict", env)
