"""Sphinx settings: Markdown pages, and a reference made from the docstrings."""

from __future__ import annotations

import importlib.metadata
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import di_salesforce

project = "di-salesforce"
copyright = "The di-salesforce developers"
release = version = importlib.metadata.version("di-salesforce")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "di-salesforce"
exclude_patterns = ["_build"]
html_copy_source = False  # pytest takes a copied test-*.md.txt for a test

default_role = "code"  # docstrings write `code` with one backtick, as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"  # types of what the text explains; signatures stay short
autodoc_preserve_defaults = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

suppress_warnings = ["ref.python"]  # `Clock` is a Protocol and a simulator's own class: either page is right

# Links that cannot resolve, since what they name has no page: other projects (the build works offline), type variables,
# aliases, and what a public signature names out of a private module.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(attrs?|collections|datetime|decimal|enum|hypothesis|importlib|os|pathlib|st|types|typing|zoneinfo)(\..*)?",
    ),
    ("py:.*", r"[a-z_]+|[A-Z][A-Za-z]*Error|PathLike"),  # built-in types and errors
    ("py:.*", r"di_salesforce\.[a-z_.]+\.[A-Z]"),  # type variables
    ("py:.*", r"Auth|HttpClient|AsyncHttpClient|Observer"),  # aliases
    ("py:.*", r"InProcessTransport|InferredSchema|SalesforceSwitches|Editable"),  # given by public functions
    ("py:.*", r"di_salesforce\.([a-z_]+\.)?_.*"),  # private modules
]


def sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Split a docstring at its headings (`Args:`); the text before the first one has the heading ""."""
    heading, body = "", list[str]()
    for line in lines:
        if re.fullmatch(r"(Args|Returns|Raises|Example):", line):
            yield heading, body
            heading, body = line[:-1], []
        else:
            body.append(line)
    yield heading, body


def entries(body: list[str]) -> Iterator[tuple[str, str]]:
    """Read `name: text` entries, whose further lines are indented."""
    for entry in re.split(r"\n(?=\S)", textwrap.dedent("\n".join(body)).strip()):
        name, _, text = entry.partition(":")
        yield name, " ".join(text.split())


def to_rest(lines: list[str]) -> Iterator[str]:
    """Turn the docstring style of this package into reStructuredText.

    Napoleon, which does that for Google's style, takes the words before a colon in a plain sentence for a type.
    """
    for heading, body in sections(lines):
        match heading:
            case "Args":
                yield from (f":param {name}: {text}" for names, text in entries(body) for name in names.split(", "))
            case "Returns":
                yield f":returns: {' '.join(' '.join(body).split())}"
            case "Raises":
                yield from (f":raises {name}: {text}" for name, text in entries(body))
            case "Example":
                yield from (".. rubric:: Example", "", *textwrap.dedent("\n".join(body)).splitlines())
            case _:
                yield from body
        yield ""


def process_docstring(*event: Any) -> None:  # autodoc's hook: application, kind, name, object, options, lines
    """Rewrite the lines of one docstring in place."""
    lines: list[str] = event[-1]
    written = "\n".join(to_rest(lines))
    # reST wants a break after `Word`s.  The pattern takes every pair of backticks, so it never starts at a closing one.
    lines[:] = re.sub(r"(`[^`]+`)(\w?)", lambda m: m[1] + (f"\\ {m[2]}" if m[2] else ""), written).split("\n")


def public_names() -> Iterator[str]:
    """Give each name that a module without an underscore exports."""
    for found in pkgutil.walk_packages(di_salesforce.__path__, "di_salesforce."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield from getattr(importlib.import_module(found.name), "__all__", ())


def check_names(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of a public name that the reference lacks: what is public is promised to be listed."""
    listed = {name.rpartition(".")[2] for name in env.domains.python_domain.objects}
    for name in sorted({*public_names()} - listed):
        logging.getLogger(__name__).warning("the reference lacks the public name %s", name)


def setup(app: Sphinx) -> None:
    """Register the hooks."""
    app.connect("autodoc-process-docstring", process_docstring)
    app.connect("env-check-consistency", check_names)
