"""Your own images: a folder with a folder for each class, a folder of images, or one image.

Files are PNG or JPEG, also BMP, GIF (the first frame) and WebP. All are brought to one size and to grey or colour. The
first pass reads headers only and fixes both; the second decodes each image straight into its row of one array.
"""

import contextlib
import math
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twolayer.aliases import Array
from twolayer.data.dataset import Dataset, Labels
from twolayer.data.request import MAX_PIXELS
from twolayer.data.rows import MemoryRows
from twolayer.errors import DataError, FileFormatError, MissingFileError, StorageError, TwoLayerError
from twolayer.storage import open_file
from twolayer.text import join

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp")
MAX_BYTES = 4 * 2**30
LONGEST_SIDE = 64  # of images whose size nobody chose
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")  # no other decoder sees a file, whatever its name
_KINDS = "PNG, JPEG, BMP, GIF or WebP"
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B")
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_ON_ITS_SIDE = 5  # from this orientation on, stored rows are columns
_GAP = 3  # a decoder may shrink to this many times the size; the filter does the rest


class _Pixels(NamedTuple):
    """A decoded image and what had to be done to it."""

    values: Array
    size: tuple[int, int]  # height, width before it was resized
    transparent: bool


class _Listing(NamedTuple):
    """The visible content of a folder, in order."""

    images: list[str]
    folders: list[str]
    others: list[str]


def is_image_file(path: Path) -> bool:
    """Tell by its name whether a file is an image."""
    return path.suffix.lower() in SUFFIXES


def is_image_folder(path: Path) -> bool:
    """Tell by names whether a folder holds images, or folders that do, or such folders in `train` and `test`."""
    return _has_images(path) or _has_class_folders(path) or find_parts(path)[1] is not None


def find_parts(path: Path) -> tuple[Path, Path | None]:
    """Return the folders to train and to test on: `train` and `test` if both have class folders, else `path` alone."""
    train, test = path / "train", path / "test"
    return (train, test) if _has_class_folders(train) and _has_class_folders(test) else (path, None)


def read_images(
    path: str | os.PathLike[str], *, size: tuple[int, int] | None = None, colour: str | None = None
) -> Dataset:
    """Read a folder of images, or one image, as bytes, sorted by path.

    A folder has a folder of images for each class, whose name is the label, or images without labels. Hidden files are
    left out. If it has such folders in `train` and `test`, the latter are to test on, in the size and colour of the
    former.

    An image is turned as its EXIF data say, transparent parts become white, and grey of 16 bits becomes grey of 8. If
    no size (height and width) is given, it is the commonest, shrunk until no side is above 64; if no colour is given,
    it is grey where no image has any colour, else rgb.
    """
    train_path, test_path = find_parts(Path(path))
    dataset = _read_part(train_path, size, colour)
    if test_path is None:
        return dataset
    height, width = dataset.input_shape[:2]
    test = _read_part(test_path, (height, width), "rgb" if len(dataset.input_shape) == 3 else "grey")
    return replace(dataset, test=test)


def _read_part(path: Path, size: tuple[int, int] | None, colour: str | None) -> Dataset:
    """Read the images of one folder, or one image."""
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:
        raise StorageError(f"Cannot read {path} ({error.strerror or error}): check the path.") from error
    if not is_there:
        raise MissingFileError(f"There is no folder or image {path}: check the path.")
    folder, (files, classes, notes) = (
        (path, _find_images(path)) if is_folder else (path.parent, ([path.name], None, []))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata; pixels that are not there are errors
        X, input_shape, more = _read(folder, files, size, colour)
    labels = None if classes is None else Labels.found(_as_labels(classes))
    return Dataset(str(path), MemoryRows(X), labels, input_shape, 255.0, files=tuple(files), notes=(*notes, *more))


def _list(folder: Path) -> _Listing:
    """Return the names of images, folders and other files, without hidden ones."""
    listing = _Listing([], [], [])
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__MACOSX")):
                    continue
                if entry.is_dir():
                    listing.folders.append(entry.name)
                elif entry.name.lower().endswith(SUFFIXES):
                    listing.images.append(entry.name)
                else:
                    listing.others.append(entry.name)
    except OSError as error:
        message = f"Cannot read the folder {folder} ({error.strerror or error}): check its permissions."
        raise StorageError(message) from error
    for names in listing:
        names.sort()
    return listing


def _has_images(folder: Path) -> bool:
    """Tell whether image files lie directly in a folder; False if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return any(
                entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".") and not entry.is_dir()
                for entry in entries
            )
    except (OSError, ValueError):  # a path may be no path at all
        return False


def _has_class_folders(folder: Path) -> bool:
    """Tell whether a folder has a folder with images; False if it cannot be read."""
    try:
        return any(_has_images(folder / name) for name in _list(folder).folders)
    except (StorageError, ValueError):
        return False


def _find_images(folder: Path) -> tuple[list[str], list[str] | None, list[str]]:
    """Return the images of a folder, the class of each, and notes, or say why the classes are unclear."""
    top = _list(folder)
    classes = {name: _list(folder / name) for name in top.folders}
    filled = [name for name in classes if classes[name].images]
    if top.images:
        if filled:
            raise DataError(
                f"{folder} has both images and a folder {filled[0]} of images: "
                "put each image into the folder of its class, or remove the folders."
            )
        return top.images, None, _left_out(top.others, [])
    for name in classes:
        if name not in filled:
            _explain_empty(folder / name)
    if not filled:
        raise DataError(f"{folder} has no images ({_KINDS}): name a folder with one folder of images per class.")
    if set(filled) <= {"train", "test"}:
        raise DataError(
            f"{folder / filled[0]} has images but no class folders: put the images into folders in it, "
            "named after their class."
        )
    pairs = sorted((f"{name}/{file}", name) for name in filled for file in classes[name].images)
    others = [*top.others, *(f"{name}/{file}" for name in filled for file in classes[name].others)]
    deeper = [f"{name}/{inner}" for name in filled for inner in classes[name].folders]
    return [file for file, _ in pairs], [name for _, name in pairs], _left_out(others, deeper)


def _explain_empty(class_folder: Path) -> None:
    """Say why a class folder has no images of its own."""
    for inner, _, names in os.walk(class_folder):
        image = next((name for name in sorted(names) if name.lower().endswith(SUFFIXES) and name[0] != "."), None)
        if image is not None:
            raise DataError(
                f"{class_folder} has images only in folders within it, like {Path(inner) / image}: "
                f"put them directly into it, or name {class_folder} if its folders are the classes."
            )
    raise DataError(f"The class folder {class_folder} has no images ({_KINDS}): add some, or remove the folder.")


def _left_out(others: list[str], folders: list[str]) -> list[str]:
    """Say which files and folders were not read."""
    notes = []
    if others:
        what = "file that is not an image was" if len(others) == 1 else "files that are not images were"
        notes.append(f"{len(others):,} {what} left out: {join(others, 3)}.")
    if folders:
        what = "folder within a class folder was" if len(folders) == 1 else "folders within class folders were"
        notes.append(f"{len(folders):,} {what} left out: {join(folders, 3)}.")
    return notes


def _read(
    folder: Path, files: list[str], size: tuple[int, int] | None, colour: str | None
) -> tuple[Array, tuple[int, ...], list[str]]:
    """Return images at one size and in one colour, the shape of one, and notes."""
    paths = [folder / file for file in files]
    notes: list[str] = []
    headers = [] if size and colour else [_read_header(path) for path in paths]
    if size is None:
        size, notes = _choose_size([seen for seen, _ in headers])
    if colour is None:
        in_colour = [path for path, (_, grey) in zip(paths, headers, strict=True) if not grey]
        colour, more = _choose_colour(in_colour, size)
        notes += more
    input_shape = size if colour == "grey" else (*size, 3)
    n_features = math.prod(input_shape)
    if len(paths) * n_features > MAX_BYTES:
        taken = f"The {len(paths):,} images of {folder} take {len(paths) * n_features:,} bytes at {_by(size)} pixels"
        raise DataError(f"{taken}, more than the limit of {MAX_BYTES:,}: set a smaller `size`.")
    X = np.empty((len(paths), n_features), np.uint8)
    resized = stretched = transparent = 0
    for row, path in zip(X, paths, strict=True):
        pixels = _read_pixels(path, size, colour)
        row[:] = pixels.values.reshape(-1)
        resized += pixels.size != size
        stretched += abs(pixels.size[0] * size[1] / pixels.size[1] - size[0]) >= 1
        transparent += pixels.transparent
    if resized:
        out_of = f", {stretched:,} of them to another aspect ratio" if stretched else ""
        were = "was" if resized == 1 else "were"
        notes.append(f"{resized:,} of {len(X):,} images {were} resized to {_by(size)} pixels{out_of}.")
    if transparent:
        notes.append(f"Transparent parts of {transparent:,} of {len(X):,} images were filled with white.")
    return X, input_shape, notes


def _as_labels(names: list[str]) -> Array:
    """Return whole numbers if all names are such, else text."""
    if all(_WHOLE_NUMBER.fullmatch(name) for name in set(names)):
        return np.array([int(name) for name in names], np.int64)
    return np.array(names)


def _choose_size(sizes: list[tuple[int, int]]) -> tuple[tuple[int, int], list[str]]:
    """Return the commonest size, the smallest of several, shrunk if it is large, and a note if it was."""
    counts = Counter(sizes)
    commonest = min(counts, key=lambda size: (-counts[size], math.prod(size), size))
    if max(commonest) <= LONGEST_SIDE:
        return commonest, []
    height, width = (max(1, round(side * LONGEST_SIDE / max(commonest))) for side in commonest)
    shrunk = f"The most common image size, {_by(commonest)} pixels (height x width), was reduced to"
    return (height, width), [f"{shrunk} {_by((height, width))}: set `size` to use another one."]


def _choose_colour(stored_in_colour: list[Path], size: tuple[int, int]) -> tuple[str, list[str]]:
    """Return grey if no image has any colour, and a note if there was a choice."""
    if any(_has_colour(path, size) for path in stored_in_colour):  # the first coloured one ends it
        return "rgb", ["The images are read in colour: set `colour` to grey to change that."]
    if stored_in_colour:
        return "grey", [
            "Images stored in colour, but without any, are read as grey: set `colour` to rgb to change that."
        ]
    return "grey", []


def _by(size: tuple[int, int]) -> str:
    """Write a size."""
    return f"{size[0]} x {size[1]}"


@contextlib.contextmanager
def _open(path: Path) -> Iterator["Image.Image"]:
    """Open an image of a possible size; what its decoder cannot do becomes a sentence."""
    from PIL import Image, UnidentifiedImageError

    damaged = f"{path} is damaged: its image cannot be decoded; get a fresh copy or remove it."
    with open_file(path) as file:
        try:
            with Image.open(file, formats=_FORMATS) as image:
                _check_pixels(image.size)
                yield image
        except TwoLayerError:
            raise
        except UnidentifiedImageError:
            raise FileFormatError(f"{path} is not a {_KINDS} image: convert it or remove it.") from None
        except Image.DecompressionBombError:
            message = f"{path} has more than {MAX_PIXELS:,} pixels: shrink it or remove it."
            raise FileFormatError(message) from None
        except MemoryError:
            raise FileFormatError(f"{path} does not fit in memory: shrink it or remove it.") from None
        except OSError as error:
            if error.errno is not None:  # the disk's, not the decoder's
                raise
            raise FileFormatError(damaged) from None
        except Exception:  # noqa: BLE001 - a decoder raises whatever comes to it
            raise FileFormatError(damaged) from None


def _check_pixels(size: tuple[int, int]) -> None:
    from PIL import Image

    if math.prod(size) > MAX_PIXELS:
        raise Image.DecompressionBombError  # Pillow's own limit is higher
    if not math.prod(size):
        raise ValueError


def _orientation(image: "Image.Image") -> int:
    """Return the EXIF orientation, 1 if there is none or it cannot be read."""
    from PIL import Image

    try:
        orientation = Image.Image.getexif(image).get(_ORIENTATION, 1)  # PNG's own method decodes the pixels first
    except Exception:  # noqa: BLE001 - as above; a picture is whole without its metadata
        return 1
    return orientation if orientation in _TURNS else 1


def _read_header(path: Path) -> tuple[tuple[int, int], bool]:
    """Return height and width, as it is looked at, and whether an image is stored in grey; it is not decoded."""
    with _open(path) as image:
        width, height = image.size if _orientation(image) < _ON_ITS_SIDE else image.size[::-1]
        return (height, width), image.mode in _GREY_MODES


def _has_colour(path: Path, size: tuple[int, int]) -> bool:
    """Tell whether the channels of an image differ anywhere."""
    values = _read_pixels(path, size, "rgb").values
    return bool((values != values[:, :, :1]).any())


def _read_pixels(path: Path, size: tuple[int, int], colour: str) -> _Pixels:
    """Decode an image: upright, without transparency, in the size and colour asked for."""
    from PIL import Image

    with _open(path) as image:
        original = image.size
        image.draft(None, (_GAP * max(size), _GAP * max(size)))  # a JPEG decodes faster to a half, a quarter, an eighth
        image.load()
        orientation = _orientation(image)
        upright = image.transpose(Image.Transpose[_TURNS[orientation]]) if orientation in _TURNS else image
        flat, transparent = _flatten(upright, "L" if colour == "grey" else "RGB")
        height, width = size
        if flat.size != (width, height):
            flat = flat.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=_GAP)
        seen_height, seen_width = original if orientation >= _ON_ITS_SIDE else original[::-1]
        return _Pixels(np.asarray(flat), (seen_height, seen_width), transparent)


def _flatten(image: "Image.Image", mode: str) -> tuple["Image.Image", bool]:
    """Return an image of 8 bits a channel on white, and whether any part was transparent."""
    from PIL import Image

    if image.mode.startswith("I"):  # grey of 16 bits
        values = np.asarray(image).clip(0, 65535).astype(np.uint32)
        grey = ((values + 128) // 257).astype(np.uint8)  # 65535 = 257 * 255
        clear = values == image.info.get("transparency", -1)
        grey[clear] = 255
        return Image.fromarray(grey).convert(mode), bool(clear.any())
    if not image.has_transparency_data:
        return image.convert(mode), False
    coloured = image.convert("RGBA")
    alpha = coloured.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return image.convert(mode), False
    white = Image.new("RGB", coloured.size, "white")
    white.paste(coloured, mask=alpha)
    return white.convert(mode), True
