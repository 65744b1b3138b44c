"""Pictures show the records that they are given."""

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from twolayer.data.encoding import CategoryColumn, Curve, Encoding, NumberColumn, UnusedColumn
from twolayer.errors import DataError
from twolayer.model import Model
from twolayer.plots import FORMATS, cost_label, draw_cost, draw_errors, draw_samples, draw_units, pictures
from twolayer.training.history import Epoch

EPOCHS = [Epoch(k, 0.5 / (k + 1) ** 2, 1 - 0.5 / (k + 1), 1 - 0.4 / (k + 1), 0.1 * k) for k in range(9)]


def network(n_values, n_units=3, n_outputs=1):
    """Return parameters drawn at random."""
    random = np.random.default_rng(0)
    sizes = {"W1": (n_units, n_values), "b1": (n_units, 1), "W2": (n_outputs, n_units), "b2": (n_outputs, 1)}
    return {name: random.standard_normal(size).astype(np.float32) for name, size in sizes.items()}


def pixels(m, n_values=6):
    """Return samples of bytes."""
    return np.random.default_rng(0).integers(0, 256, (m, n_values)).astype(np.uint8)


@pytest.fixture
def ax():
    return Figure().subplots()


def test_cost_is_drawn_against_the_iteration(ax):
    """The line holds the costs; a wide range gets a logarithmic scale, a narrow one a linear scale."""
    line = draw_cost(ax, EPOCHS)

    np.testing.assert_array_equal([[e.iteration, e.cost] for e in EPOCHS], line.get_xydata())
    assert ax.get_yscale() == "log"
    assert draw_cost(Figure().subplots(), EPOCHS[:2]).axes.get_yscale() == "linear"


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        ({"loss": "square"}, "half the mean square error"),
        ({"loss": "log", "l2": 0.0}, "log loss"),
        ({"loss": "log", "l2": 1e-3}, "log loss + L2 penalty"),
        ({}, "cost"),
    ],
)
def test_the_axis_names_the_cost_that_was_trained_on(ax, small_model, settings, label):
    """By the loss of the model and its penalty; a model that does not name its loss has a cost."""
    named = cost_label(replace(small_model, settings=settings))
    draw_cost(ax, EPOCHS[:2], named)

    assert ax.get_ylabel() == named == label


def test_errors_are_drawn_in_percent_for_both_parts(ax):
    """One line for the training samples, one for the test samples where there are some."""
    training, test = draw_errors(ax, EPOCHS)

    assert training.get_ydata()[0] == pytest.approx(50)
    assert test.get_ydata()[0] == pytest.approx(40)
    without = [Epoch(e.iteration, e.cost, e.train_accuracy, None, e.seconds) for e in EPOCHS]
    assert len(draw_errors(Figure().subplots(), without)) == 1


def test_units_share_one_symmetric_scale(ax, small_model):
    """Zero is in the middle of the colours, and every weight is in the picture."""
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
    parameters = network(4, 150)
    parameters["W2"] = np.where((np.arange(150) >= 30) & (np.arange(150) < 130), 1, 0).astype(np.float32)[None]
    draw_units(ax, Model(parameters, (0, 1), (2, 2)))

    assert [int(text.get_text().split(":")[0]) for text in ax.texts] == list(range(30, 130))
    assert "100 strongest of 150" in ax.get_title()


def test_wrong_samples_are_drawn_first_and_named(ax, small_model):
    """Titles tell the true and the predicted class of errors."""
    X = pixels(50)
    y = small_model.predict(X).copy()
    y[[3, 7]] = 1 - y[[3, 7]]

    draw_samples(ax, small_model, X, y)

    titles = [text.get_text() for text in ax.texts]
    assert [" taken for " in title for title in titles] == [True, True] + [False] * 18
    assert "2 of 50 wrong" in ax.get_title()


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_has_three_pictures(small_model, form):
    """Each is a file of the form asked for."""
    files = pictures(small_model, EPOCHS, pixels(3), None, form)

    assert set(files) == {f"loss.{form}", f"units.{form}", f"samples.{form}"}
    if form == "png":
        assert all(imread(io.BytesIO(content)).std() > 0 for content in files.values())
    else:
        assert all({"svg": b"<svg", "pdf": b"%PDF"}[form] in content for content in files.values())


@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3)])
def test_samples_of_any_shape_are_drawn(small_model, shape):
    """What is not an image is drawn as a row."""
    model = Model(small_model.parameters, (0, 1), shape, 255.0)

    assert len(pictures(model, [], np.ones((2, 6)), np.array([0, 1]))) == 2


def test_an_empty_set_of_samples_is_an_error(small_model):
    """Nothing can be drawn of it."""
    with pytest.raises(DataError, match="no samples"):
        pictures(small_model, EPOCHS, np.ones((0, 6)))


def table_model(n_values, n_units=4, n_outputs=1):
    """Return a network of a table with one column of numbers for each value."""
    columns = tuple(NumberColumn(f"column {k}", 0.0, 1.0) for k in range(n_values))
    classes = ("down", "up") if n_outputs == 1 else tuple(range(n_outputs))
    return Model(network(n_values, n_units, n_outputs), classes, (n_values,), encoding=Encoding("y", columns))


def test_weights_of_a_table_are_drawn_beside_its_columns(ax):
    """A named row a value and a column a unit, on one symmetric scale."""
    model = table_model(5)
    image = draw_units(ax, model)

    np.testing.assert_array_equal(image.get_array(), model.parameters["W1"].T)
    low, high = image.get_clim()
    assert low == -high
    assert high == pytest.approx(np.abs(model.parameters["W1"]).max())
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"column {k}" for k in range(5)]
    units = [label.get_text() for label in ax.get_xticklabels()]
    assert [unit.split(":")[0] for unit in units] == ["0", "1", "2", "3"]
    assert ax.get_title() == "Weights of 4 hidden units (number: weight towards class up)"


def test_each_value_of_a_category_has_its_row(ax):
    """The level, those that are rare, those that are missing; long names are shortened."""
    column = CategoryColumn("job", ("baker", "x" * 40), rare=True, flagged=True)
    model = replace(table_model(4), encoding=Encoding("y", (column,)))
    draw_units(ax, model)

    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[0::2] == ["job=baker", "job other"]
    assert names[3] == "job missing"
    assert len(names[1]) == 30
    assert names[1].startswith("job=xxx")


def test_only_the_largest_weights_of_a_wide_table_are_drawn(ax):
    """Sixty values at most, in the order of the columns, and 24 units."""
    model = table_model(200, n_units=150, n_outputs=3)
    largest = np.abs(model.parameters["W1"])
    image = draw_units(ax, model)

    assert image.get_array().shape == (60, 24)
    assert "24 strongest of 150" in ax.get_title()
    drawn = [int(label.get_text().split()[1]) for label in ax.get_yticklabels()]
    assert drawn == sorted(drawn)
    units = [int(label.get_text()) for label in ax.get_xticklabels()]
    strength = largest[units].max(axis=0)
    assert set(drawn) == set(np.argsort(-strength, kind="stable")[:60].tolist())


@pytest.mark.parametrize("n_values", [1, 500])
def test_the_pictures_of_a_table(n_values):
    """Loss and units, of any width."""
    assert set(pictures(table_model(n_values), EPOCHS)) == {"loss.png", "units.png"}


def encoded_model(shape):
    """Return a network of six numbers, the second of which never changed and the third of which has a curve."""
    columns = [NumberColumn(f"x{k}", 0.0, 1.0, clip=3.0) for k in range(6)]
    columns[1] = UnusedColumn("x1")
    columns[2] = replace(columns[2], curves=(Curve("bin 1", (0.0, 1.0), (0.0, 1.0)),))
    return Model(network(6), ("a", "b"), shape, encoding=Encoding(None, tuple(columns)))


def test_weights_of_an_encoded_array_are_drawn_by_name(ax):
    """Each value has its row."""
    draw_units(ax, encoded_model((6,)))

    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["x0", "x2", "x2 bin 1", "x3", "x4", "x5"]


def test_weights_of_an_encoded_image_are_those_of_its_pixels(ax):
    """Where they are in the image; that of one that never changed is 0."""
    model = encoded_model((2, 3))
    W1 = model.parameters["W1"]
    drawn = draw_units(ax, model).get_array()

    expected = np.insert(W1[:, [0, 1, 3, 4, 5]], 1, 0, axis=1)
    np.testing.assert_allclose(np.sort(drawn.compressed()), np.sort(expected.ravel()), rtol=1e-6)
    for X in (np.where(np.eye(6), np.nan, 1.0), np.full((2, 6), np.nan)):
        assert set(pictures(model, [], X)) == {"units.png", "samples.png"}


@pytest.fixture
def colour_model():
    """Return a network of images of 2 x 3 pixels in colour."""
    return Model(network(18), ("cat", "dog"), (2, 3, 3), 255.0)


def test_images_in_colour_are_drawn_in_their_colours(ax, colour_model):
    """The pixels of each sample are in the picture, from 0 to 1, and the rest of it is white."""
    X = pixels(4, 18)
    mosaic = np.asarray(draw_samples(ax, colour_model, X, np.array(["cat"] * 4)).get_array())

    assert mosaic.shape[2] == 3
    assert 0 <= mosaic.min() <= mosaic.max() <= 1
    shown, expected = mosaic.reshape(-1, 3), (X.reshape(-1, 3) / 255).astype(np.float32)
    shown, expected = (np.sort(each[(each != 1).any(axis=1)], axis=0) for each in (shown, expected))
    np.testing.assert_allclose(shown, expected, rtol=1e-6)


def test_weights_of_colours_are_averaged(ax, colour_model):
    """A pixel has one weight in the picture."""
    image = draw_units(ax, colour_model)
    W1 = colour_model.parameters["W1"].reshape(3, 6, 3).mean(axis=2)

    np.testing.assert_allclose(np.sort(image.get_array().compressed()), np.sort(W1.ravel()), rtol=1e-6)
    assert image.get_clim()[1] == pytest.approx(np.abs(W1).max())


ODD_NAMES = ("$\\frac$", "$x^$", "a$b$c", "日本", "two\nlines", "\t", "_x", "\N{RIGHT-TO-LEFT OVERRIDE}")


@pytest.mark.parametrize("form", FORMATS)
def test_names_of_columns_and_classes_are_drawn_as_they_are(form):
    """A $ begins no formula, and a letter that the font has not is no error."""
    n = len(ODD_NAMES)
    table = Encoding("y", tuple(NumberColumn(name, 0.0, 1.0) for name in ODD_NAMES))
    model = replace(table_model(n, n_outputs=n), classes=ODD_NAMES)
    two = replace(table_model(n), encoding=table, classes=("down", ODD_NAMES[0]))

    assert set(pictures(two, [], form=form)) == {f"units.{form}"}
    drawn = pictures(replace(model, encoding=None), [], np.eye(n), np.array(ODD_NAMES[::-1]), form)
    assert set(drawn) == {f"units.{form}", f"samples.{form}"}
