"""From samples and settings to a model: what is given is checked, and what is asked for is done."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.utils.class_weight import compute_class_weight

from twolayer.data.dataset import Dataset, Labels
from twolayer.data.rows import ArrayRows, MemoryRows
from twolayer.data.split import hold_out
from twolayer.equations import compute_cost, compute_log_cost, forward_propagation, initialize_parameters
from twolayer.errors import DataError, SettingError
from twolayer.fit import choose_validation, fit, fit_model, fit_models, weigh_classes
from twolayer.parameters import Parameters
from twolayer.settings import Settings, default_of, setting_fields
from twolayer.training.result import Status

CLASSES = ("ash", "birch", "cedar")
WIDE = {"dtype": "float64"}


@pytest.fixture
def blobs():
    """Return three groups of points in the plane and their names."""
    random = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = random.standard_normal((90, 2)) + 6 * np.array([[0, 0], [0, 1], [1, 0]])[y]
    return X, np.array(CLASSES)[y]


@pytest.fixture
def start():
    """Return parameters of a network with 2 features, 3 hidden units and 3 outputs."""
    return dict(initialize_parameters(2, 3, 3, np.random.default_rng(7)))


def targets(y):
    """Return the targets of names, a row for each class."""
    return (np.asarray(y) == np.array(CLASSES)[:, None]).astype(float)


def assert_same_bits(parameters, others):
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(parameters[name], others[name])


def assert_close(parameters, others, rtol, atol):
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_allclose(parameters[name], others[name], rtol=rtol, atol=atol)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize("function", [fit_model, fit_models])
def test_settings_are_shown_as_parameters(function):
    """With their defaults, by their names only, so that help and editors know them."""
    parameters = inspect.signature(function).parameters

    for each in setting_fields(Settings):
        assert parameters[each.name].default == default_of(each)
        assert parameters[each.name].kind is inspect.Parameter.KEYWORD_ONLY


def test_the_same_seed_gives_the_same_bits(blobs):
    """And another seed another network."""
    first, again, other = (fit_model(*blobs, max_iter=5, random_state=seed)[0].parameters for seed in (1, 1, 2))

    assert_same_bits(first, again)
    assert not np.array_equal(first["W1"], other["W1"])


@pytest.mark.parametrize("storage", ["float32", "float64", "int64", "uint8", "float16", "bool"])
def test_parameters_have_the_type_asked_for(blobs, storage):
    """Else float32 for narrow samples, and float64 for others."""
    X = np.abs(blobs[0]).astype(storage)
    own = "float64" if storage in ("float64", "int64") else "float32"
    for dtype in ("float32", "float64", None):
        model, _ = fit_model(X, blobs[1], max_iter=2, dtype=dtype, recipe="none")
        assert {value.dtype.name for value in model.parameters.values()} == {dtype or own}
        assert model.settings["dtype"] == dtype or own


def test_a_model_knows_how_it_was_trained(blobs):
    """Its settings are those of the training, NumPy's numbers made plain, and how it ended."""
    numbers = {"n_hidden": np.int64(3), "max_iter": np.int32(2), "learning_rate": np.float32(1)}
    model, result = fit_model(*blobs, **numbers, dtype=np.dtype("float64"), input_shape=np.array([1, 2]))

    asked = {"n_hidden": 3, "max_iter": 2, "learning_rate": 1.0, "dtype": "float64", "solver": "gd", "loss": "square"}
    assert {name: model.settings[name] for name in asked} == asked
    assert (model.settings["n_iter"], model.settings["status"]) == (2, "finished")
    assert (model.settings["engine"], model.input_shape) == (result.engine, (1, 2))
    assert {type(value) for value in model.settings.values()} <= {int, float, str, bool, type(None)}


def test_a_learning_rate_chooses_gradient_descent(blobs):
    """Without one L-BFGS finds its own steps; a named solver is taken."""
    for settings, solver in (
        ({"recipe": "none"}, "lbfgs"),
        ({"learning_rate": 0.5}, "gd"),
        ({"solver": "adam"}, "adam"),
    ):
        model, _ = fit_model(*blobs, max_iter=1, **settings)
        assert model.settings["solver"] == solver


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"on_epoch": 5}, "`on_epoch` must be a function; got 5"),
        ({"on_event": "print"}, "`on_event` must be a function"),
        ({"n_hidden": 0}, "`n_hidden` must be a whole number"),
        ({"magic": 1}, "no setting `magic`"),
        ({"scale": -1.0}, "`scale` must be a number greater than 0"),
        ({"solver": "lbfgs", "learning_rate": 1.0}, "finds its own steps"),
        ({"batch_size": 5}, "adam"),
        ({"input_shape": "ab"}, "`input_shape` must be whole numbers"),
        ({"checkpoint_seconds": 1}, "set `checkpoint` to its path"),
    ],
)
def test_a_wrong_setting_is_reported(blobs, wrong, sentence):
    """By its name, in a sentence of its own."""
    with pytest.raises(SettingError, match=sentence):
        fit_model(*blobs, **wrong)


# ---------------------------------------------------------------- samples


@pytest.mark.parametrize(
    ("X", "y", "more", "sentence"),
    [
        (np.ones((3, 2)), [1, 1, 1], {}, "two classes"),
        (np.ones((3, 2)), [0, 1], {}, "one label"),
        (np.ones(3), [0, 1, 1], {}, "rows"),
        (np.ones((0, 2)), [], {}, "at least one"),
        (np.full((3, 2), np.nan), [0, 1, 1], {}, "not finite"),
        (np.full((3, 2), -np.inf), [0, 1, 1], {}, "not finite"),
        (sparse.csr_array(np.full((3, 2), np.nan)), [0, 1, 1], {}, "not finite"),
        (np.array([["a"], ["b"]]), [0, 1], {}, "not finite numbers"),
        (np.ones((3, 2)), [0.5, 1, 1], {}, "whole numbers or text"),
        (np.ones((3, 2)), [0, 1, 1], {"input_shape": (3, 3)}, "true shape"),
        (np.ones((3, 4)), [0, 1, 1], {"input_shape": (-2, -2)}, "dimensions"),
        (np.ones((3, 4)), [0, 1, 1], {"input_shape": (1,) * 8 + (4,)}, "dimensions"),
        (np.full((3, 2), 1e300), [0, 1, 1], {"dtype": "float32", "recipe": "none"}, "out of the range of float32"),
        (np.full((3, 2), 1e300), [0, 1, 1], {}, "infinite or too large to add up: repair or scale them"),
        (np.ones((3, 2)), ["a", "\ud800", "a"], {}, "surrogate"),
        (np.ones((3, 2)), [0, 1, 1], {"sample_weight": [1, 1]}, "weights must be 3 numbers"),
        (np.ones((3, 2)), [0, 1, 1], {"X_test": np.ones((1, 5)), "y_test": [0]}, "width"),
        (np.ones((3, 2)), [0, 1, 1], {"X_test": np.ones((1, 2)), "y_test": [7]}, "label 7"),
        (np.ones((3, 2)), [0, 1, 1], {"X_val": np.ones((1, 5)), "y_val": [0]}, "width"),
        (np.ones((3, 2)), [0, 1, 1], {"X_val": np.full((1, 2), np.nan), "y_val": [0]}, "not finite"),
        (np.ones((3, 2)), [0, 1, 1], {"X_val": np.ones((1, 2)), "y_val": [7]}, "label 7"),
        (np.ones((3, 2)), [0, 1, 1], {"X_val": np.ones((1, 2)), "y_val": [0, 1]}, "one label"),
        (np.ones((2, 2)), [0, 1], {"early_stopping": True}, "leaves none to validate on"),
    ],
)
def test_wrong_samples_are_reported(X, y, more, sentence):
    """Each has a sentence of its own."""
    with pytest.raises(DataError, match=sentence):
        fit_model(X, y, **more)


def test_test_samples_are_evaluated(blobs):
    """Their right predictions are those of the returned model."""
    X, y = blobs
    model, result = fit_model(X, y, X_test=X[:10], y_test=y[:10], max_iter=5)

    assert (result.test_correct, result.n_test) == ((model.predict(X[:10]) == y[:10]).sum(), 10)


def test_classes_can_be_named_in_an_order_of_ones_own(blobs):
    """Of two the second is the positive one; a class without samples has an output as well."""
    X, y = blobs[0], np.where(blobs[1] == "ash", "no", "yes")
    upside_down, _ = fit_model(X, y, classes=("yes", "no"), max_iter=50)
    more, _ = fit_model(X, y, classes=("maybe", "no", "yes"), max_iter=50)

    assert upside_down.classes == ("yes", "no")
    assert (upside_down.predict(X) == y).mean() > 0.95
    np.testing.assert_array_equal(upside_down.decision_function(X) > 0, upside_down.predict(X) == "no")
    assert more.parameters["W2"].shape[0] == 3
    assert (more.predict(X) == y).mean() > 0.95
    with pytest.raises(DataError, match="label no that is not among the classes"):
        fit_model(X, y, classes=("maybe", "yes"))


@pytest.mark.parametrize("loss", ["square", "log"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_loss_decides_the_outputs(blobs, loss, n_classes):
    """The log loss of more than two classes is that of softmax outputs, whose probabilities the model gives."""
    X, y = (each[blobs[1] != "cedar"] if n_classes == 2 else each for each in blobs)

    model, result = fit_model(X, y, loss=loss, max_iter=30, recipe="none")

    assert model.output == ("softmax" if (loss, n_classes) == ("log", 3) else "sigmoid")
    of_own_class = model.predict_proba(X)[np.arange(len(y)), np.searchsorted(model.classes, y)]
    if loss == "log":
        assert result.cost == pytest.approx(-np.log(of_own_class).mean())
    assert (model.predict(X) == y).mean() > 0.95


@pytest.mark.parametrize("engine", ["whole", "auto"])
def test_sparse_samples_train_the_same_network(blobs, engine):
    """A CSR matrix of the same numbers, also to test on."""
    X, y = np.where(blobs[0] > 3, blobs[0], 0), blobs[1]
    settings = {"max_iter": 4, "tol": 0, "engine": engine, "y_test": y[:9]}

    dense, expected = fit_model(X, y, X_test=X[:9], **settings)
    model, result = fit_model(sparse.csr_array(X), y, X_test=sparse.csr_array(X[:9]), **settings)

    assert result.test_correct == expected.test_correct
    assert_close(model.parameters, dense.parameters, 1e-9, 1e-12)


@pytest.mark.parametrize("settings", [{}, {"solver": "gd"}, {"learning_rate": 0.5}, {"solver": "momentum"}], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("storage", ["float32", "uint8"])
def test_rows_in_blocks_train_the_same_network(blobs, monkeypatch, settings, dtype, storage):
    """As the array does, to rounding, with weights and other samples of either kind; so does a streamed array."""
    monkeypatch.setattr("twolayer.engines.objective.STREAM_VALUES", 50)
    X, y = np.abs(9 * blobs[0]).astype(storage), blobs[1]
    of_samples = {"sample_weight": np.linspace(0, 1, 90), "scale": 9.0, "y_test": y[:20], "y_val": y[10:40]}
    settings = {**settings, **of_samples, "max_iter": 4, "tol": 0, "dtype": dtype, "l2": 1e-3, "activation": "tanh"}

    whole, expected = fit_model(X, y, X_test=X[:20], X_val=X[10:40], **settings)
    in_blocks, result = fit_model(ArrayRows(X, 13), y, X_test=X[:20], X_val=ArrayRows(X[10:40], 7), **settings)
    streamed, again = fit_model(X, y, engine="streamed", X_test=ArrayRows(X[:20], 6), X_val=X[10:40], **settings)

    assert "7 blocks" in result.engine
    assert "4 blocks" in again.engine
    rtol = 2e-3 if dtype == "float32" else 1e-8
    for model, got in ((in_blocks, result), (streamed, again)):
        assert got.test_correct == expected.test_correct
        for name in ("cost", "validation_cost"):
            curves = ([getattr(epoch, name) for epoch in each.history] for each in (got, expected))
            assert next(curves) == pytest.approx(next(curves), rel=rtol)
        assert_close(model.parameters, whole.parameters, rtol, rtol)


def test_adam_takes_its_mini_batches_block_by_block(blobs):
    """It learns from all samples, with the same bits each time."""
    X, y = blobs
    settings = {"solver": "adam", "batch_size": 10, "max_iter": 30}
    (first, result), (again, _) = (fit_model(ArrayRows(X, 40), y, **settings) for _ in range(2))

    assert result.train_correct > 85
    assert_same_bits(first.parameters, again.parameters)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_the_defaults_are_right_on_the_digits(seed):
    """At most 2 of the 2,115 test digits are wrong, with every one of ten seeds, in a few steps."""
    from twolayer import load_mnist

    X, y, X_test, y_test = load_mnist((0, 1))
    _, result = fit_model(X, y, X_test=X_test, y_test=y_test, scale=255.0, random_state=seed)

    assert result.n_test - result.test_correct <= 2


# ---------------------------------------------------------------- where it starts, and who is told


def test_a_training_starts_where_it_is_told(blobs, start):
    """At the parameters given, which stay as they are, in the type of the computation."""
    before = {name: value.copy() for name, value in start.items()}

    _, result = fit_model(*blobs, n_hidden=3, start=start, max_iter=2)
    narrow, _ = fit_model(*blobs, n_hidden=3, start=start, max_iter=2, dtype="float32")

    A2, _ = forward_propagation(blobs[0].T, before)
    assert result.history[0].cost == pytest.approx(float(compute_cost(A2, targets(blobs[1]))), rel=1e-12)
    assert_same_bits(before, start)
    assert narrow.parameters["W1"].dtype == np.float32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("init", ["lecun", "glorot", "he"])
def test_without_a_start_it_is_the_blackboards(blobs, dtype, init):
    """`initialize_parameters` with the seed, rounded to the type."""
    events, settings = [], {"n_hidden": 3, "init": init, "random_state": 5, "dtype": dtype}
    fit_model(*blobs, **settings, max_iter=1, recipe="none", on_event=events.append)

    drawn = initialize_parameters(2, 3, 3, np.random.default_rng(5), init)
    assert_same_bits(events[0].state.parameters, {name: value.astype(dtype) for name, value in drawn.items()})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda _: 3, "a dict of W1, b1, W2 and b2"),
        (lambda start: {"W1": start["W1"]}, "a dict of W1, b1, W2 and b2"),
        (lambda start: start | {"b1": np.ones(3)}, r"b1 must hold finite .* the shape \(3, 1\); got \(3,\)"),
        (lambda start: start | {"W2": np.full((3, 3), np.nan)}, "W2 must hold finite numbers"),
        (lambda start: start | {"W1": "many"}, "W1 is not"),
        (lambda start: start | {"W1": [[1, 2], [3]]}, "W1 is not"),
    ],
)
def test_a_wrong_start_is_reported(blobs, start, wrong, sentence):
    """What is missing, of another shape, or not a finite number."""
    with pytest.raises(SettingError, match=sentence):
        fit_model(*blobs, n_hidden=3, start=wrong(start), max_iter=1)


def test_listeners_see_each_epoch_and_can_stop(blobs):
    """Each is told of each, with the parameters there; True of any stops, and the model tells how it ended."""
    epochs, events = [], []
    model, result = fit_model(
        *blobs,
        max_iter=9,
        recipe="none",
        on_epoch=epochs.append,
        on_event=lambda e: events.append(e) or e.epoch.iteration == 2,
    )

    assert result.status == Status.STOPPED_EARLY
    assert (model.settings["status"], model.settings["n_iter"]) == ("stopped early", 2)
    assert epochs == [event.epoch for event in events] == result.history
    assert_same_bits(events[2].state.parameters, model.parameters)
    assert_same_bits(events[1].state.parameters, fit_model(*blobs, max_iter=1, recipe="none")[0].parameters)


@pytest.mark.parametrize("settings", [{}, {"learning_rate": 0.5}, {"solver": "momentum"}, {"solver": "adam"}], ids=str)
def test_a_training_goes_on_from_the_state_of_another(blobs, settings):
    """Of its end or of any iteration, with the bits of one that never stopped, and the same record."""
    X, y = blobs
    dataset = Dataset("trees", MemoryRows(X), Labels.of(y), (2,))
    long, short = (Settings.make({**settings, "max_iter": n, "tol": 0}) for n in (8, 5))
    states = []

    whole, expected = fit(dataset, long)
    _, first = fit(dataset, short, listeners=[lambda event: states.append(event.state)])

    for state in (states[3], first.state):
        seen = []
        model, result = fit(dataset, long, state=state, listeners=[lambda event, seen=seen: seen.append(event.epoch)])
        assert_same_bits(model.parameters, whole.parameters)
        assert [epoch.cost for epoch in result.history] == [epoch.cost for epoch in expected.history]
        assert [epoch.iteration for epoch in seen] == list(range(state.iteration, 8))
    assert_same_bits(fit(dataset, short, state=first.state)[0].parameters, first.parameters)  # nothing is left to do
    with pytest.raises(SettingError, match="has already made 5 iterations: `max_iter` must be at least that"):
        fit(dataset, replace(short, max_iter=4), state=first.state)


# ---------------------------------------------------------------- several networks


def test_models_side_by_side_are_those_alone(blobs):
    """Seeds, sizes, rates and solvers may differ; the order is kept."""
    X, y = blobs
    variants = [{"random_state": 3}, {"n_hidden": 4, "learning_rate": 2.0}, {"solver": "adam", "batch_size": 30}, {}]
    shared = {"recipe": "none", "max_iter": 15, "X_test": X[:9], "y_test": y[:9]}

    for variant, (model, result) in zip(variants, fit_models(X, y, variants, **shared), strict=True):
        alone, alone_result = fit_model(X, y, **shared, **variant)
        assert model.settings == alone.settings
        assert (result.n_iter, result.test_correct) == (alone_result.n_iter, alone_result.test_correct)
        assert_close(model.parameters, alone.parameters, 1e-6, 1e-9)


def test_what_networks_side_by_side_share_is_reported(blobs):
    """The penalty belongs to the cost, which is one for all; none of them stops early."""
    with pytest.raises(SettingError, match="cannot differ in `l2`"):
        fit_models(*blobs, [{"l2": 1.0}])
    with pytest.raises(SettingError, match="leave out `early_stopping`"):
        fit_models(*blobs, [{}], early_stopping=True)


# ---------------------------------------------------------------- weights


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=40).map(np.array),
    st.one_of(st.none(), st.integers(0, 2**32 - 1)),
)
def test_balanced_is_scikit_learns(y, seed):
    """The weights of the classes are those of `compute_class_weight`; a sample of weight 3 counts as three samples."""
    classes, codes = np.unique(y, return_inverse=True)
    own = None if seed is None else np.random.default_rng(seed).integers(1, 5, len(y))

    weight = weigh_classes(Labels(codes.astype(np.int32), tuple(classes.tolist())), "balanced", own)

    theirs = compute_class_weight("balanced", classes=classes, y=y if own is None else y.repeat(own))
    np.testing.assert_allclose(weight, theirs[codes] * (1 if own is None else own), rtol=1e-12)
    totals = [weight[codes == code].sum() for code in range(len(classes))]
    np.testing.assert_allclose(totals, totals[0], rtol=1e-12)


def test_class_weights_may_name_the_classes_by_text():
    """As they come back from the request of a run; a class that is not named counts once."""
    labels = Labels.of([3, 5, 5, 8])

    weights = {names: weigh_classes(labels, {names(3): 2.0, names(8): 0.5}) for names in (int, str)}

    assert weights[int].tolist() == weights[str].tolist() == [2.0, 1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("class_weight", "own", "expected"),
    [
        ({"a": 3, "b": 0}, None, [3, 0, 0, 1]),
        ({"a": 3}, [1, 2, 3, 4], [3, 2, 3, 4]),
        (dict.fromkeys("abcdef", 2), None, [2, 2, 2, 2]),
        ("balanced", None, [1, 0.5, 0.5, 1]),
        (None, None, None),
        (None, [1, 2, 3, 4], [1, 2, 3, 4]),
    ],
)
def test_classes_count_as_much_as_they_are_told(class_weight, own, expected):
    """A class that is not named counts 1, one that has no samples does no harm; weights given stay as they are."""
    labels = Labels(np.array([0, 1, 1, 2], np.int32), tuple("abcd"))
    given_weights = None if own is None else np.array(own, float)

    weight = weigh_classes(labels, class_weight, given_weights)

    if expected is None:
        assert weight is None
    else:
        np.testing.assert_array_equal(weight, expected)
    assert own is None or given_weights.tolist() == own


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("heavy", "`class_weight` must be .* balanced or None; got 'heavy'"),
        ([1, 2, 3], "`class_weight` must be a dict"),
        ({"oak": 1}, "'oak', which is not a class: name 'ash' and the others"),
        ({"ash": -1}, "at least 0"),
        ({"ash": float("nan")}, "at least 0"),
        ({"ash": "much"}, "`class_weight` must be a dict with a number"),
        (dict.fromkeys(CLASSES, 0), "not all of them 0"),
    ],
)
def test_wrong_class_weights_are_reported(blobs, wrong, sentence):
    """A label that is not a class, a value that is not a number, nothing that counts."""
    with pytest.raises((SettingError, DataError), match=sentence):
        fit_model(*blobs, class_weight=wrong)


def test_class_weights_are_weights_of_their_samples(blobs):
    """Bit by bit the same training; a class whose samples weigh nothing is not learned."""
    X, y = blobs
    by_class, _ = fit_model(X, y, class_weight={"ash": 0, "birch": 0.5}, max_iter=20)
    by_sample, _ = fit_model(X, y, sample_weight=np.select([y == "ash", y == "birch"], [0, 0.5], 1), max_iter=20)

    assert_same_bits(by_class.parameters, by_sample.parameters)
    assert "ash" not in by_class.predict(X)


# ---------------------------------------------------------------- validation


def test_validation_samples_are_judged_without_the_penalty(blobs):
    """Their cost is the mean loss by their own weights, and the score is their fraction of right predictions."""
    X, y = blobs
    weight, events = np.linspace(0, 1, 30), []
    kept = {"X_val": X[:30], "y_val": y[:30], "sample_weight_val": weight}

    model, result = fit_model(X[30:], y[30:], **kept, l2=0.5, max_iter=4, tol=0, on_event=events.append)

    Y = targets(y[:30])
    for event, epoch in zip(events, result.history, strict=True):
        A2, _ = forward_propagation(X[:30].T, event.state.parameters)
        assert epoch.validation_cost == pytest.approx(float(compute_cost(A2, Y, weight)), rel=1e-12)
        assert epoch.validation_score == (A2.argmax(axis=0) == Y.argmax(axis=0)).mean()
    assert result.validation_score == (model.predict(X[:30]) == y[:30]).mean()


def test_the_parameters_with_the_best_score_come_back(blobs):
    """Where there is patience, and it comes to an end."""
    X, y = blobs
    scores, events = iter([0.1, 0.5, 0.2, 0.5, 0.5, 0.5, 1.0]), []
    stops = {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 50, "on_event": events.append}

    model, result = fit_model(X, y, X_val=X[:9], y_val=y[:9], score=lambda _: next(scores), **stops)

    assert (result.status, result.n_iter, len(result.history)) == (Status.STOPPED_EARLY, 1, 5)
    assert result.validation_score == 0.5
    assert_same_bits(model.parameters, events[1].state.parameters)
    assert (model.settings["status"], model.settings["n_iter"]) == ("stopped early", 1)


def test_early_stopping_holds_samples_out(blobs):
    """Those of `hold_out` with the seed, each with its weight: the same as giving them; the test samples stay."""
    X, y = blobs
    weight = np.linspace(1, 2, 90)
    settings = {"early_stopping": True, "validation_fraction": 0.2, "random_state": 3, "class_weight": "balanced"}
    rest, out = hold_out(np.searchsorted(CLASSES, y), 0.2, 3)
    test = {"X_test": X[:9], "y_test": y[:9]}

    held_out, result = fit_model(X, y, sample_weight=weight, **settings, **test)
    kept = {"X_val": X[out], "y_val": y[out], "sample_weight_val": weight[out]}
    apart, expected = fit_model(X[rest], y[rest], sample_weight=weight[rest], **kept, **settings, **test)

    chosen = choose_validation(Labels.of(y), Settings.make(settings))
    assert [each.tolist() for each in chosen] == [rest.tolist(), out.tolist()]
    assert result.n_train == 72
    assert_same_bits(held_out.parameters, apart.parameters)
    assert [replace(e, seconds=0) for e in result.history] == [replace(e, seconds=0) for e in expected.history]


def test_a_score_is_given_the_parameters(blobs):
    """All four, in a form that the formulas of the blackboard take."""
    X, y = blobs
    two = y != "cedar"
    X, y = X[two], (y[two] == "birch").astype(int)

    def score(parameters):
        assert isinstance(parameters, Parameters)
        return -float(compute_log_cost(forward_propagation(X.T, parameters)[1]["Z2"], y[None]))

    _, result = fit_model(X, y, X_val=X, y_val=y, score=score, loss="log", max_iter=5)

    assert [e.validation_score for e in result.history] == pytest.approx([-e.cost for e in result.history], rel=1e-9)
