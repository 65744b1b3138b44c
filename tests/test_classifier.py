"""The network behind scikit-learn's contract: what its tools expect holds, and what is computed is the blackboard's."""

import copy
import doctest
import pickle
import tracemalloc
import warnings

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import get_scorer, log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import parametrize_with_checks

import twolayer
from twolayer import course, equations, fitting
from twolayer.classifier import TwoLayerClassifier
from twolayer.data.split import hold_out
from twolayer.engines import objective as objective_module
from twolayer.engines.kernel import load_kernel
from twolayer.errors import DataError, SettingError
from twolayer.fitting import fit_model
from twolayer.model import encode_labels

QUICK = {"n_hidden": 5, "max_iter": 5, "tol": 0, "random_state": 0}  # no tolerance, so that it just finishes
FIXED = {"solver": "gd", "learning_rate": 0.5}
FULL_BATCH = {"gd": FIXED, "gd auto": {"solver": "gd"}, "momentum": {"solver": "momentum"}, "lbfgs": {}}
ADAM = {"solver": "adam", "batch_size": 7}
ENGINES = ["whole", *(["tiled"] if load_kernel() else []), "streamed"]
NAMES = ("W1", "b1", "W2", "b2")


def problem(n_classes=2, m=60, n=4, seed=0):
    """Return samples of classes that lie side by side, the first feature telling most about them."""
    random = np.random.default_rng(seed)
    y = random.permutation(np.arange(m) % n_classes)
    X = random.standard_normal((m, n))
    X[:, 0] += y
    return X, y


def assert_same_bits(parameters, others):
    for name in NAMES:
        np.testing.assert_array_equal(parameters[name], others[name])


def assert_close(parameters, others, rtol):
    for name in NAMES:
        np.testing.assert_allclose(parameters[name], others[name], rtol=rtol, atol=rtol * 1e-2)


@pytest.fixture
def callback():
    """Return scikit-learn's callbacks, which came with version 1.9."""
    return pytest.importorskip("sklearn.callback")


@pytest.fixture
def objectives(monkeypatch):
    """Return what objectives are made of from here on: samples, and the engine asked for."""
    made, real = [], fitting.make_objective

    def make(X, Y, engine, **more):
        made.append(X)
        return real(X, Y, engine, **more)

    monkeypatch.setattr(fitting, "make_objective", make)
    return made


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


@settings(max_examples=30)
@given(
    st.integers(0, 999),
    st.integers(2, 4),
    st.sampled_from(["sigmoid", "tanh", "relu"]),
    st.sampled_from(["float32", "float64"]),
)
def test_what_comes_out_is_the_blackboards(seed, n_classes, activation, dtype):
    """Logits are Z2, shares come of A2, hidden units are A1, of the samples as columns; the largest share is told."""
    X, y = problem(n_classes, seed=seed)
    rtol = {"float32": 1e-4, "float64": 1e-9}[dtype]
    classifier = TwoLayerClassifier(**QUICK, activation=activation, dtype=dtype).fit(X, y)
    A2, cache = equations.forward_propagation(X.T.astype(dtype), classifier.parameters_, activation)

    logits, shares = classifier.decision_function(X), classifier.predict_proba(X)

    np.testing.assert_allclose(classifier.transform(X), cache["A1"].T, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(logits, cache["Z2"][0] if n_classes == 2 else cache["Z2"].T, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=rtol)
    np.testing.assert_allclose(np.exp(classifier.predict_log_proba(X)), shares, rtol=rtol)
    if n_classes == 2:
        np.testing.assert_allclose(shares[:, 1], expit(logits.astype(float)), rtol=rtol)
        np.testing.assert_array_equal(classifier.predict(X), classifier.classes_[(logits > 0).astype(int)])
    else:
        np.testing.assert_allclose(shares, A2.T / A2.T.sum(axis=1, keepdims=True), rtol=rtol)
        np.testing.assert_array_equal(classifier.predict(X), classifier.classes_[shares.argmax(axis=1)])
    assert classifier.score(X, y) == (classifier.predict(X) == y).mean() == classifier_accuracy(classifier, X, y)
    assert {array.dtype for array in (logits, shares, classifier.transform(X))} == {np.dtype(dtype)}


def classifier_accuracy(classifier, X, y):
    """Return the share of samples that the blackboard predicts right."""
    Y = encode_labels(np.searchsorted(classifier.classes_, y), range(len(classifier.classes_)), "float64")
    dtype = classifier.parameters_["W1"].dtype
    A2, _ = equations.forward_propagation(X.T.astype(dtype), classifier.parameters_, classifier.activation)
    if len(Y) == 1:
        return ((A2 > 0.5) == Y).mean()
    return (A2.argmax(axis=0) == Y.argmax(axis=0)).mean()


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
    ],
    ids=repr,
)
def test_labels_are_of_any_kind(labels):
    """They come back as they were given, and which kind they are makes no difference to the network."""
    order = np.argsort(labels)
    X, codes = problem(len(labels))
    y = labels[order][codes]

    classifier = TwoLayerClassifier(**QUICK).fit(X, y)
    of_list = TwoLayerClassifier(**QUICK).fit(X.tolist(), y.tolist())

    np.testing.assert_array_equal(classifier.classes_, labels[order])
    assert classifier.predict(X).dtype == classifier.classes_.dtype == labels.dtype
    assert set(classifier.predict(X)) <= set(labels)
    assert_same_bits(classifier.parameters_, TwoLayerClassifier(**QUICK).fit(X, codes).parameters_)
    assert_same_bits(classifier.parameters_, of_list.parameters_)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_lend_their_names(library):
    """To the features, which are then told apart, and to a frame that comes out, the hidden units have their own."""
    frames = pytest.importorskip(library)
    X, y = problem()
    frame = frames.DataFrame(dict(zip("abcd", X.T, strict=True)))
    series = frames.Series(["no", "yes"][k] for k in y) if library == "pandas" else frames.Series(y).cast(frames.String)

    classifier = TwoLayerClassifier(**QUICK).set_output(transform=library).fit(frame, series)
    out = classifier.transform(frame)

    assert classifier.feature_names_in_.tolist() == list("abcd")
    assert list(out.columns) == classifier.get_feature_names_out().tolist()
    assert list(out.columns) == [f"twolayerclassifier{k}" for k in range(5)]
    assert isinstance(out, frames.DataFrame)
    plain = TwoLayerClassifier(**QUICK).fit(X, y)
    assert_same_bits(classifier.parameters_, plain.parameters_)
    np.testing.assert_array_equal(out.to_numpy(), plain.transform(X))
    assert not hasattr(plain, "feature_names_in_")
    with pytest.raises(ValueError, match="must be in the same order"):
        classifier.predict(frame[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        classifier.predict(frame[["a", "b", "c"]])
    with pytest.raises(ValueError, match="must be in the same order"):
        classifier.fit(frame, series, X_val=frame[["b", "a", "c", "d"]], y_val=series)


def test_frames_are_validated_on_without_a_word():
    """A scorer sees what predict knows, also where the frame gives its own validation samples."""
    pandas = pytest.importorskip("pandas")
    X, y = problem()
    frame, weight = pandas.DataFrame(X, columns=list("abcd")), np.linspace(1, 2, 60)

    classifier = TwoLayerClassifier(**QUICK, early_stopping=True, scoring="roc_auc").fit(frame, y, weight)

    assert len(classifier.validation_scores_) == 5


@pytest.mark.parametrize("storage", ["float64", "float32", "uint8", "int64", "float16", "bool"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_fit_is_that_of_fit_model(storage, n_classes):
    """With the same seed the same bits, in float32 for narrow samples, in float64 for others."""
    X, y = problem(n_classes)
    X = (20 * np.abs(X)).astype(storage)
    dtype = "float32" if storage in ("float32", "uint8", "float16", "bool") else "float64"
    more = {"activation": "tanh", "loss": "log", "l2": 1e-3}

    classifier = TwoLayerClassifier(**{**QUICK, "random_state": 3}, **more).fit(X, y)
    model, result = fit_model(X, y, n_hidden=5, max_iter=5, tol=0, random_state=3, dtype=dtype, **more)

    assert_same_bits(classifier.parameters_, model.parameters)
    assert {value.dtype for value in classifier.parameters_.values()} == {np.dtype(dtype)}
    assert classifier.loss_curve_ == [epoch.cost for epoch in result.history]
    assert (classifier.loss_, classifier.status_, classifier.best_iter_) == (result.cost, str(result.status), 5)
    np.testing.assert_array_equal(classifier.predict(X), model.predict(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_type_can_be_asked_for(dtype):
    """Whatever the samples have."""
    for storage in ("float32", "float64", "uint8"):
        X, y = problem()
        classifier = TwoLayerClassifier(**QUICK, dtype=dtype).fit(np.abs(X).astype(storage), y)
        assert {value.dtype for value in classifier.parameters_.values()} == {np.dtype(dtype)}


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.01, 20), st.sampled_from([2, 3]))
def test_gradient_descent_is_the_assignments_own_iteration(seed, max_iter, learning_rate, n_classes):
    """With a fixed rate, no tolerance and no penalty: every cost and the parameters bit by bit, so many steps."""
    random = np.random.default_rng(seed)
    X, y = problem(n_classes, m=20, n=3, seed=seed)
    Y = encode_labels(y, range(n_classes), "float64")
    start = parameters = equations.initialize_parameters(3, 4, len(Y), random)
    costs = []
    for _ in range(max_iter):
        A2, cache = equations.forward_propagation(X.T, parameters)
        costs.append(float(equations.compute_cost(A2, Y)))
        grads = equations.back_propagation(X.T, Y, parameters, cache)
        parameters = equations.update_parameters(parameters, grads, learning_rate)

    classifier = TwoLayerClassifier(
        4, solver="gd", learning_rate=learning_rate, tol=0, max_iter=max_iter, initial_parameters=start
    ).fit(X, y)

    assert (classifier.n_iter_, classifier.best_iter_, classifier.status_) == (max_iter, max_iter, "finished")
    assert classifier.loss_curve_ == costs
    assert_same_bits(classifier.parameters_, parameters)


def test_gradient_descent_is_the_train_loop_of_the_course(capsys):
    """From the start that the assignment's generator draws, `train_loop` goes the same way."""
    X, y = problem()
    np.random.seed(2)
    start = course.initialize_parameters(4, 5, 1)
    np.random.seed(2)
    expected = course.train_loop(X.T, y[None], 5, 0.3, 8)
    capsys.readouterr()

    classifier = TwoLayerClassifier(5, solver="gd", learning_rate=0.3, tol=0, max_iter=8, initial_parameters=start).fit(
        X, y
    )

    assert_same_bits(classifier.parameters_, expected)


@pytest.mark.parametrize("more", [{}, FIXED, ADAM, {"early_stopping": True}, {"engine": "tiled"}], ids=str)
def test_the_same_random_state_gives_the_same_bits(more):
    """A number each time; a generator goes on, and from the same place gives the same; without one each fit differs."""
    if more.get("engine") == "tiled" and load_kernel() is None:
        pytest.skip("the C kernel was not built")
    X, y = problem()
    given_settings = {**QUICK, **more}

    def fit(random_state):
        return TwoLayerClassifier(**{**given_settings, "random_state": random_state}).fit(X, y).parameters_

    generator = np.random.RandomState(5)
    first, second = fit(generator), fit(generator)
    assert_same_bits(fit(7), fit(7))
    assert_same_bits(fit(np.int64(7)), fit(7))
    assert_same_bits(first, fit(np.random.RandomState(5)))
    assert not np.array_equal(first["W1"], second["W1"])
    assert not np.array_equal(fit(None)["W1"], fit(None)["W1"])
    assert not np.array_equal(fit(7)["W1"], fit(8)["W1"])


def test_a_second_fit_forgets_the_first():
    """Other classes, another number of features, another history."""
    classifier = TwoLayerClassifier(**QUICK).fit(*problem(3, n=6))
    X, y = problem()

    again = classifier.fit(X, y)

    assert again is classifier
    assert_same_bits(classifier.parameters_, TwoLayerClassifier(**QUICK).fit(X, y).parameters_)
    assert (classifier.n_features_in_, classifier.n_iter_, len(classifier.classes_)) == (4, 5, 2)


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
    ours = TwoLayerClassifier(5, max_iter=4, early_stopping=early_stopping, random_state=0, tol=0).fit(X, y)
    names = [name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")]

    assert len(names) >= 14
    for name in names:
        value, own = getattr(theirs, name), getattr(ours, name)
        assert isinstance(own, float if isinstance(value, np.floating) else type(value)), name
        if name in ("coefs_", "intercepts_"):
            assert [array.shape for array in own] == [array.shape for array in value]
        elif isinstance(value, (list, np.ndarray)):
            assert len(own) == len(value), name
        elif name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_"):
            assert own == value, name
    np.testing.assert_array_equal(ours.coefs_[0], ours.parameters_["W1"].T)
    np.testing.assert_array_equal(ours.coefs_[1], ours.parameters_["W2"].T)
    np.testing.assert_array_equal(ours.intercepts_[0], ours.parameters_["b1"][:, 0])
    np.testing.assert_array_equal(ours.intercepts_[1], ours.parameters_["b2"][:, 0])
    assert ours.out_activation_ == "logistic"


def test_before_a_fit_there_is_nothing():
    """Attributes are not there, and predictions say that it has not been fitted."""
    classifier = TwoLayerClassifier()
    names = ("coefs_", "intercepts_", "n_layers_", "n_outputs_", "out_activation_", "loss_curve_", "history_")
    names = (*names, "validation_scores_", "validation_loss_curve_", "best_loss_", "best_validation_score_")

    assert [name for name in names if hasattr(classifier, name)] == []
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        with pytest.raises(NotFittedError):
            getattr(classifier, method)(np.ones((1, 2)))
    with pytest.raises(NotFittedError):
        classifier.to_model()


def test_the_smallest_cost_counts_the_last_step():
    """Also where the last step is the best, or the worst."""
    X, y = problem()
    falling = TwoLayerClassifier(**QUICK, **FIXED).fit(X, y)
    rising = TwoLayerClassifier(**QUICK, solver="gd", learning_rate=1e3).fit(X, y)

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
    new = TwoLayerClassifier(**QUICK, **FULL_BATCH[solver], engine=engine)

    weighted = clone(new).fit(X, y, sample_weight=weight)
    twice = clone(new).fit(X[repeated], y[repeated])

    np.testing.assert_allclose(weighted.loss_curve_, twice.loss_curve_, rtol=1e-9)
    assert_close(weighted.parameters_, twice.parameters_, 1e-6)
    assert not np.allclose(weighted.parameters_["W1"], clone(new).fit(X, y).parameters_["W1"], rtol=1e-3)


def test_one_weight_is_that_of_each_sample():
    """Its size makes no difference, as the cost is a mean."""
    X, y = problem()
    plain = TwoLayerClassifier(**QUICK).fit(X, y)

    assert_close(plain.parameters_, TwoLayerClassifier(**QUICK).fit(X, y, sample_weight=3.0).parameters_, 1e-8)


@pytest.mark.parametrize(
    ("class_weight", "labels"),
    [
        ("balanced", np.array(["ash", "birch", "cedar"])),
        ({"ash": 3, "birch": 0.5, "cedar": 1}, np.array(["ash", "birch", "cedar"])),
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

    by_class = TwoLayerClassifier(**QUICK, **FIXED, class_weight=class_weight).fit(X, y, own if weighted else None)
    by_sample = TwoLayerClassifier(**QUICK, **FIXED).fit(X, y, each)

    assert_close(by_class.parameters_, by_sample.parameters_, 1e-10)


def test_a_class_that_is_not_named_counts_one():
    """As in scikit-learn, where every name is that of a class."""
    X, y = problem(3)
    named = TwoLayerClassifier(**QUICK, class_weight={0: 1, 1: 5, 2: 1}).fit(X, y)

    assert_same_bits(named.parameters_, TwoLayerClassifier(**QUICK, class_weight={1: 5}).fit(X, y).parameters_)


def test_a_weight_for_a_class_that_is_none_is_told_with_its_label():
    """By the names that the caller gave, in fit and partial_fit."""
    X, y = problem()
    y = np.array(["ash", "birch"])[y]
    classifier = TwoLayerClassifier(**QUICK, **FIXED, class_weight={"ash": 1, "oak": 2})

    for fit in (classifier.fit, lambda X, y: clone(classifier).partial_fit(X, y, classes=["ash", "birch"])):
        with pytest.raises(SettingError, match="'oak', which is no class: name 'birch' and the others"):
            fit(X, y)


@pytest.mark.parametrize("wrong", [[1.0, 2.0], np.ones((60, 1)), -np.ones(60), np.zeros(60), np.full(60, np.nan)])
def test_weights_that_do_not_fit_are_told(wrong):
    """One for each sample, none negative, not all zero, all numbers."""
    with pytest.raises(DataError, match="weight"):
        TwoLayerClassifier(**QUICK).fit(*problem(), sample_weight=wrong)


# ---------------------------------------------------------------- where it starts, and going on


def test_a_start_can_be_given():
    """The first cost is the one there; the parameters given stay as they are."""
    X, y = problem()
    start = equations.initialize_parameters(4, 5, 1, np.random.default_rng(9))
    before = copy.deepcopy(start)

    classifier = clone(TwoLayerClassifier(**QUICK, initial_parameters=start)).fit(X, y)

    A2, _ = equations.forward_propagation(X.T, before)
    assert classifier.loss_curve_[0] == equations.compute_cost(A2, y[None])
    assert_same_bits(start, before)


@pytest.mark.parametrize("solver", ["gd", "adam"])
def test_a_warm_start_goes_on(solver):
    """Two fits of three steps are one of six, for a solver that remembers nothing; for another the cost goes on."""
    X, y = problem()
    more = FIXED if solver == "gd" else ADAM
    classifier = TwoLayerClassifier(**{**QUICK, "max_iter": 3}, **more, warm_start=True)

    first = classifier.fit(X, y).loss_
    second = classifier.fit(X, y)

    assert second.loss_curve_[0] == first
    assert second.n_iter_ == 3
    if solver == "gd":
        assert_same_bits(
            second.parameters_, TwoLayerClassifier(**{**QUICK, "max_iter": 6}, **more).fit(X, y).parameters_
        )
    cold = classifier.set_params(warm_start=False).fit(X, y)
    assert cold.loss_curve_[0] != first


def test_a_warm_start_keeps_the_classes():
    """Samples of some of them may come; a new class and another size are told."""
    X, y = problem(3)
    classifier = TwoLayerClassifier(**QUICK, warm_start=True).fit(X, y)

    assert classifier.fit(X[y < 2], y[y < 2]).classes_.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"stay those of the first fit, .* got np.int64\(3\)|got 3"):
        classifier.fit(X, y + 1)
    with pytest.raises(SettingError, match="W1 must hold"):
        classifier.set_params(n_hidden=9).fit(X, y)


@pytest.mark.parametrize("more", [FIXED, {"solver": "gd"}, {"solver": "momentum"}, ADAM], ids=str)
@pytest.mark.parametrize("labels", [np.array([0, 1]), np.array(["a", "b", "c"])], ids=str)
def test_parts_add_up_to_one_training(more, labels):
    """Six calls of partial_fit with the same samples are the six iterations of a fit, with the same record."""
    X, codes = problem(len(labels))
    y = labels[codes]
    whole = TwoLayerClassifier(**{**QUICK, "max_iter": 6}, **more).fit(X, y)
    parts = TwoLayerClassifier(**QUICK, **more)

    for k in range(6):
        assert parts.partial_fit(X, y, classes=labels if k == 0 else None) is parts

    assert_same_bits(parts.parameters_, whole.parameters_)
    assert parts.loss_curve_ == whole.loss_curve_
    assert [epoch.iteration for epoch in parts.history_] == list(range(6))
    assert (np.diff([epoch.seconds for epoch in parts.history_]) >= 0).all()
    for name in ("loss_", "best_loss_", "n_iter_", "best_iter_", "t_", "status_"):
        assert getattr(parts, name) == getattr(whole, name), name


def test_parts_may_be_different_samples():
    """Each call is one step of the blackboard with its own, also where a class is missing."""
    X, y = problem(3)
    parameters = equations.initialize_parameters(4, 5, 3, np.random.default_rng(0))
    classifier = TwoLayerClassifier(**QUICK, **FIXED, initial_parameters=parameters)
    for part in np.split(np.arange(60)[np.argsort(y, kind="stable")], 4):
        classifier.partial_fit(X[part], y[part], classes=[2, 1, 0])
        Y = np.eye(3)[:, y[part]]
        _, cache = equations.forward_propagation(X[part].T, parameters)
        parameters = equations.update_parameters(
            parameters, equations.back_propagation(X[part].T, Y, parameters, cache), 0.5
        )

    assert_close(classifier.parameters_, parameters, 1e-12)
    assert (classifier.t_, classifier.n_iter_) == (60, 4)


def test_parts_follow_a_fit_and_a_model():
    """partial_fit goes on from the parameters that are there, a fit begins anew."""
    X, y = problem()
    fitted = TwoLayerClassifier(**QUICK, **FIXED).fit(X, y)
    six = TwoLayerClassifier(**{**QUICK, "max_iter": 6}, **FIXED).fit(X, y)
    loaded = TwoLayerClassifier.from_model(fitted.to_model()).set_params(**FIXED)

    assert_same_bits(loaded.partial_fit(X, y).parameters_, six.parameters_)
    assert (loaded.n_iter_, loaded.best_iter_, loaded.t_) == (1, 1, 60)
    assert_same_bits(fitted.partial_fit(X, y).parameters_, six.parameters_)
    assert (fitted.n_iter_, fitted.best_iter_, fitted.t_) == (6, 6, 360)
    momentum = TwoLayerClassifier(**QUICK, solver="momentum").partial_fit(X, y, classes=[0, 1])
    fresh = clone(momentum).fit(X, y)
    assert_same_bits(momentum.fit(X, y).parameters_, fresh.parameters_)
    assert_same_bits(momentum.partial_fit(X, y).parameters_, fresh.partial_fit(X, y).parameters_)


def test_weights_count_in_parts():
    """As in a fit: those of the samples and of the classes."""
    X, y = problem()
    weight = np.linspace(0, 1, 60)
    new = TwoLayerClassifier(**{**QUICK, "max_iter": 1}, **FIXED, class_weight={0: 2, 1: 5})

    part = clone(new).partial_fit(X, y, classes=[0, 1], sample_weight=weight)

    assert_same_bits(part.parameters_, clone(new).fit(X, y, sample_weight=weight).parameters_)


def test_what_cannot_be_done_in_parts_is_told():
    """L-BFGS has no such method; classes are needed first and stay; nothing is held out."""
    X, y = problem()
    lbfgs, gd = TwoLayerClassifier(**QUICK), TwoLayerClassifier(**QUICK, **FIXED)

    assert not hasattr(lbfgs, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        lbfgs.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(SettingError, match="needs classes"):
        gd.partial_fit(X, y)
    with pytest.raises(DataError, match="of one class, 0"):
        gd.partial_fit(X, y, classes=[0])
    with pytest.raises(DataError, match=r"label np.int64\(1\)|label 1"):
        gd.partial_fit(X, y, classes=[0, 7])
    gd = clone(gd).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(DataError, match="not those of the first call"):
        gd.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="expecting 4 features"):
        gd.partial_fit(X[:, :3], y)
    with pytest.raises(SettingError, match="early_stopping=False"):
        gd.set_params(early_stopping=True).partial_fit(X, y)


# ---------------------------------------------------------------- validation


def test_validation_samples_of_ones_own_are_measured_before_each_step():
    """Cost and accuracy of the parameters at hand; they change nothing about the training."""
    X, y = problem(3, m=90)
    X, y, X_val, y_val = X[:60], y[:60], X[60:], y[60:]
    new = TwoLayerClassifier(**QUICK, **FIXED, l2=0.1)

    classifier = clone(new).fit(X, y, X_val=X_val, y_val=y_val)

    plain = clone(new).fit(X, y)
    assert_same_bits(classifier.parameters_, plain.parameters_)
    for k in range(1, 5):
        before = clone(new).set_params(max_iter=k).fit(X, y)
        A2, _ = equations.forward_propagation(X_val.T, before.parameters_)
        assert classifier.validation_loss_curve_[k] == pytest.approx(equations.compute_cost(A2, np.eye(3)[:, y_val]))
        assert classifier.validation_scores_[k] == before.score(X_val, y_val)
    assert len(classifier.validation_scores_) == classifier.n_iter_ == 5
    scores = [*classifier.validation_scores_, classifier.score(X_val, y_val)]
    assert classifier.best_validation_score_ == max(scores)
    assert plain.validation_scores_ is plain.validation_loss_curve_ is plain.best_validation_score_ is None


@pytest.mark.parametrize("weighted", [False, True])
def test_a_share_held_out_is_like_samples_of_ones_own(weighted):
    """Each class gives its share by the seed, and the network learns from the rest."""
    X, y = problem(3)
    weight = np.linspace(1, 2, 60) if weighted else np.full(60, None)
    rest, out = hold_out(y, 0.25, 4)
    new = TwoLayerClassifier(
        **{**QUICK, "random_state": 4}, early_stopping=True, validation_fraction=0.25, class_weight="balanced"
    )

    held_out = clone(new).fit(X, y, weight if weighted else None)
    own = clone(new).fit(
        X[rest],
        y[rest],
        weight[rest] if weighted else None,
        X_val=X[out],
        y_val=y[out],
        sample_weight_val=weight[out] if weighted else None,
    )

    assert len(out) == 15
    assert_same_bits(held_out.parameters_, own.parameters_)
    assert held_out.validation_scores_ == own.validation_scores_
    assert held_out.validation_loss_curve_ == own.validation_loss_curve_
    assert held_out.t_ == 45 * held_out.n_iter_


def minus_brier(estimator, X, y):
    """Return a score that knows nothing of weights."""
    return -float(((estimator.predict_proba(X)[:, 1] - y) ** 2).mean())


@pytest.mark.parametrize(
    "scoring",
    ["roc_auc", "neg_log_loss", "accuracy", minus_brier, make_scorer(log_loss, greater_is_better=False), None],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_early_stopping_brings_back_what_the_scorer_likes_best(scoring, weighted):
    """Any scorer of scikit-learn's: the score of the fitted estimator is the best of all, and it stopped in time."""
    X, y = problem(m=150, n=12, seed=2)
    X_val, y_val, X, y = X[:50], y[:50], X[50:], y[50:]
    weight = np.linspace(0.5, 2, 50) if weighted else None
    classifier = TwoLayerClassifier(
        n_hidden=20, max_iter=300, random_state=0, early_stopping=True, scoring=scoring, n_iter_no_change=7
    )

    classifier.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)

    weights = {} if not weighted or scoring is minus_brier else {"sample_weight": weight}
    scorer = {None: TwoLayerClassifier.score}.get(scoring, scoring)
    scorer = get_scorer(scorer) if isinstance(scorer, str) else scorer
    assert (classifier.status_, classifier.best_loss_) == ("stopped early", None)
    assert scorer(classifier, X_val, y_val, **weights) == classifier.best_validation_score_
    assert classifier.best_validation_score_ == max(classifier.validation_scores_)
    assert classifier.best_iter_ == np.argmax(classifier.validation_scores_)
    assert classifier.n_iter_ - classifier.best_iter_ >= 7
    assert classifier.n_iter_ < 100


def test_the_last_step_may_have_the_best_score():
    """Where the iterations end while the score still rises."""
    X, y = problem()
    classifier = TwoLayerClassifier(**QUICK, **FIXED, early_stopping=True, scoring="neg_log_loss")

    classifier.fit(X, y, X_val=X, y_val=y)

    assert classifier.best_validation_score_ == get_scorer("neg_log_loss")(classifier, X, y)
    assert classifier.best_validation_score_ > max(classifier.validation_scores_)
    assert classifier.best_iter_ == 5


def test_the_accuracy_counts_samples_as_the_cost_does():
    """By their weights and those of their classes, where no scorer is named."""
    X, y = problem(3, m=90)
    X, y, X_val, y_val = X[:60], y[:60], X[60:], y[60:]
    weight, class_weight = np.linspace(0, 1, 30), {0: 4, 1: 1, 2: 0}
    counted = weight * np.array([4, 1, 0])[y_val]
    new = TwoLayerClassifier(**QUICK, **FIXED, class_weight=class_weight)

    classifier = clone(new).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)

    for k in range(1, 5):
        before = clone(new).set_params(max_iter=k).fit(X, y)
        A2, _ = equations.forward_propagation(X_val.T, before.parameters_)
        expected = equations.compute_cost(A2, np.eye(3)[:, y_val], counted)
        assert classifier.validation_loss_curve_[k] == pytest.approx(float(expected), rel=1e-9)
        assert classifier.validation_scores_[k] == before.score(X_val, y_val, sample_weight=counted)


def test_validation_samples_that_do_not_fit_are_told():
    """Labels are needed, and known ones; the features are the same; a share must be a sample at least."""
    X, y = problem()
    classifier = TwoLayerClassifier(**QUICK)

    with pytest.raises(DataError, match="X_val needs y_val"):
        classifier.fit(X, y, X_val=X)
    with pytest.raises(DataError, match=r"label np.int64\(5\)|label 5"):
        classifier.fit(X, y, X_val=X[:1], y_val=[5])
    with pytest.raises(ValueError, match="expecting 4 features"):
        classifier.fit(X, y, X_val=X[:, :2], y_val=y)
    with pytest.raises(DataError, match="leaves none to validate on"):
        classifier.set_params(early_stopping=True).fit(X[:2], [0, 1])


# ---------------------------------------------------------------- how it ends


def test_a_training_that_is_not_done_warns_once_with_advice():
    """At the caller's line, where it can be found."""
    X, y = problem()
    with pytest.warns(ConvergenceWarning, match="larger than tol=0.0001: raise max_iter or tol") as caught:
        TwoLayerClassifier(max_iter=3, random_state=0).fit(X, y)

    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"tol": 0, "max_iter": 3}, "finished"),
        ({"l2": 0.1, "max_iter": 1000}, "converged"),
        ({"tol": 10.0}, "converged"),
        ({"early_stopping": True, "n_iter_no_change": 1, "max_iter": 1000}, "stopped early"),
        ({"on_epoch": lambda epoch: epoch.iteration == 2}, "stopped early"),
    ],
    ids=str,
)
def test_a_training_that_is_done_does_not_warn(more, status):
    """Without a tolerance, converged, or ended early on purpose; the message says how."""
    classifier = TwoLayerClassifier(**{"random_state": 0, **more}).fit(*problem())

    assert (classifier.status_, classifier.message_.endswith(".")) == (status, True)


def test_a_hook_sees_each_epoch_and_can_stop():
    """Returning True ends the training with the parameters of that epoch."""
    X, y = problem()
    epochs = []
    classifier = TwoLayerClassifier(
        **{**QUICK, "max_iter": 50}, **FIXED, on_epoch=lambda epoch: epochs.append(epoch) or epoch.iteration == 5
    ).fit(X, y, X_val=X, y_val=y)

    assert classifier.history_ == epochs
    assert (len(epochs), classifier.best_iter_, classifier.status_) == (6, 5, "stopped early")
    assert epochs[-1].validation_score == classifier.score(X, y)
    assert_same_bits(classifier.parameters_, TwoLayerClassifier(**QUICK, **FIXED).fit(X, y).parameters_)


def test_ctrl_c_leaves_a_usable_estimator():
    """Interrupted, with the parameters that there were, and a warning that says so."""
    X, y = problem()

    def interrupt(epoch):
        if epoch.iteration == 5:
            raise KeyboardInterrupt

    classifier = TwoLayerClassifier(**{**QUICK, "max_iter": 50}, **FIXED, on_epoch=interrupt)
    with pytest.warns(ConvergenceWarning, match="Interrupted at iteration 5 of 50") as caught:
        classifier.fit(X, y)

    assert len(caught) == 1
    assert (classifier.status_, classifier.best_iter_, classifier.n_iter_) == ("interrupted", 5, 6)
    assert_same_bits(classifier.parameters_, TwoLayerClassifier(**QUICK, **FIXED).fit(X, y).parameters_)
    assert classifier.predict(X).shape == y.shape


def test_a_training_out_of_range_warns_and_keeps_the_last_good_parameters():
    """In one go and in parts."""
    X, y = problem()
    settings = {**QUICK, "solver": "gd", "learning_rate": 1e308, "dtype": "float32"}

    with pytest.warns(ConvergenceWarning, match="take a smaller learning rate") as caught:
        whole = TwoLayerClassifier(**settings).fit(X, y)
    part = TwoLayerClassifier(**settings)
    with pytest.warns(ConvergenceWarning, match="take a smaller learning rate") as caught_in_part:
        part.partial_fit(X, y, classes=[0, 1]).partial_fit(X, y).partial_fit(X, y)

    assert len(caught) == 1
    assert [warning.filename for warning in caught_in_part] == [__file__] * 3
    for classifier in (whole, part):
        assert classifier.status_ == "diverged"
        assert np.isfinite(classifier.decision_function(X)).all()
    assert (part.n_iter_, part.best_iter_) == (3, 0)


def test_a_start_out_of_range_leaves_attributes_that_can_be_read():
    """There is no history then, and no score."""
    X, y = problem()
    far = equations.initialize_parameters(4, 5, 1, np.random.default_rng(0))
    far["W2"] = far["W2"] * 1e308
    new = TwoLayerClassifier(**QUICK, **FIXED, loss="log", initial_parameters=far)

    for fit in (lambda c: c.fit(X, y, X_val=X, y_val=y), lambda c: c.partial_fit(X, y, classes=[0, 1])):
        with pytest.warns(ConvergenceWarning, match="the start is kept"):
            classifier = fit(clone(new))
        assert classifier.history_ == classifier.loss_curve_ == []
        assert classifier.n_iter_ == classifier.best_iter_ == 0
        assert classifier.validation_scores_ is classifier.validation_loss_curve_ is None
        assert classifier.best_validation_score_ is None
        assert_same_bits(classifier.parameters_, far)


@pytest.mark.parametrize("max_iter", [40, np.int64(40)])
def test_progress_is_shown_on_request(capfd, max_iter):
    """On stderr, some lines of it; else nothing at all."""
    X, y = problem()
    TwoLayerClassifier(**{**QUICK, "max_iter": max_iter}, **FIXED).fit(X, y)
    silent = capfd.readouterr()
    TwoLayerClassifier(**{**QUICK, "max_iter": max_iter}, **FIXED, verbose=1).fit(X, y, X_val=X, y_val=y)
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
    X, y = problem()
    X = pandas.DataFrame(X, columns=list("abcd")) if named else X
    weight = np.linspace(1, 2, 60) if weighted else None
    new = TwoLayerClassifier(**QUICK, **FIXED, early_stopping=early_stopping)
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")

    classifier = clone(new).set_callbacks(monitor).fit(X, y, weight)

    rows = monitor.get_logs().data
    learned = hold_out(y, 0.1, 0)[0] if early_stopping else np.arange(60)
    X, y, weight = np.asarray(X)[learned], y[learned], None if weight is None else weight[learned]
    assert [row["task_name"] for row in rows] == ["fit", *["iteration"] * 5]
    plain = TwoLayerClassifier.from_model(classifier.to_model())
    assert rows[0]["neg_log_loss"] == get_scorer("neg_log_loss")(plain, X, y, sample_weight=weight)
    for k in range(1, 5):
        before = TwoLayerClassifier(**{**QUICK, "max_iter": k}, **FIXED).fit(X, y, weight)
        score = get_scorer("neg_log_loss")(before, X, y, sample_weight=weight)
        assert rows[k + 1]["neg_log_loss"] == pytest.approx(score, rel=1e-12)


@pytest.mark.usefixtures("callback")
def test_a_callback_can_stop():
    """By returning True; setup and teardown enclose the rest, and the estimator is fitted."""
    X, y = problem()
    recorder = Recorder(stop_at=2)

    classifier = TwoLayerClassifier(**QUICK, **FIXED).set_callbacks(recorder).fit(X, y)

    assert (classifier.status_, classifier.best_iter_, classifier.n_iter_) == ("stopped early", 2, 3)
    assert (recorder.told[0], recorder.told[-1]) == ("setup", "teardown")
    tasks = recorder.told[1:-1]
    assert [task[1:3] for task in tasks] == [("iteration", 0), ("iteration", 1), ("iteration", 2), ("fit", 0)]
    np.testing.assert_array_equal(tasks[-1][3].predict(X), classifier.predict(X))
    assert_same_bits(tasks[2][3].parameters_, classifier.parameters_)


@pytest.mark.usefixtures("callback")
def test_a_callback_is_torn_down_after_an_error():
    """A setting that is none is found after it was set up."""
    recorder = Recorder()
    with pytest.raises(SettingError):
        TwoLayerClassifier(**{**QUICK, "max_iter": 0}).set_callbacks(recorder).fit(*problem())

    assert recorder.told == ["setup", "teardown"]


def test_a_progress_bar_shows_the_iterations(callback, capsys):
    """Scikit-learn's own."""
    TwoLayerClassifier(**QUICK).set_callbacks(callback.ProgressBar()).fit(*problem())

    out = capsys.readouterr().out
    assert "TwoLayerClassifier - fit" in out
    assert "100%" in out


@pytest.mark.usefixtures("callback")
def test_callbacks_reach_a_network_inside_others():
    """Set on a pipeline or a search, each iteration of each network comes through."""
    X, y = problem()
    search = GridSearchCV(TwoLayerClassifier(**QUICK, **FIXED), {"n_hidden": [2, 3]}, cv=2)
    pipeline = make_pipeline(StandardScaler(), TwoLayerClassifier(**QUICK, **FIXED))
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
    pipeline = make_pipeline(StandardScaler(), TwoLayerClassifier(**QUICK).set_callbacks(monitor)).fit(X, y)

    rows = monitor.get_logs().data
    assert [row["task_name"] for row in rows].count("iteration") == 5
    assert rows[0]["accuracy"] == pipeline.score(X, y)


# ---------------------------------------------------------------- how samples are stored


@pytest.mark.parametrize("form", ["csr", "csr array", "csc", "coo", "64-bit indices"])
@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "streamed"])
def test_sparse_samples_give_what_dense_ones_give(form, engine):
    """To rounding, in training and in prediction, whichever form they come in."""
    X, y = problem(3)
    X[X < 0] = 0
    rows = {"csr array": sparse.csr_array, "csc": sparse.csc_matrix, "coo": sparse.coo_array}.get(
        form, sparse.csr_matrix
    )(X)
    if form == "64-bit indices":
        rows.indices, rows.indptr = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
    new = TwoLayerClassifier(**QUICK, engine=engine)

    dense, thin = clone(new).fit(X, y, X_val=X, y_val=y), clone(new).fit(rows, y, X_val=rows, y_val=y)

    np.testing.assert_allclose(thin.loss_curve_, dense.loss_curve_, rtol=1e-9)
    assert thin.validation_loss_curve_ == pytest.approx(dense.validation_loss_curve_, rel=1e-9)
    assert_close(thin.parameters_, dense.parameters_, 1e-7)
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        np.testing.assert_allclose(getattr(dense, method)(rows), getattr(dense, method)(X), rtol=1e-9)
    early = clone(new).set_params(early_stopping=True)
    assert_close(clone(early).fit(rows, y).parameters_, clone(early).fit(X, y).parameters_, 1e-7)


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "streamed"])
def test_sparse_samples_stay_sparse(engine):
    """A matrix that would be 400 MB takes less than a tenth of it, in training and in prediction."""
    m, n = 1000, 50_000
    random = np.random.default_rng(0)
    index = random.integers(0, n, (m, 20))
    X = sparse.csr_array((np.ones(index.size), index.ravel(), np.arange(0, index.size + 1, 20)), shape=(m, n))
    y = np.arange(m) % 2

    tracemalloc.start()
    try:
        classifier = TwoLayerClassifier(2, max_iter=2, tol=0, engine=engine, n_threads=1, **FIXED).fit(X, y)
        classifier.predict(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 40e6


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_memory_map_is_computed_with_where_it_lies(tmp_path, objectives, dtype):
    """What is trained on is its own buffer, neither copied nor made wider; the network is of float32."""
    X, y = problem(m=500)
    np.abs(50 * X).astype(dtype).tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", dtype, "r", shape=X.shape)

    for engine in ENGINES:
        classifier = TwoLayerClassifier(**QUICK, engine=engine).fit(mapped, y, X_val=mapped[:100], y_val=y[:100])
        assert {value.dtype for value in classifier.parameters_.values()} == {np.dtype(np.float32)}
    TwoLayerClassifier(**QUICK, **FIXED).partial_fit(mapped, y, classes=[0, 1])

    assert len(objectives) == 2 * len(ENGINES) + 1
    for samples in objectives:
        assert samples.dtype == dtype
        assert np.shares_memory(samples, mapped)


@pytest.mark.parametrize("engine", ["whole", "streamed"])
def test_a_memory_map_takes_no_memory(tmp_path, monkeypatch, engine):
    """Less than a quarter of a copy, from the checks to the predictions."""
    monkeypatch.setattr(objective_module, "STREAM_VALUES", 2**17)
    X = np.memmap(tmp_path / "X", np.float32, "w+", shape=(20_000, 200))
    X[:] = np.random.default_rng(0).random(X.shape, np.float32)
    y = (X[:, 0] > 0.5).astype(int)

    tracemalloc.start()
    try:
        classifier = TwoLayerClassifier(4, max_iter=2, tol=0, engine=engine, n_threads=1, **FIXED).fit(X, y)
        classifier.score(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < X.nbytes / 4


@pytest.mark.parametrize("solver", FULL_BATCH)
@pytest.mark.parametrize("storage", ["float64", "float32", "uint8"])
def test_streamed_samples_give_what_those_in_memory_give(monkeypatch, solver, storage):
    """To rounding, block after block, with weights and validation samples as well."""
    monkeypatch.setattr(objective_module, "STREAM_VALUES", 60)
    X, y = problem(3)
    X, weight = np.abs(10 * X).astype(storage), np.linspace(0, 1, 60)
    new = TwoLayerClassifier(**QUICK, **FULL_BATCH[solver], l2=1e-3, activation="tanh")
    rtol = 1e-8 if storage == "float64" else 2e-3

    auto = clone(new).fit(X, y, weight, X_val=X[:30], y_val=y[:30])
    streamed = clone(new).set_params(engine="streamed").fit(X, y, weight, X_val=X[:30], y_val=y[:30])

    assert streamed.engine_ == "streamed: 4 blocks read from where they are stored"
    np.testing.assert_allclose(streamed.loss_curve_, auto.loss_curve_, rtol=rtol)
    np.testing.assert_allclose(streamed.validation_loss_curve_, auto.validation_loss_curve_, rtol=rtol)
    assert_close(streamed.parameters_, auto.parameters_, rtol * 100)


# ---------------------------------------------------------------- scikit-learn's tools


def test_a_clone_has_the_settings_and_nothing_else():
    """Each setting comes back by its name."""
    classifier = TwoLayerClassifier(9, solver="gd", learning_rate=0.3, class_weight={0: 2}, scoring="roc_auc")
    again = clone(classifier)

    assert again.get_params() == classifier.get_params()
    assert classifier.set_params(n_hidden=4).n_hidden == 4
    assert again.n_hidden == 9
    assert not hasattr(clone(TwoLayerClassifier(**QUICK).fit(*problem())), "parameters_")


def test_it_works_in_searches_pipelines_and_calibration():
    """And learns there what there is to learn."""
    X, y = problem(m=200)
    y = np.array(["no", "yes"])[y]
    pipeline = make_pipeline(StandardScaler(), TwoLayerClassifier(8, tol=0, max_iter=20, random_state=0))

    search = GridSearchCV(pipeline, {"twolayerclassifier__l2": [0, 1e-2]}, cv=3).fit(X, y)
    calibrated = CalibratedClassifierCV(pipeline, cv=3).fit(X, y)
    hidden = make_pipeline(StandardScaler(), TwoLayerClassifier(**QUICK), TwoLayerClassifier(**QUICK)).fit(X, y)

    assert cross_val_score(pipeline, X, y, cv=3, scoring="roc_auc").min() > 0.6
    assert search.best_score_ > 0.6
    assert calibrated.score(X, y) > 0.65
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert hidden[-1].n_features_in_ == 5


def test_calibration_is_of_the_logits():
    """A monotone map of `decision_function`, which says more than shares that round to 0 and 1."""
    X, y = problem(m=200)
    classifier = TwoLayerClassifier(8, tol=0, max_iter=50, random_state=0, loss="log")

    calibrated = CalibratedClassifierCV(classifier, cv=2, ensemble=False).fit(X, y)
    logits = classifier.fit(X, y).decision_function(X)

    shares = calibrated.predict_proba(X)[:, 1]
    order = np.argsort(logits)
    assert (np.diff(shares[order]) >= 0).all()
    slope = np.polyfit(logits, np.log(shares / (1 - shares)), 1)
    np.testing.assert_allclose(np.polyval(slope, logits), np.log(shares / (1 - shares)), atol=1e-6)


def test_weights_are_routed():
    """Where metadata routing is on, they reach each fit of a search and of a cross-validation."""
    X, y = problem()
    weight = np.where(np.arange(60) < 30, 5.0, 0.5)
    with config_context(enable_metadata_routing=True):
        classifier = TwoLayerClassifier(**QUICK, **FIXED).set_fit_request(sample_weight=True)
        classifier.set_score_request(sample_weight=True)
        search = GridSearchCV(classifier, {"l2": [0, 0.1]}, cv=2).fit(X, y, sample_weight=weight)
        folds = cross_validate(classifier, X, y, cv=2, params={"sample_weight": weight}, return_estimator=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), classifier)
        pipeline.fit(X, y, sample_weight=weight)
        requests = TwoLayerClassifier().set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        asked = requests.get_metadata_routing().fit.requests

    best = clone(classifier).set_params(**search.best_params_).fit(X, y, sample_weight=weight)
    assert_same_bits(search.best_estimator_.parameters_, best.parameters_)
    scaled = clone(classifier).fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
    assert_same_bits(pipeline[-1].parameters_, scaled.parameters_)
    plain = clone(classifier).fit(X, y)
    assert not np.allclose(best.parameters_["W1"], plain.parameters_["W1"])
    assert len(folds["estimator"]) == 2
    assert asked == {"X_val": True, "y_val": True, "sample_weight_val": True, "sample_weight": None}


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("labels", [np.array([4, 9]), np.array(["ash", "birch", "cedar"])], ids=str)
@pytest.mark.parametrize("way", ["pickle", "joblib", "skops"])
def test_a_fitted_classifier_can_be_kept(tmp_path, labels, way):
    """It comes back the same, and goes on the same."""
    X, codes = problem(len(labels))
    y = labels[codes]
    for more in ({"early_stopping": True}, ADAM):
        classifier = TwoLayerClassifier(**QUICK, **more)
        classifier = classifier.fit(X, y) if more is not ADAM else classifier.partial_fit(X, y, classes=labels)
        if way == "pickle":
            again = pickle.loads(pickle.dumps(classifier))
        elif way == "joblib":
            joblib.dump(classifier, tmp_path / "it.joblib")
            again = joblib.load(tmp_path / "it.joblib")
        else:
            skops = pytest.importorskip("skops.io")
            content = skops.dumps(classifier)
            trusted = skops.get_untrusted_types(data=content)
            assert {name.partition(".")[0] for name in trusted} == {"twolayer"}
            again = skops.loads(content, trusted=trusted)

        assert again.get_params() == classifier.get_params()
        assert_same_bits(again.parameters_, classifier.parameters_)
        assert again.history_ == classifier.history_
        np.testing.assert_array_equal(again.predict(X), classifier.predict(X))
        if more is ADAM:
            assert_same_bits(again.partial_fit(X, y).parameters_, classifier.partial_fit(X, y).parameters_)


@pytest.mark.parametrize(
    "labels",
    [np.array([4, 9]), np.array(["ash", "birch", "cedar"]), np.array([0.0, 1.0]), np.array(["a", "b"], object)],
    ids=repr,
)
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_a_fitted_classifier_fits_into_one_file(tmp_path, labels, activation):
    """The model that comes out predicts the same, and is a classifier again."""
    X, codes = problem(len(labels))
    classifier = TwoLayerClassifier(**QUICK, activation=activation, l2=np.float64(1e-3)).fit(X, labels[codes])

    twolayer.save(classifier, tmp_path / "it.safetensors")
    model = twolayer.load(tmp_path / "it.safetensors")
    again = TwoLayerClassifier.from_model(model)

    np.testing.assert_array_equal(model.predict(X), classifier.predict(X))
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        np.testing.assert_array_equal(getattr(again, method)(X), getattr(classifier, method)(X))
    np.testing.assert_array_equal(model.predict_proba(X), classifier.predict_proba(X))
    assert again.score(X, labels[codes]) == classifier.score(X, labels[codes])
    assert (model.settings["solver"], model.settings["l2"], model.settings["n_iter"]) == ("lbfgs", 1e-3, 5)
    assert not hasattr(again, "loss_curve_")


def test_what_no_file_holds_is_told():
    """Classes that are neither whole numbers nor text; a model that prepares its samples itself."""
    X, y = problem()
    with pytest.raises(DataError, match="whole numbers or text, not False"):
        TwoLayerClassifier(**QUICK).fit(X, y == 1).to_model()
    scaled, _ = fit_model(X, y, scale=2.0, max_iter=1)
    with pytest.raises(DataError, match="prepares its samples itself"):
        TwoLayerClassifier.from_model(scaled)


# ---------------------------------------------------------------- what is wrong is told

WRONG = [
    ({"n_hidden": 0}, "at least 1 hidden unit"),
    ({"n_hidden": 1.5}, "n_hidden must be a whole number; got 1.5"),
    ({"n_hidden": (5, 5)}, "n_hidden must be a whole number"),
    ({"activation": "step"}, "sigmoid, tanh, relu"),
    ({"activation": ["tanh"]}, "activation must be text"),
    ({"loss": "hinge"}, "square, log"),
    ({"solver": "sgd"}, "gd, momentum, adam, lbfgs"),
    ({"solver": None}, "solver must be text"),
    ({"solver": "gd", "learning_rate": 0.0}, "greater than 0"),
    ({"solver": "gd", "learning_rate": "quick"}, "or auto; got 'quick'"),
    ({"solver": "gd", "learning_rate": None}, "learning_rate must be a number"),
    ({"solver": "lbfgs", "learning_rate": 0.1}, "finds its own steps"),
    ({"solver": "gd", "batch_size": 5}, "take adam"),
    ({"solver": "adam", "batch_size": 0}, "at least 1 sample"),
    ({"solver": "adam", "batch_size": "auto"}, "batch_size must be a whole number"),
    ({"l2": -1}, "l2 must be a number of at least 0"),
    ({"l2": "small"}, "l2 must be a number"),
    ({"class_weight": "heavy"}, "'balanced' or a number for each class"),
    ({"class_weight": {0: -1}}, "class weights must be numbers of at least 0"),
    ({"early_stopping": "yes"}, "early_stopping"),
    ({"validation_fraction": 1.0}, "validation_fraction must be a number between 0 and 1; got 1.0"),
    ({"validation_fraction": "0.1"}, "validation_fraction must be a number between 0 and 1"),
    ({"n_iter_no_change": 0}, "n_iter_no_change must be a whole number of at least 1; got 0"),
    ({"n_iter_no_change": 1.5}, "n_iter_no_change must be a whole number"),
    ({"scoring": "magic"}, "no scorer 'magic'"),
    ({"scoring": ["accuracy"]}, "scoring must be the name of a scorer"),
    ({"warm_start": 1}, "warm_start must be True or False; got 1"),
    ({"initial_parameters": {"W1": 0}}, "a dict of W1, b1, W2 and b2"),
    ({"initial_parameters": dict.fromkeys(NAMES, "x")}, "W1 is none"),
    ({"initial_parameters": dict.fromkeys(NAMES, np.ones((1, 1)))}, r"W1 must hold .* \(5, 4\)"),
    ({"engine": "magic"}, "choose auto or one of"),
    ({"engine": None}, "choose auto or one of"),
    ({"n_threads": 0}, "1 to 1,024"),
    ({"n_threads": 1.5}, "n_threads must be a whole number"),
    ({"dtype": "float16"}, "float32 or float64"),
    ({"dtype": 3}, "float32 or float64"),
    ({"verbose": "loud"}, "verbose must be a whole number"),
    ({"verbose": -1}, "verbose must be a whole number of at least 0"),
    ({"on_epoch": 3}, "on_epoch must be a function or None; got 3"),
]
WRONG_FOR_FIT = [
    ({"max_iter": 0}, "Iterations must be at least 1"),
    ({"max_iter": 1.5}, "max_iter must be a whole number"),
    ({"tol": -1.0}, "tolerance at least 0"),
    ({"tol": float("nan")}, "tolerance at least 0"),
    ({"tol": None}, "tol must be a number"),
]
FITS = [(wrong, sentence, "fit") for wrong, sentence in WRONG + WRONG_FOR_FIT]
FITS += [(wrong, sentence, "partial_fit") for wrong, sentence in WRONG if wrong.get("solver") != "lbfgs"]


@pytest.mark.parametrize(("wrong", "sentence", "method"), FITS, ids=str)
def test_a_wrong_setting_is_told_when_it_is_used(wrong, sentence, method):
    """In one sentence, as a ValueError, by fit and by partial_fit; not before, so that it can be set and cloned."""
    more = {"solver": "gd"} if method == "partial_fit" else {}
    classifier = clone(TwoLayerClassifier(**{**QUICK, **more, **wrong}))
    classes = {"classes": [0, 1]} if method == "partial_fit" else {}

    with pytest.raises(SettingError, match=sentence) as told:
        getattr(classifier, method)(*problem(), **classes)

    assert isinstance(told.value, ValueError)
    assert str(told.value).endswith(".")
    assert "\n" not in str(told.value)
    assert not hasattr(classifier, "parameters_")


def test_every_setting_is_tried():
    """What is wrong is known for each, the seed among them, below."""
    tried = {name for wrong, _ in WRONG + WRONG_FOR_FIT for name in wrong} | {"random_state"}

    assert tried == set(TwoLayerClassifier().get_params())


@pytest.mark.parametrize("wrong", [-1, "x", 1.5])
def test_a_wrong_random_state_is_told(wrong):
    """As everywhere in scikit-learn."""
    with pytest.raises(ValueError, match=r"Seed must be between|cannot be used to seed"):
        TwoLayerClassifier(**{**QUICK, "random_state": wrong}).fit(*problem())


def test_wrong_samples_are_told():
    """One class by its name, labels that are none or too few, values that are no finite numbers, sparse to stream."""
    X, y = problem()
    classifier = TwoLayerClassifier(**QUICK)

    with pytest.raises(DataError, match="All samples are of one class, ash"):
        classifier.fit(X, ["ash"] * 60)
    with pytest.raises(DataError, match="the target y is None"):
        classifier.fit(X, None)
    with pytest.raises(DataError, match="60 samples and 59 labels"):
        classifier.fit(X, y[1:])
    with pytest.raises(ValueError, match="continuous"):
        classifier.fit(X, y + 0.5 * np.arange(60))
    with pytest.raises(ValueError, match="NaN"):
        classifier.fit(np.where(X > 1, np.nan, X), y)
    with pytest.raises(SettingError, match="in memory already"):
        classifier.set_params(engine="streamed").fit(sparse.csr_array(X), y)
