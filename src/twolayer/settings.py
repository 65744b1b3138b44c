"""The settings of a training: the one list of their names, defaults, bounds and explanations.

The options of the command line, the parameters and checks of the estimator, the sentences of errors, the table in the
documentation, the settings kept in a model file and the fingerprint of a checkpoint are all made from the fields of
`Settings`. A new setting is one field, and the code that uses it.
"""

import functools
import math
import operator
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from inspect import Parameter
from typing import Any

from twolayer.equations import ACTIVATIONS, LOSSES, STARTS
from twolayer.errors import SettingError
from twolayer.text import choices, shorten

AUTO = "auto"
BALANCED = "balanced"
DTYPES = ("float32", "float64")
SOLVERS = ("lbfgs", "gd", "momentum", "adam", "sgd")
_ON_BATCHES = SOLVERS[-2:]
ENGINES = ("auto", "whole", "tiled", "streamed")
SCHEDULES = ("constant", "cosine", "onecycle")
AUGMENTATIONS = ("shifts",)
RECIPES = ("auto", "quick", "none")
SCALINGS = ("standard", "clip", "quantile", "bins")
_OF_BATCHES = ("batch_size", "schedule", "weight_decay")
_OF_PLAIN = ("solver", "learning_rate", *_OF_BATCHES, "tol", "early_stopping")  # of one plain network alone


@dataclass(frozen=True)
class Kind:
    """The values that a setting may have.

    Attributes
    ----------
    wanted : str
        What they are, for a sentence: "a whole number of at least 1".
    convert : callable
        Returns a value in its plain form; ValueError, TypeError or OverflowError for one that is invalid.
    words : tuple
        Values that are not converted, such as "auto" or None.
    choices : tuple of str
        All values, where there are few.
    """

    wanted: str
    convert: Callable[[Any], Any]
    words: tuple[Any, ...] = ()
    choices: tuple[str, ...] = ()

    def check(self, name: str, value: Any) -> Any:
        """Return a value in its plain form.

        Raises
        ------
        SettingError
            If it is invalid.
        """
        if value is None or isinstance(value, str):
            for word in self.words:
                if value == word:
                    return word
        try:
            return self.convert(value)
        except (AttributeError, TypeError, ValueError, OverflowError):
            raise SettingError(f"`{name}` must be {self.sentence}; got {shorten(repr(value))}.") from None

    @property
    def sentence(self) -> str:
        """What a value must be, with the words that it may be instead."""
        return choices([self.wanted, *(str(word) for word in self.words)]) if self.words else self.wanted.rstrip(",")


def whole(least: int, most: int = 2**63 - 1, *words: Any) -> Kind:
    """Whole numbers within bounds."""

    def convert(value: Any) -> int:
        number = int(value) if isinstance(value, str) else operator.index(value)
        if type(value).__name__ == "bool" or not least <= number <= most:  # NumPy calls its own so, too
            raise ValueError
        return number

    bounds = f"of at least {least}" if most == 2**63 - 1 else f"from {least} to {most:,}"
    return Kind(f"a whole number {bounds}", convert, words)


def real(least: float, below: float = math.inf, *words: Any, above: bool = False) -> Kind:
    """Finite numbers of at least, or only above, a bound, and below another one."""

    def convert(value: Any) -> float:
        number = float(value)
        if type(value).__name__ == "bool" or not least <= number < below or (above and number == least):
            raise ValueError
        return number

    lower = f"greater than {least:g}" if above else f"of at least {least:g}"
    upper = "" if math.isinf(below) else f" and less than {below:g}"
    return Kind(f"a number {lower}{upper}", convert, words)


def choice(names: Any, *words: Any) -> Kind:
    """One of some names."""
    known = tuple(names)

    def convert(value: Any) -> str:
        name = value if isinstance(value, str) else getattr(value, "name", value)  # of a NumPy type
        return str(known[known.index(name)])

    return Kind(f"one of {', '.join(known)}", convert, words, known)


def flag() -> Kind:
    """Take True or False."""

    def convert(value: Any) -> bool:
        if value not in (True, False):
            raise ValueError
        return bool(value)

    return Kind("True or False", convert)


CLUSTER = re.compile(
    r"(?:local:(?P<n>[1-9][0-9]{0,2})|(?P<scheme>tcp|tls)://(?P<host>\[[^]]+\]|[^:/\s]+):(?P<port>[0-9]{1,5}))"
)


def cluster_address() -> Kind:
    """Return the kind of a cluster's address."""

    def convert(value: Any) -> str:
        found = CLUSTER.fullmatch(value)
        if found is None or int(found["port"] or 1) > 65_535:
            raise ValueError
        return str(value)

    return Kind("tcp://HOST:PORT, tls://HOST:PORT or local:N, such as tcp://localhost:8786,", convert, (None,))


def text(*words: Any) -> Kind:
    """Any text."""

    def convert(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError
        return value

    return Kind("text", convert, words)


def class_weights() -> Kind:
    """Take a number for each class, or "balanced"."""
    return Kind("a dict with a number of at least 0 for each class", _class_weight, (BALANCED, None), (BALANCED,))


def _class_weight(value: Any) -> dict[Any, float]:
    weights = {label: float(weight) for label, weight in value.items()}
    if not all(0 <= weight < math.inf for weight in weights.values()):
        raise ValueError
    return weights


def setting(
    default: Any,
    kind: Kind,
    summary: str,
    *,
    option: str = "",
    shown: str = "",
    decides: bool = True,
    plain: Any = None,
) -> Any:
    """Return a field that is a setting.

    Parameters
    ----------
    default
    kind : Kind
    summary : str
        What it does, for help and documentation.
    option : str
        The option of the command line; made of the name when not given.
    shown : str
        What the default means, where it does not speak for itself.
    decides : bool
        Whether it decides the bits of a training, so that a checkpoint belongs to one value of it.
    plain
        The value with which one plain network is trained, where the default is None: chosen by the recipe.
    """
    metadata = {"kind": kind, "summary": summary, "option": option, "shown": shown, "decides": decides, "plain": plain}
    return field(default=default, metadata=metadata)


class Checked:
    """A frozen dataclass whose fields are settings: each is checked, and brought into its plain form."""

    def __post_init__(self) -> None:
        """Check each setting."""
        for each in setting_fields(type(self)):
            object.__setattr__(self, each.name, each.metadata["kind"].check(each.name, getattr(self, each.name)))

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> Any:
        """Return settings of some names.

        Raises
        ------
        SettingError
            If a name is unknown or a value invalid.
        """
        known = [each.name for each in setting_fields(cls)]
        strange = next((name for name in values if name not in known), None)
        if strange is not None:
            raise SettingError(f"There is no setting `{strange}`: the settings are {', '.join(known)}.")
        return cls(**values)

    def to_record(self) -> dict[str, Any]:
        """Return the settings by their names, as JSON can hold them."""
        values = ((each.name, getattr(self, each.name)) for each in setting_fields(type(self)))
        return {
            name: {str(k): v for k, v in value.items()} if isinstance(value, dict) else value for name, value in values
        }

    def fingerprint(self) -> dict[str, Any]:
        """Return those settings that decide the bits of a training."""
        decisive = {each.name for each in setting_fields(type(self)) if each.metadata["decides"]}
        return {name: value for name, value in self.to_record().items() if name in decisive}


def setting_fields(settings: Any) -> tuple[Field[Any], ...]:
    """Return the fields that are settings, in their order."""
    return _fields_of(settings if isinstance(settings, type) else type(settings))


@functools.cache
def _fields_of(settings: type) -> tuple[Field[Any], ...]:
    return tuple(each for each in fields(settings) if "kind" in each.metadata)


def default_of(each: Field[Any]) -> Any:
    """Return the default of a setting."""
    return each.default


def option_of(each: Field[Any]) -> str:
    """Return how the command line spells a setting."""
    return f"--{each.metadata['option'] or each.name.replace('_', '-')}"


def to_parameters(each_setting: Iterable[Field[Any]]) -> list[Parameter]:
    """Return settings as the parameters of a function, by their names only, with their defaults."""
    return [
        Parameter(each.name, Parameter.KEYWORD_ONLY, default=default_of(each), annotation=each.type)
        for each in each_setting
    ]


def to_numpydoc(each_setting: Iterable[Field[Any]]) -> str:
    """Return settings as the parameters section of a docstring lists them."""
    lines = []
    for each in each_setting:
        kind, summary, shown = (each.metadata[name] for name in ("kind", "summary", "shown"))
        text = textwrap.wrap(f"{summary} If None: {shown}." if shown else summary, 112)
        lines.append(f"{each.name} : {kind.sentence}, default={default_of(each)!r}")
        lines.extend(f"    {line}" for line in text)
    return "\n".join(lines)


def to_markdown(settings: Any) -> str:
    """Return the settings as a table for the documentation."""
    lines = ["| setting | option | default | values | what it does |", "|---|---|---|---|---|"]
    for each in setting_fields(settings):
        default = each.metadata["shown"] or default_of(each)
        cells = (
            f"`{each.name}`",
            f"`{option_of(each)}`",
            default,
            each.metadata["kind"].sentence,
            each.metadata["summary"],
        )
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def is_plain(settings: Any) -> bool:
    """Tell whether settings, or an estimator's parameters of their names, train one plain network."""
    return settings.recipe == "none" or (settings.recipe is None and bool(_given_of_plain(settings)))


def _given_of_plain(settings: Any) -> list[str]:
    """Return the names of those settings that are given and of use to one plain network alone."""
    return [name for name in _OF_PLAIN if getattr(settings, name) != getattr(Settings, name)]


@dataclass(frozen=True)
class Settings(Checked):
    """How a network is built and trained. Values are checked on construction.

    Raises
    ------
    SettingError
        If a setting is invalid, or two of them conflict.
    """

    n_hidden: int | None = setting(
        None,
        whole(1, 2**31 - 1, None),
        "Number of hidden units; with several members, of each.",
        option="hidden",
        shown="chosen by the recipe; plain 32",
        plain=32,
    )
    recipe: str | None = setting(
        None,
        choice(RECIPES, None),
        "What chooses the settings that are not given: the data (auto), the data with one network and a tenth of the "
        "time (quick), or nothing, for one plain network with the settings of the assignment (none).",
        shown="auto, or none if a setting of plain training is given, such as solver or learning_rate",
    )
    members: int | None = setting(
        None,
        whole(1, 64, None),
        "Number of networks that are trained on different parts of the samples and then joined into one.",
        shown="chosen by the recipe",
        plain=1,
    )
    activation: str | None = setting(
        None,
        choice(ACTIVATIONS, None),
        "Function of the hidden units.",
        shown="relu; plain sigmoid",
        plain="sigmoid",
    )
    loss: str | None = setting(
        None,
        choice(LOSSES, None),
        "Cost to minimize, averaged over the samples: half the squared error, summed over sigmoid outputs (square), or "
        "the log loss, with softmax outputs for more than two classes (log).",
        shown="log; plain square",
        plain="square",
    )
    scaling: str | None = setting(
        None,
        choice(SCALINGS, None),
        "How numbers enter the network: standardized (standard), also smoothly clipped (clip), with their normal "
        "quantiles beside them (quantile), or with how far they have come through each of eight bins (bins).",
        shown="chosen by the recipe; plain standard for tables, and for arrays as they are",
    )
    augment: str | None = setting(
        None,
        choice(AUGMENTATIONS, None),
        "Further training samples made of the given ones: images shifted by one pixel in each direction (shifts).",
        shown="none",
    )
    init: str | None = setting(
        None,
        choice(STARTS, None),
        "Variance of the random initial weights.",
        shown="he for relu, else lecun; plain lecun",
        plain="lecun",
    )
    solver: str | None = setting(
        None,
        choice(SOLVERS, None),
        "Optimization algorithm: L-BFGS, gradient descent, Nesterov momentum, or on mini-batches Adam or Nesterov "
        "momentum (sgd).",
        shown="lbfgs, or gd if a learning rate is given",
    )
    learning_rate: float | str = setting(
        AUTO,
        real(0, math.inf, AUTO, above=True),
        "Step size. With auto, lbfgs and gd search for each step, momentum uses 1, adam 0.01 and sgd 0.1.",
    )
    batch_size: int | None = setting(
        None, whole(1, 2**63 - 1, None), "Samples in a mini-batch, for adam and sgd.", shown="200"
    )
    schedule: str | None = setting(
        None,
        choice(SCHEDULES, None),
        "How the learning rate of adam and sgd changes over the passes: not at all, down along a cosine after a short "
        "rise (cosine), or up and down once (onecycle).",
        shown="constant; cosine where the recipe trains on mini-batches",
    )
    weight_decay: float = setting(
        0.0,
        real(0, 1),
        "What each update of adam and sgd takes off the weights, times the learning rate; with adam it is AdamW.",
    )
    max_iter: int | None = setting(
        None,
        whole(1, 2**63 - 1, None),
        "Maximum number of iterations of each network; for adam and sgd, of passes over the samples.",
        option="iterations",
        shown="chosen by the recipe; plain 200",
        decides=False,
        plain=200,
    )
    tol: float | None = setting(
        None,
        real(0, math.inf, None),
        "Stop when every gradient entry is below this; 0 disables. With early stopping, also the smallest improvement "
        "of the score that counts.",
        shown="not used by the recipe; plain 0.0001",
        plain=1e-4,
    )
    l2: float | None = setting(
        None,
        real(0, math.inf, None),
        "L2 penalty: adds l2 / 2 times the sum of the squared weights to the cost.",
        shown="chosen by the recipe; plain 0",
        plain=0.0,
    )
    class_weight: Any = setting(  # noqa: RUF009 - it is a field, as the others
        None,
        class_weights(),
        "Weight of the samples of each class; balanced gives every class the same total weight.",
        option="weights",
    )
    early_stopping: bool = setting(
        default=False,
        kind=flag(),
        summary="Hold out validation samples, stop when their score stops improving, and keep the best parameters.",
    )
    validation_fraction: float = setting(
        0.1, real(0, 1, above=True), "Fraction of each class to hold out for early stopping."
    )
    n_iter_no_change: int = setting(10, whole(1), "Iterations in a row without a better score before stopping early.")
    dtype: str | None = setting(
        None,
        choice(DTYPES, None),
        "Floating-point type of the computation.",
        shown="float32 for tables and for samples in float32 or bytes, otherwise float64",
    )
    engine: str = setting(
        AUTO,
        choice(ENGINES),
        "How the cost is computed: by NumPy on all samples at once (whole), by the C kernel (tiled), or by either "
        "of them block by block (streamed).",
        decides=False,
    )
    n_threads: int | None = setting(
        None,
        whole(1, 1024, None),
        "Number of threads of the C kernel; the same number gives the same bits.",
        option="threads",
        shown="one per processor",
        decides=False,
    )
    random_state: int = setting(
        0, whole(0), "Seed of the initial weights, the mini-batches and the held-out samples.", option="seed"
    )

    def __post_init__(self) -> None:
        """Check each setting, and those that must go together."""
        super().__post_init__()
        given = _given_of_plain(self)
        of_batches = next((name for name in given if name in _OF_BATCHES), None)
        if of_batches and self.solver_name not in _ON_BATCHES:
            message = f"The solver {self.solver_name} uses all samples at once: leave out `{of_batches}`"
            raise SettingError(f"{message}, or set `solver` to adam or sgd.")
        if self.solver_name == "lbfgs" and self.learning_rate != AUTO:
            raise SettingError("L-BFGS finds its own steps: leave `learning_rate` at auto, or set `solver` to gd.")
        if self.recipe not in (None, "none") and given:
            message = f"`{given[0]}` is for one plain network, whose settings nothing chooses"
            raise SettingError(f"{message}: leave it out, or set `recipe` to none.")
        if self.is_plain and (self.members or 1) > 1:
            raise SettingError("One plain network is trained without a recipe: leave out `members`.")

    @property
    def is_plain(self) -> bool:
        """Whether one plain network is trained, and nothing is chosen by the data."""
        return is_plain(self)

    def plain(self) -> Any:
        """Return the `Settings` of one plain network: what is not given as in the assignment, and not None."""
        values = {each.name: each.metadata["plain"] for each in setting_fields(self)}
        missing = {name: value for name, value in values.items() if getattr(self, name) is None and value is not None}
        if not missing and self.recipe == "none":
            return self
        return replace(self, recipe="none", **{**missing, "members": 1})

    @property
    def solver_name(self) -> str:
        """The solver: the one asked for, or what suits the learning rate."""
        return self.solver or ("lbfgs" if self.learning_rate == AUTO else "gd")
