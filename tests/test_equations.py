"""The blackboard: laws of each formula, on NumPy and on the strict Array-API library."""

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from strategies import networks
from twolayer import equations
from twolayer.errors import ArrayTypeError

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def one_pass(X, Y, parameters, learning_rate=0.5):
    """Every formula once, in order."""
    A2, cache = equations.forward_propagation(X, parameters)
    grads = equations.back_propagation(X, Y, parameters, cache)
    updated = equations.update_parameters(parameters, grads, learning_rate)
    weight = X[0, :] ** 2 + 1
    other = {}
    for activation in ("tanh", "relu"):
        _, hidden = equations.forward_propagation(X, parameters, activation)
        more = equations.back_propagation(
            X, Y, parameters, hidden, activation=activation, loss="log", sample_weight=weight
        )
        other |= {f"{activation} {name}": value for name, value in (hidden | more).items()}
        other[f"{activation} cost"] = equations.compute_log_cost(hidden["Z2"], Y, weight)
    return {
        **other,
        "weighted cost": equations.compute_cost(A2, Y, weight),
        "log cost": equations.compute_log_cost(cache["Z2"], Y),
        **cache,
        **grads,
        **{f"new {name}": value for name, value in updated.items()},
        "cost": equations.compute_cost(A2, Y),
        "labels": equations.predict(X, parameters),
    }


def to_strict(values):
    return {name: array_api_strict.asarray(value) for name, value in values.items()}


@given(networks())
def test_strict_array_library_gives_numpys_numbers(network):
    """Nothing beyond the Array-API standard is used, and the results are those of NumPy."""
    X, Y, parameters = network

    strict = one_pass(array_api_strict.asarray(X), array_api_strict.asarray(Y), to_strict(parameters))

    for name, value in one_pass(X, Y, parameters).items():
        assert type(strict[name]).__module__.startswith("array_api_strict")
        np.testing.assert_allclose(np.asarray(strict[name]), value, rtol=1e-12, atol=1e-13)


@given(networks())
def test_float32_stays_float32(network):
    """No step widens single precision, whatever the type of the labels."""
    X, Y, parameters = network
    narrow = {name: value.astype(np.float32) for name, value in parameters.items()}

    for labels in (Y.astype(np.float32), Y.astype(np.int64), Y.astype(np.uint8)):
        results = one_pass(X.astype(np.float32), labels, narrow)
        results.pop("labels")
        assert {name: value.dtype for name, value in results.items()} == dict.fromkeys(results, np.dtype(np.float32))


@given(networks())
def test_arguments_are_left_as_they_were(network):
    """The functions are pure: no array that goes in is changed."""
    X, Y, parameters = network
    before = {name: value.copy() for name, value in (("X", X), ("Y", Y), *parameters.items())}

    one_pass(X, Y, parameters)

    for name, value in (("X", X), ("Y", Y), *parameters.items()):
        np.testing.assert_array_equal(before[name], value)


@given(arrays(st.sampled_from([np.float32, np.float64]), array_shapes(), elements={"allow_nan": False}))
def test_sigmoid_of_any_number_is_a_share(x):
    """The sigmoid neither overflows nor warns, stays in [0, 1], and s(-x) = 1 - s(x)."""
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        s, mirrored = equations.sigmoid(x), equations.sigmoid(-x)

    assert x.dtype == s.dtype
    assert ((s >= 0) & (s <= 1)).all()
    np.testing.assert_allclose(1 - s, mirrored, atol=2 * np.finfo(x.dtype).eps)


@given(arrays(np.float64, array_shapes(), elements=st.floats(-700, 700)))
def test_sigmoid_is_its_definition(x):
    """Where 1 / (1 + exp(-x)) can be computed as written, the sigmoid equals it to rounding."""
    np.testing.assert_allclose(equations.sigmoid(x), 1 / (1 + np.exp(-x)), rtol=1e-14)


@given(FINITE)
def test_sigmoid_derivative_is_even_and_at_most_a_quarter(x):
    """s'(x) = s'(-x), between 0 and 1/4, which it reaches at 0."""
    slope = equations.sigmoid_derivative(np.array([x, -x, 0.0]))

    assert abs(slope[0] - slope[1]) <= 1e-15
    assert 0 <= slope[0] <= slope[2] == 0.25


@given(networks())
def test_cost_is_the_mean_over_samples_of_half_the_squared_distance(network):
    """The cost, written as a loop."""
    X, Y, parameters = network
    A2, _ = equations.forward_propagation(X, parameters)
    m = X.shape[1]

    by_hand = sum(0.5 * (A2[k, i] - Y[k, i]) ** 2 for k in range(len(Y)) for i in range(m)) / m

    assert equations.compute_cost(A2, Y) == pytest.approx(by_hand)


@given(networks())
def test_gradient_of_all_samples_is_the_mean_of_the_gradients_of_each(network):
    """The 1/m is in the right place: one sample at a time gives the same mean gradient."""
    X, Y, parameters = network
    m = X.shape[1]
    whole = one_pass(X, Y, parameters)

    single = [one_pass(X[:, i : i + 1], Y[:, i : i + 1], parameters) for i in range(m)]

    for name in ("dW1", "db1", "dW2", "db2", "cost"):
        np.testing.assert_allclose(whole[name], sum(one[name] for one in single) / m, rtol=1e-9, atol=1e-15)


@given(networks())
def test_gradients_have_the_shapes_of_their_parameters(network):
    """Also with one sample, one hidden unit, several outputs."""
    X, Y, parameters = network
    results = one_pass(X, Y, parameters)

    for name, value in parameters.items():
        assert value.shape == results[f"d{name}"].shape == results[f"new {name}"].shape


@given(networks())
def test_labels_are_one_where_the_output_is_above_one_half(network):
    """`predict` is the threshold on A2."""
    X, _, parameters = network
    A2, _ = equations.forward_propagation(X, parameters)

    np.testing.assert_array_equal((A2 > 0.5).astype(int), equations.predict(X, parameters))


def test_an_output_of_exactly_one_half_is_class_zero():
    """The threshold is strict: A2 = 0.5 is not above it."""
    parameters = {"W1": np.zeros((1, 1)), "b1": np.zeros((1, 1)), "W2": np.zeros((1, 1)), "b2": np.zeros((1, 1))}

    assert equations.predict(np.ones((1, 1)), parameters) == 0


def test_weights_are_drawn_with_variance_one_over_the_inputs_of_a_unit():
    """W1 comes from N(0, 1/n_x) and W2 from N(0, 1/n_h); the biases are 0."""
    parameters = equations.initialize_parameters(400, 300, 200, np.random.default_rng(0))

    assert parameters["W1"].std() == pytest.approx(1 / 20, rel=0.02)
    assert parameters["W2"].std() == pytest.approx(1 / np.sqrt(300), rel=0.02)
    assert not parameters["b1"].any()
    assert not parameters["b2"].any()
    assert [value.shape for value in parameters.values()] == [(300, 400), (300, 1), (200, 300), (200, 1)]


def test_structure_reads_the_sizes_off_the_arrays():
    """(n_x, n_h, n_y), five hidden units when not told."""
    X, Y = np.zeros((7, 3)), np.zeros((2, 3))

    assert equations.neural_network_structure(X, Y) == (7, 5, 2)
    assert equations.neural_network_structure(X, Y, 4) == (7, 4, 2)


def test_a_list_is_refused_with_a_sentence():
    """What is no array is named, with what to do."""
    with pytest.raises(ArrayTypeError, match="convert this list first"):
        equations.sigmoid([1.0, 2.0])


@pytest.mark.parametrize("name", equations.ACTIVATIONS)
@given(x=st.floats(-20, 20).filter(lambda x: abs(x) > 1e-3))
def test_each_derivative_is_that_of_its_activation(name, x):
    """A difference quotient says so, away from the corner of the rectifier."""
    activate, derivative = equations.ACTIVATIONS[name]
    h = 1e-6
    x = np.array([x])

    slope = (activate(x + h) - activate(x - h)) / (2 * h)

    np.testing.assert_allclose(derivative(x), slope, rtol=1e-4, atol=1e-9)


@given(networks())
def test_the_log_cost_is_its_definition(network):
    """Minus the logarithm of the share that the network gives the target, where nothing rounds to 0."""
    X, Y, parameters = network
    A2, cache = equations.forward_propagation(X, parameters)

    expected = -(Y * np.log(A2) + (1 - Y) * np.log1p(-A2)).sum() / Y.shape[1]

    assert equations.compute_log_cost(cache["Z2"], Y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("Z2", "label"), [(16.0, 1.0), (-16.0, 0.0), (80.0, 1.0)])
def test_the_log_cost_of_a_sure_and_right_output_is_small_and_not_nothing(Z2, label):
    """About exp(-|Z2|), in float32 as well, where 1 + that and |Z2| + that round to 1 and |Z2|."""
    Z2, Y = np.array([[Z2]], np.float32), np.array([[label]], np.float32)

    assert equations.compute_log_cost(Z2, Y) == pytest.approx(np.exp(-abs(float(Z2[0, 0]))), rel=1e-6, abs=0)


@given(networks())
def test_equal_weights_change_nothing(network):
    """Whatever their common value."""
    X, Y, parameters = network
    weight = np.full(X.shape[1], 7.0)
    A2, cache = equations.forward_propagation(X, parameters)

    assert equations.compute_cost(A2, Y, weight) == pytest.approx(equations.compute_cost(A2, Y), rel=1e-12)
    weighted = equations.back_propagation(X, Y, parameters, cache, sample_weight=weight)
    for name, grad in equations.back_propagation(X, Y, parameters, cache).items():
        np.testing.assert_allclose(weighted[name], grad, rtol=1e-10, atol=1e-15)
