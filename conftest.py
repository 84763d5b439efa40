"""Runs the README, every page of the docs and every docstring example of the package as tests (Sybil).

Each document runs in an empty folder of its own, so that a page may write files as its reader would.  The pages find
both services in the environment, simulated: `SalesforceClient.from_env()` works in them.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from doctest import ELLIPSIS
from typing import Any

import pytest
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.myst import ClearNamespaceParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser
from sybil.sybil import SybilCollection

from di_salesforce.testing import FakeDialogInsight, FakeSalesforce, Field, OptinField, Project, ProjectField

OPEN_FOLDER = "_open_folder"  # the name, in a document's namespace, of what closes its folder


def enter_an_empty_folder(namespace: dict[str, Any]) -> None:  # a document's names may be anything
    """Make the working folder of one document."""
    stack = namespace[OPEN_FOLDER] = contextlib.ExitStack()
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="di-salesforce-docs-"))
    stack.enter_context(contextlib.chdir(folder))


def leave_the_folder(namespace: dict[str, Any]) -> None:  # likewise
    """Go back and remove the working folder of one document."""
    namespace[OPEN_FOLDER].close()


@pytest.fixture
def both_services(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start both simulated services, with a few people, and put their addresses and keys into the environment."""
    with FakeSalesforce() as salesforce, FakeDialogInsight() as dialog_insight:
        salesforce.add_field("Contact", Field("Newsletter__c", "boolean"))
        salesforce.load("Contact", [{"LastName": "Tremblay", "Email": "luc@example.ca"}])
        dialog_insight.add_project(
            Project(4322, "acquisition", fields=[ProjectField("EMail", key=True)], optins=[OptinField("newsletter")])
        )
        dialog_insight.load_contacts(
            4322, [{"EMail": "ada@example.ca", "LastName": "Lovelace", "optin_newsletter": True}]
        )
        for name, value in {
            "SALESFORCE_INSTANCE_URL": salesforce.url,
            "SALESFORCE_ACCESS_TOKEN": salesforce.access_token(),
            "DIALOG_INSIGHT_HOST": dialog_insight.url,
            "DIALOG_INSIGHT_ID_KEY": str(dialog_insight.id_key),
            "DIALOG_INSIGHT_KEY": dialog_insight.key,
        }.items():
            monkeypatch.setenv(name, value)
        yield


pages = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser(), ClearNamespaceParser()],
    patterns=["README.md", "CONTRIBUTING.md", "docs/**/*.md"],
    fixtures=["both_services"],
    setup=enter_an_empty_folder,
    teardown=leave_the_folder,
)
docstrings = Sybil(
    parsers=[DocTestParser(optionflags=ELLIPSIS)],
    patterns=["src/**/*.py"],
    excludes=["src/di_salesforce/__main__.py"],  # importing it would run the command line
    document_types={".py": PythonDocStringDocument},
    setup=enter_an_empty_folder,
    teardown=leave_the_folder,
)
pytest_collect_file = SybilCollection([pages, docstrings]).pytest()
