"""Pictures of explanations show the figures that they are given."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread

from tests.networks import PEOPLE, model_of, table_model
from twolayer.explain import attribute, measure_effect, measure_importance
from twolayer.explain.pictures import (
    AGAINST,
    FOR,
    draw_account,
    draw_effect,
    draw_image,
    draw_importance,
    draw_pixels,
    is_image,
    picture_account,
    picture_importance,
)
from twolayer.plots import FORMATS

X = np.random.default_rng(0).standard_normal((8, 20))


@pytest.fixture
def ax():
    return Figure().subplots()


def texts(ax):
    """Return the names beside the bars of an axis."""
    return [label.get_text() for label in ax.get_yticklabels()]


def test_steps_lead_from_the_baseline_to_the_logit(ax):
    """Each bar begins where the one before it ends; red raises the logit, blue lowers it; the rest is one bar."""
    account = attribute(model_of(20, 3), X)
    bars = draw_account(ax, account, sample=2)
    widths, starts = [bar.get_width() for bar in bars], [bar.get_x() for bar in bars]

    assert len(bars) == 13
    assert texts(ax)[-1] == "8 other features"
    np.testing.assert_allclose(np.abs(widths[:12]), sorted(np.abs(account.shares[2, 0]), reverse=True)[:12])
    np.testing.assert_allclose(starts, account.start[0] + np.cumsum([0, *widths[:-1]]))
    np.testing.assert_allclose(starts[-1] + widths[-1], account.logits[2, 0])
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [FOR if width > 0 else AGAINST for width in widths]
    assert ax.get_xlim()[0] < min(starts)


def test_steps_name_values(ax):
    """A $ in them is not mathematics, and long ones are cut."""
    account = attribute(model_of(2, 3), X[:, :2])
    draw_account(ax, account, ["$5 or $6", "w" * 40])

    assert sorted(len(text) for text in texts(ax)) == [len("x0 = $5 or $6"), len("x1 = ") + 18]
    ax.figure.canvas.draw()


@pytest.mark.parametrize(("least", "limits"), [(-2.0, (-5, 5)), (0.0, (0, 5))])
def test_pixels_have_a_scale_around_zero_or_from_it(ax, least, limits):
    """Both signs are as strong, and what is never negative begins at white; the outline of the sample lies over it."""
    shares = np.array([[5.0, 1], [least, 0]])
    drawn = draw_pixels(ax, shares, "shares", np.eye(2))

    assert drawn.get_clim() == limits
    np.testing.assert_array_equal(drawn.get_array(), shares)
    assert len(ax.collections) == 1


def test_shares_of_colours_are_added_up(ax):
    """One pixel has one share, whatever its colours are; an image of one grey has no outline."""
    shares = np.random.default_rng(0).standard_normal((3, 4, 3))
    drawn = draw_pixels(ax, shares, "shares", np.ones((3, 4, 3)))

    np.testing.assert_allclose(drawn.get_array(), shares.sum(axis=2))
    assert len(ax.collections) == 0


def test_a_sample_is_drawn_as_stored(ax):
    """In its grey, or its colours from 0 to 1."""
    grey, colour = model_of(6, 2, input_shape=(2, 3), scale=255.0), model_of(18, 2, input_shape=(2, 3, 3), scale=255.0)

    assert draw_image(ax, grey, np.arange(6), "grey").get_array().shape == (2, 3)
    assert draw_image(ax, colour, np.full(18, 255), "colour").get_array().max() <= 255


@pytest.mark.parametrize(
    ("shape", "expected"), [((6,), False), ((2, 3), True), ((2, 1, 3), True), ((1, 2, 3), True), ((3, 2, 1), False)]
)
def test_images_are_grey_or_in_colour(shape, expected):
    """Other shapes are drawn as bars, and so are tables."""
    assert is_image(model_of(6, 2, input_shape=shape)) is expected
    assert not is_image(table_model())


def test_the_most_important_is_drawn_first(ax):
    """With its interval; the title says how many there are."""
    importance = measure_importance(model_of(25, 3), np.random.default_rng(0).standard_normal((9, 25)))
    bars = draw_importance(ax, importance)

    assert [bar.get_width() for bar in bars] == sorted(importance.shares, reverse=True)[:20]
    assert "20 of 25 features" in ax.get_title(loc="left")


@pytest.mark.parametrize(("n_y", "column", "n_lines"), [(1, "age", 1), (3, "age", 3), (8, "age", 6), (1, "town", 1)])
def test_the_effect_is_drawn_for_the_classes_that_change_most(ax, n_y, column, n_lines):
    """The second of two classes alone, at most six of more; missing values are a line of their own."""
    effect = measure_effect(table_model(n_y), PEOPLE, column)
    lines = draw_effect(ax, effect)

    assert len(lines) == n_lines
    assert ax.get_ylim() == (0, 1)
    if column == "age":
        np.testing.assert_allclose(lines[0].get_xdata(), [25, 40, 61])
        assert "missing" in [text.get_text() for text in ax.texts]
    else:
        assert {label.get_text() for label in ax.get_xticklabels()} == {"Ulm", "Bern", "other"}


@pytest.mark.parametrize(("form", "shape"), [*((form, (4, 5)) for form in FORMATS), ("png", (20,))])
def test_pictures_are_files_of_each_format(form, shape):
    """Of the account of a sample, and of what matters; as images where samples are images."""
    model = model_of(20, 3, 3, input_shape=shape)
    account = attribute(model, X)

    assert picture_account(model, account, X[0], ["1"] * 20, [2, 0], form)
    picture = picture_importance(model, measure_importance(model, X), form)
    if form == "png":
        assert imread(io.BytesIO(picture)).std() > 0.01
