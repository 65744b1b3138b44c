"""What is taught, as steps that can be computed, and the mistakes that are made in them, as other steps.

A lesson is one function of a course. Its steps are the formulas in order, each a name and an expression; an edit
replaces the expression of one step by what a person writes by mistake. A hypothesis is one edit or two; it is tried by
computing the steps with it.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twolayer.aliases import Array

Values = dict[str, Any]


@dataclass(frozen=True)
class Edit:
    """A mistake in one step.

    Attributes
    ----------
    mistake : str
        Its name, as in JSON.
    step : str
        The quantity that it makes wrong.
    expression : str
        What is computed instead.
    term : str
        What is wrong, in words.
    """

    mistake: str
    step: str
    expression: str
    term: str


@dataclass(frozen=True)
class Lesson:
    """One function of a course.

    Attributes
    ----------
    name : str
    aliases : tuple of str
        Other names under which it goes.
    exercise : str
    inputs : callable
        Seed and number of outputs to the named values that the steps begin with.
    arguments : tuple of str
        Names of those that the function is called with, in order.
    steps : tuple of pairs of str
        Names and expressions.
    formulas : mapping of str to str
        How the steps are written for a person, where the expression itself is not it.
    returns : str
        "tuple", "dict", "value", or "forward" for a value and a dictionary.
    outputs : tuple of str
        The quantities that are returned, in the order in which they depend on each other.
    edits : tuple of Edit
    """

    name: str
    aliases: tuple[str, ...]
    exercise: str
    inputs: Callable[[int, int], Values]
    arguments: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]
    formulas: Mapping[str, str]
    returns: str
    outputs: tuple[str, ...]
    edits: tuple[Edit, ...]

    def compute(self, seed: int, edits: tuple[Edit, ...] = (), n_y: int = 1, *, turned: bool = False) -> Values | None:
        """Return the outputs for the inputs of a seed, with edits; None where they cannot be computed.

        Weights that are drawn `turned` are drawn in the shape (inputs, outputs).
        """
        replaced = {edit.step: edit.expression for edit in edits}
        random = np.random.RandomState(seed)
        space: Values = {**_TOOLS, "randn": random.randn, "rand": random.rand, "RandomState": random}
        if turned:
            space |= {"randn": _turn(random.randn), "rand": _turn(random.rand)}
        space |= self.inputs(seed, n_y)
        try:
            with np.errstate(all="ignore"):
                for name, expression in self.steps:
                    space[name] = eval(_compiled(replaced.get(name, expression)), space)  # noqa: S307 - our own
        except (ValueError, TypeError):  # shapes that do not fit, as the mistake would have it
            return None
        return {name: np.asarray(space[name], dtype=float) for name in self.outputs}

    def formula(self, step: str) -> str:
        """Return a step as a person writes it."""
        return self.formulas.get(step) or f"{step} = {dict(self.steps)[step]}"

    def hypotheses(self) -> Iterator[tuple[Edit, ...]]:
        """Yield single edits, then pairs of edits of different steps."""
        for edit in self.edits:
            yield (edit,)
        for one, other in itertools.combinations(self.edits, 2):
            if one.step != other.step:
                yield one, other


def _turn(draw: Callable[..., Array]) -> Callable[..., Array]:
    """Return a generator of random numbers that draws them in the transposed shape."""
    return lambda *shape: draw(*reversed(shape)).T


@functools.cache
def _compiled(expression: str) -> Any:
    return compile(expression, "<step>", "eval")


def _sigmoid(x: Array) -> Array:
    y: Array = 1 / (1 + np.exp(-x))
    return y


def _slope(x: Array) -> Array:
    y: Array = _sigmoid(x) * (1 - _sigmoid(x))
    return y


_TOOLS: Values = {
    "np": np, "sigmoid": _sigmoid, "sigmoid_derivative": _slope, "sum": np.sum, "sqrt": math.sqrt, "zeros": np.zeros,
    "ones": np.ones, "log": np.log, "exp": np.exp, "tanh": np.tanh, "abs": np.abs,
}  # fmt: skip


def _sizes(seed: int) -> tuple[int, int, int]:
    """Return n_x, n_h and m of a seed, all different."""
    return 4 + seed, 3 + 2 * seed, 6 + 3 * seed


def make_parameters(seed: int, n_y: int = 1) -> Values:
    """Return X, Y, the parameters and the cache of an assignment's network on random samples."""
    n_x, n_h, m = _sizes(seed)
    random = np.random.RandomState(100 + seed)
    values: Values = {
        "X": random.randn(n_x, m), "Y": (random.rand(n_y, m) > 0.5) * 1.0, "W1": random.randn(n_h, n_x),
        "b1": random.randn(n_h, 1), "W2": random.randn(n_y, n_h), "b2": random.randn(n_y, 1), "n_h": n_h,
        "learning_rate": 0.3 + 0.1 * seed, "n_x": n_x, "n_y": n_y,
    }  # fmt: skip
    return values


def _with_cache(activation: Callable[[Array], Array], seed: int, n_y: int) -> Values:
    """Return the parameters with what forward propagation gives for them."""
    v = make_parameters(seed, n_y)
    Z1 = v["W1"] @ v["X"] + v["b1"]
    A1 = activation(Z1)
    Z2 = v["W2"] @ A1 + v["b2"]
    v |= {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": _sigmoid(Z2)}
    v["parameters"] = {name: v[name] for name in ("W1", "b1", "W2", "b2")}
    v["cache"] = {name: v[name] for name in ("Z1", "A1", "Z2", "A2")}
    return v


def _with_grads(seed: int, n_y: int) -> Values:
    """Return parameters and a gradient."""
    v = _with_cache(_sigmoid, seed, n_y)
    random = np.random.RandomState(200 + seed)
    grads = {f"d{name}": random.randn(*v[name].shape) for name in ("W1", "b1", "W2", "b2")}
    return {**v, **grads, "grads": grads}


def _only_sizes(seed: int, n_y: int) -> Values:
    """Return sizes for a random start; with several outputs, or 0, large ones, by which a distribution is known."""
    n_x, n_h, _ = _sizes(seed)
    if n_y == 0:
        return {"n_x": 10, "n_h": 900, "n_y": 1}
    return {"n_x": n_x, "n_h": n_h, "n_y": n_y} if n_y == 1 else {"n_x": 60, "n_h": 50, "n_y": 40}


def _numbers(seed: int, n_y: int) -> Values:  # noqa: ARG001 - as for all others
    """Return an array of numbers."""
    return {"x": np.random.RandomState(300 + seed).randn(3, 4 + seed) * 2}


def _training(seed: int, n_y: int) -> Values:
    """Return samples and how long to train."""
    v = make_parameters(seed, n_y)
    return {name: v[name] for name in ("X", "Y", "n_h", "learning_rate", "n_x", "n_y")} | {
        "n": 4 + seed,
        "quiet": False,
    }


def _sum_edits(step: str, of: str, tail: str = "") -> tuple[Edit, ...]:
    """Return the mistakes of a sum over the samples; with one output some are none, and left out of db2."""
    shapes = (
        Edit("axis-missing", step, f"sum({of}){tail}", "the sum goes over everything instead of the samples"),
        Edit("keepdims-missing", step, f"sum({of}, axis=1){tail}", "keepdims=True is missing"),
        Edit("shape-transposed", step, f"sum({of}, axis=1){tail}[None]", "its shape is the wrong way round"),
    )
    return (
        Edit("axis-wrong", step, f"sum({of}, axis=0, keepdims=True){tail}", "the sum goes over the wrong axis"),
        *(shapes if step == "db1" else ()),
        *((Edit("sum-missing", step, f"{of}{tail}", "the sum over the samples is missing"),) if step == "db1" else ()),
        Edit("1/m-twice", step, f"sum({of}, axis=1, keepdims=True){tail} / X.shape[1]", "1/m is there once too often"),
        Edit("sign-wrong", step, f"-sum({of}, axis=1, keepdims=True){tail}", "the sign is wrong"),
    )


_SQUARE_BACK = (
    Edit("1/m-missing", "dZ2", "(A2 - Y) * sigmoid_derivative(Z2)", "the factor 1/m is missing"),
    Edit("1/m-twice", "dZ2", "(A2 - Y) / m / m * sigmoid_derivative(Z2)", "1/m is there once too often"),
    Edit("m-of-wrong-axis", "dZ2", "(A2 - Y) / Y.shape[0] * sigmoid_derivative(Z2)", "m is taken from the wrong axis"),
    Edit("m-of-wrong-array", "dZ2", "(A2 - Y) / X.shape[0] * sigmoid_derivative(Z2)", "m is the number of features"),
    Edit("sign-wrong", "dZ2", "(Y - A2) / m * sigmoid_derivative(Z2)", "the difference has the wrong sign"),
    Edit("slope-missing", "dZ2", "(A2 - Y) / m", "the slope of the sigmoid is missing, which the square loss needs"),
    Edit("slope-and-1/m-missing", "dZ2", "A2 - Y", "both 1/m and the slope of the sigmoid are missing"),
    Edit("slope-at-activation", "dZ2", "(A2 - Y) / m * sigmoid_derivative(A2)", "the slope is taken at A2, not Z2"),
    Edit("slope-of-wrong-layer", "dZ2", "(A2 - Y) / m * sum(sigmoid_derivative(Z1), axis=0, keepdims=True)",
         "the slope is that of the other layer"),
    Edit("function-for-slope", "dZ2", "(A2 - Y) / m * sigmoid(Z2)", "the sigmoid stands where its slope belongs"),
    Edit("factor-2-extra", "dZ2", "2 * (A2 - Y) / m * sigmoid_derivative(Z2)", "there is a factor 2 too much"),
    Edit("factor-2-missing", "dZ2", "(A2 - Y) / (2 * m) * sigmoid_derivative(Z2)", "there is a factor 1/2 too much"),
    Edit("square-for-difference", "dZ2", "(A2 - Y) ** 2 / m * sigmoid_derivative(Z2)", "the difference is squared"),
    Edit("plus-for-minus", "dZ2", "(A2 + Y) / m * sigmoid_derivative(Z2)", "Y is added instead of subtracted"),
    Edit("Z-for-A", "dZ2", "(Z2 - Y) / m * sigmoid_derivative(Z2)", "Z2 stands where A2 belongs"),
)  # fmt: skip


def _products(tail: str) -> tuple[Edit, ...]:
    """Return the mistakes of the products that make dW2 and dW1."""
    return (
        Edit("Z-for-A", "dW2", f"dZ2 @ Z1.T{tail}", "Z1 stands where A1 belongs"),
        Edit("1/m-twice", "dW2", f"dZ2 @ A1.T{tail} / X.shape[1]", "1/m is there once too often"),
        Edit("product-transposed", "dW2", f"A1 @ dZ2.T{tail}", "the product is the wrong way round"),
        Edit("transpose-missing", "dW2", f"dZ2 @ A1{tail}", "A1 is not transposed"),
        Edit("A2-for-A1", "dW2", f"dZ2 @ A2.T{tail}", "A2 stands where A1 belongs"),
        Edit("elementwise-for-product", "dW2", f"sum(dZ2 * A1, axis=0, keepdims=True){tail}",
             "an elementwise product stands where a matrix product belongs"),
        Edit("sign-wrong", "dW2", f"-(dZ2 @ A1.T){tail}", "the sign is wrong"),
        Edit("1/m-twice", "dW1", f"dZ1 @ X.T{tail} / X.shape[1]", "1/m is there once too often"),
        Edit("product-transposed", "dW1", f"X @ dZ1.T{tail}", "the product is the wrong way round"),
        Edit("A1-for-X", "dW1", f"dZ1 @ A1.T{tail}", "A1 stands where X belongs"),
        Edit("dZ2-for-dZ1", "dW1", f"(dZ2 * np.ones_like(dZ1)) @ X.T{tail}", "dZ2 stands where dZ1 belongs"),
        Edit("sign-wrong", "dW1", f"-(dZ1 @ X.T){tail}", "the sign is wrong"),
        Edit("dZ2-for-dZ1", "db1", f"sum(dZ2 * np.ones_like(dZ1), axis=1, keepdims=True){tail}",
             "dZ2 stands where dZ1 belongs"),
        *_sum_edits("db2", "dZ2", tail), *_sum_edits("db1", "dZ1", tail),
    )  # fmt: skip


def _hidden(slope: str, wrong: tuple[tuple[str, str, str], ...]) -> tuple[Edit, ...]:
    """Return the mistakes of dZ1, given the right slope and wrong ones."""
    return (
        Edit("slope-missing", "dZ1", "W2.T @ dZ2", "the slope of the hidden units is missing"),
        *(Edit(name, "dZ1", f"(W2.T @ dZ2) * {expression}", term) for name, expression, term in wrong),
        Edit("dW2-for-W2", "dZ1", f"((dZ2 @ A1.T).T @ dZ2) * {slope}", "dW2 stands where W2 belongs"),
        Edit("1/m-twice", "dZ1", f"(W2.T @ dZ2) * {slope} / X.shape[1]", "1/m is there once too often"),
        Edit("sign-wrong", "dZ1", f"-(W2.T @ dZ2) * {slope}", "the sign is wrong"),
        Edit("W2-missing", "dZ1", f"dZ2 * {slope}", "the weights W2 are missing"),
        Edit("product-summed", "dZ1", f"(sum(W2) * dZ2) * {slope}", "W2 is summed up instead of multiplied"),
        Edit("A1-extra", "dZ1", f"(W2.T @ dZ2) * {slope} * A1", "there is a factor A1 too much"),
        Edit("plus-for-times", "dZ1", f"(W2.T @ dZ2) + {slope}", "the slope is added instead of multiplied"),
    )


def _updates(rate: str) -> tuple[Edit, ...]:
    """Return the mistakes of a step of gradient descent."""
    found: list[Edit] = []
    for name in ("W1", "b1", "W2", "b2"):
        new = f"new_{name}"
        found += [
            Edit("sign-wrong", new, f"{name} + {rate} * d{name}", "the step goes up instead of down"),
            Edit("rate-missing", new, f"{name} - d{name}", "the learning rate is missing"),
            Edit("not-updated", new, f"{name} + 0", "it is not updated"),
            Edit("rate-divides", new, f"{name} - d{name} / {rate}", "the learning rate divides instead of multiplying"),
            Edit("gradient-alone", new, f"d{name}", "it is replaced by its gradient"),
            Edit("rate-on-weights", new, f"{rate} * {name} - d{name}", "the learning rate multiplies the weights"),
        ]
    found += [
        Edit("wrong-gradient", "new_W2", f"W2 - {rate} * sum(dW1)", "another gradient is used"),
        Edit("wrong-gradient", "new_b2", f"b2 - {rate} * sum(db1)", "another gradient is used"),
    ]
    return tuple(found)


def _starts(scales: Mapping[str, str], wrong: Mapping[str, tuple[tuple[str, str, str], ...]]) -> tuple[Edit, ...]:
    """Return the mistakes of a random start."""
    shapes = {"W1": "n_h, n_x", "W2": "n_y, n_h"}
    found: list[Edit] = []
    for name, shape in shapes.items():
        turned = ", ".join(reversed(shape.split(", ")))
        found += [
            Edit(mistake, name, f"randn({shape}) {expression}", term) for mistake, expression, term in wrong[name]
        ]
        found += [
            Edit(
                "distribution-wrong",
                name,
                f"rand({shape}) {scales[name]}",
                "rand draws from 0 to 1: use randn",
            ),
            Edit("shape-transposed", name, f"randn({turned}) {scales[name]}", "its shape is the wrong way round"),
            Edit("zeros-for-random", name, f"zeros(({shape}))", "it begins at zero, so that all units learn the same"),
        ]
    for name, size in (("b1", "n_h"), ("b2", "n_y")):
        found += [
            Edit("ones-for-zeros", name, f"ones(({size}, 1))", "it begins at one instead of zero"),
            Edit("random-bias", name, f"randn({size}, 1)", "it is random instead of zero"),
        ]
    found.append(Edit("shape-wrong", "b1", "zeros((n_h,))", "its shape must be (n_h, 1)"))
    found.append(Edit("shape-transposed", "b1", "zeros((1, n_h))", "its shape must be (n_h, 1)"))
    found.append(Edit("size-wrong", "b1", "zeros((n_y, 1))", "its size must be n_h"))
    found.append(Edit("size-wrong", "b2", "zeros((n_h, 1))", "its size must be n_y"))
    return tuple(found)


_ROOT_SCALES = {"W1": "/ sqrt(n_x)", "W2": "/ sqrt(n_h)"}
_ROOT_WRONG = {
    name: (
        ("scale-missing", "", "its scale is missing"),
        ("root-missing", f"/ {size}", "the root in its scale is missing"),
        ("scale-inverted", f"* sqrt({size})", "its scale is inverted"),
        ("scale-of-wrong-layer", f"/ sqrt({other})", "its scale is that of the other layer"),
        ("scale-constant", "* 0.01", "its scale is a constant instead of 1/sqrt of the number of inputs"),
        ("scale-He", f"* sqrt(2 / {size})", "its scale has a 2 too much"),
    )
    for name, size, other in (("W1", "n_x", "n_h"), ("W2", "n_h", "n_x"))
}
_SMALL_SCALES = {"W1": "* 0.01", "W2": "* 0.01"}
_SMALL_WRONG = {
    name: (
        ("scale-missing", "", "the factor 0.01 is missing"),
        ("scale-constant", "* 0.1", "the factor is 0.1 instead of 0.01"),
        ("scale-of-inputs", f"/ sqrt({size})", "the scale is 1/sqrt of a size instead of 0.01"),
    )
    for name, size in (("W1", "n_x"), ("W2", "n_h"))
}


def _train(v: Values, course: str, variant: str = "") -> dict[str, Array]:
    """Return the parameters after gradient descent, with a mistake in the loop."""
    lessons = {lesson.name: lesson for lesson in COURSES[course]}
    random, W = v["RandomState"], {}
    n_x, n_h, n_y = v["n_x"], v["n_h"], v["n_y"]
    scale = {"W1": 1 / math.sqrt(n_x), "W2": 1 / math.sqrt(n_h)} if course == "homework2" else {"W1": 0.01, "W2": 0.01}
    W = {"W1": random.randn(n_h, n_x) * scale["W1"], "b1": np.zeros((n_h, 1))}
    W |= {"W2": random.randn(n_y, n_h) * scale["W2"], "b2": np.zeros((n_y, 1))}
    back = lessons["back_propagation" if course == "homework2" else "backward_propagation"]
    forward = lessons["forward_propagation"]
    n = v["n"] + {"one-iteration-less": -1, "one-iteration-more": 1}.get(variant, 0)
    rate = {"rate-constant": 0.01, "rate-ignored": 1.0}.get(
        variant, v["learning_rate"] if course == "homework2" else 1.2
    )
    cache: Values = {}
    for k in range(1 if variant == "returns-in-loop" else n):
        space = {**_TOOLS, **v, **W}
        if not (variant == "forward-once" and k):
            cache = {}
            for name, expression in forward.steps:
                space[name] = cache[name] = eval(_compiled(expression), space)  # noqa: S307 - our own
        space |= cache
        for name, expression in back.steps:
            space[name] = eval(_compiled(expression), space)  # noqa: S307 - our own
        if variant != "not-updated":
            W = {name: W[name] - rate * space[f"d{name}"] for name in W}
    return W


_TOOLS["train"] = _train
_LOOP = tuple(
    Edit(name, "trained", f"train(dict(X=X, Y=Y, n_h=n_h, learning_rate=learning_rate, n_x=n_x, n_y=n_y, n=n, "
                          f"RandomState=RandomState), COURSE, '{name}')", term)
    for name, term in (
        ("not-updated", "what update_parameters returns is not kept"),
        ("forward-once", "forward propagation is not repeated: the cache is that of the start"),
        ("one-iteration-less", "there is one iteration too few"),
        ("one-iteration-more", "there is one iteration too many"),
        ("returns-in-loop", "it returns within the loop, after one iteration"),
        ("rate-constant", "the learning rate is 0.01 whatever is asked for"),
        ("rate-ignored", "the learning rate is 1 whatever is asked for"),
    )
)  # fmt: skip


def _loop(course: str, edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """Return the mistakes of a loop, in a course."""
    return tuple(Edit(e.mistake, e.step, e.expression.replace("COURSE", f"'{course}'"), e.term) for e in edits)


_FORWARD = (
    Edit("bias-missing", "Z1", "W1 @ X", "the bias b1 is missing"),
    Edit("bias-subtracted", "Z1", "W1 @ X - b1", "the bias b1 is subtracted"),
    Edit("activation-missing", "A1", "Z1", "the activation is missing"),
    Edit("slope-for-function", "A1", "sigmoid_derivative(Z1)", "the slope stands where the function belongs"),
    Edit("bias-missing", "Z2", "W2 @ A1", "the bias b2 is missing"),
    Edit("bias-subtracted", "Z2", "W2 @ A1 - b2", "the bias b2 is subtracted"),
    Edit("Z-for-A", "Z2", "W2 @ Z1 + b2", "Z1 stands where A1 belongs"),
    Edit("b1-for-b2", "Z2", "W2 @ A1 + sum(b1)", "b1 stands where b2 belongs"),
    Edit("activation-missing", "A2", "Z2", "the activation is missing"),
    Edit("tanh-for-sigmoid", "A2", "tanh(Z2)", "tanh stands where the sigmoid belongs"),
    Edit("slope-for-function", "A2", "sigmoid_derivative(Z2)", "the slope stands where the function belongs"),
    Edit("Z1-for-Z2", "A2", "sigmoid(sum(Z1, axis=0, keepdims=True))", "Z1 stands where Z2 belongs"),
    Edit("relu-for-activation", "A1", "np.maximum(Z1, 0)", "a rectified unit stands where another belongs"),
    Edit("activation-twice", "A2", "sigmoid(sigmoid(Z2))", "the activation is applied twice"),
)

_BACK_STEPS = (
    ("m", "Y.shape[1]"),
    ("dZ2", "(A2 - Y) / m * sigmoid_derivative(Z2)"),
    ("dW2", "dZ2 @ A1.T"),
    ("db2", "sum(dZ2, axis=1, keepdims=True)"),
    ("dZ1", "(W2.T @ dZ2) * sigmoid_derivative(Z1)"),
    ("dW1", "dZ1 @ X.T"),
    ("db1", "sum(dZ1, axis=1, keepdims=True)"),
)
_NEW = tuple((f"new_{name}", f"{name} - learning_rate * d{name}") for name in ("W1", "b1", "W2", "b2"))
_NEW_FORMULAS = {f"new_{name}": f"{name} = {name} - learning_rate * d{name}" for name in ("W1", "b1", "W2", "b2")}
_TRAINED_PARTS = tuple((f"end_{name}", f"trained['{name}']") for name in ("W1", "b1", "W2", "b2"))


def _trained(course: str) -> tuple[tuple[str, str], ...]:
    """Return the steps of a training."""
    right = _loop(course, (Edit("", "trained", _LOOP[0].expression.replace("'not-updated'", "''"), ""),))[0]
    return (("trained", right.expression), *_TRAINED_PARTS)


_PREDICT_EDITS = (
    Edit("threshold-missing", "predictions", "A2", "the threshold is missing: classes are wanted, not probabilities"),
    Edit("side-wrong", "predictions", "(A2 < 0.5) * 1.0", "the side of the threshold is wrong"),
    Edit("threshold-wrong", "predictions", "(A2 > 0) * 1.0", "the threshold is 0 instead of 0.5"),
    Edit("Z-for-A", "predictions", "(Z2 > 0.5) * 1.0", "Z2 is compared with 0.5 instead of A2"),
    Edit("argmax-for-threshold", "predictions", "np.argmax(A2, axis=0)[None] * 1.0",
         "argmax over one output is always 0: compare with 0.5"),
    Edit("wrong-layer", "predictions", "(A1[:1] > 0.5) * 1.0", "A1 is compared instead of A2"),
)  # fmt: skip


def _h2(name: str, *rest: Any, aliases: tuple[str, ...] = ()) -> Lesson:
    """Return a lesson of the assignment."""
    return Lesson(name, aliases, *rest)


_sigmoid_cache = functools.partial(_with_cache, _sigmoid)
_tanh_cache = functools.partial(_with_cache, np.tanh)

HOMEWORK2 = (
    _h2("neural_network_structure", "1", _sigmoid_cache, ("X", "Y", "n_h"),
        (("first", "X.shape[0]"), ("second", "n_h"), ("third", "Y.shape[0]")),
        {"first": "n_x = X.shape[0]", "second": "n_h as it is given", "third": "n_y = Y.shape[0]"},
        "tuple", ("first", "second", "third"), (
            Edit("axis-wrong", "first", "X.shape[1]", "n_x is the number of samples instead of features"),
            Edit("axis-wrong", "third", "Y.shape[1]", "n_y is the number of samples instead of outputs"),
            Edit("size-ignored", "second", "5", "n_h is 5 whatever is asked for"),
        )),
    _h2("initialize_parameters", "2", _only_sizes, ("n_x", "n_h", "n_y"),
        (("W1", "randn(n_h, n_x) / sqrt(n_x)"), ("b1", "zeros((n_h, 1))"),
         ("W2", "randn(n_y, n_h) / sqrt(n_h)"), ("b2", "zeros((n_y, 1))")),
        {"W1": "W1 = np.random.randn(n_h, n_x) / np.sqrt(n_x)", "W2": "W2 = np.random.randn(n_y, n_h) / np.sqrt(n_h)",
         "b1": "b1 = np.zeros((n_h, 1))", "b2": "b2 = np.zeros((n_y, 1))"},
        "dict", ("W1", "b1", "W2", "b2"), _starts(_ROOT_SCALES, _ROOT_WRONG)),
    _h2("sigmoid", "3", _numbers, ("x",), (("s", "1 / (1 + exp(-x))"),),
        {"s": "1 / (1 + np.exp(-x))"}, "value", ("s",), (
        Edit("sign-wrong", "s", "1 / (1 + exp(x))", "the exponent has the wrong sign"),
        Edit("parentheses-missing", "s", "1 / 1 + exp(-x)", "parentheses are missing around 1 + exp(-x)"),
        Edit("minus-for-plus", "s", "1 / (1 - exp(-x))", "1 - exp(-x) stands where 1 + exp(-x) belongs"),
        Edit("tanh-for-sigmoid", "s", "tanh(x)", "this is tanh"),
        Edit("inverted", "s", "1 + exp(-x)", "it is inverted"),
        Edit("numerator-wrong", "s", "exp(-x) / (1 + exp(-x))", "the numerator must be 1"),
        Edit("slope-for-function", "s", "sigmoid_derivative(x)", "this is the slope"),
        Edit("step-for-sigmoid", "s", "(x > 0) * 1.0", "this is a step"),
        Edit("relu-for-sigmoid", "s", "np.maximum(x, 0)", "this is a rectified unit"),
    )),
    _h2("sigmoid_derivative", "3", _numbers, ("x",), (("s", "sigmoid(x) * (1 - sigmoid(x))"),),
        {"s": "sigmoid(x) * (1 - sigmoid(x))"}, "value", ("s",), (
            Edit("slope-at-activation", "s", "x * (1 - x)", "x is taken for sigmoid(x)"),
            Edit("plus-for-minus", "s", "sigmoid(x) * (1 + sigmoid(x))", "1 + s stands where 1 - s belongs"),
            Edit("function-for-slope", "s", "sigmoid(x)", "this is the sigmoid itself"),
            Edit("square-for-product", "s", "sigmoid(x) ** 2", "this is its square"),
            Edit("factor-missing", "s", "1 - sigmoid(x)", "the factor sigmoid(x) is missing"),
            Edit("second-sigmoid-missing", "s", "sigmoid(x) * (1 - x)", "1 - x stands where 1 - sigmoid(x) belongs"),
            Edit("sign-wrong", "s", "-sigmoid(x) * (1 - sigmoid(x))", "the sign is wrong"),
            Edit("tanh-for-sigmoid", "s", "1 - tanh(x) ** 2", "this is the slope of tanh"),
            Edit("parentheses-missing", "s", "sigmoid(x) * 1 - sigmoid(x)", "1 - sigmoid(x) needs parentheses"),
        )),
    _h2("forward_propagation", "4", _sigmoid_cache, ("X", "parameters"),
        (("Z1", "W1 @ X + b1"), ("A1", "sigmoid(Z1)"), ("Z2", "W2 @ A1 + b2"), ("A2", "sigmoid(Z2)")), {},
        "forward", ("Z1", "A1", "Z2", "A2"),
        (*_FORWARD, Edit("tanh-for-sigmoid", "A1", "tanh(Z1)", "tanh stands where the sigmoid belongs")),
        aliases=("forward_propogation",)),
    _h2("compute_cost", "5", _sigmoid_cache, ("A2", "Y"), (("cost", "sum((A2 - Y) ** 2) / (2 * Y.shape[1])"),),
        {"cost": "cost = np.sum((A2 - Y) ** 2) / (2 * m)"}, "value", ("cost",), (
            Edit("factor-2-missing", "cost", "sum((A2 - Y) ** 2) / Y.shape[1]", "the factor 1/2 is missing"),
            Edit("1/m-missing", "cost", "sum((A2 - Y) ** 2) / 2", "the factor 1/m is missing"),
            Edit("1/m-and-2-missing", "cost", "sum((A2 - Y) ** 2)", "the factor 1/(2 m) is missing"),
            Edit("1/m-twice", "cost", "sum((A2 - Y) ** 2) / (2 * Y.shape[1] ** 2)", "1/m is there once too often"),
            Edit("m-of-wrong-axis", "cost", "sum((A2 - Y) ** 2) / (2 * Y.shape[0])", "m is taken from the wrong axis"),
            Edit("square-missing", "cost", "sum(A2 - Y) / (2 * Y.shape[1])", "the square is missing"),
            Edit("absolute-for-square", "cost", "sum(abs(A2 - Y)) / (2 * Y.shape[1])", "this is the absolute error"),
            Edit("log-loss-for-square", "cost", "-sum(Y * log(A2) + (1 - Y) * log(1 - A2)) / Y.shape[1]",
                 "this is the log loss; the square loss is wanted"),
            Edit("sign-wrong", "cost", "-sum((A2 - Y) ** 2) / (2 * Y.shape[1])", "the sign is wrong"),
            Edit("sum-missing", "cost", "(A2 - Y) ** 2 / (2 * Y.shape[1])", "the sum over the samples is missing"),
            Edit("squared-sum", "cost", "sum(A2 - Y) ** 2 / (2 * Y.shape[1])", "the sum is squared, not its terms"),
            Edit("factor-2-inverted", "cost", "sum((A2 - Y) ** 2) / Y.shape[1] * 2", "2 multiplies, but must divide"),
            Edit("precedence", "cost", "1 / 2 * Y.shape[1] * sum((A2 - Y) ** 2)", "1 / 2 * m is m / 2"),
            Edit("root-extra", "cost", "np.sqrt(sum((A2 - Y) ** 2) / (2 * Y.shape[1]))", "there is a root too much"),
        ), aliases=("computer_cost",)),
    _h2("back_propagation", "6", _sigmoid_cache, ("X", "Y", "parameters", "cache"), _BACK_STEPS, {},
        "dict", ("dW2", "db2", "dW1", "db1"), (
            *_SQUARE_BACK,
            Edit("error-for-dZ2", "dZ1", "(W2.T @ (A2 - Y)) * sigmoid_derivative(Z1)", "A2 - Y stands for dZ2"),
            *_hidden("sigmoid_derivative(Z1)", (
            ("slope-at-activation", "sigmoid_derivative(A1)", "the slope is taken at A1 instead of Z1"),
            ("slope-of-wrong-layer", "sigmoid_derivative(Z2)", "the slope is that of the output, at Z2 instead of Z1"),
            ("function-for-slope", "sigmoid(Z1)", "the sigmoid stands where its slope belongs"),
            ("slope-of-tanh", "(1 - A1 ** 2)", "this is the slope of tanh: the hidden units are sigmoids"),
        )), *_products("")), aliases=("back_propogation", "backward_propagation", "backpropagation")),
    _h2("update_parameters", "7", _with_grads, ("parameters", "grads", "learning_rate"), _NEW, _NEW_FORMULAS,
        "dict", tuple(name for name, _ in _NEW), _updates("learning_rate")),
    _h2("train_loop", "8", _training, ("X", "Y", "n_h", "learning_rate", "n", "quiet"), _trained("homework2"),
        {"trained": "in each iteration: forward_propagation, back_propagation, update_parameters"}, "dict",
        tuple(name for name, _ in _TRAINED_PARTS), _loop("homework2", _LOOP)),
    _h2("predict", "9", _sigmoid_cache, ("X", "parameters"), (("predictions", "(A2 > 0.5) * 1.0"),),
        {"predictions": "predictions = A2 > 0.5"}, "value", ("predictions",), _PREDICT_EDITS),
)  # fmt: skip

_LOG_BACK = (
    Edit("1/m-missing", "per_m", "1.0", "the factor 1/m is missing"),
    Edit("sign-wrong", "dZ2", "Y - A2", "the difference has the wrong sign"),
    Edit("slope-extra", "dZ2", "(A2 - Y) * sigmoid_derivative(Z2)", "with the log loss, this slope cancels"),
    Edit("slope-extra", "dZ2", "(A2 - Y) * A2 * (1 - A2)", "with the log loss, this slope cancels"),
    Edit("1/m-twice", "dZ2", "(A2 - Y) / X.shape[1]", "1/m is there once too often"),
    Edit("Z-for-A", "dZ2", "Z2 - Y", "Z2 stands where A2 belongs"),
    Edit("plus-for-minus", "dZ2", "A2 + Y", "Y is added instead of subtracted"),
    Edit("square-for-difference", "dZ2", "(A2 - Y) ** 2", "the difference is squared"),
    Edit("m-of-wrong-axis", "per_m", "1 / X.shape[0]", "m is taken from the wrong axis"),
    *(
        Edit("1/m-missing", name, expression, "the factor 1/m is missing")
        for name, expression in (("dW2", "dZ2 @ A1.T"), ("dW1", "dZ1 @ X.T"),
                                 ("db2", "sum(dZ2, axis=1, keepdims=True)"), ("db1", "sum(dZ1, axis=1, keepdims=True)"))
    ),
)  # fmt: skip

PLANAR = (
    _h2("layer_sizes", "2", _sigmoid_cache, ("X", "Y"),
        (("first", "X.shape[0]"), ("second", "4"), ("third", "Y.shape[0]")),
        {"first": "n_x = X.shape[0]", "second": "n_h = 4", "third": "n_y = Y.shape[0]"}, "tuple",
        ("first", "second", "third"), (
            Edit("axis-wrong", "first", "X.shape[1]", "n_x is the number of samples instead of features"),
            Edit("axis-wrong", "third", "Y.shape[1]", "n_y is the number of samples instead of outputs"),
        )),
    _h2("initialize_parameters", "3", _only_sizes, ("n_x", "n_h", "n_y"),
        (("W1", "randn(n_h, n_x) * 0.01"), ("b1", "zeros((n_h, 1))"), ("W2", "randn(n_y, n_h) * 0.01"),
         ("b2", "zeros((n_y, 1))")),
        {"W1": "W1 = np.random.randn(n_h, n_x) * 0.01", "W2": "W2 = np.random.randn(n_y, n_h) * 0.01",
         "b1": "b1 = np.zeros((n_h, 1))", "b2": "b2 = np.zeros((n_y, 1))"},
        "dict", ("W1", "b1", "W2", "b2"), _starts(_SMALL_SCALES, _SMALL_WRONG)),
    _h2("forward_propagation", "4", _tanh_cache, ("X", "parameters"),
        (("Z1", "W1 @ X + b1"), ("A1", "tanh(Z1)"), ("Z2", "W2 @ A1 + b2"), ("A2", "sigmoid(Z2)")), {},
        "forward", ("Z1", "A1", "Z2", "A2"),
        (*_FORWARD, Edit("sigmoid-for-tanh", "A1", "sigmoid(Z1)", "the sigmoid stands where tanh belongs"))),
    _h2("compute_cost", "5", _tanh_cache, ("A2", "Y"),
        (("cost", "-sum(Y * log(A2) + (1 - Y) * log(1 - A2)) / Y.shape[1]"),),
        {"cost": "cost = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m"}, "value", ("cost",), (
            Edit("term-missing", "cost", "-sum(Y * log(A2)) / Y.shape[1]", "the term (1 - Y) log(1 - A2) is missing"),
            Edit("term-missing", "cost", "-sum((1 - Y) * log(1 - A2)) / Y.shape[1]", "the term Y log(A2) is missing"),
            Edit("sign-wrong", "cost", "sum(Y * log(A2) + (1 - Y) * log(1 - A2)) / Y.shape[1]", "the sign is wrong"),
            Edit("1/m-missing", "cost", "-sum(Y * log(A2) + (1 - Y) * log(1 - A2))", "the factor 1/m is missing"),
            Edit("1/m-twice", "cost", "-sum(Y * log(A2) + (1 - Y) * log(1 - A2)) / Y.shape[1] ** 2",
                 "1/m is there once too often"),
            Edit("m-of-wrong-axis", "cost", "-sum(Y * log(A2) + (1 - Y) * log(1 - A2)) / Y.shape[0]",
                 "m is taken from the wrong axis"),
            Edit("minus-for-plus", "cost", "-sum(Y * log(A2) - (1 - Y) * log(1 - A2)) / Y.shape[1]",
                 "the two terms are subtracted instead of added"),
            Edit("square-loss-for-log", "cost", "sum((A2 - Y) ** 2) / (2 * Y.shape[1])",
                 "this is the square loss; the log loss is wanted"),
            Edit("sum-missing", "cost", "-(Y * log(A2) + (1 - Y) * log(1 - A2)) / Y.shape[1]",
                 "the sum over the samples is missing"),
        )),
    _h2("backward_propagation", "6", _tanh_cache, ("parameters", "cache", "X", "Y"),
        (("per_m", "1 / X.shape[1]"), ("dZ2", "A2 - Y"), ("dW2", "dZ2 @ A1.T * per_m"),
         ("db2", "sum(dZ2, axis=1, keepdims=True) * per_m"), ("dZ1", "(W2.T @ dZ2) * (1 - A1 ** 2)"),
         ("dW1", "dZ1 @ X.T * per_m"), ("db1", "sum(dZ1, axis=1, keepdims=True) * per_m")),
        {"per_m": "1/m belongs into dW1, db1, dW2 and db2", "dW2": "dW2 = dZ2 @ A1.T / m", "dW1": "dW1 = dZ1 @ X.T / m",
         "db2": "db2 = np.sum(dZ2, axis=1, keepdims=True) / m", "db1": "db1 = np.sum(dZ1, axis=1, keepdims=True) / m"},
        "dict", ("dW2", "db2", "dW1", "db1"), (*_LOG_BACK, *_hidden("(1 - A1 ** 2)", (
            ("slope-at-pre-activation", "(1 - Z1 ** 2)", "the slope is 1 - A1 ** 2, not 1 - Z1 ** 2"),
            ("slope-of-sigmoid", "A1 * (1 - A1)", "this is the sigmoid's slope, but the units are tanh"),
            ("slope-of-sigmoid", "sigmoid_derivative(Z1)", "this is the sigmoid's slope, but the units are tanh"),
            ("square-missing", "(1 - A1)", "the square is missing in 1 - A1 ** 2"),
            ("slope-of-wrong-layer", "(1 - A2 ** 2)", "the slope is that of the other layer"),
        )), *_products(" * per_m")), aliases=("back_propagation",)),
    _h2("update_parameters", "7", _with_grads, ("parameters", "grads", "learning_rate"), _NEW, _NEW_FORMULAS,
        "dict", tuple(name for name, _ in _NEW), _updates("learning_rate")),
    _h2("nn_model", "8", _training, ("X", "Y", "n_h", "n", "quiet"), _trained("planar"),
        {"trained": "in each iteration: forward_propagation, backward_propagation, update_parameters"}, "dict",
        tuple(name for name, _ in _TRAINED_PARTS), _loop("planar", _LOOP)),
    _h2("predict", "9", _tanh_cache, ("parameters", "X"), (("predictions", "(A2 > 0.5) * 1.0"),),
        {"predictions": "predictions = A2 > 0.5"}, "value", ("predictions",), _PREDICT_EDITS),
)  # fmt: skip

COURSES: dict[str, tuple[Lesson, ...]] = {"homework2": HOMEWORK2, "planar": PLANAR}
