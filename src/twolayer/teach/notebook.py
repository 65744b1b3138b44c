"""Checks functions that are defined already: those of a module, or of the notebook that asks."""

import inspect
import textwrap
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from twolayer.errors import DataError
from twolayer.teach.marking import Marks, check_submission
from twolayer.teach.sandbox import Limits
from twolayer.teach.submission import take_apart


def check(functions: ModuleType | Mapping[str, Any], course: str = "auto", limits: Limits | None = None) -> Marks:
    """Check the functions of a module, or of a mapping of names such as globals().

    Parameters
    ----------
    functions : module or mapping
    course : str
        "homework2", "planar", or "auto", by the names that are defined.
    limits : Limits, optional
        Of time and memory.

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
    return check_submission(take_apart("the notebook", sources), course, limits=limits)


def check_notebook(course: str = "auto", hint: int = 2) -> None:
    """Check the functions defined in the notebook above, and print what is said of them.

    Parameters
    ----------
    course : str
        "homework2", "planar", or "auto".
    hint : int
        How much is told: 1 where, 2 which term, 3 the formula.
    """
    from twolayer.teach.pages import to_lines

    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    print("\n".join(to_lines(check(frame.f_back.f_globals, course), hint)))
