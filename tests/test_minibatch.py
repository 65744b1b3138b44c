"""A pass over mini-batches in one call of the kernel goes where one evaluation after the other goes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, Case, cases, coded, normal
from twolayer.data.rows import as_rows
from twolayer.engines import minibatch
from twolayer.engines.kernel import LEVELS, load_kernel
from twolayer.engines.minibatch import Passes
from twolayer.engines.objective import Descent, Samples, Task
from twolayer.engines.rules import AdamRule, MomentumRule
from twolayer.parameters import Sizes

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the C kernel was not built")
N_LEVELS = load_kernel().n_levels if load_kernel() else 0
RULES = st.one_of(
    st.builds(AdamRule, st.sampled_from([0.0, 0.1]), st.sampled_from([0.9, 0.5]), st.sampled_from([0.999, 0.9])),
    st.builds(MomentumRule, st.sampled_from([0.0, 0.1]), st.sampled_from([0.9, 0.0])),
)


TOLERANCES = {"float32": 1e-4, "float64": 1e-9}


@st.composite
def wide_cases(draw):
    """Draw 90 samples, with few zeros or many, and a network with units for three threads on each level."""
    random, dtype = np.random.default_rng(draw(SEEDS)), draw(st.sampled_from([*TOLERANCES]))
    X = random.standard_normal((90, 12)) * (random.random((90, 12)) < draw(st.sampled_from([0.2, 1.0])))
    labels = coded(random.integers(0, 3, 90), 3)
    network = normal(Sizes(12, 70, 3), random, dtype)
    return Case(X, labels, [network], Task("tanh", "log", draw(st.sampled_from([0.0, 0.1]))), {"dtype": dtype})


def having(case, **settings):
    """Return a case with other settings."""
    return replace(case, settings={**case.settings, **settings})


@pytest.fixture(autouse=True, scope="module")
def small_threads():
    """Let little work be shared by several threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minibatch, "_THREAD_PRODUCTS", 1)
        yield


def passes(case, level=None):
    """Return passes over the samples of a case by the kernel."""
    settings = {**case.settings, "dtype": np.dtype(case.settings["dtype"])}
    settings["weight"] = settings.pop("sample_weight", None)
    return Passes(Samples(as_rows(case.rows), case.labels, case.task, **settings), level=level)


def plain(case, descent):
    """Return where a pass goes by the blackboard: parameters, what the rule remembers, cost and right predictions."""
    objective, parameters, vectors = case.in_memory().objective(), descent.parameters, descent.vectors
    weight = case.settings.get("sample_weight")
    weight = np.ones(objective.n_samples) if weight is None else weight
    cost, correct, n, total = 0.0, 0, descent.n_updates, weight[descent.order].sum()
    unpenalized = replace(case.in_memory(), task=replace(case.task, l2=0.0)).objective()
    for rows, rate in zip(descent.batches, descent.rates, strict=True):
        (found,) = objective.evaluate([parameters], gradient=True, rows=rows)
        (loss,) = unpenalized.evaluate([parameters], gradient=False, rows=rows)
        cost, correct, n = cost + loss.cost * weight[rows].sum() / total, correct + found.correct, n + 1
        parameters, vectors = descent.rule.move(parameters, vectors, found.gradient, float(rate), n)
    return parameters, vectors, cost, correct


def descent_of(network, rule, m, seed=0, batch_size=10, n_updates=0):
    """Return a descent from a network through m samples, with whatever the rule remembers of earlier ones."""
    random, dtype = np.random.default_rng(seed), network.dtype
    n = -(-m // batch_size)
    vectors = [0.1 * random.random(network.vector.shape) for _ in range(rule.n_vectors)]
    vectors = tuple(vector.astype(dtype) for vector in vectors)
    rates = random.uniform(0.5, 1.0, n) * 0.01
    return Descent(network, rule, vectors, random.permutation(m), batch_size, rates, n_updates)


def assert_same_place(found, expected, tolerance):
    """Compare parameters, what the rule remembers, and cost, relative to the largest entry of each."""
    parameters, vectors, cost, _ = expected
    assert found.cost == pytest.approx(cost, rel=tolerance, abs=tolerance * 1e-3)
    for got, vector in zip((found.parameters.vector, *found.vectors), (parameters.vector, *vectors), strict=True):
        assert got.dtype == vector.dtype
        np.testing.assert_allclose(got, vector, rtol=0, atol=tolerance * max(1e-3, abs(vector).max()))


@pytest.mark.parametrize("level", LEVELS[:N_LEVELS])
@given(case=cases(), rule=RULES, batch_size=st.integers(1, 60), n_updates=st.integers(0, 30), seed=SEEDS)
def test_a_pass_is_one_evaluation_and_update_after_the_other(level, case, rule, batch_size, n_updates, seed):
    """To 1e-9 in float64 and 1e-4 in float32, on each level, with a last mini-batch of any size."""
    network = case.networks[0]
    descent = descent_of(network, rule, case.rows.shape[0], seed, batch_size, n_updates)

    found, expected = passes(case, level).descend(descent), plain(case, descent)

    assert_same_place(found, expected, TOLERANCES[network.dtype.name])


def as_expected(descended):
    """Return where a pass went as `plain` returns it."""
    return descended.parameters, descended.vectors, descended.cost, descended.correct


def assert_same_bits(one, other):
    """Compare where two passes went to the last bit, but for the right predictions."""
    assert one.cost == other.cost
    for a, b in zip((one.parameters.vector, *one.vectors), (other.parameters.vector, *other.vectors), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@given(case=wide_cases(), rule=RULES, seed=SEEDS)
def test_the_same_number_of_threads_gives_the_same_bits(n_threads, case, rule, seed):
    """Whether the memory of a pass is new, or has been used by another one."""
    case = having(case, n_threads=n_threads)
    descent = descent_of(case.networks[0], rule, 90, seed, batch_size=20)
    used = passes(case)

    one, other, again = used.descend(descent), passes(case).descend(descent), used.descend(descent)

    assert used._n_threads(used._prepare(), descent.parameters.sizes, 20, N_LEVELS - 1) == n_threads
    for each in (other, again):
        assert_same_bits(one, each)
        assert one.correct == each.correct


@given(case=wide_cases(), rule=RULES, seed=SEEDS)
def test_any_number_of_threads_goes_to_the_same_place(case, rule, seed):
    """1, 2 and 3 within rounding: what reaches the outputs is added up in another order."""
    descent = descent_of(case.networks[0], rule, 90, seed, batch_size=20)
    one, *several = (passes(having(case, n_threads=n)).descend(descent) for n in (1, 2, 3))

    for each in several:
        assert_same_place(each, as_expected(one), TOLERANCES[case.settings["dtype"]])
        assert each.correct == one.correct or case.settings["dtype"] == "float32"  # in which classes may nearly tie


@given(case=wide_cases(), rule=RULES, seed=SEEDS, n_threads=st.integers(1, 3))
def test_what_is_in_samples_of_weight_0_changes_nothing(case, rule, seed, n_threads):
    """To the last bit, whatever their features and labels are, in a mini-batch with others or of their own kind."""
    weight, X = np.random.default_rng(seed).random(90), case.rows.copy()
    descent = descent_of(case.networks[0], rule, 90, seed, batch_size=20)
    without = np.union1d(descent.order[20:40], descent.order[::3])  # all of a mini-batch, and some of each other one
    weight[without], X[without] = 0, -5 * X[without, ::-1]
    codes = case.labels.codes.copy()
    codes[without] = (codes[without] + 1) % 3
    case = having(case, sample_weight=weight, n_threads=n_threads)

    found = passes(case).descend(descent)

    assert_same_bits(found, passes(replace(case, rows=X, labels=coded(codes, 3))).descend(descent))
    assert_same_place(found, plain(case, descent), TOLERANCES[case.settings["dtype"]])


@given(case=wide_cases(), rule=RULES, seed=SEEDS)
def test_samples_of_weight_0_may_as_well_be_left_out(case, rule, seed):
    """Of a mini-batch, within rounding."""
    random = np.random.default_rng(seed)
    case = having(case, sample_weight=random.random(90) * (random.random(90) < 0.5))
    descent = descent_of(case.networks[0], rule, 90, seed, batch_size=90)
    counting = descent.order[case.settings["sample_weight"][descent.order] > 0]

    found, expected = (passes(case).descend(each) for each in (descent, replace(descent, order=counting)))

    assert_same_place(found, as_expected(expected), TOLERANCES[case.settings["dtype"]])


@given(case=wide_cases(), rule=RULES, seed=SEEDS, scale=st.sampled_from([255.0, 60.0, 0.5]))
def test_bytes_with_a_scale_are_numbers_divided_by_it(case, rule, seed, scale):
    """Within rounding; bytes stay bytes until the kernel brings them in."""
    X = np.minimum(abs(case.rows) * 0.4 * min(scale, 85), 255).astype(np.uint8)
    descent = descent_of(case.networks[0], rule, 90, seed, batch_size=20)
    as_bytes = passes(having(replace(case, rows=X), scale=scale))
    divided = passes(replace(case, rows=(X / scale).astype(case.settings["dtype"])))

    found, expected = as_bytes.descend(descent), divided.descend(descent)

    assert as_bytes._prepare().members["x"].dtype == np.uint8
    assert_same_place(found, as_expected(expected), TOLERANCES[case.settings["dtype"]])
