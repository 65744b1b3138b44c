"""`twolayer export`, used as from a shell: a run becomes files that predict what `twolayer predict` does."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from twolayer import save
from twolayer.export.targets import export_model

OWN = {"c": "small_run.h", "js": "small_run.mjs", "python": "small_run.py", "json": "small_run.json"}
each_target = pytest.mark.parametrize("target", list(OWN))


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch, small_model):
    """Run each command in a folder of its own with a small model in it."""
    (tmp_path / "work" / "runs" / "small-run").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    save(small_model, "runs/small-run/model.safetensors")


@each_target
def test_a_run_is_written_under_its_name(call, small_model, target):
    """In the current folder, by letters that are safe in code; the file and its size are printed."""
    code, out, err = call("export", "runs/small-run", "--to", target)
    content = Path(OWN[target]).read_bytes()

    assert (code, err) == (0, "")
    assert content == export_model(small_model, target, "small_run")
    assert f"{OWN[target]} ({len(content):,} bytes)" in out
    assert "10 samples" in out
    assert sorted(os.listdir()) == sorted(["runs", OWN[target]])


def test_a_model_file_and_the_folder_one_is_in_have_names_too(call, monkeypatch):
    """That of the file without its ending; that of the folder where MODEL is a dot."""
    assert call("export", "runs/small-run/model.safetensors", "--to", "json")[0] == 0
    monkeypatch.chdir("runs/small-run")
    assert call("export", ".", "--to", "json")[0] == 0

    assert Path("../../model.json").is_file()
    assert Path("small_run.json").is_file()


def test_it_prints_one_json_object(call):
    """With keys in words."""
    code, out, err = call("export", "runs/small-run", "--to", "c", "--out", "net.h", "--json")
    record = json.loads(out)

    assert (code, err) == (0, "")
    assert record["worst_deviation"] < 1e-6
    assert record == {
        "model": "runs/small-run",
        "to": "c",
        "out": "net.h",
        "bytes": Path("net.h").stat().st_size,
        "samples": 10,
        "worst_deviation": record["worst_deviation"],
    }
    assert "net_predict" in Path("net.h").read_text()


@each_target
def test_a_dash_writes_the_file_to_stdout(call, small_model, target):
    """That and nothing else, although there is a file of that name."""
    Path(OWN[target]).write_text("mine")
    code, out, err = call("export", "runs/small-run", "--to", target, "--out", "-")

    assert (code, err) == (0, "")
    assert out.encode() == export_model(small_model, target, "small_run")
    assert Path(OWN[target]).read_text() == "mine"


def test_only_a_file_that_is_named_is_replaced(call):
    """Without --out, one that is there already stays as it is."""
    Path("small_run.py").write_text("mine")

    code, out, err = call("export", "runs/small-run", "--to", "python")
    assert (code, out, Path("small_run.py").read_text()) == (2, "", "mine")
    assert err == "twolayer: small_run.py already exists: to replace it, name it with --out.\n"

    assert call("export", "runs/small-run", "--to", "python", "--out", "small_run.py")[0] == 0
    assert "def predict(row):" in Path("small_run.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("runs/small-run", "--to", "cobol"), "'cobol' is not one of 'onnx', 'c', 'js', 'python', 'json',"),
        (("runs/small-run",), "Missing option '--to'"),
        (("--to", "c"), "Missing argument 'MODEL'"),
        (("nowhere", "--to", "c"), "There is no file nowhere"),
        (("runs", "--to", "c"), "The folder runs has no model.safetensors"),
        (("text.safetensors", "--to", "c"), "text.safetensors is not a valid twolayer model"),
        (("runs/small-run", "--to", "c", "--out", "runs"), "runs is a folder: name a file in it."),
        (("runs/small-run", "--to", "c", "--out", "nowhere/net.h"), "Cannot write nowhere/net.h"),
        (("runs/small-run", "--to", "c", "--out", "/proc/net.h"), "Cannot write /proc/net.h"),
        (("runs/small-run", "--to", "c", "--out", "text.safetensors/net.h"), "Cannot write text.safetensors/net.h"),
        (("runs/small-run", "--to", "c", "--out", "-", "--json"), "both write to stdout: leave one of them out."),
    ],
)
def test_a_wrong_input_gets_one_sentence(refused, arguments, sentence):
    """And no file is left."""
    Path("text.safetensors").write_text("no model")

    assert sentence in refused("export", *arguments)
    assert sorted(os.listdir()) == ["runs", "text.safetensors"]


def test_a_table_goes_all_the_way(call):
    """Trained on a CSV, exported, and run on its rows as text, the classes are those of `twolayer predict`."""
    draw = random.Random(0)
    with Path("trees.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["girth (cm)", "leaf*/", "cut", "kind"])
        for _ in range(300):
            kind = draw.choice(["oak", "fir", "?ash"])
            girth = draw.choice([round(draw.gauss(len(kind) * 20 + ord(kind[0]), 9), 1)] * 9 + ["NA"])
            leaf = draw.choice([{"oak": "lobed", "fir": "needle"}.get(kind, " pinnate "), "", "torn"])
            lines.writerow([girth, leaf, draw.choice(["true", "false"]), kind])
    options = ("--hidden", 3, "--l2", 1e-3, "--quiet", "--no-pictures")
    assert call("train", "trees.csv", "--target", "kind", *options)[0] == 0
    predicted = json.loads(call("predict", "runs/trees", "trees.csv", "--json")[1])["predictions"]

    assert call("export", "runs/trees", "--to", "python")[0] == 0

    code = (
        "import csv, json, trees\n"
        "rows = csv.DictReader(open('trees.csv', newline=''))\n"
        "print(json.dumps([trees.predict(row) for row in rows]))"
    )
    command = [sys.executable, "-S", "-B", "-c", code]
    assert json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) == predicted
    assert len(set(predicted)) == 3


@pytest.mark.parametrize("name", ["class", "numpy", "json"])
def test_a_module_stands_in_nobodys_way(call, name):
    """A Python file named after a model is one that can be imported, and hides no other module."""
    shutil.copy("runs/small-run/model.safetensors", f"{name}.safetensors")

    assert call("export", f"{name}.safetensors", "--to", "python")[0] == 0
    assert Path(f"{name}_model.py").exists()
    assert not Path(f"{name}.py").exists()


@pytest.mark.parametrize(
    ("target", "name", "line"),
    [
        ("c", "my net.h", "-DMY_NET_MAIN 'my net.h' -lm"),
        ("c", "net.txt", "-DNET_MAIN net.txt -lm"),
        ("js", "my-net.js", 'from "./my-net.js";'),
        ("python", "Net.py", "import Net\n"),
        ("python", "class.py", "import network  # when this file is called network.py"),
        ("python", "net.txt", "import network  # when this file is called network.py"),
    ],
)
def test_a_file_says_how_it_is_used_by_its_own_name(call, target, name, line):
    """The usage at its top works, whatever the file is called."""
    assert call("export", "runs/small-run", "--to", target, "--out", name)[0] == 0

    assert line in Path(name).read_text()


def test_the_model_is_never_replaced(refused):
    """However its path is spelled."""
    path = Path("runs/small-run/model.safetensors")
    before = path.read_bytes()
    for model in ("runs/small-run", path):
        for out in (path, "runs/../runs/small-run/model.safetensors", path.resolve()):
            assert "choose another --out" in refused("export", model, "--to", "c", "--out", out)

    assert path.read_bytes() == before


def test_an_export_beside_the_model_is_replaced(call):
    """It is none of what is read."""
    for _ in range(2):
        assert call("export", "runs/small-run", "--to", "c", "--out", "runs/small-run/net.h")[0] == 0
