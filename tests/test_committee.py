"""A committee is one network: what its members say on average, whatever order they and the samples come in."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from strategies import SEEDS
from twolayer import fit_model
from twolayer.committee import (
    Committee,
    FoldedSamples,
    Leg,
    Progress,
    _find_scale,
    assign_folds,
    hash_rows,
    join,
)
from twolayer.data.dataset import Labels
from twolayer.equations import forward_propagation
from twolayer.parameters import Parameters, Sizes
from twolayer.settings import Settings
from twolayer.solvers.lbfgs import LBFGS
from twolayer.training.result import Status
from twolayer.training.stop import StopRequest

QUICK = {"members": 3, "n_hidden": 4, "max_iter": 12, "n_threads": 2}


def problem(m=90, n_classes=2, seed=0):
    """Return samples of classes that overlap."""
    random = np.random.default_rng(seed)
    y = np.arange(m) % n_classes
    return random.normal(size=(m, 3)) + y[:, None], y


def assert_same_bits(one, other):
    """Compare all parameters."""
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def committee(members=3, validation=None, **settings):
    """Return a committee on a small problem."""
    X, y = problem()
    labels = Labels.of(y)
    samples = FoldedSamples(X.astype(np.float32), labels, None, assign_folds(labels, members))
    chosen = {"members": members, "n_hidden": 4, "activation": "tanh", "loss": "log", "init": "lecun", "max_iter": 5}
    chosen = Settings(**chosen, n_threads=1, **settings)
    return Committee(chosen, samples, "float32", validation)


# ---------------------------------------------------------------- one network


@given(
    SEEDS,
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(1, 3),
    st.floats(0.2, 5),
    st.sampled_from(["sigmoid", "tanh", "relu"]),
)
def test_the_joined_network_has_the_mean_of_the_logits_over_the_temperature(seed, widths, n_y, temperature, activation):
    """For members of any widths and any activation."""
    random = np.random.default_rng(seed)
    sizes = [Sizes(3, width, n_y) for width in widths]
    networks = [Parameters(random.normal(size=each.n_parameters), each) for each in sizes]
    X = random.normal(size=(3, 7))

    joined = join(networks, temperature)

    def logits(network):
        return forward_propagation(X, network, activation, "sigmoid")[1]["Z2"]

    assert joined.sizes == Sizes(3, sum(widths), n_y)
    expected = np.mean([logits(network) for network in networks], axis=0) / temperature
    np.testing.assert_allclose(logits(joined), expected, rtol=1e-12, atol=1e-12)


@given(SEEDS, st.integers(2, 4))
def test_the_temperature_minimizes_the_log_loss(seed, n_classes):
    """With a guess of 1 that weighs as much as 20 samples: SciPy finds the same factor."""
    random = np.random.default_rng(seed)
    logits = 4 * random.normal(size=(50, n_classes if n_classes > 2 else 1))
    codes, weight = random.integers(0, n_classes, 50), random.uniform(0, 2, 50)
    Z = logits if n_classes > 2 else np.hstack([np.zeros_like(logits), logits])

    def loss(log_scale):
        each = -log_softmax(Z * np.exp(log_scale), axis=1)[np.arange(50), codes]
        return weight @ each / weight.mean() + 20 * log_scale**2 / 2

    best = minimize_scalar(loss, bounds=(-2, 1.5), method="bounded", options={"xatol": 1e-9}).x
    assert np.log(_find_scale(logits, codes, weight)) == pytest.approx(best, abs=1e-4)


# ---------------------------------------------------------------- folds, order and weights


@given(st.lists(st.integers(0, 3), min_size=4, max_size=80), st.integers(1, 9))
def test_folds_have_the_same_share_of_each_class(codes, n_folds):
    """Within one sample; and all folds the same size, within one."""
    labels = Labels(np.array([0, 1, 2, 3, *codes]), (0, 1, 2, 3))

    fold = assign_folds(labels, n_folds)

    assert set(fold) <= set(range(n_folds))
    for which in (labels.codes >= 0, *(labels.codes == code for code in range(4))):
        sizes = np.bincount(fold[which], minlength=n_folds)
        assert sizes.max() - sizes.min() <= 1


@given(SEEDS)
def test_the_hash_of_a_row_is_that_of_its_values(seed):
    """Wherever the row stands, in either float type, and whatever the sign of a zero; other rows have others."""
    random = np.random.default_rng(seed)
    X, codes, order = random.integers(-2, 3, (40, 3)).astype(float), random.integers(0, 2, 40), random.permutation(40)

    hashed = hash_rows(X, codes, seed)

    np.testing.assert_array_equal(hash_rows(X[order], codes[order], seed), hashed[order])
    np.testing.assert_array_equal(hash_rows(np.where(X == 0, -0.0, X).astype(np.float32), codes, seed), hashed)
    rows = {tuple(row) for row in np.column_stack([X, codes]).tolist()}
    assert len(set(hashed.tolist())) == len(rows)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_sample_that_occurs_twice_is_one_of_weight_two(n_classes):
    """In any order, bit by bit; one of weight 0 is none."""
    X, y = problem(n_classes=n_classes)
    twice, order = np.arange(0, 90, 4), np.random.default_rng(1).permutation(90 + 23)
    weight = np.ones(90)
    weight[twice] = 2

    weighted, result = fit_model(X, y, sample_weight=weight, **QUICK)
    shuffled, other = fit_model(np.vstack([X, X[twice]])[order], np.append(y, y[twice])[order], **QUICK)
    absent, _ = fit_model(np.vstack([X, X[:9] + 5]), np.append(y, y[:9]), sample_weight=[*weight, *[0] * 9], **QUICK)

    assert_same_bits(weighted.parameters, shuffled.parameters)
    assert_same_bits(weighted.parameters, absent.parameters)
    assert (result.n_train, other.n_train) == (90, 113)
    assert result.cost == pytest.approx(other.cost)


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
def test_the_number_of_threads_makes_no_difference(scaling):
    """Each member is computed by one thread where there are more members than threads."""
    X, y = problem()

    one, two = (fit_model(X, y, **{**QUICK, "n_threads": n}, scaling=scaling)[0] for n in (1, 2))

    assert_same_bits(one.parameters, two.parameters)


# ---------------------------------------------------------------- how it ends, and goes on


@pytest.mark.parametrize("n_events", [0, 3, 14, 20, 30])
def test_a_committee_goes_on_from_its_checkpoint(tmp_path, n_events):
    """Stopped anywhere, it ends with the bits of one that was never stopped; what was learned until then is kept."""
    X, y = problem()
    whole, expected = fit_model(X, y, **QUICK)
    seen = []

    def stop(event):
        seen.append(event)
        return len(seen) > n_events

    path = tmp_path / "checkpoint"
    part, stopped = fit_model(X, y, **QUICK, checkpoint=path, checkpoint_seconds=0, on_event=stop)
    again, result = fit_model(X, y, **QUICK, checkpoint=path, checkpoint_seconds=0)

    assert stopped.status == Status.STOPPED_EARLY
    assert stopped.message.startswith("Stopped on request")
    assert np.isfinite(part.predict_proba(X)).all()
    assert_same_bits(again.parameters, whole.parameters)
    assert (result.status, result.message, result.n_iter) == (expected.status, expected.message, expected.n_iter)
    assert [epoch.cost for epoch in result.history] == [epoch.cost for epoch in expected.history]


def test_a_request_to_stop_leaves_what_was_learned():
    """The members that have come to something are joined, and it is said how many."""
    X, y = problem()
    stop = StopRequest()

    def ask(event):
        if event.epoch.iteration >= 3:
            stop.ask()

    model, result = fit_model(X, y, members=8, n_hidden=300, n_threads=2, on_event=ask, stop=stop)

    assert result.status == Status.INTERRUPTED
    assert re.fullmatch(r"Interrupted: [1-8] networks? could be joined\.", result.message)
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_listener_that_fails_ends_the_training_at_once(monkeypatch):
    """Its error is the caller's; the other members make no more steps than the ones they are at."""
    X, y = problem()
    seen = []

    def fail(event):
        seen.append(event)
        raise KeyError

    steps = []
    step = LBFGS.step
    monkeypatch.setattr(LBFGS, "step", lambda self, *more: steps.append(1) or step(self, *more))
    with pytest.raises(KeyError):
        fit_model(X, y, members=8, n_hidden=300, n_threads=1, on_event=fail)

    assert len(seen) == 1
    assert len(steps) < 60


def test_events_tell_which_network(tmp_path):
    """And how many were done when it began."""
    X, y = problem()
    events = []
    fit_model(X, y, **QUICK, on_event=events.append)

    parts = list(dict.fromkeys(event.part for event in events))
    assert sorted((part.member, part.members) for part in parts) == [(1, 3), (2, 3), (3, 3)]
    assert all(0 <= part.done < 3 for part in parts)
    assert all(event.epoch.validation_cost is not None and event.max_iter == 12 for event in events)
    assert list(tmp_path.iterdir()) == []


def test_legs_of_another_committee_are_refused():
    """A vector of another length, a member that there is none of, histories of another shape."""
    of = committee()
    start = of.start(0)
    good = Leg(0, start.vector, 1, 0.5, 0.5, np.zeros((2, 5)))

    of.check(Progress((good,)), start)
    for wrong in (
        replace(good, vector=start.vector[1:]),
        replace(good, member=3),
        replace(good, epochs=np.zeros((2, 4))),
        replace(good, epochs=np.zeros((2, 5), np.float32)),
    ):
        with pytest.raises(ValueError, match=r"its solver|shape|type"):
            of.check(Progress((good, wrong)), start)


def test_members_start_apart_and_the_first_as_a_plain_network():
    """The seed alone decides the first start; the others follow from seed and place."""
    of = committee(random_state=5)
    starts = [of.start(member).vector for member in range(3)]

    plain = committee(members=1, random_state=5).start(0).vector
    np.testing.assert_array_equal(starts[0], plain)
    assert len({start.tobytes() for start in starts}) == 3


def test_all_members_validate_on_samples_given():
    """Then none is kept from them, and their probabilities are those of the joined network."""
    X, y = problem()
    X_val, y_val = problem(40, seed=1)

    model, result = fit_model(X, y, X_val=X_val, y_val=y_val, **QUICK)

    assert result.validation_score == pytest.approx((model.predict(X_val) == y_val).mean())


def test_the_spread_is_the_deviation_of_the_members():
    """It is kept in the model, and 0 only for networks that agree."""
    X, y = problem()
    model, _ = fit_model(X, y, **QUICK)
    alone, _ = fit_model(X, y, **{**QUICK, "members": 1})

    assert 0 < model.settings["spread"] < 0.5
    assert "spread" not in alone.settings
