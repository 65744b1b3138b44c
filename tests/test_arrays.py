"""NPZ and NPY: what NumPy saved comes back, what a file claims without having it is told before memory is taken."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tests.little_memory import peak_below
from tests.strategies import labels_of
from twolayer.data.readers import arrays
from twolayer.data.readers.arrays import read_npy, read_npz
from twolayer.data.rows import ArrayRows, MemoryRows
from twolayer.errors import DataError, FileFormatError, StorageError

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
X = np.arange(12, dtype=np.uint8).reshape(4, 3)
Y = np.array([0, 1, 1, 0])
DTYPES = st.one_of(
    st_numpy.boolean_dtypes(), st_numpy.integer_dtypes(), st_numpy.unsigned_integer_dtypes(), st_numpy.floating_dtypes()
)
SAMPLES = DTYPES.flatmap(
    lambda dtype: st_numpy.arrays(
        dtype,
        st_numpy.array_shapes(min_dims=2, max_dims=4, max_side=4),
        elements=st_numpy.from_dtype(dtype, allow_nan=False, allow_infinity=False),
    )
)
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def npy(array, **options):
    """Return the bytes of an NPY."""
    with io.BytesIO() as file:
        np.save(file, array, **options)
        return file.getvalue()


def npz(compression=zipfile.ZIP_STORED, **members):
    """Return an archive of members given as bytes, with the same bytes each time."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content, compression)
        return file.getvalue()


def header(shape, descr="|u1", order=False, version=1):
    """Return an NPY that ends after its header."""
    text = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 * version, "little") + text


def assert_same(dataset, X, y=None):
    """Compare samples, their shape and type in the processor's byte order, and their labels."""
    stored = dataset.rows.X
    assert (stored.dtype, dataset.input_shape) == (X.dtype.newbyteorder("="), X.shape[1:])
    np.testing.assert_array_equal(stored.reshape(X.shape), X)
    assert (labels_of(dataset) is None) == (y is None)
    if y is not None:
        assert labels_of(dataset) == np.asarray(y).tolist()


@SAME_FOLDER
@given(samples=SAMPLES, fortran=st.booleans(), compressed=st.booleans(), test=st.booleans())
def test_every_type_and_shape_comes_back(tmp_path, samples, fortran, compressed, test):
    """From NPZ and from NPY, with whichever byte order and order of axes, in the processor's byte order."""
    stored = np.asfortranarray(samples) if fortran else samples
    y = np.arange(len(samples))
    path = tmp_path / "some.npz"
    named = {"x_train": stored, "y_train": y} | ({"x_test": stored[:1], "y_test": y[:1]} if test else {})
    (np.savez_compressed if compressed else np.savez)(path, **named)
    np.save(tmp_path / "X.npy", stored)
    np.save(tmp_path / "y.npy", y)

    packed, plain = read_npz(path), read_npy(tmp_path / "X.npy")

    for found in (packed, plain):
        assert_same(found, samples, y)
    assert (packed.test is None) == (not test)
    if test:
        assert_same(packed.test, samples[:1], y[:1])
    assert plain.test is None


@pytest.mark.parametrize(
    "names",
    [
        ["x_train", "y_train", "x_test", "y_test"],
        ["X", "y", "X_test", "y_test"],
        ["x", "y", "x_test", "y_test"],
        ["train_images", "train_labels", "test_images", "test_labels"],
        ["y_test", "y_train", "X_test", "X_train"],
    ],
)
def test_the_usual_names_are_known(tmp_path, names):
    """Of Keras, of scikit-learn's letters and of MedMNIST, in any order; other arrays are not read."""
    content = {"x": X, "y": Y}
    by_name = {name: content["y" if "label" in name or name[0] == "y" else "x"] for name in names}
    np.savez(tmp_path / "a.npz", allow_pickle=True, val_images=np.array([object()]), **by_name)

    found = read_npz(str(tmp_path / "a.npz"))

    assert_same(found, X, Y)
    assert_same(found.test, X, Y)


def test_samples_may_have_no_labels(tmp_path):
    """Neither in an NPZ nor beside an NPY, however long its name."""
    np.savez(tmp_path / "a.npz", X=X)
    assert read_npz(tmp_path / "a.npz").labels is None

    for stem in ("a", "a" * 250):
        np.save(tmp_path / f"{stem}.npy", X)
        assert read_npy(tmp_path / f"{stem}.npy").labels is None


@pytest.mark.parametrize(
    ("samples", "labels"),
    [
        ("X", "y"),
        ("x", "y"),
        ("X_train", "y_train"),
        ("images", "labels"),
        ("train-images", "train-labels"),
        ("digits", "digits_labels"),
        ("digits", "digits-labels"),
        ("X", "X_labels"),
    ],
)
def test_labels_are_found_beside_samples(tmp_path, samples, labels):
    """By the usual pairs of names; labels that are named go first."""
    np.save(tmp_path / f"{samples}.npy", X)
    np.save(tmp_path / f"{labels}.npy", Y)
    np.save(tmp_path / "others.npy", 1 - Y)

    assert_same(read_npy(tmp_path / f"{samples}.npy"), X, Y)
    assert_same(read_npy(tmp_path / f"{samples}.npy", str(tmp_path / "others.npy")), X, 1 - Y)


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_stays_on_disk(tmp_path, order):
    """Reading maps it and takes next to no memory, even while it looks for values that are not finite."""
    path = tmp_path / "large.npy"
    np.save(path, np.ones((1000, 10_000), np.float32, order=order))

    with peak_below(3 * 2**20):
        found = read_npy(path)

    assert isinstance(found.rows, ArrayRows)
    assert isinstance(found.rows.X, np.memmap)
    assert not found.rows.X.flags.writeable


def test_an_npy_of_another_byte_order_or_place_is_read(tmp_path):
    """It is copied into the order and alignment that computing needs."""
    values = np.array([[1.5, 2.5], [3.5, 4.5]])
    np.save(tmp_path / "big.npy", values.astype(">f8"))
    odd = header((2, 2), "<f8")
    assert len(odd) % 8 != 0
    (tmp_path / "odd.npy").write_bytes(odd + values.tobytes())

    for name in ("big", "odd"):
        found = read_npy(tmp_path / f"{name}.npy")
        assert_same(found, values)
        assert found.rows.X.flags.aligned
        assert isinstance(found.rows, MemoryRows)


@SAME_FOLDER
@given(
    labels=st.lists(st.text(LETTERS, max_size=5), min_size=4, max_size=4),
    as_bytes=st.booleans(),
    order=st.sampled_from("<>"),
)
def test_text_labels_come_back(tmp_path, labels, as_bytes, order):
    """Saved as text of either byte order, or as its UTF-8 bytes."""
    expected = np.array(labels)
    stored = np.array([label.encode() for label in labels]) if as_bytes else expected.astype(f"{order}U5")
    np.savez(tmp_path / "a.npz", X=X, y=stored)

    assert labels_of(read_npz(tmp_path / "a.npz")) == labels


@pytest.mark.parametrize(
    "stored",
    [
        Y.astype(float),
        Y.astype(bool),
        Y.astype(">i2"),
        Y.astype(np.uint8),
        Y[:, None],
        Y[:, None].astype(np.float32),
        np.array([0, 60_000, 1, 1], np.float16),  # which cannot tell what is too large a number
    ],
)
def test_whole_numbers_are_labels(tmp_path, stored):
    """Also those saved as floats, as truth values, or in one column."""
    np.savez(tmp_path / "a.npz", X=X, y=stored)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", stored)

    for found in (read_npz(tmp_path / "a.npz"), read_npy(tmp_path / "X.npy")):
        assert labels_of(found) == stored.ravel().astype(int).tolist()
        assert all(type(label) is int for label in found.labels.classes)


WRONG = [
    ({"X": X[0]}, "X", "holds single values"),
    ({"y": Y, "X": np.array(3)}, "X", "holds single values"),
    ({"X": np.zeros((1,) * 10)}, "X", "9 dimensions: use at most 8"),
    ({"X": X[:0], "y": Y[:0]}, "X", "holds no samples"),
    ({"X": X[:, :0]}, "X", "holds no samples"),
    ({"X": np.where(np.arange(12).reshape(4, 3) == 7, np.nan, 1.0)}, r"Sample 2 \(from 0\) of .*X", "has a NaN"),
    ({"X": X.astype(complex)}, "X", "holds complex128 values: .* numbers"),
    ({"X": X.astype(str)}, "X", "holds str96 values: .* numbers"),
    ({"X": X.astype("M8[s]")}, "X", "holds datetime64"),
    ({"X": X, "y": X}, "y", r"shape \(4, 3\): save one label per sample"),
    ({"X": X, "y": np.array(1)}, "y", r"shape \(\)"),
    ({"X": X, "y": Y[:3]}, "y", "3 labels for 4 samples"),
    ({"X": X, "y": Y.astype(complex)}, "y", "complex128 values: .* whole numbers or text"),
    ({"X": X, "y": Y + 0.5}, "y", r"is 0\.5: use whole numbers or text"),
    ({"X": X, "y": np.array([1, 2, np.nan, 4])}, "Label 2 .*y", "is nan"),
    ({"X": X, "y": np.array([1, np.inf, 1, 1])}, "Label 1 .*y", "is inf"),
    ({"X": X, "y": np.array([b"\xff"] * 4)}, "y", "not text in UTF-8"),
    ({"X": X, "y": np.array(["a" * 1001] * 4)}, "y", "labels of up to 1,001 letters"),
]


@pytest.mark.parametrize(("content", "name", "sentence"), WRONG)
def test_arrays_that_are_no_samples_or_labels_are_told(tmp_path, content, name, sentence):
    """In an NPZ and in files beside each other, each with its sentence and the name of the array."""
    np.savez(tmp_path / "a.npz", **content)
    for role, array in content.items():
        np.save(tmp_path / f"{role}.npy", array)

    with pytest.raises(DataError, match=rf"{name} of .*a\.npz .*{sentence}"):
        read_npz(tmp_path / "a.npz")
    with pytest.raises(DataError, match=rf"{name}\.npy .*{sentence}"):
        read_npy(tmp_path / "X.npy")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"a": X, "b": Y}, r"no array x_train or X \(it has a, b\): save"),
        ({}, "it has nothing"),
        ({f"a{i}": Y for i in range(20)}, r"a9, \.\.\."),
        ({"X": X, "y_test": Y}, "no array x_test"),
        ({"X": X, "x_train": X}, "both X and x_train"),
        ({"X": X, "X_test": X[:, :2]}, "differ in shape or type"),
        ({"X": X, "X_test": X.astype(float)}, "differ in shape or type"),
        ({"X": X, "y": Y, "X_test": X, "y_test": Y.astype(str)}, "labels of text and of numbers"),
    ],
)
def test_arrays_that_do_not_belong_together_are_told(tmp_path, content, sentence):
    """Missing, double or different ones are named."""
    np.savez(tmp_path / "a.npz", **content)

    with pytest.raises(DataError, match=rf"a\.npz .*{sentence}"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("order", ["C", "F"])
@given(data=st.data())
@settings(max_examples=settings.default.max_examples // 2)
def test_the_sample_with_a_wrong_value_is_named(order, data):
    """Wherever it lies, in whichever order and size of blocks."""
    samples = np.zeros(data.draw(st_numpy.array_shapes(min_dims=2, max_dims=4)), order=order)
    place = tuple(data.draw(st.integers(0, side - 1)) for side in samples.shape)
    arrays.check_finite(samples, "it")
    samples[place] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "_BLOCK_VALUES", data.draw(st.integers(1, 50)))
        with pytest.raises(DataError, match=rf"Sample {place[0]} \(from 0\) of it has a NaN"):
            arrays.check_finite(samples, "it")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not an NPY file"),
        (b"1,2\n3,4\n", "not an NPY file"),
        (npy(X)[:7], "not an NPY file"),
        (npy(X)[:9], "header cannot be read"),
        (npy(X)[:40], "header cannot be read"),
        (npy(X)[:-1], "promises 12 bytes of values, but it has 11"),
        (npy(X) + b"x", "promises 12 bytes of values, but it has 13"),
        (npy(X).replace(b"NUMPY\1", b"NUMPY\3"), "has a version"),
        (npy(X).replace(b"(4, 3)", b"(4, -"), "header cannot be read"),
        (npy(X).replace(b"descr", b"descs"), "header cannot be read"),
        (npy(X).replace(b"(4, 3)", b"((((((").replace(b"|u1", b"'(("), "header cannot be read"),
        (b"\x93NUMPY\2\0\xff\xff\xff\x7f" + b" " * 20000, "header cannot be read"),
        (npy(np.array([[object()]]), allow_pickle=True), "holds Python objects"),
        (header((2, 2), [("a", "|O")]), "holds Python objects"),
        (header((2, -2)), "impossible shape or type"),
        (header((True, 2)), "impossible shape or type"),
        (header((2, 2), "<U0"), "impossible shape or type"),
        (header((10**9, 10**9)), "promises 1,000,000,000,000,000,000 bytes of values, but it has 0"),
        (header((2**70, 2), version=2), "promises 2,361,183,241,434,822,606,848 bytes"),
        (header((2, 2), "|b1") + b"\0\1\2\1", "neither 0 nor 1"),
    ],
)
def test_a_wrong_npy_is_told(tmp_path, content, sentence):
    """By itself and within an NPZ, plain or compressed, before any memory is taken."""
    (tmp_path / "a.npy").write_bytes(content)
    (tmp_path / "a.npz").write_bytes(npz(X=content))
    (tmp_path / "b.npz").write_bytes(npz(zipfile.ZIP_DEFLATED, X=content))

    for read, name in ((read_npy, "a.npy"), (read_npz, "a.npz"), (read_npz, "b.npz")):
        with peak_below(2**20), pytest.raises(FileFormatError, match=rf"{name} .*{sentence}"):
            read(tmp_path / name)


def test_headers_of_python_2_and_of_version_2_are_read(tmp_path):
    """Old and unusual files are as good as any, and give no warning."""
    (tmp_path / "old.npy").write_bytes(header("(4L, 3L)") + X.tobytes())
    (tmp_path / "new.npy").write_bytes(header((4, 3), version=2) + X.tobytes())

    for name in ("old", "new"):
        assert_same(read_npy(tmp_path / f"{name}.npy"), X)
        (tmp_path / "a.npz").write_bytes(npz(X=(tmp_path / f"{name}.npy").read_bytes()))
        assert_same(read_npz(tmp_path / "a.npz"), X)


@pytest.mark.parametrize("letter", [b"\xff\xff\xff\x7f", b"\x00\xd8\0\0", b"\x00\x00\x11\0"])
def test_letters_that_are_none_are_told(tmp_path, letter):
    """NumPy would fail on them later, or write what cannot be read."""
    (tmp_path / "a.npz").write_bytes(npz(X=npy(X), y=header((4,), "<U1") + letter * 4))

    with pytest.raises(FileFormatError, match="labels that are not text"):
        read_npz(tmp_path / "a.npz")


def test_more_than_the_limit_is_not_read(tmp_path, monkeypatch):
    """A member of an NPZ, labels as letters, an NPY that has to be copied; one that is mapped may be any size."""
    monkeypatch.setattr(arrays, "MAX_BYTES", 100)
    np.savez(tmp_path / "a.npz", X=np.zeros((101, 1), np.uint8))
    np.savez(tmp_path / "b.npz", X=X, y=np.array([b"1234567"] * 4))
    np.save(tmp_path / "a.npy", np.zeros((20, 1), ">f8"))
    np.save(tmp_path / "b.npy", np.zeros((20, 1), "<f8"))

    with pytest.raises(FileFormatError, match=r"X of .* needs 101 bytes, more than the limit of 100"):
        read_npz(tmp_path / "a.npz")
    with pytest.raises(FileFormatError, match=r"y of .* needs 112 bytes, more than the limit of 100"):
        read_npz(tmp_path / "b.npz")
    with pytest.raises(FileFormatError, match="needs 160 bytes"):
        read_npy(tmp_path / "a.npy")
    assert read_npy(tmp_path / "b.npy").rows.X.nbytes == 160


@pytest.mark.parametrize(
    ("failure", "kind", "sentence"),
    [
        (OSError(5, "Input/output error"), StorageError, "Input/output error"),
        (OSError(22, "Invalid argument"), FileFormatError, "damaged"),
        (MemoryError(), FileFormatError, "does not fit in memory"),
    ],
)
def test_what_the_machine_refuses_is_told(tmp_path, monkeypatch, failure, kind, sentence):
    """A failing disk is not called a damaged file; a full memory is a sentence too."""
    np.savez(tmp_path / "a.npz", X=X)

    def fail(*_):
        raise failure

    monkeypatch.setattr(arrays, "_read_values", fail)
    with pytest.raises(kind, match=sentence):
        read_npz(tmp_path / "a.npz")
