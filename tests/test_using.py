"""Samples for a trained model: read as the model was trained, the held-out part found again, the wrong kind told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from twolayer.data.training_set import TrainingOptions, load_training_set
from twolayer.errors import DataError, MissingFileError
from twolayer.fitting import fit_model
from twolayer.using import open_samples


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def trained(name, iterations=20, **options):
    """Return a model as `twolayer train` makes it, and what it was trained on."""
    samples = load_training_set(name, TrainingOptions(**options))
    model, _ = fit_model(
        samples.X,
        samples.codes,
        classes=range(len(samples.classes)),
        max_iter=iterations,
        scale=samples.scale,
        input_shape=samples.input_shape,
        table=samples.table,
        random_state=options.get("seed", 0),
    )
    settings = {**model.settings, "data": name, "hold_out": samples.hold_out}
    return replace(model, classes=samples.classes, settings=settings), samples


def table(m=80):
    random = np.random.default_rng(0)
    x = random.normal(size=m)
    frame = pd.DataFrame({"id": [f"{k:03}" for k in range(m)], "x": x, "c": random.choice(["a", "b"], m)})
    return frame.assign(y=np.where(x + random.normal(size=m) / 2 > 0, "up", "down"))


@pytest.fixture
def rise():
    """Return a model of a table, and what it was trained on."""
    table().to_csv("table.csv", index=False)
    return trained("table.csv", target="y", ignore=("id",), seed=3)


def test_the_columns_of_a_table_become_samples(rise):
    """All rows, without labels; those of a model in memory."""
    model, _ = rise
    samples, opened = open_samples(model, "table.csv")

    assert (samples.y, opened.n_rows) == (None, 80)
    np.testing.assert_array_equal(model.predict(samples.X), model.predict(table()))


@pytest.mark.parametrize("part", [None, "test"])
def test_the_rows_held_out_of_a_table_are_found_again(rise, part):
    """With the seed of the training; they are what is evaluated."""
    model, trained_on = rise
    samples, opened = open_samples(model, "table.csv", part=part, labelled=True)

    assert opened is None
    np.testing.assert_array_equal(model.outputs(samples.X), model.outputs(replace_rows(trained_on.X_test)))
    np.testing.assert_array_equal(samples.y, np.array(model.classes)[trained_on.codes_test])


def replace_rows(X):
    """Return rows that a model of a table takes as they are."""
    from twolayer.data.rows import ArrayRows

    return ArrayRows(X, len(X))


def test_the_rows_learned_from_are_found_again(rise):
    """On request."""
    model, trained_on = rise
    samples, _ = open_samples(model, "table.csv", part="train", labelled=True)

    np.testing.assert_array_equal(samples.y, np.array(model.classes)[trained_on.codes])
    np.testing.assert_array_equal(model.outputs(samples.X), model.outputs(replace_rows(trained_on.X)))


def test_all_labelled_rows_of_another_table_count(rise):
    """It has no part that was held out."""
    model, _ = rise
    frame = table()
    frame.loc[::5, "y"] = None
    frame.to_csv("other.csv", index=False)
    samples, _ = open_samples(model, "other.csv", labelled=True)

    assert samples.y.tolist() == frame["y"].dropna().tolist()
    with pytest.raises(DataError, match=r"other.csv has no test part: use --part train\."):
        open_samples(model, "other.csv", part="test")
    assert len(open_samples(model, "other.csv", part="train")[0].y) == 64


def test_a_table_without_labels_is_told(rise):
    """Where they are needed: no column, none that are known, none at all."""
    model, _ = rise
    table().drop(columns="y").to_csv("bare.csv", index=False)
    table().assign(y="sideways").to_csv("odd.csv", index=False)
    table().assign(y=None).to_csv("empty.csv", index=False)

    assert open_samples(model, "bare.csv")[1].n_rows == 80
    for name, sentence in (
        ("bare.csv", r"bare.csv has no column 'y', the target"),
        ("odd.csv", r"odd.csv has a class 'sideways' in 'y' that is not known \(known: down, up\)"),
        ("empty.csv", r"empty.csv has no labels in 'y'"),
    ):
        with pytest.raises(DataError, match=sentence):
            open_samples(model, name, labelled=True)


def test_the_digits_held_out_are_found_again():
    """Of a source without a test part."""
    model, trained_on = trained("digits:3,5", seed=4)
    samples, opened = open_samples(model, "digits:3,5", labelled=True)

    assert opened is None
    np.testing.assert_array_equal(samples.X, trained_on.X_test)
    np.testing.assert_array_equal(samples.y, np.array([3, 5])[trained_on.codes_test])
    assert len(open_samples(model, "digits:3,5")[0].X) == len(trained_on.X) + len(trained_on.X_test)
    np.testing.assert_array_equal(open_samples(model, "digits:3,5", part="train")[0].X, trained_on.X)
    assert len(open_samples(model, "digits:3", labelled=True)[0].X) == 183  # another source


def test_arrays_without_labels_have_no_part_held_out():
    """They may be predicted all the same, whatever they were named when they had some."""
    random = np.random.default_rng(0)
    np.savez("data.npz", X=random.normal(size=(50, 3)), y=np.arange(50) % 2)
    model, _ = trained("data.npz")
    np.savez("data.npz", X=random.normal(size=(20, 3)))
    samples, _ = open_samples(model, "data.npz", labelled=True)

    assert (len(samples.X), samples.y) == (20, None)


def test_images_come_in_the_size_and_the_colours_of_the_model():
    """Whatever they have themselves."""
    random = np.random.default_rng(0)
    for split, m in (("train", 6), ("test", 2)):
        for name in ("cat", "dog"):
            folder = f"pets/{split}/{name}"
            Path(folder).mkdir(parents=True)
            for k in range(m):
                Image.fromarray(random.integers(0, 256, (8, 6, 3)).astype(np.uint8)).save(f"{folder}/{k}.png")
    model, _ = trained("pets")
    Image.fromarray(random.integers(0, 256, (40, 40)).astype(np.uint8)).save("one.png")

    assert model.input_shape == (8, 6, 3)
    assert open_samples(model, "one.png")[0].X.shape == (1, 144)
    samples, _ = open_samples(model, "pets", labelled=True)
    assert samples.files == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    assert samples.y.tolist() == ["cat", "cat", "dog", "dog"]


def test_the_wrong_kind_of_data_is_told(rise, small_model):
    """A table for a model of images and the reverse, values of another scale, and what is not there."""
    model, _ = rise
    with pytest.raises(DataError, match="mnist cannot be used: the model was trained on the columns of a table"):
        open_samples(model, "mnist")
    for name in ("table.csv", "iris", "select 1 as x"):
        with pytest.raises(DataError, match=f"{name} cannot be used: .* on samples such as images, not a table"):
            open_samples(small_model, name)
    with pytest.raises(DataError, match="no columns 'x', 'c'"):
        open_samples(model, "iris")
    np.save("shares.npy", np.ones((3, 6), np.float32))
    with pytest.raises(DataError, match=r"values divided by 255, those of shares\.npy are by 1"):
        open_samples(small_model, "shares.npy")
    with pytest.raises(MissingFileError, match=r"no file nowhere\.csv"):
        open_samples(model, "nowhere.csv")


def test_settings_that_are_none_do_no_harm():
    """A model file of another program may say anything in them."""
    model, _ = trained("iris", iterations=1)
    expected = open_samples(model, "iris", labelled=True)[0].y
    for odd in (-1, "x", 2.5, None, [1], float("nan")):
        seeded = replace(model, settings={**model.settings, "random_state": odd})
        np.testing.assert_array_equal(open_samples(seeded, "iris", labelled=True)[0].y, expected)
        whole = replace(model, settings={**model.settings, "hold_out": odd})
        assert len(open_samples(whole, "iris", labelled=True)[0].y) == 150
