"""Laws of `typed_module`: what it writes is Python, passes both type checkers, and lets them catch a misspelt field."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce._typed_module import typed_module
from di_salesforce.dialog_insight._schema import contact_schema
from di_salesforce.dialog_insight._settings import Capabilities
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side
from di_salesforce.salesforce._schema import table_schema
from di_salesforce.schema import FieldSchema as F
from di_salesforce.schema import FieldType as T
from di_salesforce.schema import TableSchema
from di_salesforce.testing import FakeDialogInsight, FakeSalesforce, OptinField, Project, ProjectField

encodable = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
odd = encodable | st.sampled_from(["class", "None", 'a"b', "a\\", "a\nb", "]", "Decimal: x", "Never", "optin_", "😀"])
schemas = st.builds(
    TableSchema,
    odd,
    side=st.sampled_from(Side),
    fields=st.lists(st.builds(F, odd, st.sampled_from(T)), max_size=6),
)


@given(schemas)
def test_any_names_give_valid_python_that_keeps_them(schema: TableSchema) -> None:
    """Whatever tables and fields are called, the module runs, and its row has exactly the schema's names."""
    source = typed_module(schema)
    assert source == typed_module(schema)
    module: dict[str, Any] = {"__name__": "generated"}
    exec(compile(source, "generated", "exec"), module)  # the module under test
    (row,) = [value for name, value in module.items() if name.endswith("Row")]
    assert set(row.__annotations__) == set(schema.names)
    imported = {
        alias.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    assert imported - {"annotations"} <= used


def test_two_tables_of_one_name_are_refused() -> None:
    """Types of one name would hide each other: a module for each, and at least one table."""
    one, other = (TableSchema(name, side=Side.SALESFORCE, fields=[]) for name in ("My_Table__c", "MyTable__c"))
    with pytest.raises(ConfigurationError, match="SalesforceMyTableCRow"):
        typed_module(one, other)
    with pytest.raises(ConfigurationError, match="at least one"):
        typed_module()


PROGRAM = """
from __future__ import annotations

from generated import (
    DialogInsightContactRow,
    SalesforceContactRow,
    dialog_insight_contact,
    dialog_insight_contact_opt_in,
    salesforce_contact,
)

from di_salesforce import FieldMapping, OptIn

line = FieldMapping(salesforce_contact("Email"), dialog_insight_contact("EMail"), key=True)
consent = FieldMapping(salesforce_contact("HasOptedOutOfEmail"), OptIn(dialog_insight_contact_opt_in("news")))
row: SalesforceContactRow = {"Email": "ada@example.ca", "HasOptedOutOfEmail": False}
other: DialogInsightContactRow = {"EMail": "ada@example.ca", "optin_news": 1}
"""
MISTAKES = {
    'salesforce_contact("Email")': 'salesforce_contact("Emial")',
    'dialog_insight_contact("EMail")': 'dialog_insight_contact("Email")',
    'opt_in("news")': 'opt_in("optin_news")',
    '{"Email": "ada': '{"Emial": "ada',
    '"HasOptedOutOfEmail": False': '"HasOptedOutOfEmail": "no"',
    '"optin_news": 1': '"optin_mews": 1',
}


@pytest.fixture(scope="module")
def generated() -> str:
    """Make the module from the simulators' own descriptions, and a table with odd names."""
    described = FakeSalesforce().send("GET", "/services/data/v60.0/sobjects/Contact/describe")
    dialog_insight = FakeDialogInsight()
    fields = [ProjectField("EMail", "email", key=True), ProjectField("Points", "decimal"), ProjectField("class")]
    dialog_insight.add_project(Project(1, fields=fields, optins=[OptinField("news")]))
    info = dialog_insight.call("projects", "Get", idProject=1)["ProjectInfo"]
    odd_table = TableSchema(
        "été 2026", side=Side.DIALOG_INSIGHT, fields=[F('a"b', T.DECIMAL), F("class", T.UNKNOWN), F("a\nb")]
    )
    return typed_module(
        table_schema(json.loads(described.body)),
        contact_schema(info, id_project=1, capabilities=Capabilities()),
        odd_table,
        TableSchema("Empty", side=Side.SALESFORCE, fields=[]),
    )


CHECKERS = {"mypy": ["mypy", "--strict", "--no-incremental"], "pyright": ["pyright"]}


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.timeout(300)  # two programs start that are not ours, one of them on Node
def test_both_type_checkers_take_the_module_and_find_mistakes(checker: str, generated: str, tmp_path: Path) -> None:
    """The text passes under strict settings, a good program passes, and each misspelt name is an error."""
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    (tmp_path / "generated.py").write_text(generated, encoding="utf-8")
    (tmp_path / "good.py").write_text(PROGRAM, encoding="utf-8")
    mistaken = PROGRAM
    for right, wrong in MISTAKES.items():
        assert right in mistaken
        mistaken = mistaken.replace(right, wrong)
    (tmp_path / "bad.py").write_text(mistaken, encoding="utf-8")
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}', encoding="utf-8")

    def complaints(*files: str) -> list[str]:
        # The interpreter of this run, so that both find the package.
        command = [sys.executable, "-m", *CHECKERS[checker], *files]
        if checker == "pyright":
            command[3:3] = ["--pythonpath", sys.executable]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return [line for line in done.stdout.splitlines() if "error:" in line]

    assert complaints("generated.py", "good.py") == []
    bad = complaints("bad.py")
    assert len({line.split(":")[1] for line in bad}) == 4, bad  # two mistakes stand on each of two lines
