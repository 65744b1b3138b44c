"""Your own images: pixels come back as they were saved, whatever else was done is told."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from tests.little_memory import peak_below
from tests.strategies import labels_of
from twolayer.data.readers import images
from twolayer.data.readers.images import find_parts, is_image_folder, read_images
from twolayer.errors import DataError, FileFormatError, MissingFileError, StorageError, TwoLayerError

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (4, 6), dtype=np.uint8)
RGB = RANDOM.integers(0, 256, (4, 6, 3), dtype=np.uint8)


def save(path, pixels, mode=None, **options):
    """Write an array (or a picture) as an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


def encoded(pixels, kind="png"):
    """Return the bytes of an image file."""
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, kind)
        return file.getvalue()


@pytest.fixture
def cats_and_dogs(tmp_path):
    """Return a folder of two classes, with files that are hidden or no images."""
    folder = tmp_path / "pets"
    for i in range(3):
        save(folder / "cat" / f"{i}.png", GREY // (i + 1))
        save(folder / "dog" / f"{i}.PNG", GREY // (i + 4))
    (folder / "cat" / ".hidden.png").write_bytes(b"no image")
    (folder / ".git").mkdir()
    (folder / "dog" / "notes.txt").write_text("good dogs")
    (folder / "readme.md").write_text("pets")
    return folder


def test_class_folders_become_labels(cats_and_dogs):
    """Each row is an image, its label is its folder's name, in the order of the paths."""
    found = read_images(cats_and_dogs)

    assert list(found.files) == ["cat/0.png", "cat/1.png", "cat/2.png", "dog/0.PNG", "dog/1.PNG", "dog/2.PNG"]
    assert labels_of(found) == ["cat"] * 3 + ["dog"] * 3
    assert (found.rows.X.dtype, found.rows.X.shape, found.input_shape) == (np.uint8, (6, 24), (4, 6))
    np.testing.assert_array_equal(found.rows.X, [(GREY // (i + 1)).ravel() for i in range(6)])
    assert list(found.notes) == ["2 files that are not images were left out: readme.md, dog/notes.txt."]


@pytest.mark.parametrize(
    ("names", "labels"),
    [(["0", "1", "12"], [0, 1, 12]), (["0", "b"], ["0", "b"]), (["01", "1"], ["01", "1"]), (["-1", "1"], ["-1", "1"])],
)
def test_folders_named_by_whole_numbers_give_whole_numbers(tmp_path, names, labels):
    """Only where every name is written as Python writes a whole number."""
    for name in names:
        save(tmp_path / name / "a.png", GREY)

    assert labels_of(read_images(tmp_path)) == labels


def test_a_flat_folder_and_one_file_have_no_labels(tmp_path):
    """Then the rows are the images in the order of their names; a file by itself is one row."""
    for name in ("b.png", "a.png"):
        path = save(tmp_path / name, GREY)

    folder, file = read_images(tmp_path), read_images(str(path))

    assert (folder.files, folder.labels) == (("a.png", "b.png"), None)
    assert (file.files, file.labels, file.rows.X.shape) == (("a.png",), None, (1, 24))


@SAME_FOLDER
@given(pixels=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=64)))
def test_a_grey_png_comes_back_bit_for_bit(tmp_path, pixels):
    """Up to the largest size that is kept, saved in grey or in colour."""
    shape = pixels.shape
    for mode in ("L", "RGB", "RGBA"):
        found = read_images(save(tmp_path / "grey.png", pixels, mode))
        assert (found.input_shape, found.rows.X.shape) == (shape, (1, pixels.size))
        np.testing.assert_array_equal(found.rows.X[0].reshape(shape), pixels)


@SAME_FOLDER
@given(pixels=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
@pytest.mark.parametrize("ending", ["png", "bmp", "webp"])
def test_a_picture_in_colour_comes_back_bit_for_bit(tmp_path, ending, pixels):
    """From each format that loses nothing; three values a pixel, row by row."""
    options = {"lossless": True, "exact": True} if ending == "webp" else {}
    path = save(tmp_path / f"colour.{ending}", pixels, **options)

    found = read_images(path, colour="rgb")

    assert found.input_shape == pixels.shape
    np.testing.assert_array_equal(found.rows.X[0].reshape(pixels.shape), pixels)


def test_jpeg_and_gif_are_read(tmp_path):
    """A JPEG within its loss, a GIF's first frame exactly."""
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8
    jpeg = read_images(save(tmp_path / "a.jpg", smooth, quality=95))
    first, second = Image.fromarray(GREY), Image.fromarray(255 - GREY)
    gif = read_images(save(tmp_path / "a.gif", first, save_all=True, append_images=[second]))

    assert np.abs(jpeg.rows.X[0].astype(int) - smooth.ravel()).max() <= 4
    np.testing.assert_array_equal(gif.rows.X[0], GREY.ravel())


def test_one_picture_in_colour_makes_all_of_them_colour(tmp_path):
    """Grey ones then have three equal values a pixel; the choice is the user's."""
    save(tmp_path / "a" / "1.png", GREY)
    save(tmp_path / "b" / "2.png", RGB)

    found, grey = read_images(tmp_path), read_images(tmp_path, colour="grey")

    assert found.input_shape == (4, 6, 3)
    np.testing.assert_array_equal(found.rows.X[0].reshape(4, 6, 3), np.repeat(GREY[:, :, None], 3, axis=2))
    assert list(found.notes) == ["The images are read in colour: set `colour` to grey to change that."]
    assert (grey.input_shape, grey.notes) == ((4, 6), ())
    np.testing.assert_allclose(grey.rows.X[1], (RGB @ [0.299, 0.587, 0.114]).ravel(), atol=0.51)


def test_grey_pictures_stored_in_colour_are_grey(tmp_path):
    """They need a third of the features, and it is told."""
    save(tmp_path / "1.png", GREY, "RGB")

    found = read_images(tmp_path)

    np.testing.assert_array_equal(found.rows.X, [GREY.ravel()])
    assert "set `colour` to rgb" in found.notes[0]
    assert read_images(tmp_path, colour="rgb").rows.X.shape == (1, 72)


def test_16_bits_become_8_by_rounding(tmp_path):
    """65535 is white and each value is rounded, not cut off at 255."""
    deep = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)

    found = read_images(save(tmp_path / "deep.png", deep))

    np.testing.assert_array_equal(found.rows.X[0], np.rint(deep.ravel() / 257))


def test_transparent_parts_become_white(tmp_path):
    """In every way a file has to say transparent; half transparent black is grey."""
    alpha = np.zeros((2, 2, 4), np.uint8)
    alpha[:, :, 3] = [[0, 255], [128, 255]]
    save(tmp_path / "rgba.png", alpha)
    save(tmp_path / "la.png", alpha, "LA")
    single = np.array([[0, 9], [9, 9]])
    save(tmp_path / "l.png", single.astype(np.uint8), transparency=0)
    save(tmp_path / "deep.png", (single * 257).astype(np.uint16), transparency=0)
    save(tmp_path / "p.png", single.astype(np.uint8), "P", transparency=0)
    save(tmp_path / "p.gif", single.astype(np.uint8), transparency=0)

    found = read_images(tmp_path)

    by_name = dict(zip(found.files, found.rows.X.tolist(), strict=True))
    assert by_name.pop("rgba.png") == by_name.pop("la.png") == [255, 0, 127, 0]
    assert sorted(by_name) == ["deep.png", "l.png", "p.gif", "p.png"]
    assert all(pixels == [255, 9, 9, 9] for pixels in by_name.values())
    assert found.notes[-1] == "Transparent parts of 6 of 6 images were filled with white."


@pytest.mark.parametrize("orientation", range(1, 10))
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_camera_held_askew_is_put_right(tmp_path, ending, orientation):
    """All eight orientations of EXIF, told by a picture that is black in one corner; others are ignored."""
    stored = np.full((16, 32), 255, np.uint8)
    stored[:8, :8] = 0  # the corner that each orientation names
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"turned.{ending}", stored, exif=exif)

    found = read_images(path)

    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}
    assert found.input_shape == ((32, 16) if orientation in (5, 6, 7, 8) else (16, 32))
    upright = found.rows.X[0].reshape(found.input_shape)
    corners = upright[:: upright.shape[0] - 1, :: upright.shape[1] - 1]
    assert (int(corners.argmin()) // 2, int(corners.argmin()) % 2) == corner.get(orientation, (0, 0))
    assert list(found.notes) == []


def test_damaged_metadata_do_not_matter(tmp_path):
    """The picture is whole without them."""
    path = save(tmp_path / "a.jpg", GREY, exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff\xff\xff")

    assert read_images(path).rows.X.shape == (1, 24)


def test_all_take_the_commonest_size(tmp_path):
    """The others are resized to it, and it is told how many and how many lost their proportions."""
    for i in range(3):
        save(tmp_path / f"{i}.png", GREY)
    save(tmp_path / "3.png", np.full((8, 12), 77, np.uint8))
    save(tmp_path / "4.png", np.full((8, 8), 78, np.uint8))

    found = read_images(tmp_path)

    assert found.input_shape == (4, 6)
    assert found.rows.X[3:].tolist() == [[77] * 24, [78] * 24]
    assert list(found.notes) == ["2 of 5 images were resized to 4 x 6 pixels, 1 of them to another aspect ratio."]


@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_a_large_size_is_shrunk_in_proportion(height, width):
    """Until its longer side is 64 pixels; a small one stays."""
    size, notes = images._choose_size([(height, width), (height, width), (1, 1), (2, 2)])

    if max(height, width) <= 64:
        assert (size, notes) == ((height, width), [])
    else:
        factor = 64 / max(height, width)
        assert (max(size), len(notes)) == (64, 1)
        np.testing.assert_allclose(size, np.maximum(1, (height * factor, width * factor)), atol=0.5)


def test_photographs_are_shrunk_and_the_way_to_choose_is_told(tmp_path):
    """Large images become 64 pixels long; with a size they take it."""
    path = save(tmp_path / "a.jpg", Image.fromarray(RGB).resize((800, 600)))

    found, chosen = read_images(path), read_images(path, size=(7, 9), colour="grey")

    assert found.input_shape == (48, 64, 3)
    assert "600 x 800 pixels (height x width), was reduced to 48 x 64: set `size` to use another one" in found.notes[0]
    assert found.notes[-1] == "1 of 1 images was resized to 48 x 64 pixels."
    assert (chosen.input_shape, chosen.rows.X.shape, len(chosen.notes)) == ((7, 9), (1, 63), 1)


def test_resizing_is_close_to_the_mean_of_what_a_pixel_covers(tmp_path):
    """Shrinking a smooth picture by ten, as PNG or as JPEG, gives its means within a few levels."""
    ramp = np.add.outer(np.arange(280), np.arange(280))
    means = ramp.reshape(28, 10, 28, 10).mean(axis=(1, 3)) * 255 / ramp.max()
    for ending in ("png", "jpg"):
        path = save(tmp_path / f"ramp.{ending}", (ramp * 255 / ramp.max()).astype(np.uint8))
        np.testing.assert_allclose(read_images(path, size=(28, 28)).rows.X[0], means.ravel(), atol=4)


def test_train_and_test_folders_are_found(tmp_path):
    """If both have class folders; else the folder itself is the one to read."""
    save(tmp_path / "train" / "a" / "1.png", GREY)
    assert find_parts(tmp_path) == (tmp_path, None)
    assert not is_image_folder(tmp_path)
    save(tmp_path / "test" / "a" / "1.png", GREY)

    assert find_parts(tmp_path) == (tmp_path / "train", tmp_path / "test")
    assert is_image_folder(tmp_path)
    assert (read_images(tmp_path).n_samples, read_images(tmp_path).test.files) == (1, ("a/1.png",))


def test_a_folder_of_images_is_known_by_its_names(tmp_path, cats_and_dogs):
    """Images in it or in its folders; nothing else, and no folder at all, is one."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.csv").write_text("1,2")
    (tmp_path / "tables" / ".b.png").write_text("")

    assert is_image_folder(cats_and_dogs)
    assert is_image_folder(cats_and_dogs / "cat")
    wrong = (tmp_path / "tables", tmp_path / "nothing", tmp_path / "tables" / "a.csv", Path("no\0path"))
    assert not any(is_image_folder(path) for path in wrong)


def test_a_folder_that_is_no_data_set_is_told(tmp_path):
    """Empty, half empty, too deep, mixed, in parts: each has its sentence."""
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match=r"class folder .*a has no images"):
        read_images(tmp_path / "empty")
    with pytest.raises(DataError, match=r"has no images .* per class"):
        read_images(tmp_path / "empty" / "a")
    save(tmp_path / "deep" / "a" / "b" / "1.png", GREY)
    with pytest.raises(DataError, match=r"only in folders within it, like .*1.png"):
        read_images(tmp_path / "deep")
    save(tmp_path / "mixed" / "1.png", GREY)
    save(tmp_path / "mixed" / "a" / "2.png", GREY)
    with pytest.raises(DataError, match="both images and a folder a of images"):
        read_images(tmp_path / "mixed")
    save(tmp_path / "parts" / "train" / "1.png", GREY)
    save(tmp_path / "parts" / "test" / "2.png", GREY)
    with pytest.raises(DataError, match="no class folders"):
        read_images(tmp_path / "parts")


def test_folders_within_class_folders_are_told(tmp_path):
    """They are left out, not read in secret or in silence."""
    for name in ("a/1.png", "a/more/2.png", "b/3.png"):
        save(tmp_path / name, GREY)

    found = read_images(tmp_path)

    assert list(found.files) == ["a/1.png", "b/3.png"]
    assert list(found.notes) == ["1 folder within a class folder was left out: a/more."]


def test_a_missing_file_is_told(tmp_path):
    """By its path."""
    with pytest.raises(MissingFileError, match="nothing"):
        read_images(tmp_path / "nothing")


def test_what_the_disk_refuses_is_not_called_damaged(tmp_path, monkeypatch):
    """A failing disk and a path that no disk takes are told as such."""
    path = save(tmp_path / "a.png", GREY)

    def fail(*_, **__):
        raise OSError(5, "Input/output error")

    with pytest.raises(StorageError, match="name too long"):
        read_images("x" * 5000)
    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(StorageError, match="Input/output error"):
        read_images(path)
    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(StorageError, match="Cannot read the folder"):
        read_images(tmp_path)
    assert not is_image_folder(tmp_path)


def png_of_size(width, height):
    """Return a small PNG whose header claims a size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a PNG"),
        (b"<!DOCTYPE html>", "not a PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG"),
        (png_of_size(7072, 7072), "more than 50,000,000 pixels"),
        (png_of_size(20000, 20000), "more than 50,000,000 pixels"),
        (png_of_size(2**31 - 1, 2**31 - 1), "more than 50,000,000 pixels"),
        (png_of_size(0, 5), "damaged|not a PNG"),
        (png_of_size(9, 9), "damaged"),
        (encoded(GREY)[:-30], "damaged"),
        (encoded(RGB.repeat(99, axis=0), "jpeg")[:-300], "damaged"),
    ],
)
@pytest.mark.parametrize("chosen", [{}, {"size": (4, 4), "colour": "grey"}])
def test_a_wrong_file_is_told(tmp_path, content, sentence, chosen):
    """No image, another kind, too large, cut short: each has its sentence, and no memory is taken."""
    path = tmp_path / "wrong.png"
    path.write_bytes(content)

    with peak_below(10 * 2**20), pytest.raises(FileFormatError, match=f"wrong.png .*({sentence})"):
        read_images(path, **chosen)


def test_too_many_images_for_memory_are_told(cats_and_dogs, monkeypatch):
    """Before the array is made, and with what to do."""
    monkeypatch.setattr(images, "MAX_BYTES", 143)

    with pytest.raises(DataError, match=r"6 images of .*pets take 144 bytes .* smaller `size`"):
        read_images(cats_and_dogs)


def test_too_little_memory_for_one_image_is_told(tmp_path, monkeypatch):
    """With the name of the image."""
    path = save(tmp_path / "a.png", GREY)
    monkeypatch.setattr(images, "_flatten", lambda *_: bytearray(2**62))

    with pytest.raises(FileFormatError, match=r"a.png does not fit in memory"):
        read_images(path)


WHOLE = [encoded(GREY), encoded(RGB, "jpeg"), encoded(GREY, "gif"), encoded(RGB, "webp"), encoded(RGB, "bmp")]


@settings(SAME_FOLDER, max_examples=3 * settings.default.max_examples)
@given(
    whole=st.sampled_from(WHOLE),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
)
def test_any_change_gives_an_image_or_an_error_of_ours(tmp_path, whole, cut, flips):
    """No truncation or mutation of a small file ends in anything else."""
    content = bytearray(whole[: round(len(whole) * cut)])
    for place, value in flips if content else []:
        content[int(place * len(content))] = value
    path = tmp_path / "changed.png"
    path.write_bytes(content)

    try:
        found = read_images(path)
    except TwoLayerError:
        return
    assert found.rows.X.dtype == np.uint8
    assert max(found.input_shape) <= 64
