"""What the README says is so."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_every_file_linked_to_is_there():
    """Links within the repository lead somewhere."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_python_examples_run(tmp_path, monkeypatch, capsys):
    """As they stand, from a folder of their own."""
    monkeypatch.chdir(tmp_path)
    estimator, model = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    exec(estimator, {})
    assert capsys.readouterr().out == "True\n"

    exec(model, {})
    printed = capsys.readouterr().out
    assert re.match(r"(converged|finished) \d+ errors of 1991\n\[[49 ]+\]\n$", printed)
    assert int(printed.split()[1]) < 30
