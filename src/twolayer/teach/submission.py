"""A submission: a notebook or a script, read without running it, and cut into what defines something."""

import ast
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twolayer.errors import FileFormatError
from twolayer.storage import open_file
from twolayer.teach.loading import find_loads

ENDINGS = (".ipynb", ".py")
_MOST_BYTES = 20 * 2**20
_BLANK = re.compile(
    r"#+\s*Code\s+sta?rt?\b[^\n]*\n(?P<between>.*?)#+\s*(End\s+code|Code\s+end)", re.IGNORECASE | re.DOTALL
)
_MAGIC = re.compile(r"^\s*[%!?].*$|^\s*[\w.]+\?{1,2}[ \t]*$", re.MULTILINE)
_OTHER_CELL = re.compile(r"\s*%%(?!time|timeit|capture|prun)")  # in another language, or written to a file
_CONSTANT = (ast.Constant, ast.Lambda, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Dict, ast.UnaryOp, ast.BinOp)
_DEFINITION = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_HOLDERS = (ast.If, ast.Try, ast.With)


@dataclass(frozen=True)
class Part:
    """A piece of a submission that is run: a definition, an import, a constant.

    Attributes
    ----------
    source : str
    line : int
        Where it begins, in its cell or script.
    function : str or None
        The name of the function that it defines.
    """

    source: str
    line: int
    function: str | None = None


@dataclass(frozen=True)
class Submission:
    """What a submission defines, and what is the matter with it.

    Attributes
    ----------
    name : str
    parts : tuple of Part
    broken : dict of str to str
        Functions that cannot be read, with a sentence that says why.
    untouched : frozenset of str
        Functions whose blanks are as they were handed out.
    n_left_out : int
        Statements that were not run: they load, draw, print or train.
    unread : tuple of str
        What is said of pieces without a function that cannot be read.
    """

    name: str
    parts: tuple[Part, ...]
    broken: dict[str, str]
    untouched: frozenset[str]
    n_left_out: int
    unread: tuple[str, ...] = ()

    @property
    def functions(self) -> set[str]:
        """Names of all functions that it has."""
        return {part.function for part in self.parts if part.function} | set(self.broken) | self.untouched


def read_submission(path: Path) -> Submission:
    """Read a notebook or a script.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Submission

    Raises
    ------
    MissingFileError, StorageError
        If there is no such file, or it cannot be read.
    FileFormatError
        If it is neither a notebook nor a script in Python.
    """
    if path.suffix.lower() not in ENDINGS:
        raise FileFormatError(f"{path} is neither a notebook (.ipynb) nor a Python script (.py): name one of these.")
    with open_file(path) as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise FileFormatError(f"{path} is larger than 20 MB: clear its outputs, and save it again.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileFormatError(f"{path} is not text in UTF-8: save it so.") from None
    cells = _cells(text, path) if path.suffix.lower() == ".ipynb" else [text]
    return take_apart(str(path), cells)


def _cells(text: str, path: Path) -> list[str]:
    """Return the code cells of a notebook."""
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        raise FileFormatError(f"{path} is not a notebook: it is not JSON. Save it again from Jupyter.") from None
    if not isinstance(notebook, dict):
        raise FileFormatError(f"{path} is not a notebook: it has no cells. Save it again from Jupyter.")
    if isinstance(notebook.get("worksheets"), list) or notebook.get("nbformat") in (1, 2, 3):
        raise FileFormatError(f"{path} is a notebook of version 3: open it in Jupyter and save it, which makes it new.")
    language = _language(notebook.get("metadata"))
    if language.lower() not in ("python", "python3", "ipython"):
        raise FileFormatError(f"{path} is a notebook in {language[:30]}: only Python is checked.")
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise FileFormatError(f"{path} is not a notebook: it has no cells. Save it again from Jupyter.")
    return [_source(cell) for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]


def _language(metadata: Any) -> str:
    """Return the language that a notebook says it is in; Python if it says none."""
    metadata = metadata if isinstance(metadata, dict) else {}
    for place, key in (("kernelspec", "language"), ("language_info", "name")):
        inner = metadata.get(place)
        if isinstance(inner, dict) and inner.get(key):
            return str(inner[key])
    return "python"


def _source(cell: dict[str, Any]) -> str:
    """Return the source of a cell."""
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def take_apart(name: str, cells: list[str]) -> Submission:
    """Return what cells define; what cannot be read costs only itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd escapes in a student's texts
        return _take_apart(name, [cell for cell in cells if not _OTHER_CELL.match(cell)])


def _take_apart(name: str, cells: list[str]) -> Submission:
    """Return what cells define."""
    parts: list[Part] = []
    broken: dict[str, str] = {}
    untouched: set[str] = set()
    values: list[tuple[ast.stmt, Part]] = []
    n_left_out = 0
    unread: list[str] = []
    for first, chunk in (each for cell in cells for each in _chunks(_without_magic(cell))):
        blank = _is_blank(chunk)
        tree = _parse(chunk, first, broken, untouched, unread)
        for node in tree.body:
            function = _name_of(node)
            part = Part(_piece(chunk, node), first + node.lineno, function)
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
                values.append((node, part))
            if not _keep(node):
                n_left_out += 1
            elif isinstance(node, ast.FunctionDef) and (blank or _says_nothing(node)):
                untouched.add(node.name)
                parts += [] if _says_nothing(node) else [part]
            else:
                untouched.discard(function or "")
                broken.pop(function or "", None)
                parts.append(part)
    own = {part.function for part in parts if part.function}
    needed = find_loads([part.source for part in parts if part.function], [node for node, _ in values], own)
    parts += [part for node, part in values if node in needed]  # after the imports, and before any function is called
    n_left_out -= sum(not _keep(node) for node in needed)
    return Submission(name, tuple(parts), broken, frozenset(untouched), n_left_out, tuple(unread))


def _without_magic(cell: str) -> str:
    """Return a cell without what only Jupyter understands, if it has such: a line of Python may begin with % too."""
    try:
        ast.parse(cell)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _MAGIC.sub("", cell)
    return cell


def _name_of(node: ast.stmt) -> str | None:
    """Return the name of the function that a statement defines, by def or as a lambda."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return node.name if isinstance(node, ast.FunctionDef) else None


def _parse(chunk: str, first: int, broken: dict[str, str], untouched: set[str], unread: list[str]) -> ast.Module:
    """Return a chunk as a tree; one that cannot be parsed is empty, and it or its function is noted."""
    try:
        return ast.parse(chunk)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        named = re.search(r"^def\s+(\w+)", chunk, re.MULTILINE)
        if named and _is_blank(chunk):
            untouched.add(named[1])
        elif named:
            broken[named[1]] = _say(error, first)
        else:
            unread.append(_say(error, first))
        return ast.Module(body=[], type_ignores=[])


def _chunks(source: str) -> list[tuple[int, str]]:
    """Return a source as one, or, where it cannot be parsed, in pieces that begin with a definition or a statement."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        lines = source.splitlines(keepends=True)
        starts = [k for k, line in enumerate(lines) if re.match(r"(def|class|import|from|@|\w[\w, ]*=)", line)]
        starts = sorted({0, *starts}) if lines else []
        return [(a, "".join(lines[a:b])) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]
    lines, pieces = source.splitlines(keepends=True), []
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=False):
        first = _first_line(node) - 1
        end = len(lines) if following is None else _first_line(following) - 1
        pieces.append((first, "".join(lines[first:end])))
    return pieces


def _first_line(node: ast.stmt) -> int:
    """Return the line that a statement begins in: that of its first decorator, where it has some."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _piece(chunk: str, node: ast.stmt) -> str:
    """Return the source of a statement, with its decorators."""
    decorators = [f"@{ast.get_source_segment(chunk, each)}\n" for each in getattr(node, "decorator_list", [])]
    return "".join(decorators) + (ast.get_source_segment(chunk, node) or "")


def _is_blank(chunk: str) -> bool:
    """Tell whether some blank of the handout has nothing but white space and comments in it."""
    found = list(_BLANK.finditer(chunk))
    return any(not re.sub(r"#[^\n]*", "", each["between"]).strip() for each in found)


def _says_nothing(node: ast.FunctionDef) -> bool:
    """Tell whether a function does nothing: pass, a docstring, None, NotImplementedError."""
    for statement in node.body:
        empty = isinstance(statement, ast.Pass) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        )
        none = isinstance(statement, ast.Return) and (
            statement.value is None or (isinstance(statement.value, ast.Constant) and statement.value.value is None)
        )
        if not (empty or none or isinstance(statement, ast.Raise)):
            return False
    return True


def _keep(node: ast.stmt) -> bool:
    """Tell whether a statement only defines something."""
    if isinstance(node, _DEFINITION):
        return True
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        return isinstance(node.value, _CONSTANT) and not any(
            isinstance(each, ast.Call) for each in _outside(node.value)
        )
    if isinstance(node, _HOLDERS):
        return any(isinstance(each, ast.FunctionDef | ast.Import | ast.ImportFrom) for each in ast.walk(node))
    return False


def _outside(node: ast.AST) -> list[ast.AST]:
    """Return the nodes of an expression that are evaluated at once: not those of a lambda's body."""
    if isinstance(node, ast.Lambda):
        return [node]
    return [node, *(each for child in ast.iter_child_nodes(node) for each in _outside(child))]


def _say(error: Exception, first: int) -> str:
    """Say where a piece cannot be parsed."""
    if isinstance(error, SyntaxError):
        return f"It is no valid Python in line {first + (error.lineno or 1)}: {error.msg}."
    return "It is no valid Python."
