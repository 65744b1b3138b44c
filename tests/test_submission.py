"""A submission is read without running it: what it defines is kept, what cannot be read costs only itself."""

import json

import pytest

from twolayer.errors import FileFormatError, MissingFileError
from twolayer.teach.submission import read_submission, take_apart


def notebook(*sources, **more):
    cells = [{"cell_type": "code", "source": source, "outputs": []} for source in sources]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": ["# Title"]}, *cells], "nbformat": 4, **more})


def kept(*sources):
    return [part.source for part in take_apart("s", list(sources)).parts]


def test_definitions_imports_and_constants_are_kept_and_the_rest_is_left_out():
    """What loads, draws, prints or trains is not run."""
    found = take_apart("s", ["import numpy as np\nepsilon = 1e-8\nf = lambda x: x\nX = np.random.randn(2, 3)\nprint(X)",
                             "def f(x):\n    return x\nf(3)\nfor k in range(9):\n    f(k)"])  # fmt: skip

    assert [part.source.splitlines()[0] for part in found.parts] == [
        "import numpy as np", "epsilon = 1e-8", "f = lambda x: x", "def f(x):",
    ]  # fmt: skip
    assert found.n_left_out == 4
    assert found.functions == {"f"}


def test_a_definition_within_a_condition_is_kept():
    """As some write it to try an import."""
    assert kept("try:\n    import scipy\nexcept ImportError:\n    scipy = None") != []
    assert kept("if True:\n    print(1)") == []


def test_the_last_definition_counts():
    """As in Python, where a broken one stood before."""
    found = take_apart("s", ["def f(x):\n    return (x", "def f(x):\n    return x"])

    assert found.broken == {}
    assert found.functions == {"f"}


def test_a_syntax_error_costs_its_function_alone():
    """It is said in which line; the others of the cell are kept."""
    found = take_apart("s", ["import math\ndef f(x):\n    return (x\n\ndef g(x):\n    return x\n"])

    assert [part.function for part in found.parts] == [None, "g"]
    assert "no valid Python in line" in found.broken["f"]


def test_blanks_of_the_handout_are_known():
    """As they were handed out, with white space or comments in them; filled ones are not blank."""
    blank = "def f(x):\n    ### Code star here ### (~ 1 lines of code)\n\n    ### End code here ###\n    return y\n"
    filled = blank.replace("\n\n", "\n    y = x\n")
    alone = "def sigmoid(x):\n    ### Code star here ###\n\n    ### End code here ###\n\ndef other(x):\n    return x\n"

    assert take_apart("s", [blank]).untouched == {"f"}
    assert take_apart("s", [filled]).untouched == frozenset()
    assert take_apart("s", [alone]).untouched == {"sigmoid"}
    assert [part.function for part in take_apart("s", [alone]).parts] == ["other"]
    for nothing in ("pass", "return None", "raise NotImplementedError", '"""Later."""'):
        assert take_apart("s", [f"def f(x):\n    {nothing}\n"]).untouched == {"f"}


def test_notebooks_and_scripts_are_read(tmp_path):
    """Magic commands are none of Python's; a byte order mark is none of the script's."""
    (tmp_path / "a.ipynb").write_text(
        notebook(["%matplotlib inline\n", "!pip install numpy\n", "def f(x):\n", "  return x"])
    )
    (tmp_path / "b.py").write_bytes(b"\xef\xbb\xbfdef g(x):\n    return x\n")

    assert read_submission(tmp_path / "a.ipynb").functions == {"f"}
    assert read_submission(tmp_path / "b.py").functions == {"g"}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.ipynb", b"{", "it is not JSON"),
        ("a.ipynb", b"[1]", "it has no cells"),
        ("a.ipynb", b'{"cells": 3}', "it has no cells"),
        ("a.ipynb", b'{"worksheets": [], "nbformat": 3}', "version 3"),
        ("a.ipynb", b'{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}', "a notebook in R"),
        ("a.ipynb", b'{"cells": [], "nbformat": 3}', "version 3"),
        ("a.ipynb", b'{"cells": [], "metadata": {"language_info": {"name": "julia"}}}', "a notebook in julia"),
        ("a.ipynb", b"", "it is not JSON"),
        ("a.ipynb", b"[" * 100_000, "it is not JSON"),
        ("a.py", b"\xff\xfe\x00", "not text in UTF-8"),
        ("a.r", b"x <- 1", "neither a notebook"),
        ("a.py", b"#" * (20 * 2**20 + 1), "larger than 20 MB"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, name, content, sentence):
    """One sentence each."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=sentence):
        read_submission(tmp_path / name)


def test_a_file_that_is_not_there_is_told(tmp_path):
    """As everywhere."""
    with pytest.raises(MissingFileError):
        read_submission(tmp_path / "none.py")


def test_decorators_belong_to_their_functions():
    """And not to the piece before them."""
    assert kept("import numpy as np\ndef f(x):\n    return (x)\n@np.vectorize\ndef g(x):\n    return x\n") == [
        "import numpy as np", "def f(x):\n    return (x)", "@np.vectorize\ndef g(x):\n    return x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "unread"),
    [
        ("a.py", "", False),
        ("a.py", "x <- function(a) { a }", True),
        ("a.py", "a\0b", True),
        ("a.ipynb", '{"cells": [], "metadata": 3}', False),
        ("a.ipynb", '{"cells": [3, {"cell_type": "code", "source": null}], "metadata": {"kernelspec": "x"}}', False),
    ],
)
def test_what_has_no_functions_is_read_all_the_same(tmp_path, name, content, unread):
    """It has none, and pieces that cannot be read are noted."""
    (tmp_path / name).write_text(content)
    found = read_submission(tmp_path / name)

    assert found.functions == set()
    assert bool(found.unread) is unread


def test_a_lambda_is_a_function():
    """Under the name that it is given."""
    assert take_apart("s", ["sigmoid = lambda x: 1 / (1 + np.exp(-x))\nepsilon = 1e-8"]).functions == {"sigmoid"}


def test_what_jupyter_alone_understands_is_left_out():
    """Magic lines, help, cells in another language; a line of Python that begins with % is none of it."""
    assert kept("%matplotlib inline\n!ls\nnp.dot?\ndef f(x):\n    return x") == ["def f(x):\n    return x"]
    assert kept("%%bash\nls -l | head") == []
    assert kept("%%time\ndef f(x):\n    return x") != []
    assert "% x" in kept("def f(x):\n    return ('%d'\n        % x)")[0]
    assert take_apart("s", ["%%bash\nls -l | head", "np.dot?"]).unread == ()


def test_odd_escapes_in_a_text_are_nobodys_matter():
    """As formulas in a docstring have them."""
    assert take_apart("s", ["def f(x):\n    '\\\\sigma'.replace('\\s', '')\n    return x"]).broken == {}
