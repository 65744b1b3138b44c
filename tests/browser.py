"""A page in headless Chromium: what it asks for, what it reports, and what axe-core finds wrong with it."""

import html
import json
import re
import shutil
import subprocess
from importlib.resources import files

import pytest

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
_LOOK = """
window.addEventListener("load", () => setTimeout(async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  const told = {
    violations: found.violations.map((each) => [each.id, each.nodes.map((node) => node.target.join(" "))]),
    requests: performance.getEntriesByType("resource").map((each) => each.name).filter((name) => !/^data:/.test(name)),
    errors: window.told,
    pictures: Array.from(document.images, (image) => image.naturalWidth > 0),
  };
  const place = document.createElement("pre");
  place.id = "told";
  place.textContent = JSON.stringify(told);
  document.body.append(place);
}, 100));
"""
_LISTEN = "window.told = []; window.addEventListener('error', (event) => window.told.push(String(event.message)));"


def run_chromium(*arguments):
    """Run Chromium without a window, and return what it prints."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def look(path, *, dark=False):
    """Return what a browser and axe-core tell of a page: violations, requests, errors, and whether pictures loaded."""
    axe = files(pytest.importorskip("axe_core_python")).joinpath("axe.min.js").read_text("utf-8")
    scripts = "".join(f"<script>{text}</script>".replace("\\u2028", "") for text in (_LISTEN, axe, _LOOK))
    watched = path.with_name(f"watched-{path.name}")
    watched.write_text(path.read_text("utf-8").replace("<head>", f"<head>{scripts}", 1), "utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    dumped = run_chromium("--virtual-time-budget=30000", scheme, "--dump-dom", watched.resolve().as_uri())
    return json.loads(html.unescape(re.search(r'<pre id="told">(.*?)</pre>', dumped, re.DOTALL)[1]))
