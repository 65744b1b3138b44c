"""The blackboard: laws of each formula, on NumPy and on the strict Array-API library."""

import math
from itertools import product

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from strategies import SEEDS, SIZES, networks
from twolayer import equations
from twolayer.equations import ACTIVATIONS, LOSSES, STARTS, find_loss
from twolayer.errors import ArrayTypeError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
GRADIENTS = ("dW1", "db1", "dW2", "db2")
WORDS = {"exp": math.exp, "tanh": math.tanh, "log1p": math.log1p, "fmax": max}


def one_step(X, Y, parameters, activation="sigmoid", loss="square", weight=None):
    """Return what every formula of a training gives, by name."""
    kind = find_loss(loss, Y.shape[0])
    _, cache = equations.forward_propagation(X, parameters, activation, kind.output)
    grads = equations.back_propagation(X, Y, parameters, cache, activation=activation, loss=loss, sample_weight=weight)
    updated = equations.update_parameters(parameters, grads, 0.5)
    return {"cost": kind.cost(cache, Y, weight), **cache, **grads, **{f"new {name}": updated[name] for name in updated}}


def every_step(X, Y, parameters):
    """Return what every formula gives, for each activation and loss, without and with weights."""
    return {
        (activation, loss, weighted, name): value
        for activation, loss, weighted in product(ACTIVATIONS, LOSSES, (False, True))
        for name, value in one_step(X, Y, parameters, activation, loss, X[0, :] ** 2 + 1 if weighted else None).items()
    }


@given(networks())
def test_strict_array_library_gives_numpys_numbers(network):
    """Nothing beyond the Array-API standard is used, and the results are those of NumPy."""
    X, Y, parameters = network
    inputs = (array_api_strict.asarray(X), array_api_strict.asarray(Y))
    inputs = (*inputs, {name: array_api_strict.asarray(value) for name, value in parameters.items()})

    strict = {**every_step(*inputs), "labels": equations.predict(inputs[0], inputs[2])}

    for name, value in {**every_step(*network), "labels": equations.predict(X, parameters)}.items():
        assert type(strict[name]).__module__.startswith("array_api_strict")
        np.testing.assert_allclose(np.asarray(strict[name]), value, rtol=1e-12, atol=1e-13)


@given(networks(), st.sampled_from([np.float32, np.int64, np.uint8]))
def test_float32_stays_float32(network, kind):
    """No step widens single precision, whatever the type of the labels."""
    X, Y, parameters = network
    narrow = {name: value.astype(np.float32) for name, value in parameters.items()}

    results = every_step(X.astype(np.float32), Y.astype(kind), narrow)

    assert {value.dtype for value in results.values()} == {np.dtype(np.float32)}


@given(networks())
def test_arguments_are_left_as_they_were(network):
    """The functions are pure: no array that goes in is changed."""
    X, Y, parameters = network
    before = {name: value.copy() for name, value in (("X", X), ("Y", Y), *parameters.items())}

    every_step(*network)
    equations.predict(X, parameters)

    for name, value in (("X", X), ("Y", Y), *parameters.items()):
        np.testing.assert_array_equal(before[name], value)


@given(networks())
def test_gradients_have_the_shapes_of_their_parameters(network):
    """With one sample, one hidden unit and several outputs, too."""
    results = one_step(*network)

    for name, value in network[2].items():
        assert value.shape == results[f"d{name}"].shape == results[f"new {name}"].shape


@given(networks())
def test_gradient_of_all_samples_is_the_mean_of_the_gradients_of_each(network):
    """The 1/m is in the right place, with every activation and loss."""
    X, Y, parameters = network
    m = X.shape[1]

    for activation, loss in product(ACTIVATIONS, LOSSES):
        whole = one_step(X, Y, parameters, activation, loss)
        single = [one_step(X[:, [i]], Y[:, [i]], parameters, activation, loss) for i in range(m)]
        for name in ("cost", *GRADIENTS):
            np.testing.assert_allclose(whole[name], sum(one[name] for one in single) / m, rtol=1e-9, atol=1e-14)


@given(networks(), SEEDS)
def test_a_weight_is_how_often_a_sample_counts(network, seed):
    """Whole weights are repetitions; a common factor changes nothing; samples without any weight cost nothing."""
    X, Y, parameters = network
    weight = np.random.default_rng(seed).integers(0, 4, X.shape[1])
    weight[0] += 1

    for activation, loss in product(ACTIVATIONS, LOSSES):
        weighted = one_step(X, Y, parameters, activation, loss, 0.7 * weight)
        repeated = one_step(np.repeat(X, weight, 1), np.repeat(Y, weight, 1), parameters, activation, loss)
        ignored = one_step(X, Y, parameters, activation, loss, 0.0 * weight)
        for name in ("cost", *GRADIENTS):
            np.testing.assert_allclose(weighted[name], repeated[name], rtol=1e-9, atol=1e-14)
            assert not ignored[name].any()


@given(arrays(st.sampled_from([np.float32, np.float64]), array_shapes(), elements={"allow_nan": False}))
def test_sigmoid_of_any_number_is_a_probability(x):
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


@given(
    arrays(np.float32, st.tuples(SIZES, SIZES), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    st.sampled_from([np.float32, np.float64]),
)
def test_softmax_of_any_numbers_is_a_distribution(Z2, dtype):
    """It neither overflows nor warns; each column lies in [0, 1] and sums to 1; the largest output is the likeliest."""
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        A2 = equations.softmax(Z2.astype(dtype))

    assert A2.dtype == dtype
    assert ((A2 >= 0) & (A2 <= 1)).all()
    np.testing.assert_allclose(A2.sum(axis=0), 1, rtol=4 * np.finfo(dtype).eps)
    assert (A2[Z2.argmax(axis=0), range(Z2.shape[1])] == A2.max(axis=0)).all()


@given(arrays(np.float64, st.tuples(st.just(2), SIZES), elements=st.floats(-50, 50)), st.floats(-50, 50))
def test_softmax_of_two_outputs_is_the_sigmoid_of_their_difference(Z2, shift):
    """And a number added to all outputs changes nothing."""
    A2 = equations.softmax(Z2)

    np.testing.assert_allclose(A2[1], equations.sigmoid(Z2[1] - Z2[0]), rtol=1e-12)
    np.testing.assert_allclose(A2, equations.softmax(Z2 + shift), rtol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(x=st.floats(-20, 20).filter(lambda x: abs(x) > 1e-3))
def test_each_derivative_is_that_of_its_activation(name, x):
    """It equals a difference quotient, away from the corner of the rectifier."""
    activation, h, x = ACTIVATIONS[name], 1e-6, np.array([x])

    slope = (activation.function(x + h) - activation.function(x - h)) / (2 * h)

    np.testing.assert_allclose(activation.derivative(x), slope, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(z=st.floats(-1000, 1000))
def test_each_expression_is_its_activation(name, z):
    """What the exports write computes the same number, within two units of the last place, 5e-16."""
    activation = ACTIVATIONS[name]

    written = eval(activation.expression, {"__builtins__": {}, **WORDS, "z": z})

    assert abs(written - float(activation.function(np.array(z)))) <= 5e-16


@given(networks())
def test_cost_is_the_mean_over_samples_of_half_the_squared_distance(network):
    """The square loss equals a plain loop."""
    X, Y, parameters = network
    A2, _ = equations.forward_propagation(X, parameters)
    m = X.shape[1]

    by_hand = sum(0.5 * (A2[k, i] - Y[k, i]) ** 2 for k in range(len(Y)) for i in range(m)) / m

    assert equations.compute_cost(A2, Y) == pytest.approx(by_hand)


@given(networks(), SEEDS)
def test_the_log_loss_is_its_definition(network, seed):
    """Minus the mean logarithm of the probability of the true class, where nothing rounds to 0."""
    X, Y, parameters = network
    A2, cache = equations.forward_propagation(X, parameters)
    one_of = np.eye(len(Y))[:, np.random.default_rng(seed).integers(len(Y), size=X.shape[1])]

    of_each = -(Y * np.log(A2) + (1 - Y) * np.log1p(-A2)).sum() / Y.shape[1]
    of_one = -np.log((one_of * equations.softmax(cache["Z2"])).sum(axis=0)).mean()

    assert equations.compute_log_cost(cache["Z2"], Y) == pytest.approx(of_each, rel=1e-9)
    assert equations.compute_softmax_cost(cache["Z2"], one_of) == pytest.approx(of_one, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(("Z2", "label"), [(16.0, 1.0), (-16.0, 0.0), (80.0, 1.0)])
def test_the_log_loss_of_a_confident_and_right_output_is_small_and_not_zero(Z2, label):
    """About exp(-|Z2|), in float32 as well, where 1 + that and |Z2| + that round to 1 and |Z2|."""
    Z2, Y = np.array([[Z2]], np.float32), np.array([[label]], np.float32)

    assert equations.compute_log_cost(Z2, Y) == pytest.approx(np.exp(-abs(float(Z2[0, 0]))), rel=1e-6, abs=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_log_loss_of_a_confident_and_wrong_output_is_its_distance(dtype):
    """It is finite, and nothing overflows, where the probability of the true class rounds to 0."""
    assert equations.compute_log_cost(np.array([[-2000]], dtype), np.ones((1, 1))) == 2000
    assert equations.compute_softmax_cost(np.array([[-1000], [1000]], dtype), np.array([[1], [0]])) == 2000


@pytest.mark.parametrize(
    ("loss", "n_y", "output"),
    [("square", 1, "sigmoid"), ("square", 3, "sigmoid"), ("log", 1, "sigmoid"), ("log", 3, "softmax")],
)
def test_the_log_loss_of_several_outputs_is_that_of_softmax(loss, n_y, output):
    """Any other loss has sigmoid outputs; outputs that are wrong beyond all doubt still have a slope of size 1."""
    found = find_loss(loss, n_y)
    Z2 = np.full((n_y, 1), -40.0)
    cache = {"Z2": Z2, "A2": equations.OUTPUTS[output](Z2)}

    assert found.output == output
    assert (np.abs(found.slope(cache, np.ones((n_y, 1)))) == 1).all() == (loss == "log")


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


@given(SIZES, SIZES, SIZES, SEEDS)
def test_the_usual_start_is_the_assignments(n_x, n_h, n_y, seed):
    """W1, drawn first, is divided by the root of n_x and W2 by that of n_h, to the last bit; the biases are 0."""
    random = np.random.default_rng(seed)
    W1, W2 = random.standard_normal((n_h, n_x)), random.standard_normal((n_y, n_h))

    start = equations.initialize_parameters(n_x, n_h, n_y, np.random.default_rng(seed))

    np.testing.assert_array_equal(start["W1"], W1 / np.sqrt(n_x))
    np.testing.assert_array_equal(start["W2"], W2 / np.sqrt(n_h))
    assert start["b1"].tolist() == [[0.0]] * n_h
    assert start["b2"].tolist() == [[0.0]] * n_y


@pytest.mark.parametrize(
    ("init", "first", "second"), [("lecun", 1 / 400, 1 / 100), ("glorot", 2 / 500, 2 / 300), ("he", 2 / 400, 2 / 100)]
)
def test_each_start_has_its_variance(init, first, second):
    """1/n_in, 2/(n_in + n_out) or 2/n_in, for 400 inputs, 100 hidden units and 200 outputs."""
    start = equations.initialize_parameters(400, 100, 200, np.random.default_rng(0), init)

    assert start["W1"].var() == pytest.approx(first, rel=0.03)
    assert start["W2"].var() == pytest.approx(second, rel=0.03)
    assert set(STARTS) == {"lecun", "glorot", "he"}


def test_structure_reads_the_sizes_off_the_arrays():
    """(n_x, n_h, n_y), with five hidden units by default."""
    X, Y = np.zeros((7, 3)), np.zeros((2, 3))

    assert equations.neural_network_structure(X, Y) == (7, 5, 2)
    assert equations.neural_network_structure(X, Y, 4) == (7, 4, 2)


def test_a_list_is_refused_with_a_sentence():
    """What is not an array is named, with what to do."""
    with pytest.raises(ArrayTypeError, match="convert this list first"):
        equations.sigmoid([1.0, 2.0])
