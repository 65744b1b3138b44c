"""The proof sheet: re-derives every number that the assignment prints and says how many digits agree.

The functions run in the assignment's order on the assignment's random stream: `np.random.seed(1)`, the data of
exercise 1, the start of exercise 2, `train_loop` of exercise 8, five indices drawn by `np.random.choice` for its
pictures, `train_loop` on the digits, and after another `np.random.seed(1)` the eleven networks of exercise 10.

Source: the outputs printed in "Homework 2: Neural Network Training".
"""

import contextlib
import io
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from types import ModuleType
from typing import Any

import numpy as np

from twolayer import course

_ARRAY_PLACES = 8
LOSS_PLACES = 14  # the digits beyond depend on the order in which a BLAS adds
_NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
_LOSS_LINE = re.compile(r"Epoch (\d+): Loss = (\S+)")

NETWORK_SIZES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)

_W1 = """[[-0.17633148  1.03386644] [-1.45673947 -0.22798339] [-0.27156744  0.80169606] [-0.77774057 -0.12192515]
[-0.62073964  0.02984963] [ 0.41211259 -0.77825528] [ 0.8094419   0.63752091] [ 0.35531715  0.63700135]
[-0.48346861 -0.08689651] [-0.66168891 -0.18942548]]"""
_W2 = """[[ 0.16771312 -0.21872233 -0.12546448 -0.21730309 -0.26727749 -0.21226666 -0.0040049  -0.35332456
0.07412875  0.52487553]]"""
_START = {"W1": _W1, "b1": "0. " * 10, "W2": _W2, "b2": "0."}
_SHAPES = {"W1": (10, 2), "b1": (10, 1), "W2": (1, 10), "b2": (1, 1)}
_SIGMOID = """[0.00669285 0.02005754 0.0585369  0.1588691  0.36457644 0.63542356 0.8411309  0.9414631  0.97994246
0.99330715]"""
_SIGMOID_DERIVATIVE = """[0.00664806 0.01965523 0.05511033 0.13362971 0.23166046 0.23166046 0.13362971 0.05511033
0.01965523 0.00664806]"""
_MEANS = {
    "Z1": "-0.19151237249896635",
    "A1": "0.4688525159515502",
    "Z2": "-0.3118444809339782",
    "A2": "0.42266909957970195",
}
_COST = "0.5239053069310721"
_GRADS = {
    "dW1": """[[-0.00664941  0.00551946] [ 0.00666033 -0.00568816] [ 0.00529232 -0.00427319] [ 0.01028577 -0.00799248]
[ 0.01305662 -0.0099341 ] [ 0.008174   -0.0066037 ] [ 0.00021912 -0.00017832] [ 0.02062341 -0.01630933]
[-0.004029    0.00306173] [-0.02714012  0.02102039]]""",
    "db1": """[[ 4.00223279e-04] [-2.71719312e-03] [-3.78546949e-04] [-1.13124221e-03] [-1.15711387e-03]
[-9.91044386e-04] [-1.93340979e-06] [ 8.46922963e-04] [ 1.30854178e-04] [ 1.60536914e-03]]""",
    "dW2": """[[ 0.04935606  0.05904166  0.04547199  0.0361181   0.03417343 -0.05364016 -0.01991294  0.00616847
0.02248469  0.02777064]]""",
    "db2": "[[-0.0032622]]",
}
_UPDATED = {
    "W1": """[[-0.17626499  1.03381124] [-1.45680607 -0.22792651] [-0.27162036  0.80173879] [-0.77784343 -0.12184523]
[-0.62087021  0.02994897] [ 0.41203085 -0.77818925] [ 0.80943971  0.6375227 ] [ 0.35511092  0.63716444]
[-0.48342832 -0.08692713] [-0.66141751 -0.18963568]]""",
    "b1": """[[-4.00223279e-06] [ 2.71719312e-05] [ 3.78546949e-06] [ 1.13124221e-05] [ 1.15711387e-05]
[ 9.91044386e-06] [ 1.93340979e-08] [-8.46922963e-06] [-1.30854178e-06] [-1.60536914e-05]]""",
    "W2": """[[ 0.16721956 -0.21931275 -0.1259192  -0.21766427 -0.26761923 -0.21173026 -0.00380577 -0.35338624
0.07390391  0.52459783]]""",
    "b2": "[[3.262196e-05]]",
}
_LOSSES = """0.5413416581298806 0.5411639794561593 0.5409863314471564 0.540808715111546 0.5406311314554088
0.5404535814821864 0.5402760661926396 0.5400985865848044 0.5399211436539499 0.5397437383925353"""
_MNIST_LOSSES = """0.15423868236507246 0.1538372075502308 0.1534339482553399 0.15302893320861544 0.15262219214320855
0.15221375579440194 0.15180365589554054 0.15139192517266983 0.15097859733785732 0.1505637070811758"""
_ZEROS = ("0.46766679826292934", "0.46335697399527187")  # share of the class 0 in the training and test digits
_ONES = ("0.5323332017370707", "0.5366430260047281")
_SIZES_PRINTED = dict(
    zip(NETWORK_SIZES, (_ZEROS, _ZEROS, _ZEROS, _ONES, _ONES, _ZEROS, _ONES, _ONES, _ZEROS, _ONES, _ONES), strict=True)
)


@dataclass(frozen=True)
class Figure:
    """One printed quantity beside what the functions give.

    Attributes
    ----------
    exercise : str
        Number of the exercise or section.
    quantity : str
        What is printed.
    printed : list of str
        Its numbers as the assignment prints them.
    computed : list of float
        The same numbers from the functions; empty when there are none.
    digits : list of int
        Decimal places on which each pair agrees.
    places : list of int
        Decimal places printed.
    agrees : bool
        Every number agrees as far as it must.
    note : str
        Why not, where the functions give no numbers to compare.
    """

    exercise: str
    quantity: str
    printed: list[str]
    computed: list[float]
    digits: list[int]
    places: list[int]
    agrees: bool
    note: str = ""


@dataclass(frozen=True)
class SizeReading:
    """Exercise 10 for one size of network, read in two ways.

    The printed table gives every sample one class: the one on whose side of 0.5 the mean of A2 lies. `predict`, as
    exercise 9 specifies it, gives each sample its own.

    Attributes
    ----------
    n_h : int
    printed, by_mean, by_predict : (float, float)
        Training and test accuracy: as printed, with the class of the mean for all, and with `predict`.
    """

    n_h: int
    printed: tuple[float, float]
    by_mean: tuple[float, float]
    by_predict: tuple[float, float]


@dataclass(frozen=True)
class Sheet:
    """All figures, and both readings of exercise 10.

    Attributes
    ----------
    figures : list of Figure
    readings : list of SizeReading
        A size on which the functions fail is left out.
    """

    figures: list[Figure] = field(default_factory=list)
    readings: list[SizeReading] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether every figure agrees."""
        return all(figure.agrees for figure in self.figures)

    @property
    def n_numbers(self) -> int:
        """How many printed numbers the figures hold."""
        return sum(len(figure.printed) for figure in self.figures)

    @property
    def n_agreeing(self) -> int:
        """How many numbers stand in figures that agree."""
        return sum(len(figure.printed) for figure in self.figures if figure.agrees)


def prove(functions: ModuleType | Any = course, on_exercise: Callable[[str], None] | None = None) -> Sheet:
    """Re-derive every printed number with the ten functions of the assignment.

    NumPy's global generator is seeded as the assignment does, and given back its state at the end.

    Parameters
    ----------
    functions : module or object
        Holds the ten functions under the assignment's names, and `load_mnist`; `twolayer.course` by default.
    on_exercise : callable, optional
        Told the name of each exercise as it begins.

    Returns
    -------
    Sheet
    """
    sheet = Sheet()
    state = np.random.get_state()
    try:
        with np.errstate(all="ignore"):  # wrong functions may overflow; their figures say so
            for exercise in _exercises(functions, sheet):
                if on_exercise:
                    on_exercise(exercise)
    finally:
        np.random.set_state(state)
    return sheet


def _exercises(f: Any, sheet: Sheet) -> Iterator[str]:
    """Go through the exercises in the assignment's order, adding figures to the sheet; yield each one's name."""
    np.random.seed(1)
    X, Y = np.random.randn(2, 3), np.random.randn(1, 3)
    yield from _formulas(f, sheet, X, Y)

    yield "8"
    _, losses = _printed_losses(f, X, Y)
    _add_losses(sheet, "8", _LOSSES, losses)

    yield "8.1"
    digits = _attempt(f.load_mnist)
    X_train, Y_train, X_test, Y_test = (_item(digits, index) for index in range(4))
    _add_shapes(sheet, X_train, Y_train, X_test, Y_test)
    np.random.choice(12665, size=5, replace=False)  # the five pictures
    trained, losses = _printed_losses(f, X_train, Y_train)
    _add_losses(sheet, "8.1", _MNIST_LOSSES, losses)

    yield "9"
    _compare(sheet, "9", "train accuracy", _ONES[0], _attempt(_accuracy, f, trained, X_train, Y_train))
    _compare(sheet, "9", "test accuracy", _ONES[1], _attempt(_accuracy, f, trained, X_test, Y_test))

    np.random.seed(1)
    for n_h, printed in _SIZES_PRINTED.items():
        yield f"10, n_h = {n_h}"
        trained = _attempt(f.train_loop, X_train, Y_train, n_h, 0.01, 10, False)  # noqa: FBT003 - as the assignment
        by_mean, by_predict = (
            (_attempt(read, f, trained, X_train, Y_train), _attempt(read, f, trained, X_test, Y_test))
            for read in (_accuracy_of_mean, _accuracy)
        )
        for name, text, accuracy in zip(("train", "test"), printed, by_mean, strict=True):
            _compare(sheet, "10", f"{name} acc., n_h={n_h}", text, accuracy)
        if not any(isinstance(accuracy, _Failure) for accuracy in (*by_mean, *by_predict)):
            sheet.readings.append(SizeReading(n_h, (float(printed[0]), float(printed[1])), by_mean, by_predict))


def _formulas(f: Any, sheet: Sheet, X: Any, Y: Any) -> Iterator[str]:
    """Exercises 1 to 7, one pass through the formulas on three samples."""
    yield "1"
    sizes = _attempt(f.neural_network_structure, X, Y, 10)
    n_x, n_h, n_y = (_item(sizes, index) for index in range(3))
    for name, printed, size in (("n_x", "2", n_x), ("n_h", "10", n_h), ("n_y", "1", n_y)):
        _compare(sheet, "1", name, printed, size)

    yield "2"
    start = _attempt(f.initialize_parameters, n_x, n_h, n_y)
    for name, printed in _START.items():
        _compare(sheet, "2", name, printed, _item(start, name), _SHAPES[name])

    yield "3"
    x = np.linspace(-5, 5, 10)
    _compare(sheet, "3", "sigmoid", _SIGMOID, _attempt(f.sigmoid, x), x.shape)
    _compare(sheet, "3", "derivative", _SIGMOID_DERIVATIVE, _attempt(f.sigmoid_derivative, x), x.shape)

    yield "4"
    forward = _attempt(f.forward_propagation, X, start)
    A2, cache = (_item(forward, index) for index in range(2))
    for name, printed in _MEANS.items():
        _compare(sheet, "4", f"mean of {name}", printed, _attempt(np.mean, _item(cache, name)), needed=LOSS_PLACES)

    yield "5"
    _compare(sheet, "5", "cost", _COST, _attempt(f.computer_cost, A2, Y), needed=LOSS_PLACES)

    yield "6"
    grads = _attempt(f.back_propogation, X, Y, start, cache)
    for name, printed in _GRADS.items():
        _compare(sheet, "6", name, printed, _item(grads, name), _SHAPES[name[1:]])

    yield "7"
    updated = _attempt(f.update_parameters, start, grads, 0.01)
    for name, printed in _UPDATED.items():
        _compare(sheet, "7", name, printed, _item(updated, name), _SHAPES[name])


def _add_shapes(sheet: Sheet, X_train: Any, Y_train: Any, X_test: Any, Y_test: Any) -> None:
    """Add the figures of section 8.1 about the data."""
    for name, printed, array in (
        ("X_train", "784 12665", X_train),
        ("Y_train", "1 12665", Y_train),
        ("X_test", "784 2115", X_test),
        ("Y_test", "1 2115", Y_test),
    ):
        _compare(sheet, "8.1", f"{name} shape", printed, _attempt(np.shape, array), (2,))
    for name, labels in (("Y_train", Y_train), ("Y_test", Y_test)):
        _compare(sheet, "8.1", f"{name} labels", "0 1", _attempt(np.unique, labels), (2,))


def _add_losses(sheet: Sheet, exercise: str, printed: str, losses: Any) -> None:
    """Add the losses of ten epochs."""
    for epoch, loss in enumerate(printed.split()):
        _compare(sheet, exercise, f"loss, epoch {epoch}", loss, _item(losses, epoch), needed=LOSS_PLACES)


def _printed_losses(f: Any, X: Any, Y: Any) -> tuple[Any, Any]:
    """Run `train_loop` as the assignment does; return its parameters and, by epoch, the losses that it prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        parameters = _attempt(f.train_loop, X, Y, 10, 0.01, 10)
    lines = _LOSS_LINE.findall(output.getvalue())
    losses = _attempt(lambda: {int(epoch): float(loss) for epoch, loss in lines})
    return parameters, parameters if isinstance(parameters, _Failure) else losses


def _accuracy(f: Any, parameters: Any, X: Any, Y: Any) -> float:
    """Share of samples that `predict` labels right."""
    return float(np.mean(f.predict(X, parameters) == Y))


def _accuracy_of_mean(f: Any, parameters: Any, X: Any, Y: Any) -> float:
    """Share of samples of the one class on whose side of 0.5 the mean of A2 lies."""
    A2, _ = f.forward_propagation(X, parameters)
    return float(np.mean((np.mean(A2) > 0.5) == Y))


@dataclass(frozen=True)
class _Failure:
    """An exception in place of a value."""

    error: Exception


def _attempt(compute: Callable[..., Any], *arguments: Any) -> Any:
    """Return a value, or the failure to compute it, whatever wrong functions raise; a failure passes through."""
    for argument in arguments:
        if isinstance(argument, _Failure):
            return argument
    try:
        return compute(*arguments)
    except Exception as error:  # noqa: BLE001
        return _Failure(error)


def _item(values: Any, key: Any) -> Any:
    """Return one value of several, or the failure to get it."""
    return _attempt(operator.getitem, values, key)


def _compare(
    sheet: Sheet,
    exercise: str,
    quantity: str,
    printed: str,
    value: Any,
    shape: tuple[int, ...] = (),
    *,
    needed: int | None = None,
) -> None:
    """Add a figure: the printed numbers beside computed ones, which must agree on `needed` places (all if None)."""
    texts = _NUMBER.findall(printed)
    places = [_places(text, in_array=bool(shape)) for text in texts]
    computed = _attempt(np.asarray, value, np.float64)
    if isinstance(computed, _Failure):
        note = f"{type(computed.error).__name__}: {computed.error}"
    elif computed.shape != shape:
        note = f"shape {computed.shape} instead of {shape}"
    else:
        numbers = computed.ravel().tolist()
        digits = [_agreeing_places(text, number, p) for text, number, p in zip(texts, numbers, places, strict=True)]
        agrees = all(d >= (p if needed is None else min(p, needed)) for d, p in zip(digits, places, strict=True))
        sheet.figures.append(Figure(exercise, quantity, texts, numbers, digits, places, agrees))
        return
    sheet.figures.append(Figure(exercise, quantity, texts, [], [0] * len(texts), places, agrees=False, note=note))


def _places(text: str, *, in_array: bool) -> int:
    """How many places a printed number has after its point; for a whole number, its digits.

    NumPy prints an array to eight places, those of the mantissa where there is an exponent, and blanks closing zeros.
    """
    mantissa = text.lower().partition("e")[0]
    if "." not in mantissa:
        return len(mantissa.lstrip("+-"))
    return _ARRAY_PLACES if in_array else len(mantissa.partition(".")[2])


def _agreeing_places(text: str, number: float, places: int) -> int:
    """On how many of its places a printed number agrees with a computed one, both rounded there."""
    printed = Decimal(text)
    if not np.isfinite(number):
        return 0
    distance = abs(Decimal(number) - printed)
    if printed == printed.to_integral_value():  # a whole number, or the 0. of an array of zeros
        return places if distance == 0 else 0
    if "e" in text.lower():
        distance = distance.scaleb(-printed.adjusted())
    return next((p for p in range(places, 0, -1) if distance <= Decimal("0.5").scaleb(-p)), 0)
