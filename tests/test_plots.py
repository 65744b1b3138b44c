"""Pictures show the records that they are given."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from twolayer.errors import DataError
from twolayer.history import Epoch
from twolayer.model import Model
from twolayer.plots import FORMATS, draw_cost, draw_errors, draw_samples, draw_units, pictures

EPOCHS = [Epoch(k, 0.5 / (k + 1) ** 2, 1 - 0.5 / (k + 1), 1 - 0.4 / (k + 1), 0.1 * k) for k in range(9)]


@pytest.fixture
def ax():
    return Figure().subplots()


def test_cost_is_drawn_against_the_iteration(ax):
    """The line holds the costs; a wide range gets a logarithmic scale, a narrow one a linear scale."""
    line = draw_cost(ax, EPOCHS)

    np.testing.assert_array_equal([[e.iteration, e.cost] for e in EPOCHS], line.get_xydata())
    assert ax.get_yscale() == "log"
    assert draw_cost(Figure().subplots(), EPOCHS[:2]).axes.get_yscale() == "linear"


def test_errors_are_drawn_in_percent_for_both_parts(ax):
    """One line for the training samples, one for the test samples where there are some."""
    training, test = draw_errors(ax, EPOCHS)

    assert training.get_ydata()[0] == pytest.approx(50)
    assert test.get_ydata()[0] == pytest.approx(40)
    without = [Epoch(e.iteration, e.cost, e.train_accuracy, None, e.seconds) for e in EPOCHS]
    assert len(draw_errors(Figure().subplots(), without)) == 1


def test_units_share_one_symmetric_scale(ax, small_model):
    """Zero is in the middle of the colours, and every weight stands in the picture."""
    image = draw_units(ax, small_model)

    low, high = image.get_clim()
    W1 = small_model.parameters["W1"]
    assert low == -high
    assert high == pytest.approx(np.abs(W1).max())
    shown = image.get_array().compressed()
    np.testing.assert_array_equal(np.sort(W1.ravel()), np.sort(shown))
    assert [text.get_text().split(":")[0] for text in ax.texts] == ["0", "1", "2"]


def test_only_the_strongest_of_many_units_are_drawn(ax):
    """A hundred images at most, those with the largest outgoing weights."""
    random = np.random.default_rng(0)
    W2 = np.zeros((1, 150), np.float32)
    W2[0, 30:130] = 1
    parameters = {
        "W1": random.standard_normal((150, 4)).astype(np.float32),
        "b1": np.zeros((150, 1), np.float32),
        "W2": W2,
        "b2": np.zeros((1, 1), np.float32),
    }
    draw_units(ax, Model(parameters, (0, 1), (2, 2)))

    assert [int(text.get_text().split(":")[0]) for text in ax.texts] == list(range(30, 130))
    assert "100 strongest of 150" in ax.get_title()


def test_wrong_samples_are_drawn_first_and_named(ax, small_model):
    """Titles tell the true and the predicted class of errors."""
    X = np.random.default_rng(0).integers(0, 256, (50, 6)).astype(np.uint8)
    y = small_model.predict(X).copy()
    y[[3, 7]] = 1 - y[[3, 7]]

    draw_samples(ax, small_model, X, y)

    titles = [text.get_text() for text in ax.texts]
    assert [" taken for " in title for title in titles] == [True, True] + [False] * 18
    assert "2 of 50 wrong" in ax.get_title()


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_has_three_pictures(small_model, form):
    """Each is a file of the form asked for."""
    X = np.random.default_rng(0).integers(0, 256, (3, 6)).astype(np.uint8)

    files = pictures(small_model, EPOCHS, X, None, form)

    assert set(files) == {f"loss.{form}", f"units.{form}", f"samples.{form}"}
    if form == "png":
        assert all(imread(io.BytesIO(content)).std() > 0 for content in files.values())
    else:
        assert all({"svg": b"<svg", "pdf": b"%PDF"}[form] in content for content in files.values())


@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3)])
def test_samples_of_any_shape_are_drawn(small_model, shape):
    """What is no image is drawn as a row."""
    model = Model(small_model.parameters, (0, 1), shape, 255.0)

    assert len(pictures(model, [], np.ones((2, 6)), np.array([0, 1]))) == 2


def test_no_samples_is_told(small_model):
    """There is nothing to draw."""
    with pytest.raises(DataError, match="no samples"):
        pictures(small_model, EPOCHS, np.ones((0, 6)))
