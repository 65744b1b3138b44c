"""Settings as the parameters of an estimator: signature, checks and documentation are made of their fields."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeVar

from sklearn.utils import check_random_state

from twolayer.settings import Checked, Kind, flag, setting, setting_fields, to_numpydoc, to_parameters, whole
from twolayer.training.history import Epoch
from twolayer.training.result import Listener

_C = TypeVar("_C", bound=type)


def _seed(value: Any) -> int:
    """Return a seed: a number that was given, or one that is drawn."""
    if isinstance(value, Integral):
        return whole(0).convert(value)  # type: ignore[no-any-return]
    return int(check_random_state(value).randint(2**31 - 1))


def _scorer(value: Any) -> Any:
    from sklearn.metrics import get_scorer_names

    if not callable(value) and value not in get_scorer_names():
        raise ValueError
    return value


def _function(value: Any) -> Any:
    if not callable(value):
        raise TypeError
    return value


_SEED = Kind("a whole number of at least 0, a RandomState instance or None", _seed)
_SCORING = Kind("a function or one of sklearn.metrics.get_scorer_names()", _scorer, (None,))
_START = Kind("a dict of W1, b1, W2 and b2", dict, (None,))
_VERBOSE = Kind("a whole number of at least 0", lambda value: whole(0).convert(+value))  # +True is 1
_HOOK = Kind("a function", _function, (None,))


@dataclass(frozen=True)
class Options(Checked):
    """The parameters that the estimator has besides the settings of a training, or instead of one of them."""

    random_state: int = setting(
        None,
        _SEED,
        "Seed of the initial weights, the mini-batches and the held-out samples. If None, each fit draws a new one.",
    )
    scoring: Any = setting(  # noqa: RUF009 - it is a field, as the others
        None,
        _SCORING,
        "Validation score to record: the name of a scikit-learn scorer, or scorer(estimator, X, y). If None, the "
        "accuracy, in which samples are weighted as in the cost.",
    )
    warm_start: bool = setting(
        default=False, kind=flag(), summary="Whether fit continues from the parameters of the previous call."
    )
    initial_parameters: Any = setting(  # noqa: RUF009 - it is a field, as the others
        None,
        _START,
        "W1 (n_hidden, n_features), b1 (n_hidden, 1), W2 (n_outputs, n_hidden), b2 (n_outputs, 1) to start from, "
        "instead of random weights and zero biases.",
    )
    verbose: int = setting(
        0, _VERBOSE, "If greater than 0, show the progress: a bar on a terminal, otherwise a few lines."
    )
    on_epoch: Callable[[Epoch], bool | None] | None = setting(  # noqa: RUF009 - it is a field, as the others
        None,
        _HOOK,
        "Called with each `twolayer.training.history.Epoch` before its step; if it returns True, training stops.",
    )

    @property
    def hook(self) -> Listener | None:
        """The function `on_epoch` as a listener, if there is one."""
        on_epoch = self.on_epoch
        return None if on_epoch is None else lambda event: on_epoch(event.epoch)


def takes_settings(settings: type[Checked]) -> Callable[[_C], _C]:
    """Give an estimator the fields of settings as its parameters: signature, checks and documentation.

    Parameters
    ----------
    settings : type
        A dataclass such as `Settings`; `Options` come behind its fields. The first may be given by position.

    Returns
    -------
    callable
        A decorator of classes, which writes the parameters in place of "{parameters}" in the docstring.
    """
    known = {each.name: each for each in [*setting_fields(settings), *setting_fields(Options)]}
    first, *more = to_parameters(known.values())
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter("self", kind), first.replace(kind=kind), *more])

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        for name in known:
            setattr(self, name, bound.arguments[name])

    __init__.__signature__ = signature  # type: ignore[attr-defined]

    def decorate(cls: _C) -> _C:
        cls.__init__, cls._settings = __init__, settings  # type: ignore[attr-defined,misc]
        cls.__doc__ = inspect.cleandoc(cls.__doc__ or "").replace("{parameters}", to_numpydoc(known.values()))
        return cls

    return decorate
