"""How Sphinx makes the site of these pages: `.ci/docs` builds it, with warnings as errors."""

import importlib
import inspect
from importlib.metadata import version as version_of
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

project, author, release = "twolayer", "the twolayer contributors", version_of("twolayer")
copyright = "the twolayer contributors"  # noqa: A001 - Sphinx's own name
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "sphinx_click"]
exclude_patterns = ["_build"]
html_theme, html_title = "furo", f"twolayer {release}"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["static"]
html_css_files = ["formula.css"]
html_copy_source, html_show_sourcelink = False, False
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
autodoc_typehints, autodoc_member_order = "none", "bysource"
numpydoc_show_class_members = False

_OF_SCIKIT_LEARN = "set_fit_request, set_partial_fit_request, set_score_request"  # which it makes and documents


class Public(SphinxDirective):
    """Documents every public name of a module, in the order in which it has them."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what autodoc makes of each name."""
        module = importlib.import_module(self.arguments[0])
        lines: list[str] = []
        for name in public_names(module):
            kind = "class" if inspect.isclass(getattr(module, name)) else "function"
            members = ["   :members:", f"   :exclude-members: {_OF_SCIKIT_LEARN}"] if kind == "class" else []
            lines += [f".. auto{kind}:: {module.__name__}.{name}", *members, ""]
        return self.parse_text_to_nodes("\n".join(lines))


def public_names(module: Any) -> list[str]:
    """Return the names of functions and classes that a module offers."""
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    found = [
        name for name in names if inspect.isroutine(getattr(module, name)) or inspect.isclass(getattr(module, name))
    ]
    home = "twolayer" if hasattr(module, "__path__") else module.__name__  # a package offers what it imports
    return [name for name in found if getattr(module, name).__module__.startswith(home)]


def inline_formula(translator: Any, node: Any) -> None:
    """Write a formula within a line as MathML, which browsers show without a script."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def formula(translator: Any, node: Any) -> None:
    """Write a formula of its own as MathML."""
    translator.body.append(f'<div class="formula">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Tell Sphinx of the directive and the formulas."""
    app.add_directive("public", Public)
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
