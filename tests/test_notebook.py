"""The notebook runs from top to bottom and prints the figures of the proof sheet."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from twolayer.proof import prove

pytestmark = pytest.mark.slow  # a kernel of its own
PATH = Path(__file__).parents[1] / "notebooks" / "assignment.ipynb"
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")


def printed_text(notebook):
    """Return all that the cells print."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data"}, "a cell ends in a bare value"
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def n_pictures(notebook):
    """Return how many pictures the cells show."""
    return sum("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))


@pytest.fixture(scope="module")
def executed():
    """Return the notebook, run afresh in a kernel of its own."""
    notebook = nbformat.read(PATH, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    return NotebookClient(notebook, timeout=300, coalesce_streams=True).execute()


def test_its_figures_are_those_of_the_proof_sheet(executed):
    """Every number of the sheet stands in the notebook: arrays as printed, losses and accuracies to the last bit."""
    numbers = NUMBER.findall(printed_text(executed))
    values = {float(number) for number in numbers}

    for figure in prove().figures:
        for text, computed in zip(figure.printed, figure.computed, strict=True):
            assert computed in values or text in numbers, f"{figure.quantity} of exercise {figure.exercise}"


def test_the_stored_outputs_are_those_of_a_fresh_run(executed):
    """What a reader sees without running anything is what the code gives, but for rounding; pictures are there."""
    stored, fresh = (
        [float(number) for number in NUMBER.findall(re.sub(r"\(error .*", "", printed_text(notebook)))]
        for notebook in (nbformat.read(PATH, as_version=4), executed)
    )

    np.testing.assert_allclose(stored, fresh, rtol=1e-6, atol=1e-12)
    assert n_pictures(nbformat.read(PATH, as_version=4)) == n_pictures(executed) == 4
