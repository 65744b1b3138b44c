"""The report of a run is one page that needs nothing else, says what is so, and refuses what cannot be reported."""

from html.parser import HTMLParser

import numpy as np
import pytest

from tests.browser import look, needs_chromium, run_chromium
from twolayer import Model, save
from twolayer.report import make_report

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads a page: its elements, its text, and whether what is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        """Note an element."""
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Check that it is the innermost one."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note text."""
        self.text += data

    def all(self, tag):
        """Return the attributes of the elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(300, 3))
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{'<i>yes</i>' if a * b > 0 else 'no'}" for a, b, c in X]
    (tmp_path / "table.csv").write_text("\n".join(["a,b & b,c,y", *rows]))
    return tmp_path


def test_a_table_is_reported(call, folder):
    """With figures, curves, columns, units, hardest rows and settings; what the data hold is text, not HTML."""
    assert call("train", "table.csv", "--target", "y", "--members", "2", "--out", "run")[0] == 0
    assert call("report", "run") == (0, "The report is in run/report.html.\n", "")
    text = (folder / "run/report.html").read_text()
    page = Page(text)

    for words in (
        "balanced accuracy",
        "<i>yes</i>",
        "units suffice",
        "Healthy: ",
        "b & b",
        "SHA-256 of the file",
        "n_hidden",
    ):
        assert words in page.text
    assert len(text) < 5e6
    assert page.all("script") == page.all("link") == page.all("i") == []
    assert "http" not in text.replace("http-equiv", "")
    assert all(each["src"].startswith("data:image/") and each["alt"] for each in page.all("img"))
    assert page.elements[0] == ("html", {"lang": "en"})
    titles = [each["id"] for each in page.all("h2")]
    assert len(titles) == len(set(titles)) > 8


def test_images_of_many_classes_are_reported(call, folder):
    """The weights of units and the hardest samples are pictures; other data may judge, and the file be elsewhere."""
    random = np.random.default_rng(0)
    X, y = random.integers(0, 255, (400, 6, 6), np.uint8), random.integers(0, 40, 400)
    np.savez("images.npz", X=X, y=y)
    call("train", "images.npz", "--recipe", "none", "--hidden", "3", "--iterations", "3", "--out", "run")
    assert call("report", "run", "--data", "images.npz", "--out", "page.html")[0] == 0
    page = Page((folder / "page.html").read_text())

    assert any(each["alt"].startswith("Weights of unit") for each in page.all("img"))
    assert any(each["alt"].startswith("Sample ") for each in page.all("img"))


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("data", ["mnist:0,1", "table.csv"])
def test_a_browser_shows_it(call, folder, data, dark):
    """All pictures are loaded, nothing is asked for, axe-core finds nothing wrong, and there is something to see."""
    call("train", data, *(("--target", "y") if data == "table.csv" else ()), "--quick", "--out", "run")
    call("report", "run")
    told = look(folder / "run/report.html", dark=dark)
    run_chromium(f"--screenshot={folder / 'page.png'}", (folder / "run/report.html").as_uri())

    assert told.pop("pictures").count(False) == 0
    assert told == {"violations": [], "requests": [], "errors": []}
    assert (folder / "page.png").stat().st_size > 20_000


def test_what_cannot_be_reported_is_told(refused, folder):
    """A model that does not say its data, a file that is no page, a file that would be lost."""
    parameters = {"W1": np.ones((2, 3)), "b1": np.ones((2, 1)), "W2": np.ones((1, 2)), "b2": np.ones((1, 1))}
    save(Model(parameters, ("no", "<i>yes</i>"), (3,)), folder / "bare.safetensors")
    np.savez("bare.npz", X=np.random.default_rng(0).normal(size=(20, 3)))

    assert "name the --data" in refused("report", "bare.safetensors")
    assert "must end in .html" in refused("report", "bare.safetensors", "--out", "page.txt")
    assert "no labels" in refused("report", "bare.safetensors", "--data", "bare.npz")
    assert not (folder / "report.html").exists()


def test_the_page_can_be_had_from_python(call, folder):
    """As text."""
    call("train", "table.csv", "--target", "y", "--members", "1", "--out", "run")
    assert Page(make_report(folder / "run")).all("title") == [{}]
