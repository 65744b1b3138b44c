"""The network behind scikit-learn's contract: what its tools expect holds, and what is computed is the blackboard's."""

import doctest
import pickle
import signal
import tracemalloc
import warnings

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import get_scorer, log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import parametrize_with_checks

import twolayer
from twolayer import classifier as classifier_module
from twolayer import course, equations
from twolayer.classifier import TwoLayerClassifier
from twolayer.data.split import hold_out
from twolayer.engines import objective as objective_module
from twolayer.engines.kernel import load_kernel
from twolayer.errors import DataError, SettingError
from twolayer.fit import fit_model

QUICK = {"n_hidden": 5, "max_iter": 5, "tol": 0, "random_state": 0}  # no tolerance, so that it just finishes
FIXED = {"learning_rate": 0.5}
FULL_BATCH = {"gd": FIXED, "gd auto": {"solver": "gd"}, "momentum": {"solver": "momentum"}, "lbfgs": {}}
ADAM = {"solver": "adam", "batch_size": 7}
ENGINES = ["whole", *(["tiled"] if load_kernel() else []), "streamed"]
IN_MEMORY = [engine for engine in ENGINES if engine != "streamed"]
METHODS = ("predict", "predict_proba", "decision_function", "transform")


def make(**more):
    """Return a network that is quick to train."""
    return TwoLayerClassifier(**{**QUICK, **more})


def problem(n_classes=2, m=60, n=4, seed=0):
    """Return samples of classes that lie side by side, the first feature telling most about them."""
    random = np.random.default_rng(seed)
    y = random.permutation(np.arange(m) % n_classes)
    X = random.standard_normal((m, n))
    X[:, 0] += y
    return X, y


def one_hot(y, n_classes):
    """Return the targets of codes: a row for the second of two classes, else one a class."""
    return np.eye(n_classes)[:, y][1 if n_classes == 2 else 0 :]


def random_parameters(n_classes=2, seed=9):
    return dict(equations.initialize_parameters(4, 5, n_classes if n_classes > 2 else 1, np.random.default_rng(seed)))


def assert_same_bits(one, other):
    """Compare parameters, or the networks that have them."""
    one, other = (getattr(each, "parameters_", each) for each in (one, other))
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(one[name], other[name])


def assert_close(one, other, rtol):
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_allclose(one.parameters_[name], other.parameters_[name], rtol=rtol, atol=rtol * 1e-2)


def dtypes(network):
    return {value.dtype.name for value in network.parameters_.values()}


@pytest.fixture
def callback():
    """Return scikit-learn's callbacks, which came with version 1.9."""
    return pytest.importorskip("sklearn.callback")


@pytest.fixture
def trainings(monkeypatch):
    """Return what trainings are asked for from here on: data sets, settings and the rest."""
    asked, real_fit = [], classifier_module.train

    def train(dataset, settings, **more):
        asked.append({"dataset": dataset, "settings": settings, **more})
        return real_fit(dataset, settings, **more)

    monkeypatch.setattr(classifier_module, "train", train)
    return asked


# ---------------------------------------------------------------- the contract


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # the checks set few iterations
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # scikit-learn looks at y = inf
@parametrize_with_checks([TwoLayerClassifier()])
def test_every_official_check_passes(estimator, check):
    """None is expected to fail."""
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@parametrize_with_checks(
    [
        TwoLayerClassifier(solver="adam", max_iter=60),
        TwoLayerClassifier(solver="gd", loss="log", activation="tanh", max_iter=100),
    ]
)
def test_every_official_check_passes_with_other_settings(estimator, check):
    """Solvers, loss and activation that are not the usual ones."""
    check(estimator)


def test_the_example_of_the_docstring_runs():
    """And prints what it says."""
    example = doctest.DocTestFinder(recurse=False).find(TwoLayerClassifier, globs={})[0]

    assert example.examples
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert doctest.DocTestRunner().run(example).failed == 0


@settings(max_examples=40)
@given(
    st.integers(0, 999),
    st.integers(2, 4),
    st.sampled_from(sorted(equations.ACTIVATIONS)),
    st.sampled_from(["square", "log"]),
    st.sampled_from(["float32", "float64"]),
)
def test_what_comes_out_is_the_blackboards(seed, n_classes, activation, loss, dtype):
    """Logits are Z2, probabilities come of A2, hidden units are A1; the class with the largest is predicted."""
    X, y = problem(n_classes, seed=seed)
    rtol = {"float32": 1e-4, "float64": 1e-9}[dtype]
    network = make(activation=activation, loss=loss, dtype=dtype).fit(X, y)
    Y = one_hot(y, n_classes)
    output = equations.find_loss(loss, len(Y)).output
    A2, cache = equations.forward_propagation(X.T.astype(dtype), network.parameters_, activation, output)

    logits, probabilities = network.decision_function(X), network.predict_proba(X)

    expected = np.hstack([1 - A2.T, A2.T]) if n_classes == 2 else A2.T / A2.T.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(network.transform(X), cache["A1"].T, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(logits, cache["Z2"][0] if n_classes == 2 else cache["Z2"].T, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(probabilities, expected, rtol=rtol)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=rtol)
    np.testing.assert_allclose(np.exp(network.predict_log_proba(X)), probabilities, rtol=rtol)
    np.testing.assert_array_equal(network.predict(X), network.classes_[expected.argmax(axis=1)])
    assert network.score(X, y) == (expected.argmax(axis=1) == y).mean()
    assert network.out_activation_ == {"sigmoid": "logistic", "softmax": "softmax"}[output]
    assert {each.dtype for each in (logits, probabilities, network.transform(X))} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["yes", "no"]),
        np.array(["yes", "no"], object),
        np.array([True, False]),
        np.array([2.0, -1.0]),
        np.array([7, -3]),
        np.array(["ash", "birch", "cedar"]),
        np.array([10.0, 20.0, 30.0]),
        np.array(["half a \ud83d", "whole"]),
    ],
    ids=ascii,
)
def test_labels_are_of_any_kind(labels):
    """They come back as they were given, and which kind they are makes no difference to the network."""
    labels = np.sort(labels)
    X, codes = problem(len(labels))
    y = labels[codes]

    network = make().fit(X, y)

    np.testing.assert_array_equal(network.classes_, labels)
    assert network.predict(X).dtype == network.classes_.dtype == labels.dtype
    assert set(network.predict(X)) <= set(labels)
    assert_same_bits(network, make().fit(X, codes))
    assert_same_bits(network, make().fit(X.tolist(), y.tolist()))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_lend_their_names(library):
    """To the features, which are then told apart, and to a frame that comes out, the hidden units have their own."""
    frames = pytest.importorskip(library)
    X, y = problem()
    frame = frames.DataFrame(dict(zip("abcd", X.T, strict=True)))
    series = frames.Series(["no", "yes"][k] for k in y) if library == "pandas" else frames.Series(y).cast(frames.String)

    network = make().set_output(transform=library).fit(frame, series)
    out, plain = network.transform(frame), make().fit(X, y)

    assert network.feature_names_in_.tolist() == list("abcd")
    assert isinstance(out, frames.DataFrame)
    assert list(out.columns) == network.get_feature_names_out().tolist() == [f"twolayerclassifier{k}" for k in range(5)]
    assert_same_bits(network, plain)
    np.testing.assert_array_equal(out.to_numpy(), plain.transform(X))
    assert not hasattr(plain, "feature_names_in_")
    turned = frame[["b", "a", "c", "d"]]
    for wrong in (lambda: network.predict(turned), lambda: network.fit(frame, series, X_val=turned, y_val=series)):
        with pytest.raises(ValueError, match="must be in the same order"):
            wrong()
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        network.predict(frame[["a", "b", "c"]])


def test_frames_are_validated_on_without_a_warning():
    """A scorer sees what predict knows, also where samples of the frame are held out."""
    pandas = pytest.importorskip("pandas")
    X, y = problem()
    frame, weight = pandas.DataFrame(X, columns=list("abcd")), np.linspace(1, 2, 60)

    network = make(early_stopping=True, scoring="roc_auc").fit(frame, y, weight)

    assert len(network.validation_scores_) == 5


@pytest.mark.parametrize("storage", ["float64", "float32", "uint8", "int64", "float16", "bool"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_fit_is_that_of_fit_model(storage, n_classes):
    """With the same seed the same bits, in float32 for narrow samples, in float64 for others."""
    X, y = problem(n_classes)
    X = (20 * np.abs(X)).astype(storage)
    more = {"activation": "tanh", "loss": "log", "l2": 1e-3, "random_state": 3}

    network = make(**more).fit(X, y)
    model, result = fit_model(X, y, **{**QUICK, **more})

    assert_same_bits(network, model.parameters)
    assert dtypes(network) == {"float32" if storage in ("float32", "uint8", "float16", "bool") else "float64"}
    assert network.loss_curve_ == [epoch.cost for epoch in result.history]
    assert (network.loss_, network.status_, network.best_iter_) == (result.cost, str(result.status), 5)
    np.testing.assert_array_equal(network.predict(X), model.predict(X))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.01, 20), st.sampled_from([2, 3]))
def test_gradient_descent_is_the_assignments_own_iteration(seed, max_iter, learning_rate, n_classes):
    """With a fixed rate, no tolerance and no penalty: every cost and the parameters bit by bit, so many steps."""
    X, y = problem(n_classes, m=20, seed=seed)
    Y = one_hot(y, n_classes)
    start = parameters = random_parameters(n_classes, seed)
    costs = []
    for _ in range(max_iter):
        A2, cache = equations.forward_propagation(X.T, parameters)
        costs.append(float(equations.compute_cost(A2, Y)))
        grads = equations.back_propagation(X.T, Y, parameters, cache)
        parameters = equations.update_parameters(parameters, grads, learning_rate)

    network = make(learning_rate=learning_rate, max_iter=max_iter, initial_parameters=start).fit(X, y)

    assert (network.n_iter_, network.best_iter_, network.status_) == (max_iter, max_iter, "finished")
    assert network.loss_curve_ == costs
    assert_same_bits(network, parameters)


def test_gradient_descent_is_the_train_loop_of_the_course(capsys):
    """From the start that the assignment's generator draws, `train_loop` goes the same way."""
    X, y = problem()
    np.random.seed(2)
    start = course.initialize_parameters(4, 5, 1)
    np.random.seed(2)
    expected = course.train_loop(X.T, y[None], 5, 0.3, 8)
    capsys.readouterr()

    assert_same_bits(make(learning_rate=0.3, max_iter=8, initial_parameters=start).fit(X, y), expected)


@pytest.mark.parametrize("more", [{}, FIXED, ADAM, {"early_stopping": True}, {"engine": ENGINES[1]}], ids=str)
def test_the_same_random_state_gives_the_same_bits(more):
    """A number each time; a generator goes on, and from the same place gives the same; without one each fit differs."""
    X, y = problem()

    def fit(random_state):
        return make(**more, random_state=random_state).fit(X, y).parameters_

    generator = np.random.RandomState(5)
    first, second = fit(generator), fit(generator)
    assert_same_bits(fit(7), fit(np.int64(7)))
    assert_same_bits(first, fit(np.random.RandomState(5)))
    for one, other in ((first, second), (fit(None), fit(None)), (fit(7), fit(8))):
        assert not np.array_equal(one["W1"], other["W1"])


def test_a_second_fit_forgets_the_first():
    """Other classes, another number of features, another history."""
    network = make().fit(*problem(3, n=6))

    again = network.fit(*problem())

    assert again is network
    assert_same_bits(network, make().fit(*problem()))
    assert (network.n_features_in_, network.n_iter_, len(network.classes_), network.n_outputs_) == (4, 5, 2, 1)


# ---------------------------------------------------------------- attributes


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_attributes_have_the_names_of_scikit_learns_network(n_classes, early_stopping):
    """Each that a fitted MLPClassifier has is there, of the same type and shape."""
    pandas = pytest.importorskip("pandas")
    X, y = problem(n_classes)
    X = pandas.DataFrame(X, columns=list("abcd"))
    with pytest.warns(ConvergenceWarning):
        theirs = MLPClassifier(5, max_iter=4, early_stopping=early_stopping, random_state=0).fit(X, y)
    ours = make(max_iter=4, early_stopping=early_stopping, loss="log").fit(X, y)
    names = [name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")]

    assert len(names) >= 14
    for name in names:
        value, own = getattr(theirs, name), getattr(ours, name)
        assert isinstance(own, float if isinstance(value, np.floating) else type(value)), name
        if name in ("coefs_", "intercepts_"):
            assert [array.shape for array in own] == [array.shape for array in value]
        elif isinstance(value, (list, np.ndarray)):
            assert len(own) == len(value), name
        elif name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_", "out_activation_"):
            assert own == value, name
    for k in (1, 2):
        np.testing.assert_array_equal(ours.coefs_[k - 1], ours.parameters_[f"W{k}"].T)
        np.testing.assert_array_equal(ours.intercepts_[k - 1], ours.parameters_[f"b{k}"][:, 0])


def test_before_a_fit_there_is_nothing():
    """Attributes are not there, and predictions say that it has not been fitted."""
    unfitted, fitted = make(), make().fit(*problem())
    names = [name for name in dir(fitted) if name.endswith("_") and not name.startswith("_")]

    assert {"coefs_", "n_layers_", "loss_curve_", "best_loss_", "best_validation_score_", "history_"} <= set(names)
    assert [name for name in names if hasattr(unfitted, name)] == []
    for method in (*METHODS, "to_model"):
        with pytest.raises(NotFittedError):
            getattr(unfitted, method)(*([] if method == "to_model" else [np.ones((1, 2))]))


def test_the_smallest_cost_counts_the_last_step():
    """Also where the last step is the best, or the worst."""
    X, y = problem()
    falling, rising = make(**FIXED).fit(X, y), make(learning_rate=1e3).fit(X, y)

    assert falling.best_loss_ == falling.loss_ < min(falling.loss_curve_)
    assert rising.best_loss_ == min([*rising.loss_curve_, rising.loss_])


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("solver", FULL_BATCH)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_weight_of_two_is_the_sample_twice(monkeypatch, engine, solver, n_classes):
    """And a weight of zero is no sample at all, whichever way all samples are taken at once."""
    monkeypatch.setattr(objective_module, "STREAM_VALUES", 50)
    X, y = problem(n_classes)
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    weight[20:40] = 0  # whole blocks among them
    repeated = np.repeat(np.arange(len(y)), weight)
    new = make(**FULL_BATCH[solver], engine=engine)

    weighted = clone(new).fit(X, y, sample_weight=weight)
    twice = clone(new).fit(X[repeated], y[repeated])

    np.testing.assert_allclose(weighted.loss_curve_, twice.loss_curve_, rtol=1e-9)
    assert_close(weighted, twice, 1e-6)
    assert not np.allclose(weighted.parameters_["W1"], clone(new).fit(X, y).parameters_["W1"], rtol=1e-3)


@pytest.mark.parametrize(
    ("class_weight", "labels"),
    [
        ("balanced", np.array(["ash", "birch", "cedar"])),
        ({"ash": 3, "birch": 0.5, "cedar": 1}, np.array(["ash", "birch", "cedar"])),
        ({"birch": 5}, np.array(["ash", "birch", "cedar"])),
        ({False: 3, True: 0.5}, np.array([False, True])),
        ({2.0: 3, 3.0: 0.5}, np.array([2.0, 3.0])),
        ({4: 3, 7: 1}, np.array([4, 7])),
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_class_weights_are_scikit_learns(class_weight, labels, weighted):
    """The same as the weights that `compute_sample_weight` gives each sample, times its own."""
    X, _ = problem()
    y = labels[np.minimum(np.arange(60) % 5, len(labels) - 1)]
    own = np.linspace(1, 2, 60) if weighted else np.ones(60)
    each = own * compute_sample_weight(class_weight, y)
    if class_weight == "balanced":  # by the weights of the samples, where scikit-learn counts them
        each = own * 60 / np.select([y == label for label in labels], [own[y == label].sum() for label in labels])

    by_class = make(**FIXED, class_weight=class_weight).fit(X, y, own if weighted else None)

    assert_close(by_class, make(**FIXED).fit(X, y, each), 1e-10)


def test_one_weight_is_that_of_each_sample():
    """Its size makes no difference, as the cost is a mean."""
    X, y = problem()

    assert_close(make().fit(X, y), make().fit(X, y, sample_weight=3.0), 1e-8)


def test_a_weight_for_a_label_that_is_not_a_class_is_reported():
    """By the names that the caller gave, in fit and partial_fit."""
    X, y = problem()
    y = np.array(["ash", "birch"])[y]
    network = make(**FIXED, class_weight={"ash": 1, "oak": 2})

    for fit in (network.fit, lambda X, y: clone(network).partial_fit(X, y, classes=["ash", "birch"])):
        with pytest.raises(SettingError, match="'oak', which is not a class: name 'birch' and the others"):
            fit(X, y)


@pytest.mark.parametrize("wrong", [[1.0, 2.0], np.ones((60, 1)), -np.ones(60), np.zeros(60), np.full(60, np.nan)])
def test_weights_that_do_not_fit_are_refused(wrong):
    """One for each sample, none negative, not all zero, all numbers."""
    with pytest.raises(ValueError, match=r"(?i)sample.weight"):
        make().fit(*problem(), sample_weight=wrong)


# ---------------------------------------------------------------- where it starts, and going on


@pytest.mark.parametrize("more", [FIXED, ADAM], ids=str)
def test_a_warm_start_goes_on(more):
    """Two fits of three steps are one of six, for a solver that remembers nothing; for another the cost goes on."""
    X, y = problem()
    network = make(**more, max_iter=3, warm_start=True)

    first = network.fit(X, y).loss_
    second = network.fit(X, y)

    assert (second.loss_curve_[0], second.n_iter_) == (first, 3)
    if more is FIXED:
        assert_same_bits(second, make(**more, max_iter=6).fit(X, y))
    assert network.set_params(warm_start=False).fit(X, y).loss_curve_[0] != first


def test_a_warm_start_keeps_the_classes():
    """Samples of some of them may come; a new class and another size are refused."""
    X, y = problem(3)
    network = make(warm_start=True).fit(X, y)

    assert network.fit(X[y < 2], y[y < 2]).classes_.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"label 3 that is not among the classes \(0, 1, 2\)"):
        network.fit(X, y + 1)
    with pytest.raises(SettingError, match="W1 must hold"):
        network.set_params(n_hidden=9).fit(X, y)


@pytest.mark.parametrize("more", [FIXED, {"solver": "gd"}, {"solver": "momentum"}, ADAM], ids=str)
@pytest.mark.parametrize("labels", [np.array([0, 1]), np.array(["a", "b", "c"])], ids=str)
def test_parts_add_up_to_one_training(more, labels):
    """Six calls of partial_fit with the same samples are the six iterations of a fit, with the same record."""
    X, codes = problem(len(labels))
    y = labels[codes]
    whole, parts = make(**more, max_iter=6).fit(X, y), make(**more)

    for k in range(6):
        assert parts.partial_fit(X, y, classes=labels if k == 0 else None) is parts

    assert_same_bits(parts, whole)
    assert parts.loss_curve_ == whole.loss_curve_
    assert [epoch.iteration for epoch in parts.history_] == list(range(6))
    assert (np.diff([epoch.seconds for epoch in parts.history_]) >= 0).all()
    for name in ("loss_", "best_loss_", "n_iter_", "best_iter_", "t_", "status_", "engine_"):
        assert getattr(parts, name) == getattr(whole, name), name


@pytest.mark.parametrize("loss", ["square", "log"])
def test_parts_may_be_different_samples(loss):
    """Each call is one step of the blackboard with its own, also where a class is missing."""
    X, y = problem(3)
    parameters = random_parameters(3)
    network = make(**FIXED, loss=loss, initial_parameters=parameters)
    output = equations.find_loss(loss, 3).output
    for part in np.split(np.argsort(y, kind="stable"), 4):
        network.partial_fit(X[part], y[part], classes=[2, 1, 0])
        Y = one_hot(y[part], 3)
        _, cache = equations.forward_propagation(X[part].T, parameters, output=output)
        grads = equations.back_propagation(X[part].T, Y, parameters, cache, loss=loss)
        parameters = equations.update_parameters(parameters, grads, 0.5)

    for name, value in parameters.items():
        np.testing.assert_allclose(network.parameters_[name], value, rtol=1e-12, atol=1e-14)
    assert (network.t_, network.n_iter_) == (60, 4)


def test_parts_follow_a_fit_and_a_model():
    """partial_fit goes on from the parameters that are there, a fit begins anew."""
    X, y = problem()
    fitted, six = make(**FIXED).fit(X, y), make(**FIXED, max_iter=6).fit(X, y)
    loaded = TwoLayerClassifier.from_model(fitted.to_model()).set_params(**FIXED)

    assert_same_bits(loaded.partial_fit(X, y), six)
    assert (loaded.n_iter_, loaded.best_iter_, loaded.t_) == (1, 1, 60)
    assert_same_bits(fitted.partial_fit(X, y), six)
    assert (fitted.n_iter_, fitted.best_iter_, fitted.t_) == (6, 6, 360)
    momentum = make(solver="momentum").partial_fit(X, y, classes=[0, 1])
    fresh = clone(momentum).fit(X, y)
    assert_same_bits(momentum.fit(X, y), fresh)
    assert_same_bits(momentum.partial_fit(X, y), fresh.partial_fit(X, y))


def test_settings_may_change_between_parts():
    """A new rate counts from the next call on; a new solver begins with nothing to remember."""
    X, y = problem()
    one, other = (make(**FIXED).partial_fit(X, y, classes=[0, 1]) for _ in range(2))
    slow = make(learning_rate=0.1, initial_parameters=one.parameters_, max_iter=1).fit(X, y)
    adam = make(**ADAM, initial_parameters=one.parameters_, max_iter=1).fit(X, y)

    assert_same_bits(one.set_params(learning_rate=0.1).partial_fit(X, y), slow)
    other.set_params(**ADAM, learning_rate="auto").partial_fit(X, y)
    assert other.n_iter_ == 2
    assert np.isfinite(other.loss_)
    assert adam.loss_ < adam.loss_curve_[0]


def test_parts_keep_the_type_and_a_short_account_of_the_engine():
    """Whatever the samples are, and however many calls there were."""
    X, y = problem(m=6000)
    network = make(**FIXED).partial_fit(X[:60].astype("float32"), y[:60], classes=[0, 1])
    for _ in range(3):
        network.partial_fit(X, y).partial_fit(X[:60], y[:60])

    assert dtypes(network) == {"float32"}
    assert network.engine_.count("before iteration") == 1


def test_weights_count_in_parts():
    """As in a fit: those of the samples and of the classes."""
    X, y = problem()
    weight = np.linspace(0, 1, 60)
    new = make(**FIXED, max_iter=1, class_weight={0: 2, 1: 5})

    part = clone(new).partial_fit(X, y, classes=[0, 1], sample_weight=weight)

    assert_same_bits(part, clone(new).fit(X, y, sample_weight=weight))


def test_what_cannot_be_done_in_parts_is_refused():
    """L-BFGS has no such method; classes are needed first and stay; nothing is held out."""
    X, y = problem()
    new = make(**FIXED)

    assert not hasattr(make(), "partial_fit")
    assert not hasattr(make(solver="lbfgs"), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        make().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(SettingError, match="needs `classes`"):
        new.partial_fit(X, y)
    with pytest.raises(DataError, match="belong to one class, 0"):
        new.partial_fit(X, y, classes=[0])
    for classes in ([0, 7], ["a", "b"]):
        with pytest.raises(DataError, match=r"label \d that is not among the classes"):
            make(**FIXED).partial_fit(X, y, classes=classes)
    part = clone(new).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(DataError, match="differ from those of the first call"):
        part.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="expecting 4 features"):
        part.partial_fit(X[:, :3], y)
    with pytest.raises(SettingError, match="cannot stop early: set `early_stopping` to False"):
        part.set_params(early_stopping=True).partial_fit(X, y)


# ---------------------------------------------------------------- validation


def split(n_classes=3):
    """Return samples to learn from, and to validate on."""
    X, y = problem(n_classes, m=90)
    return X[:60], y[:60], X[60:], y[60:]


def test_validation_samples_are_evaluated_before_each_step():
    """Cost and accuracy of the parameters at hand; they change nothing about the training."""
    X, y, X_val, y_val = split()
    new = make(**FIXED, l2=0.1)

    network, plain = clone(new).fit(X, y, X_val=X_val, y_val=y_val), clone(new).fit(X, y)

    assert_same_bits(network, plain)
    for k in range(1, 5):
        before = clone(new).set_params(max_iter=k).fit(X, y)
        A2, _ = equations.forward_propagation(X_val.T, before.parameters_)
        assert network.validation_loss_curve_[k] == pytest.approx(equations.compute_cost(A2, one_hot(y_val, 3)))
        assert network.validation_scores_[k] == before.score(X_val, y_val)
    assert len(network.validation_scores_) == network.n_iter_ == 5
    assert network.best_validation_score_ == max([*network.validation_scores_, network.score(X_val, y_val)])
    assert plain.validation_scores_ is plain.validation_loss_curve_ is plain.best_validation_score_ is None


@pytest.mark.parametrize("weighted", [False, True])
def test_samples_held_out_are_like_validation_samples_that_are_given(weighted):
    """Each class gives its fraction by the seed, and the network learns from the rest."""
    X, y = problem(3)
    weight = np.linspace(1, 2, 60) if weighted else np.full(60, None)
    rest, out = hold_out(y, 0.25, 4)
    new = make(random_state=4, early_stopping=True, validation_fraction=0.25, class_weight="balanced")

    held_out = clone(new).fit(X, y, weight if weighted else None)
    validation = {"X_val": X[out], "y_val": y[out], "sample_weight_val": weight[out] if weighted else None}
    apart = clone(new).fit(X[rest], y[rest], weight[rest] if weighted else None, **validation)

    assert len(out) == 15
    assert_same_bits(held_out, apart)
    assert held_out.validation_scores_ == apart.validation_scores_
    assert held_out.validation_loss_curve_ == apart.validation_loss_curve_
    assert held_out.t_ == 45 * held_out.n_iter_


def minus_brier(estimator, X, y):
    """Return a score that knows nothing of weights."""
    return -float(((estimator.predict_proba(X)[:, 1] - y) ** 2).mean())


@pytest.mark.parametrize(
    "scoring",
    ["roc_auc", "neg_log_loss", "accuracy", minus_brier, make_scorer(log_loss, greater_is_better=False), None],
    ids=lambda scoring: getattr(scoring, "__name__", str(scoring)),
)
@pytest.mark.parametrize("weighted", [False, True])
def test_early_stopping_brings_back_what_the_scorer_likes_best(scoring, weighted):
    """Any scorer of scikit-learn's: the score of the fitted estimator is the best of all, and it stopped in time."""
    X, y = problem(m=150, n=12, seed=2)
    X_val, y_val, X, y = X[:50], y[:50], X[50:], y[50:]
    weight = np.linspace(0.5, 2, 50) if weighted else None
    stops = {"early_stopping": True, "scoring": scoring, "n_iter_no_change": 7}
    network = TwoLayerClassifier(20, max_iter=300, random_state=0, **stops)

    network.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)

    weights = {} if not weighted or scoring is minus_brier else {"sample_weight": weight}
    scorer = TwoLayerClassifier.score if scoring is None else get_scorer(scoring)
    assert (network.status_, network.best_loss_) == ("stopped early", None)
    assert scorer(network, X_val, y_val, **weights) == network.best_validation_score_
    assert network.best_validation_score_ == max(network.validation_scores_)
    assert network.best_iter_ == np.argmax(network.validation_scores_)
    assert network.n_iter_ - network.best_iter_ >= 7
    assert network.n_iter_ < 100


def test_the_last_step_may_have_the_best_score():
    """Where the iterations end while the score still rises."""
    X, y = problem()
    network = make(**FIXED, early_stopping=True, scoring="neg_log_loss").fit(X, y, X_val=X, y_val=y)

    assert network.best_validation_score_ == get_scorer("neg_log_loss")(network, X, y)
    assert network.best_validation_score_ > max(network.validation_scores_)
    assert network.best_iter_ == 5


def test_the_accuracy_counts_samples_as_the_cost_does():
    """By their weights and those of their classes, where no scorer is named."""
    X, y, X_val, y_val = split()
    weight, class_weight = np.linspace(0, 1, 30), {0: 4, 1: 1, 2: 0}
    counted = weight * np.array([4, 1, 0])[y_val]
    new = make(**FIXED, class_weight=class_weight)

    network = clone(new).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)

    for k in range(1, 5):
        before = clone(new).set_params(max_iter=k).fit(X, y)
        A2, _ = equations.forward_propagation(X_val.T, before.parameters_)
        expected = equations.compute_cost(A2, one_hot(y_val, 3), counted)
        assert network.validation_loss_curve_[k] == pytest.approx(float(expected), rel=1e-9)
        assert network.validation_scores_[k] == before.score(X_val, y_val, sample_weight=counted)


def test_validation_samples_that_do_not_fit_are_refused():
    """Labels are needed, and known ones; the features are the same; a fraction must be a sample at least."""
    X, y = problem()

    with pytest.raises(DataError, match="X_val needs y_val"):
        make().fit(X, y, X_val=X)
    with pytest.raises(DataError, match=r"label 5"):
        make().fit(X, y, X_val=X[:1], y_val=[5])
    with pytest.raises(ValueError, match="expecting 4 features"):
        make().fit(X, y, X_val=X[:, :2], y_val=y)
    with pytest.raises(DataError, match="leaves none to validate on"):
        make(early_stopping=True).fit(X[:2], [0, 1])


# ---------------------------------------------------------------- how it ends


def test_a_training_that_is_not_done_warns_once_with_advice():
    """At the caller's line, where it can be found."""
    with pytest.warns(ConvergenceWarning, match=r"larger than tol=0.0001: increase max_iter or tol") as caught:
        TwoLayerClassifier(max_iter=3, tol=1e-4, random_state=0).fit(*problem())

    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"tol": 0, "max_iter": 3}, "finished"),
        ({"recipe": "none", "l2": 0.1, "max_iter": 1000}, "converged"),
        ({"tol": 10.0}, "converged"),
        ({"early_stopping": True, "n_iter_no_change": 1, "max_iter": 1000}, "stopped early"),
        ({"on_epoch": lambda epoch: epoch.iteration == 2}, "stopped early"),
    ],
)
def test_a_training_that_is_done_does_not_warn(more, status):
    """Without a tolerance, converged, or ended early on purpose; the message says how."""
    network = TwoLayerClassifier(**{"random_state": 0, **more}).fit(*problem())

    assert (network.status_, network.message_.endswith(".")) == (status, True)


def test_a_hook_sees_each_epoch_and_can_stop():
    """Returning True ends the training with the parameters of that epoch."""
    X, y = problem()
    epochs = []
    network = make(max_iter=50, **FIXED, on_epoch=lambda epoch: epochs.append(epoch) or epoch.iteration == 5)

    network.fit(X, y, X_val=X, y_val=y)

    assert network.history_ == epochs
    assert (len(epochs), network.best_iter_, network.status_) == (6, 5, "stopped early")
    assert epochs[-1].validation_score == network.score(X, y)
    assert_same_bits(network, make(**FIXED).fit(X, y))


def test_ctrl_c_leaves_a_usable_estimator():
    """Interrupted, with the parameters that there were, and a warning that says so."""
    X, y = problem()

    def interrupt(epoch):
        if epoch.iteration == 5:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(ConvergenceWarning, match="Interrupted at iteration") as caught:
        network = make(**FIXED, max_iter=50, on_epoch=interrupt).fit(X, y)

    assert len(caught) == 1
    assert network.status_ == "interrupted"
    assert network.best_iter_ in (5, 6)
    assert_same_bits(network, make(**FIXED, max_iter=network.best_iter_).fit(X, y))
    assert network.predict(X).shape == y.shape


def test_a_training_out_of_range_warns_and_keeps_the_last_good_parameters():
    """In one go and in parts, which go on from there."""
    X, y = problem()
    new = make(solver="momentum", learning_rate=1e308, dtype="float32")

    with pytest.warns(ConvergenceWarning, match="use a smaller learning rate") as caught:
        whole = clone(new).fit(X, y)
    part = clone(new)
    with pytest.warns(ConvergenceWarning, match="use a smaller learning rate") as caught_in_part:
        part.partial_fit(X, y, classes=[0, 1]).partial_fit(X, y).partial_fit(X, y)

    assert len(caught) == 1
    assert [warning.filename for warning in caught_in_part] == [__file__] * 3
    for network in (whole, part):
        assert (network.status_, network.best_iter_, len(network.history_)) == ("diverged", 0, 1)
        assert np.isfinite(network.decision_function(X)).all()
    part.set_params(learning_rate=0.1).partial_fit(X, y)
    assert_same_bits(part, clone(new).set_params(learning_rate=0.1, max_iter=1).fit(X, y))


def test_a_start_out_of_range_leaves_attributes_that_can_be_read():
    """There is no history then, and the score is that of the start."""
    X, y = problem()
    far = random_parameters()
    far["W2"] = far["W2"] * 1e308
    new = make(**FIXED, loss="log", initial_parameters=far)

    for fit in (lambda c: c.fit(X, y, X_val=X, y_val=y), lambda c: c.partial_fit(X, y, classes=[0, 1])):
        with pytest.warns(ConvergenceWarning, match="the initial parameters are kept"):
            network = fit(clone(new))
        assert network.history_ == network.loss_curve_ == []
        assert network.n_iter_ == network.best_iter_ == 0
        assert network.validation_scores_ is network.validation_loss_curve_ is None
        assert network.best_validation_score_ in (None, network.score(X, y))
        assert_same_bits(network, far)


@pytest.mark.parametrize("verbose", [1, True])
def test_progress_is_shown_on_request(capfd, verbose):
    """On stderr, some lines of it; else nothing at all."""
    X, y = problem()
    make(max_iter=np.int64(40), **FIXED).fit(X, y)
    silent = capfd.readouterr()
    make(max_iter=np.int64(40), **FIXED, verbose=verbose).fit(X, y, X_val=X, y_val=y)
    out, err = capfd.readouterr()

    assert silent == ("", "")
    assert out == ""
    assert 20 <= len(err.splitlines()) <= 22
    assert "validation score" in err


# ---------------------------------------------------------------- callbacks


class Recorder:
    """A callback that keeps what it is told, and can stop a training."""

    def __init__(self, stop_at=None):
        self.stop_at, self.told = stop_at, []

    def setup(self, **_):
        """Begin."""
        self.told.append("setup")

    def teardown(self, **_):
        """End."""
        self.told.append("teardown")

    def on_fit_task_begin(self, *_, X=None, y=None):
        """See that each sample has a label."""
        assert X is None or len(X) == len(y)

    def on_fit_task_end(self, _, context, *, fitted_estimator=None):
        """Remember the task, and the network there."""
        self.told.append((context.estimator_name, context.task_name, context.task_id, fitted_estimator))
        return context.task_name == "iteration" and context.task_id == self.stop_at


class Propagated(Recorder):
    """A callback that is set on the outermost estimator."""

    max_propagation_depth = None


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_a_scoring_monitor_has_a_score_each_iteration(callback, early_stopping, weighted, named):
    """And one for the fit, which is that of the estimator; those of the iterations are of their networks."""
    pandas = pytest.importorskip("pandas")
    X, y = problem(3)
    X = pandas.DataFrame(X, columns=list("abcd")) if named else X
    weight = np.linspace(1, 2, 60) if weighted else None
    new = make(**FIXED, loss="log", early_stopping=early_stopping)
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")

    network = clone(new).set_callbacks(monitor).fit(X, y, weight)

    rows, scorer = monitor.get_logs().data, get_scorer("neg_log_loss")
    learned = hold_out(y, 0.1, 0)[0] if early_stopping else np.arange(60)
    X, y, weight = np.asarray(X)[learned], y[learned], None if weight is None else weight[learned]
    assert [row["task_name"] for row in rows] == ["fit", *["iteration"] * 5]
    plain = TwoLayerClassifier.from_model(network.to_model())
    assert rows[0]["neg_log_loss"] == scorer(plain, X, y, sample_weight=weight)
    for k in range(1, 5):
        before = clone(new).set_params(max_iter=k, early_stopping=False).fit(X, y, weight)
        assert rows[k + 1]["neg_log_loss"] == pytest.approx(scorer(before, X, y, sample_weight=weight), rel=1e-12)


@pytest.mark.usefixtures("callback")
def test_a_callback_can_stop():
    """By returning True; setup and teardown enclose the rest, and the estimator is fitted."""
    X, y = problem()
    recorder = Recorder(stop_at=2)

    network = make(**FIXED).set_callbacks(recorder).fit(X, y)

    assert (network.status_, network.best_iter_, network.n_iter_) == ("stopped early", 2, 3)
    assert (recorder.told[0], recorder.told[-1]) == ("setup", "teardown")
    tasks = recorder.told[1:-1]
    assert [task[1:3] for task in tasks] == [("iteration", 0), ("iteration", 1), ("iteration", 2), ("fit", 0)]
    np.testing.assert_array_equal(tasks[-1][3].predict(X), network.predict(X))
    assert_same_bits(tasks[2][3], network)


@pytest.mark.usefixtures("callback")
def test_a_callback_is_torn_down_after_an_error():
    """An error that is found after it was set up; before, it is not set up."""
    recorder = Recorder()
    for wrong in ({"initial_parameters": {"W1": 0}}, {"max_iter": 0}):
        with pytest.raises(SettingError):
            make(**wrong).set_callbacks(recorder).fit(*problem())

    assert recorder.told == ["setup", "teardown"]


def test_a_progress_bar_shows_the_iterations(callback, capsys):
    """Scikit-learn's own."""
    make().set_callbacks(callback.ProgressBar()).fit(*problem())

    out = capsys.readouterr().out
    assert "TwoLayerClassifier - fit" in out
    assert "100%" in out


@pytest.mark.usefixtures("callback")
def test_callbacks_reach_a_network_inside_others():
    """Set on a pipeline or a search, each iteration of each network comes through."""
    X, y = problem()
    search = GridSearchCV(make(**FIXED), {"n_hidden": [2, 3]}, cv=2)
    pipeline = make_pipeline(StandardScaler(), make(**FIXED))
    for outer, n_fits in ((search, 5), (pipeline, 1)):
        if not hasattr(outer, "set_callbacks"):
            pytest.skip("this scikit-learn does not propagate callbacks so far")
        recorder = Propagated()
        outer.set_callbacks(recorder).fit(X, y)
        tasks = [task[:3] for task in recorder.told if task[0] == "TwoLayerClassifier" and task[1] == "iteration"]
        assert tasks == [("TwoLayerClassifier", "iteration", k) for k in range(5)] * n_fits


def test_callbacks_of_a_network_work_inside_others(callback):
    """A monitor set on the last step of a pipeline scores its iterations."""
    X, y = problem()
    monitor = callback.ScoringMonitor(scoring="accuracy")
    pipeline = make_pipeline(StandardScaler(), make().set_callbacks(monitor)).fit(X, y)

    rows = monitor.get_logs().data
    assert [row["task_name"] for row in rows].count("iteration") == 5
    assert rows[0]["accuracy"] == pipeline.score(X, y)


# ---------------------------------------------------------------- how samples are stored


@pytest.mark.parametrize("form", ["csr_matrix", "csr_array", "csc_matrix", "coo_array", "64-bit indices"])
@pytest.mark.parametrize("engine", IN_MEMORY)
def test_sparse_samples_give_what_dense_ones_give(form, engine):
    """To rounding, in training and in prediction, whichever form they come in."""
    X, y = problem(3)
    X[X < 0] = 0
    rows = getattr(sparse, form, sparse.csr_matrix)(X)
    if form == "64-bit indices":
        rows.indices, rows.indptr = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
    new, early = make(engine=engine), make(engine=engine, early_stopping=True)

    dense, thin = clone(new).fit(X, y, X_val=X, y_val=y), clone(new).fit(rows, y, X_val=rows, y_val=y)

    np.testing.assert_allclose(thin.loss_curve_, dense.loss_curve_, rtol=1e-9)
    assert thin.validation_loss_curve_ == pytest.approx(dense.validation_loss_curve_, rel=1e-9)
    assert_close(thin, dense, 1e-7)
    for method in METHODS:
        np.testing.assert_allclose(getattr(dense, method)(rows), getattr(dense, method)(X), rtol=1e-9)
    assert_close(clone(early).fit(rows, y), clone(early).fit(X, y), 1e-7)


def peak_of(function):
    """Return how much memory Python and NumPy take at most while a function runs."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("engine", IN_MEMORY)
def test_sparse_samples_stay_sparse(engine):
    """A matrix that would be 400 MB takes less than a tenth of it, in training and in prediction."""
    m, n = 1000, 50_000
    index = np.random.default_rng(0).integers(0, n, (m, 20))
    X = sparse.csr_array((np.ones(index.size), index.ravel(), np.arange(0, index.size + 1, 20)), shape=(m, n))
    network = make(**FIXED, n_hidden=2, max_iter=2, engine=engine, n_threads=1)

    assert peak_of(lambda: network.fit(X, np.arange(m) % 2).predict(X)) < 40e6


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_memory_map_is_trained_on_where_it_lies(tmp_path, trainings, dtype):
    """What is trained on is its own buffer, neither copied nor made wider; the network is of float32."""
    X, y = problem(m=500)
    np.abs(50 * X).astype(dtype).tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", dtype, "r", shape=X.shape)

    for engine in ENGINES:
        assert dtypes(make(engine=engine).fit(mapped, y, X_val=mapped[:100], y_val=y[:100])) == {"float32"}
    make(**FIXED).partial_fit(mapped, y, classes=[0, 1])

    datasets = [asked[name] for asked in trainings for name in ("dataset", "validation") if asked.get(name)]
    assert len(datasets) == 2 * len(ENGINES) + 1
    for dataset in datasets:
        assert dataset.rows.dtype == dtype
        assert np.shares_memory(dataset.rows.read(0), mapped)


@pytest.mark.parametrize("engine", ["whole", "streamed"])
def test_a_memory_map_takes_no_memory(tmp_path, monkeypatch, engine):
    """Less than a quarter of a copy, from the checks to the predictions."""
    monkeypatch.setattr(objective_module, "STREAM_VALUES", 2**17)
    X = np.memmap(tmp_path / "X", np.float32, "w+", shape=(20_000, 200))
    X[:] = np.random.default_rng(0).random(X.shape, np.float32)
    y = (X[:, 0] > 0.5).astype(int)
    network = make(**FIXED, n_hidden=4, max_iter=2, engine=engine, n_threads=1)

    assert peak_of(lambda: network.fit(X, y).score(X, y)) < X.nbytes / 4


# ---------------------------------------------------------------- scikit-learn's tools


def test_it_works_in_searches_pipelines_and_calibration():
    """And learns there what there is to learn."""
    X, y = problem(m=200)
    y = np.array(["no", "yes"])[y]
    pipeline = make_pipeline(StandardScaler(), make(n_hidden=8, max_iter=20))

    search = GridSearchCV(pipeline, {"twolayerclassifier__l2": [0, 1e-2]}, cv=3).fit(X, y)
    calibrated = CalibratedClassifierCV(pipeline, cv=3).fit(X, y)
    hidden = make_pipeline(StandardScaler(), make(), make()).fit(X, y)

    assert cross_val_score(pipeline, X, y, cv=3, scoring="roc_auc").min() > 0.6
    assert search.best_score_ > 0.6
    assert calibrated.score(X, y) > 0.65
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert hidden[-1].n_features_in_ == 5


def test_calibration_is_of_the_logits():
    """A monotone map of `decision_function`, which says more than probabilities that round to 0 and 1."""
    X, y = problem(m=200)
    network = make(n_hidden=8, max_iter=50, loss="log")

    calibrated = CalibratedClassifierCV(network, cv=2, ensemble=False).fit(X, y)
    logits = network.fit(X, y).decision_function(X)

    probabilities = calibrated.predict_proba(X)[:, 1]
    assert (np.diff(probabilities[np.argsort(logits)]) >= 0).all()
    new_logits = np.log(probabilities / (1 - probabilities))
    np.testing.assert_allclose(np.polyval(np.polyfit(logits, new_logits, 1), logits), new_logits, atol=1e-6)


def test_weights_are_routed():
    """Where metadata routing is on, they reach each fit of a search and of a cross-validation."""
    X, y = problem()
    weight = np.where(np.arange(60) < 30, 5.0, 0.5)
    with config_context(enable_metadata_routing=True):
        network = make(**FIXED).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(network, {"l2": [0, 0.1]}, cv=2).fit(X, y, sample_weight=weight)
        folds = cross_validate(network, X, y, cv=2, params={"sample_weight": weight}, return_estimator=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), network)
        pipeline.fit(X, y, sample_weight=weight)
        requests = make().set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        asked = requests.get_metadata_routing().fit.requests

    best = clone(network).set_params(**search.best_params_).fit(X, y, sample_weight=weight)
    assert_same_bits(search.best_estimator_, best)
    assert_same_bits(pipeline[-1], clone(network).fit(StandardScaler().fit_transform(X), y, sample_weight=weight))
    assert not np.allclose(best.parameters_["W1"], clone(network).fit(X, y).parameters_["W1"])
    assert len(folds["estimator"]) == 2
    assert asked == {"X_val": True, "y_val": True, "sample_weight_val": True, "sample_weight": None}


# ---------------------------------------------------------------- files


def keep(network, way, path):
    """Return a network as it comes back from a file."""
    if way == "pickle":
        return pickle.loads(pickle.dumps(network))
    if way == "joblib":
        joblib.dump(network, path)
        return joblib.load(path)
    skops = pytest.importorskip("skops.io")
    content = skops.dumps(network)
    trusted = skops.get_untrusted_types(data=content)
    assert {name.partition(".")[0] for name in trusted} == {"twolayer"}
    return skops.loads(content, trusted=trusted)


@pytest.mark.parametrize("labels", [np.array([4, 9]), np.array(["ash", "birch", "cedar"])], ids=str)
@pytest.mark.parametrize("way", ["pickle", "joblib", "skops"])
def test_a_fitted_classifier_can_be_kept(tmp_path, labels, way):
    """It comes back the same, and goes on the same, a solver in parts with what it remembers."""
    X, codes = problem(len(labels))
    y = labels[codes]
    early = make(early_stopping=True).fit(X, y)
    parts = [make(**more).partial_fit(X, y, classes=labels) for more in (ADAM, {"solver": "momentum"})]
    for network in (early, *parts):
        again = keep(network, way, tmp_path / "it.joblib")

        assert again.get_params() == network.get_params()
        assert_same_bits(again, network)
        assert again.history_ == network.history_
        np.testing.assert_array_equal(again.predict(X), network.predict(X))
        if network is not early:
            assert_same_bits(again.partial_fit(X, y), network.partial_fit(X, y))


@pytest.mark.parametrize(
    "labels",
    [np.array([4, 9]), np.array(["ash", "birch", "cedar"]), np.array([0.0, 1.0]), np.array(["a", "b"], object)],
    ids=repr,
)
@pytest.mark.parametrize("more", [{}, {"activation": "relu", "loss": "log"}], ids=str)
def test_a_fitted_classifier_fits_into_one_file(tmp_path, labels, more):
    """The model that comes out predicts the same, and is a classifier again."""
    X, codes = problem(len(labels))
    y = labels[codes]
    network = make(**more, l2=np.float64(1e-3), class_weight=dict.fromkeys(labels.tolist(), 2)).fit(X, y)

    twolayer.save(network, tmp_path / "it.safetensors")
    model = twolayer.load(tmp_path / "it.safetensors")
    again = TwoLayerClassifier.from_model(model)

    np.testing.assert_array_equal(model.predict(X), network.predict(X))
    np.testing.assert_array_equal(model.predict_proba(X), network.predict_proba(X))
    for method in METHODS:
        np.testing.assert_array_equal(getattr(again, method)(X), getattr(network, method)(X))
    assert again.score(X, y) == network.score(X, y)
    assert (model.settings["solver"], model.settings["l2"], model.settings["n_iter"]) == ("lbfgs", 1e-3, 5)
    assert not hasattr(again, "loss_curve_")
    assert again.to_model().settings == model.settings


def test_what_no_file_holds_is_refused():
    """Classes that are neither whole numbers nor text; a model that does its own preprocessing."""
    X, y = problem()
    with pytest.raises(DataError, match="whole numbers or text, not False"):
        make().fit(X, y == 1).to_model()
    scaled, _ = fit_model(X, y, scale=2.0, max_iter=1)
    with pytest.raises(DataError, match="does its own preprocessing"):
        TwoLayerClassifier.from_model(scaled)


# ---------------------------------------------------------------- what is wrong is reported


def fits(network):
    """Return the ways to train a network: a call, and in parts, where the solver can."""
    ways = [lambda: network.fit(*problem())]
    return [*ways, lambda: network.partial_fit(*problem(), classes=[0, 1])] if hasattr(network, "partial_fit") else ways


@pytest.mark.parametrize("name", TwoLayerClassifier().get_params())
@pytest.mark.parametrize("value", [object(), "magic", -1])
def test_a_wrong_value_of_any_parameter_is_reported_when_it_is_used(name, value):
    """In one sentence with its name and the value, as a ValueError; not before, so that it can be set and cloned."""
    network = clone(make(solver="gd").set_params(**{name: value}))
    for fit in fits(network):
        with pytest.raises(SettingError, match=f"^`{name}` must be ") as told:
            fit()
        assert isinstance(told.value, ValueError)
        assert str(told.value).endswith(".")
        assert "\n" not in str(told.value)
    assert not hasattr(network, "parameters_")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"solver": "lbfgs", "learning_rate": 0.1}, "finds its own steps"),
        ({"solver": "gd", "batch_size": 5}, "`solver` to adam"),
        ({"random_state": 1.5}, "a RandomState instance or None; got 1.5"),
        ({"random_state": True}, "got True"),
        ({"on_epoch": "print"}, "a function or None; got 'print'"),
        ({"initial_parameters": {"W1": 0}}, "a dict of W1, b1, W2 and b2"),
        ({"initial_parameters": dict.fromkeys(("W1", "b1", "W2", "b2"), "x")}, "W1 is not"),
        ({"initial_parameters": dict.fromkeys(("W1", "b1", "W2", "b2"), np.ones((1, 1)))}, r"W1 must hold .* \(5, 4\)"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_reported(wrong, sentence):
    """By fit and by partial_fit."""
    network = make(**wrong)
    for fit in fits(network):
        with pytest.raises(SettingError, match=sentence):
            fit()
    assert not hasattr(network, "parameters_")


def test_wrong_samples_are_refused():
    """One class by its name, no labels or too few, values that are not finite numbers, sparse ones to stream."""
    X, y = problem()

    with pytest.raises(DataError, match="All samples belong to one class, ash"):
        make().fit(X, ["ash"] * 60)
    with pytest.raises(ValueError, match="the target y is None"):
        make().fit(X, None)
    with pytest.raises(ValueError, match="60, 59"):
        make().fit(X, y[1:])
    with pytest.raises(ValueError, match="continuous"):
        make().fit(X, y + 0.5 * np.arange(60))
    with pytest.raises(ValueError, match="NaN"):
        make().fit(np.where(X > 1, np.nan, X), y)
    with pytest.raises(SettingError, match="already in memory"):
        make(engine="streamed").fit(sparse.csr_array(X), y)


def test_the_number_of_members_can_be_chosen():
    """As from the command line and in `fit_model`: the estimator is the same committee."""
    X, y = load_iris(return_X_y=True)
    estimator = TwoLayerClassifier(members=3, n_hidden=4, random_state=0).fit(X, y)
    model, _ = twolayer.fit_model(X, y, members=3, n_hidden=4, random_state=0)

    assert estimator.to_model().settings["members"] == 3
    np.testing.assert_array_equal(estimator.predict_proba(X), model.predict_proba(X))
