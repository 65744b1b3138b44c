"""Each block of code in the documentation runs as it stands, and the site is made of it without a warning."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import twolayer
from tests.browser import look, needs_chromium
from tests.teach.variants import HEAD, RIGHT, WRONG
from twolayer.cli import twolayer as commands

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(DOCS)): path.read_text() for path in sorted(DOCS.rglob("*.md"))}
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN = [name for name, text in PAGES.items() if BLOCK.search(text)]
FOR_PEOPLE = re.compile(  # set-up, measurements, and the graders, which tests/test_examples.py runs
    r"(\S*/)?(python3? -m (venv|benchmarks\S*)|pip install|pytest|python tests/golden\.py)\b"
    r"|otter |nbgrader |python make_source\.py"
)
QUICK = ("mathematics.md",)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory):
    """Return a folder with what the pages speak of: tables, images, submissions, and two runs."""
    folder = tmp_path_factory.mktemp("workplace")
    ages = np.random.default_rng(0).uniform(20, 60, 200)
    lines = [f"{age:.1f},{'UV'[k % 2]},{'high' if age > 40 else 'low'}" for k, age in enumerate(ages)]
    for name in ("people", "new"):
        (folder / f"{name}.csv").write_text("\n".join(["age,town,income", *lines]))
    for k in range(20):
        for kind, grey in (("cat", 60), ("dog", 190)):
            path = folder / "pets" / kind / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            values = np.random.default_rng(k).normal(grey, 20, (20, 20, 3)).clip(0, 255)
            Image.fromarray(values.astype(np.uint8)).save(path)
    (folder / "submissions").mkdir()
    source = HEAD + "".join(each.source for each in RIGHT if each.course == "homework2")
    for path in ("homework.py", "submissions/good.py"):
        (folder / path).write_text(source)
    (folder / "submissions/bad.py").write_text(source + WRONG[0].source)
    twolayer_command = [sys.executable, "-m", "twolayer"]
    for data in (["people.csv", "--target", "income"], ["mnist:0,1"]):
        subprocess.run([*twolayer_command, "train", *data, "--quick", "--quiet"], cwd=folder, check=True)
    subprocess.run([*twolayer_command, "homework", "course", "--solution"], cwd=folder, check=True)
    shutil.copy(folder / "course/homework2-solution.ipynb", folder / "homework.ipynb")
    shutil.copy(folder / "runs/people/model.safetensors", folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RUN]
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning")
def test_each_block_of_a_page_runs(name, workplace, call, tmp_path, monkeypatch):
    """One after the other, in a folder with the files that it speaks of; a check and a doctor may find something."""
    folder = tmp_path / "here"
    shutil.copytree(workplace, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    names = {"__name__": "page"}
    for language, text in BLOCK.findall(PAGES[name]):
        if language == "python":
            exec(compile(text, name, "exec"), names)
            continue
        for line in text.splitlines():
            arguments = shlex.split(line, comments=True)
            if arguments[0] == "twolayer":
                code, _, err = call(*arguments[1:])
                allowed = (0, 1) if arguments[1] in ("check", "doctor") else (0,)
                assert code in allowed, (line, err)
            elif not FOR_PEOPLE.match(line):
                subprocess.run(
                    [shutil.which("gcc") if arguments[0] == "cc" else arguments[0], *arguments[1:]], check=True
                )
    sys.modules.pop("scorer", None)


def test_every_command_is_in_the_table_and_every_command_in_the_table_exists():
    """The table of commands and the command line name the same commands."""
    listed = set(re.findall(r"^\| `twolayer ([a-z]+)", PAGES["commands.md"], re.MULTILINE))

    assert listed == set(commands.commands)


def test_every_room_with_public_names_is_in_the_reference():
    """The page on Python lists the modules that users import from."""
    listed = re.findall(r"^\.\. public:: (\S+)", PAGES["python.md"], re.MULTILINE)
    modules = [f"twolayer.{name}" for name in twolayer.__all__ if f"twolayer.{name}" in sys.modules]

    assert {"twolayer", "twolayer.evaluation", "twolayer.report", "twolayer.teach", *modules} <= set(listed)


def test_every_page_is_in_the_contents():
    """Those that the contents name are there, and no other."""
    named = re.findall(
        r"^[\w/-]+$", "\n".join(re.findall(r"```{toctree}\n(.*?)```", PAGES["index.md"], re.DOTALL)), re.MULTILINE
    )

    assert {f"{name}.md" for name in named} == set(PAGES) - {"index.md"}


def test_every_link_between_pages_leads_somewhere():
    """And every picture is there."""
    for name, text in PAGES.items():
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            assert "://" in link or ((DOCS / name).parent / link).exists(), (name, link)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Return the folder of the site."""
    pytest.importorskip("sphinx", reason="Sphinx is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", str(DOCS), str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")
    return folder


@pytest.mark.slow
def test_the_reference_has_every_public_name(site):
    """Each is a heading that one can link to."""
    text = (site / "python.html").read_text()
    modules = ("", ".evaluation", ".explain", ".report", ".teach")
    for module in (
        sys.modules.get(f"twolayer{end}") or __import__(f"twolayer{end}", fromlist=["x"]) for end in modules
    ):
        for name in getattr(module, "__all__", None) or [each for each in vars(module) if each[0].isupper()]:
            if name not in ("__version__", "course", "equations", "explain") and callable(getattr(module, name)):
                assert f'id="{module.__name__}.{name}"' in text, name


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("page", ["index", "mathematics", "python", "tutorials/table"])
def test_a_browser_shows_the_site(site, page):
    """No error, no picture that is missing, and nothing is asked for but the site's own files."""
    told = look(site / f"{page}.html")

    assert told["errors"] == []
    assert all(told["pictures"])
    assert [each for each in told["requests"] if not each.startswith("file:")] == []
