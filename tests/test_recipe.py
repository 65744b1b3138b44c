"""What is chosen where nothing is asked for; what is given is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.metrics import log_loss

from twolayer import TwoLayerClassifier, cli, fit_model, load
from twolayer.data.dataset import Dataset, Labels
from twolayer.data.rows import ArrayRows, MemoryRows
from twolayer.errors import DataError, SettingError
from twolayer.recipe import plan_batches, plan_committee, with_scale, with_shifts
from twolayer.settings import Settings
from twolayer.training.result import Status

X, Y = load_iris(return_X_y=True)
FAST = {"members": 2, "n_hidden": 4, "max_iter": 8, "n_threads": 1}


def images(m=5000, seed=0, size=9):
    """Return images of a bright bar that lies or stands, as bytes."""
    random = np.random.default_rng(seed)
    pixels, y = random.integers(0, 60, (m, size, size)), np.arange(m) % 2
    at = random.integers(1, size - 1, m)
    for k in range(m):
        pixels[k][(at[k], slice(None)) if y[k] else (slice(None), at[k])] = random.integers(200, 256)
    return pixels.reshape(m, -1).astype(np.uint8), y


def dataset(X, y, shape=None, scale=1.0):
    """Return samples as a data set."""
    return Dataset("samples", MemoryRows(X), Labels.of(np.asarray(y)), shape or (X.shape[1],), scale)


# ---------------------------------------------------------------- the same by every door


def test_all_doors_lead_to_the_same_network(tmp_path, monkeypatch):
    """The command line, the function and the estimator, with nothing set but the seed."""
    monkeypatch.chdir(tmp_path)
    np.savez("samples.npz", X=X, y=Y)
    model, _ = fit_model(X, Y)
    estimator = TwoLayerClassifier(random_state=0).fit(X, Y)
    assert cli.run(["train", "samples.npz", "--hold-out", "0", "--out", "run", "--quiet"]) == 0
    run = load("run/model.safetensors")

    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(estimator.parameters_[name], model.parameters[name])
        np.testing.assert_array_equal(run.parameters[name], model.parameters[name])
    np.testing.assert_array_equal(estimator.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    "given",
    [
        {"n_hidden": 3},
        {"activation": "tanh"},
        {"loss": "square"},
        {"scaling": "bins"},
        {"init": "glorot"},
        {"l2": 0.5},
        {"members": 4},
        {"max_iter": 3},
        {"dtype": "float64"},
        {"class_weight": "balanced"},
        {"random_state": 7},
    ],
    ids=str,
)
def test_a_setting_that_is_given_is_kept(given):
    """And the rest is chosen around it; the model names all of it."""
    settings = {"members": 2, "max_iter": 5, **given}
    model, _ = fit_model(X, Y, **settings)

    kept = {name: model.settings[name] for name in settings}
    assert kept == settings
    assert model.settings["recipe"] == "auto"
    chosen = ("n_hidden", "activation", "loss", "init", "l2", "members", "max_iter", "scaling", "dtype", "temperature")
    assert all(model.settings[name] is not None for name in chosen)


@pytest.mark.parametrize(
    "plain",
    [{"recipe": "none"}, {"solver": "lbfgs"}, {"tol": 1e-4}, {"learning_rate": 0.1}, {"early_stopping": True}],
    ids=str,
)
def test_a_setting_of_the_assignment_asks_for_one_plain_network(plain):
    """On the features as they are, with the settings that the assignment has."""
    model, _ = fit_model(X, Y, max_iter=3, **plain)

    chosen = {name: model.settings[name] for name in ("recipe", "n_hidden", "activation", "loss", "init", "l2")}
    assert chosen == {
        "recipe": "none",
        "n_hidden": 32,
        "activation": "sigmoid",
        "loss": "square",
        "init": "lecun",
        "l2": 0,
    }
    assert model.encoding is None


# ---------------------------------------------------------------- what is chosen


@given(st.integers(2, 10**6), st.integers(1, 800), st.integers(1, 30))
def test_members_and_units_follow_from_the_numbers(n_samples, n_inputs, n_outputs):
    """At most eight, of 64 units or more; fewer where an evaluation takes long, one where there are few samples."""
    plan = plan_committee(Settings(), n_samples, n_inputs, n_outputs)
    quick = plan_committee(Settings(recipe="quick"), n_samples, n_inputs, n_outputs)
    own = plan_committee(Settings(n_hidden=5), n_samples, n_inputs, n_outputs)

    assert 1 <= plan.members <= min(8, max(1, n_samples // 5))
    assert plan.n_hidden == (64 if n_samples < 3000 else 128)
    assert plan.l2 == pytest.approx(0.03 / n_samples**0.5)
    assert (quick.members, quick.n_hidden) == (1, 64)
    assert quick.max_iter < plan.max_iter
    assert (own.members, own.n_hidden) == (1, 5)


def test_images_and_large_data_learn_on_mini_batches():
    """From 5,000 images, or 30 million values, on; the user's settings stay, the square loss is L-BFGS's."""
    some = dataset(np.zeros((5000, 64), np.uint8), np.arange(5000) % 2, scale=255.0)
    few = dataset(np.zeros((4999, 64), np.uint8), np.arange(4999) % 2, scale=255.0)
    table = dataset(np.broadcast_to(np.float32(0), (10**6, 30)), np.arange(10**6) % 2)

    chosen = plan_batches(Settings(n_hidden=9, max_iter=3, l2=0.1), some)
    assert (chosen.n_hidden, chosen.max_iter, chosen.l2, chosen.solver) == (9, 3, 0.1, "adam")
    assert plan_batches(Settings(), few) is None
    assert plan_batches(Settings(), table).solver == "adam"
    assert plan_batches(Settings(loss="square"), some) is None
    assert plan_batches(Settings(members=3), some) is None
    assert plan_batches(Settings(recipe="quick"), some).max_iter < plan_batches(Settings(), some).max_iter


def test_images_are_learned():
    """Found out to be bytes; it converges when every training sample is right."""
    pixels, y = images()
    test, of_test = images(500, seed=1)

    model, result = fit_model(pixels.astype(float), y, X_test=test, y_test=of_test)

    assert model.scale == 255
    assert model.settings["recipe"] == "auto"
    assert result.test_correct >= 490
    assert result.status in (Status.CONVERGED, Status.FINISHED)
    assert (model.predict(test.astype(float)) == of_test).sum() == result.test_correct


def test_what_are_pixels_is_found_out():
    """Whole numbers up to 255 in many columns, that start at 0; nothing else is divided."""
    pixels, y = images()
    assert with_scale(dataset(pixels.astype(float), y))[0].scale == 255
    assert with_scale(dataset(pixels // 16, y))[0].scale == 15
    assert with_scale(dataset(pixels.astype(float), y))[0].rows.dtype == np.uint8
    for other in (pixels + 0.5, pixels.astype(int) + 1, pixels[:, :20], (pixels > 99).astype(int), pixels * 2.0):
        assert with_scale(dataset(other, y))[0].scale == 1
    assert with_scale(dataset(pixels[:99], y[:99]))[0].scale == 1


def test_validation_images_are_scaled_as_the_others():
    """Their cost is that of the network on them, whichever way they are stored."""
    pixels, y = images()
    of_validation = images(300, seed=1)

    def learn(kind, **more):
        X_val, y_val = of_validation[0].astype(kind), of_validation[1]
        return fit_model(pixels.astype(kind), y, X_val=X_val, y_val=y_val, max_iter=2, **more)[1]

    stored, floats = learn(np.uint8, scale=255.0), learn(np.float64)

    assert [epoch.validation_cost for epoch in floats.history] == [epoch.validation_cost for epoch in stored.history]
    assert floats.history[-1].validation_cost < floats.history[0].validation_cost


def test_missing_values_that_nothing_stands_in_for_are_told():
    """In very wide arrays and sparse matrices, which have no encoding."""
    wide = np.zeros((20, 20_001))
    wide[3, 5] = np.nan
    for samples in (wide, sparse.csr_array(wide)):
        with pytest.raises(DataError, match="not finite numbers"):
            TwoLayerClassifier().fit(samples, np.arange(20) % 2)


def test_shifted_images_are_further_samples():
    """Each image and its four neighbours, with an empty edge where it came from; their labels are its own."""
    pixels, y = images(6, size=8)
    more, times = with_shifts(dataset(pixels, y, (8, 8), 255.0))
    groups = more.rows.read(0).reshape(5, 6, 8, 8)

    assert (times, more.n_samples) == (5, 30)
    np.testing.assert_array_equal(more.known_labels.codes.reshape(5, 6), np.tile(y, (5, 1)))
    original = pixels.reshape(6, 8, 8)
    np.testing.assert_array_equal(groups[0], original)
    np.testing.assert_array_equal(groups[1][:, 1:], original[:, :-1])
    np.testing.assert_array_equal(groups[2][:, :-1], original[:, 1:])
    np.testing.assert_array_equal(groups[3][:, :, 1:], original[:, :, :-1])
    np.testing.assert_array_equal(groups[4][:, :, :-1], original[:, :, 1:])
    assert not np.concatenate([groups[1][:, 0], groups[2][:, -1], groups[3][:, :, 0], groups[4][:, :, -1]]).any()
    for samples, more in ((X, {}), (sparse.csr_array(X), {"input_shape": (2, 2)})):
        with pytest.raises(SettingError, match="`augment` is for images in memory"):
            fit_model(samples, Y, augment="shifts", **more)
    assert fit_model(pixels, y, augment="shifts", input_shape=(8, 8), **FAST)[1].n_train == 30
    pixels, y = images(1000)
    model, result = fit_model(pixels, y, augment="shifts", input_shape=(9, 9), max_iter=1)
    assert (result.n_train, model.settings["augment"], model.settings["solver"]) == (5000, "shifts", "adam")


def test_few_images_are_encoded_pixel_by_pixel():
    """Their model takes them as they are stored, and remembers how that is."""
    pixels, y = images(300)

    model, result = fit_model(pixels, y, scale=255.0, X_test=pixels[:50], y_test=y[:50], **FAST)

    assert (model.scale, model.stored_scale) == (1, 255)
    assert model.encoding is not None
    assert (model.predict(pixels[:50]) == y[:50]).sum() == result.test_correct
    model.check_scale(255.0, "the data")
    with pytest.raises(DataError, match="trained on values divided by 255, but those of the data by 1"):
        model.check_scale(1.0, "the data")


# ---------------------------------------------------------------- what samples may be


def test_missing_numbers_are_learned_from():
    """NaN has a value of its own, by the estimator; all features at their own scale."""
    far = X * [1e-6, 1, 1e6, 1] + [0, 0, 1e9, 0]
    far[::7, 0] = np.nan

    network = TwoLayerClassifier(random_state=0).fit(far, Y)

    assert network.score(far, Y) > 0.95
    assert np.isfinite(network.predict_proba(np.full((1, 4), np.nan))).all()


@pytest.mark.parametrize("n", [2, 3, 4, 7, 12])
def test_a_few_samples_are_enough(n):
    """Down to one of each class."""
    some = np.arange(n) * (150 // n)
    classes = Y[some] if len(set(Y[some])) > 1 else np.arange(n) % 2

    model, result = fit_model(X[some], classes)

    assert result.n_train == n
    assert np.isfinite(model.predict_proba(X)).all()
    assert result.train_correct >= n - 1


def test_a_sparse_matrix_is_learned_as_an_array_where_it_is_small():
    """Else as it is, without an encoding."""
    pattern = np.where(X.mean(axis=0) < X, X, 0)
    small, _ = fit_model(sparse.csr_array(pattern), Y, **FAST)
    dense, _ = fit_model(pattern, Y, **FAST)
    wide = sparse.hstack([sparse.csr_array(pattern), sparse.csr_array((150, 10_000))], format="csr")
    large, result = fit_model(wide, Y, **FAST)

    np.testing.assert_array_equal(small.predict_proba(pattern), dense.predict_proba(pattern))
    assert small.encoding is not None
    assert large.encoding is None
    assert result.train_correct > 99


def test_samples_read_block_by_block_train_one_network():
    """With early stopping on samples held out, as memory does not hold them."""
    model, result = fit_model(ArrayRows(X, 40), Y)

    assert model.settings["recipe"] == "auto"
    assert model.settings["n_hidden"] == 64
    assert result.status in (Status.STOPPED_EARLY, Status.FINISHED)
    assert result.train_correct / result.n_train > 0.9


def test_a_feature_that_says_nothing_is_left_out():
    """One that is always the same has no input; where all are, there is nothing to learn from but the shares."""
    always = np.column_stack([X, np.ones(150)])
    assert fit_model(always, Y, **FAST)[0].parameters["W1"].shape == (8, 8)

    model, _ = fit_model(np.ones((30, 2)), (np.arange(30) % 3 == 0).astype(int), **FAST)
    np.testing.assert_allclose(model.predict_proba([[1, 1]])[:, 1], 1 / 3, atol=0.1)


# ---------------------------------------------------------------- how well it learns


def test_with_nothing_set_it_learns_better_than_plain():
    """Half of the breast cancer samples, judged by the other half: a far smaller log loss."""
    X, y = load_breast_cancer(return_X_y=True)
    half = np.random.default_rng(0).permutation(len(y)) % 2 == 0

    losses = {}
    for recipe in ("auto", "quick", "none"):
        model, _ = fit_model(X[half], y[half], recipe=recipe)
        losses[recipe] = log_loss(y[~half], model.predict_proba(X[~half]))
        if recipe != "none":
            assert (model.predict(X[~half]) == y[~half]).mean() > 0.93

    assert max(losses["auto"], losses["quick"]) < 0.15 < losses["none"]
