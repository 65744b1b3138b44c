"""Writes the assignment as a source for nbgrader: answers between its marks, and a graded test of each function.

python make_source.py                  # source/homework2/homework2.ipynb
nbgrader generate_assignment homework2 # release/homework2: blanks for students
nbgrader autograde homework2           # once there are submitted/NAME/homework2/homework2.ipynb
"""

import re
from pathlib import Path

from twolayer.teach.handout import make_handout, to_json

PATH = Path("source/homework2/homework2.ipynb")
BLANK = re.compile(r"### Code start here ###\n(.*?)    ### End code here ###", re.DOTALL)


def mark(cell, identifier, *, points=0, solution=False):
    """Give a cell the metadata by which nbgrader knows it."""
    kind = {"grade": bool(points), "solution": solution, "locked": not solution, "points": points}
    cell["id"] = identifier
    cell["metadata"] = {"nbgrader": {"schema_version": 3, "grade_id": identifier, "cell_type": "code", "task": False}}
    cell["metadata"]["nbgrader"] |= kind if points else {key: kind[key] for key in ("grade", "solution", "locked")}


def make_source():
    """Return the solution with nbgrader's marks: what stood in the blanks is cut out when it is released."""
    notebook = make_handout(solution=True)
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        tested = re.match(r'check_notebook\(only="(\w+)"\)', source)
        answered = BLANK.search(source)
        if answered:
            marked = BLANK.sub(r"### BEGIN SOLUTION\n\1    ### END SOLUTION", source)
            cell["source"] = marked.splitlines(keepends=True)
            mark(cell, "answer-" + re.search(r"def (\w+)", source)[1], solution=True)
        elif tested:
            test = f'from twolayer.teach import assert_right\n\nassert_right("{tested[1]}")'
            cell["source"] = test.splitlines(keepends=True)
            mark(cell, f"test-{tested[1]}", points=10)
    return notebook


if __name__ == "__main__":
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_bytes(to_json(make_source()))
