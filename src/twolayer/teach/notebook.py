"""Checks functions that are defined already: those of a module, or of the notebook that asks."""

import inspect
import textwrap
from collections.abc import Mapping
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

from twolayer.errors import DataError
from twolayer.teach.marking import Marks, check_submission
from twolayer.teach.sandbox import Limits
from twolayer.teach.submission import take_apart


def check(
    functions: ModuleType | Mapping[str, Any],
    course: str = "auto",
    limits: Limits | None = None,
    only: str | None = None,
) -> Marks:
    """Check the functions of a module, or of a mapping of names such as globals().

    Parameters
    ----------
    functions : module or mapping
    course : str
        "homework2", "planar", or "auto", by the names that are defined.
    limits : Limits, optional
        Of time and memory.
    only : str, optional
        One function.

    Returns
    -------
    Marks

    Raises
    ------
    SettingError
        If there is no such course.
    DataError
        If the source of no function can be found.
    """
    names = vars(functions) if isinstance(functions, ModuleType) else functions
    sources = ["import numpy as np", "import math"]
    for value in list(names.values()):
        if isinstance(value, FunctionType):
            try:
                sources.append(textwrap.dedent(inspect.getsource(value)))
            except (OSError, TypeError):  # its source is nowhere
                continue
    if len(sources) == 2:
        raise DataError("No function was found whose source can be read: define them in a file or a notebook.")
    return check_submission(take_apart("the notebook", sources), course, only, limits)


def check_notebook(course: str = "auto", hint: int = 2, only: str | None = None) -> None:
    """Check the functions defined in the notebook above, and print what is said of them.

    Parameters
    ----------
    course : str
        "homework2", "planar", or "auto".
    hint : int
        How much is told: 1 where, 2 which term, 3 the formula.
    only : str, optional
        One function.
    """
    from twolayer.teach.pages import to_lines

    print("\n".join(to_lines(check(_names_above(), course, only=only), hint)))


def assert_right(
    name: str, functions: ModuleType | Mapping[str, Any] | None = None, course: str = "auto", hint: int = 2
) -> None:
    """Raise an AssertionError that says what is wrong with a function, unless it is right: for tests that give points.

    Parameters
    ----------
    name : str
        Of the function.
    functions : module or mapping, optional
        Those that are defined where this is called, if it is left out.
    course : str
        "homework2", "planar", or "auto".
    hint : int
        How much is told: 1 where, 2 which term, 3 the formula.

    Raises
    ------
    AssertionError
        If the function is wrong, missing, or stops with an error.
    """
    from twolayer.teach.pages import say

    marks = check(_names_above() if functions is None else functions, course, only=name)
    wrong = [f"{mark.name}: {say(mark, hint)}" for mark in marks.functions if mark.verdict != "right"]
    if wrong:
        raise AssertionError(" ".join(wrong))


def show_figures() -> None:
    """Take the functions defined above through the whole assignment, and compare each printed figure."""
    from twolayer import course
    from twolayer.proof import prove

    names = _names_above()
    own = {name: names.get(name, _missing(name)) for name in course.__all__ if name != "load_mnist"}
    own["computer_cost"] = names.get("computer_cost", names.get("compute_cost", own["computer_cost"]))
    own["back_propogation"] = names.get("back_propogation", names.get("back_propagation", own["back_propogation"]))
    sheet = prove(SimpleNamespace(**{**own, "load_mnist": course.load_mnist}))
    for figure in sheet.figures:
        if not figure.agrees:
            print(f"Exercise {figure.exercise}, {figure.quantity}: {figure.note or 'other numbers than printed'}")
    print(f"{sheet.n_agreeing} of the {sheet.n_numbers} printed numbers agree.")


def _missing(name: str) -> Any:
    """Return a function that says that it is not there."""

    def missing(*_: Any, **__: Any) -> Any:
        raise NameError(f"{name} is not defined yet")

    return missing


def _names_above() -> dict[str, Any]:
    """Return the names of the notebook, or module, that asked."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return {} if frame is None else frame.f_globals
