"""What the README says is so."""

import re
from pathlib import Path

from twolayer.cli import twolayer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_every_command_is_in_the_table_and_every_command_in_the_table_exists():
    """The table of commands and the command line name the same commands."""
    listed = set(re.findall(r"^\| `twolayer ([a-z]+)", README, re.MULTILINE))

    assert listed == set(twolayer.commands)


def test_every_option_named_exists():
    """The options of `train` in the text are those of the command."""
    options = {each for one in twolayer.commands["train"].params for each in (*one.opts, *one.secondary_opts)}

    assert set(re.search(r"`train` takes `(.*?)`", README, re.DOTALL)[1].split()) | {"--json"} == options - {"data"}


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
