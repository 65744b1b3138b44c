"""Finds what a submission's functions need of the statements that load MNIST, which are otherwise not run."""

import ast
import symtable
from collections.abc import Iterable


def find_loads(sources: Iterable[str], statements: list[ast.stmt], own: set[str]) -> list[ast.stmt]:
    """Return the statements that load MNIST, or work on it, and give names that functions read.

    Parameters
    ----------
    sources : iterable of str
        The functions.
    statements : list of ast.stmt
        Those that give values, in order.
    own : set of str
        Names of the submission's functions: what calls one trains or tests, and is not wanted.

    Returns
    -------
    list of ast.stmt
        None unless one of them loads.
    """
    wanted = {name for source in sources for name in _read_globally(source)}
    loaded: set[str] = set()
    derived = []
    for node in statements:
        if (_loads(node) or _reads(node) & loaded) and not _reads(node) & own:
            derived.append(node)
            loaded |= _writes(node)
    kept = []
    for node in reversed(derived):
        if _writes(node) & wanted:
            wanted |= _reads(node)
            kept.append(node)
    return kept[::-1]


def _loads(node: ast.stmt) -> bool:
    """Tell whether a statement calls something of the name load_data."""
    names = [getattr(each.func, "attr", getattr(each.func, "id", "")) for each in ast.walk(node)
             if isinstance(each, ast.Call)]  # fmt: skip
    return "load_data" in names


def _reads(node: ast.stmt) -> set[str]:
    """Return the names that a statement reads."""
    read = {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
    return read | (_writes(node) if isinstance(node, ast.AugAssign) else set())


def _writes(node: ast.stmt) -> set[str]:
    """Return the names that a statement gives, or changes a part of."""
    targets = getattr(node, "targets", None) or [getattr(node, "target", ast.Pass())]
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def _read_globally(source: str) -> set[str]:
    """Return the names that functions read but do not have themselves."""
    found: set[str] = set()
    tables = [symtable.symtable(source, "<function>", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        if isinstance(table, symtable.Function):
            found |= set(table.get_globals())
    return found
