"""The examples at the end of each command's help run as they stand."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from twolayer.cli import twolayer
from twolayer.cli.examples import EXAMPLES


def test_every_command_has_examples_in_its_help(call):
    """At its end, two or more, each on a line of its own."""
    for name in twolayer.commands:
        text = call(name, "--help")[1]
        assert len(re.findall(r"\n +twolayer ", text.partition("Examples:")[2])) >= 2, name


@pytest.mark.slow
def test_examples_run_as_they_stand(call, tmp_path, monkeypatch):
    """On the table that they speak of; a check, a doctor and a proof may find something wrong."""
    monkeypatch.chdir(tmp_path)
    ages = np.random.default_rng(0).uniform(20, 60, 120)
    lines = [f"{age:.1f},{'UV'[k % 2]},{'high' if age > 40 else 'low'}" for k, age in enumerate(ages)]
    for name in ("people", "new"):
        Path(f"{name}.csv").write_text("\n".join(["age,town,income", *lines]))
    for _ in range(2):
        assert call("train", "people.csv", "--target", "income", "--members", "1", "--quiet")[0] == 0

    for name in ("homework", *(name for name in EXAMPLES if name != "homework")):
        for example in EXAMPLES[name]:
            code, _, err = call(*shlex.split(example)[1:])
            assert code in ((0, 1) if name in ("check", "doctor", "proof") else (0,)), (example, err)
    for made in ("classes.csv", "curves.png", "why.png", "new.html", "small.safetensors", "scorer.py", "grades.csv"):
        assert Path(made).stat().st_size > 0
