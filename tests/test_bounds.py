"""Lines stay on their side of a unit, and the least margin is below every margin in the box."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twolayer import Model
from twolayer.equations import ACTIVATIONS
from twolayer.explain.bounds import intervals, least_margin, lines_below, margins_of
from twolayer.explain.view import View

KINDS = st.sampled_from(["sigmoid", "tanh", "relu"])
ENDS = st.floats(-12, 12)


def make_view(activation, n_x=3, n_h=5, n_y=1, seed=0, scale=1.0):
    random = np.random.default_rng(seed)
    shapes = {"W1": (n_h, n_x), "b1": (n_h, 1), "W2": (n_y, n_h), "b2": (n_y, 1)}
    parameters = {name: scale * random.normal(size=shape) for name, shape in shapes.items()}
    classes = (0, 1) if n_y == 1 else tuple(range(n_y))
    return View.of(
        Model(parameters, classes, (n_x,), activation=activation, output="softmax" if n_y > 1 else "sigmoid")
    )


@given(KINDS, ENDS, ENDS, st.sampled_from([-2.0, -0.1, 0.1, 3.0]))
def test_a_line_is_below_its_unit(activation, one, other, a):
    """On the whole interval; and it touches it, or nearly, where the interval is short."""
    low, high = min(one, other), max(one, other)
    slope, intercept = lines_below(activation, np.array([a]), np.array([[low]]), np.array([[high]]))
    z = np.linspace(low, high, 501)
    gap = a * ACTIVATIONS[activation].function(z) - (slope[0, 0] * z + intercept[0, 0])

    assert gap.min() > -1e-9
    assert gap.max() <= abs(a) * (high - low) + 1e-9


@given(KINDS, st.sampled_from([1, 3]), st.floats(0, 2), st.integers(0, 50), st.sampled_from([0.3, 3.0]))
def test_no_point_of_a_box_has_less_than_the_least_margin(activation, n_y, radius, seed, scale):
    """Nor pre-activations outside their intervals."""
    view = make_view(activation, n_y=n_y, seed=seed, scale=scale)
    random = np.random.default_rng(seed)
    centre, reach = random.normal(size=(4, 3)), radius * random.random((4, 3))
    points = centre + reach * random.choice([-1.0, -0.5, 0.0, 0.7, 1.0], size=(200, 4, 3))

    low, high = intervals(view.W1, view.b1, centre, reach)
    Z = points @ view.W1.T + view.b1
    assert ((low <= Z) & (high >= Z)).all()
    for margin in margins_of(view, 0):
        bound = least_margin(margin, centre, reach)
        assert (margin(points.reshape(-1, 3)).reshape(200, 4) >= bound).all()


@given(KINDS, st.integers(0, 50))
def test_a_margin_is_what_the_logits_say(activation, seed):
    """Of two classes the logit itself, with its sign; of more, a difference; its slope is its derivative."""
    X = np.random.default_rng(seed).normal(size=(5, 3))
    view, two = make_view(activation, n_y=3, seed=seed), make_view(activation, seed=seed)
    Z = view.logits(X)

    for margin in margins_of(view, 1):
        np.testing.assert_allclose(margin(X), Z[:, 1] - Z[:, margin.rival], atol=1e-12)
        step = 1e-6
        numeric = [(margin(X + step * e) - margin(X - step * e)) / (2 * step) for e in np.eye(3)]
        np.testing.assert_allclose(margin.slope(X).T, numeric, atol=1e-4)
    assert [margin.rival for margin in margins_of(two, 0)] == [1]
    np.testing.assert_allclose(margins_of(two, 0)[0](X), -two.logits(X)[:, 0], atol=1e-12)
