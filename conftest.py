"""Runs the README, every page of the docs and every docstring example of the package as tests (Sybil).

Each document runs in an empty folder of its own, so that a page may write files as its reader would.  A page finds both
services in the environment, simulated, its own from its first block to its last: `SalesforceClient.from_env()` works.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from doctest import ELLIPSIS
from typing import Any
from unittest import mock

from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.myst import ClearNamespaceParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser
from sybil.sybil import SybilCollection

from di_salesforce.testing import (
    Column,
    FakeDialogInsight,
    FakeSalesforce,
    Field,
    OptinField,
    Project,
    ProjectField,
    Table,
)

OPEN = "what is open"  # the name, in a document's namespace, of what closes all: no module has it


def enter_an_empty_folder(namespace: dict[str, Any]) -> None:  # a document's names may be anything
    """Make the working folder of one document."""
    stack = namespace[OPEN] = contextlib.ExitStack()
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="di-salesforce-docs-"))
    stack.enter_context(contextlib.chdir(folder))


def leave(namespace: dict[str, Any]) -> None:  # likewise
    """Go back, remove the working folder of one document, and stop what was started for it."""
    namespace[OPEN].close()


def start_both_services(namespace: dict[str, Any]) -> None:  # likewise
    """Start both simulated services for one page, with a few people, their addresses and keys in the environment."""
    enter_an_empty_folder(namespace)
    stack: contextlib.ExitStack = namespace[OPEN]
    salesforce = stack.enter_context(FakeSalesforce())
    dialog_insight = stack.enter_context(FakeDialogInsight())
    salesforce.add_field("Contact", Field("Newsletter__c", "boolean"))
    salesforce.load("Contact", [{"LastName": "Tremblay", "Email": "luc@example.ca"}])
    dialog_insight.add_project(
        Project(4322, "acquisition", fields=[ProjectField("EMail", key=True)], optins=[OptinField("newsletter")])
    )
    columns = [Column("Code", length=20, key=True), Column("Price", "decimal"), Column("Note", length=40)]
    dialog_insight.add_table(Table(77, project=4322, columns=columns))
    dialog_insight.load_contacts(4322, [{"EMail": "ada@example.ca", "LastName": "Lovelace", "optin_newsletter": True}])
    variables = {
        "SALESFORCE_INSTANCE_URL": salesforce.url,
        "SALESFORCE_ACCESS_TOKEN": salesforce.access_token(),
        "DIALOG_INSIGHT_HOST": dialog_insight.url,
        "DIALOG_INSIGHT_ID_KEY": str(dialog_insight.id_key),
        "DIALOG_INSIGHT_KEY": dialog_insight.key,
    }
    stack.enter_context(mock.patch.dict(os.environ, variables))


pages = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser(), ClearNamespaceParser()],
    patterns=["README.md", "CONTRIBUTING.md", "docs/*.md", "docs/*/*.md"],
    setup=start_both_services,
    teardown=leave,
)
docstrings = Sybil(
    parsers=[DocTestParser(optionflags=ELLIPSIS)],
    patterns=["src/*/*.py", "src/*/*/*.py"],  # `**` stands for one folder in these patterns
    excludes=["src/di_salesforce/__main__.py"],  # importing it would run the command line
    document_types={".py": PythonDocStringDocument},
    setup=enter_an_empty_folder,
    teardown=leave,
)
pytest_collect_file = SybilCollection([pages, docstrings]).pytest()
