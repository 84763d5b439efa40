"""Laws of the page on fidelity: every law about a service says what it rests on, and what is absent fails visibly.

That the page holds these laws and all switches is checked with the other generated pages.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from di_salesforce.testing import Column, FakeDialogInsight, FakeSalesforce, Project, ProjectField, Table
from di_salesforce.testing._loopback import parse_request

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "simulators.md"
TAGS = ("[seen", "[documented", "[inferred", "[unknown")
# Of these modules the laws are about a service, but for the few that are about the simulator as a tool.
MODULES = {
    "salesforce_login": set[str](),
    "salesforce_users": {
        "test_permissions_change_while_it_runs",
        "test_users_outlive_a_reset",
        "test_a_user_that_cannot_be_added_is_refused",
    },
    "salesforce_org": {"test_a_hook_may_refuse_with_any_code"},
    "salesforce_records": set[str](),
    "salesforce_collections": set[str](),
    "salesforce_soql": {"test_an_indexed_field_finds_what_a_scan_finds"},
    "salesforce_bulk": set[str](),
    "salesforce_merging": set[str](),
    "salesforce_events": {"test_snapshots_and_resets_are_no_changes"},
    "salesforce_guest": set[str](),
    "dialog_insight_wire": set[str](),
    "dialog_insight_keys": {"test_no_key_shows_in_a_repr"},
    "dialog_insight_merge": set[str](),
    "dialog_insight_values": set[str](),
    "dialog_insight_files": set[str](),
    "dialog_insight_webhooks": {
        "test_a_receiver_that_fails_is_logged",
        "test_only_web_addresses_are_told",
        "test_reset_and_close_leave_nothing_behind",
        "test_every_webhook_switch_is_tested",
    },
    "mid_run": {"test_faults_at_random_repeat_with_their_seed"},
}


@pytest.mark.parametrize("module", MODULES)
def test_every_law_about_a_service_says_what_it_rests_on(module: str) -> None:
    """A law without its evidence could be taken for a fact; one that is known stands on the page by its name."""
    page = PAGE.read_text(encoding="utf-8")
    laws = {
        node.name: ast.get_docstring(node) or ""
        for node in ast.parse((HERE / f"test_{module}.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert {name for name, law in laws.items() if not law.startswith(TAGS)} == MODULES[module]
    for name, law in laws.items():
        assert (f"`{name}`" in page) is law.startswith(TAGS[:3]), name


BASE = "/services/data/v60.0/"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        *(
            ("POST", f"composite{rest}", 404, "NOT_FOUND")
            for rest in ("", "/batch", "/graph", "/tree/Contact", "/sobjects/a/b/c")
        ),
        ("GET", "search?q=FIND", 404, "NOT_FOUND"),
        ("GET", "parameterizedSearch?q=x", 404, "NOT_FOUND"),
        ("GET", "tooling/query?q=x", 404, "NOT_FOUND"),
        ("GET", "chatter/users/me", 404, "NOT_FOUND"),
        ("GET", "analytics/reports", 404, "NOT_FOUND"),
        ("GET", "jobs/ingest", 405, "METHOD_NOT_ALLOWED"),
        ("GET", f"query?q={'SELECT+toLabel(Status)+FROM+Lead'}", 400, "MALFORMED_QUERY"),
        ("GET", f"query?q={'SELECT+Status+FROM+Lead+GROUP+BY+Status+HAVING+COUNT(Id)>1'}", 400, "MALFORMED_QUERY"),
        ("GET", f"query?q={'SELECT+TYPEOF+Who+WHEN+Lead+THEN+Id+END+FROM+Task'}", 400, "MALFORMED_QUERY"),
    ],
)
def test_what_is_absent_of_salesforce_fails_visibly(method: str, path: str, status: int, code: str) -> None:
    """A call that nobody here makes is refused, and never seems to work."""
    response = FakeSalesforce().send(method, BASE + path, {} if method == "POST" else None)
    assert (response.status, json.loads(response.body)[0]["errorCode"]) == (status, code)


def test_what_is_absent_of_bulk_fails_visibly() -> None:
    """Hard deletion, data within the making of a job, Bulk 1.0 and CometD are not played."""
    fake = FakeSalesforce()
    job = {"object": "Contact", "operation": "hardDelete"}
    assert fake.send("POST", BASE + "jobs/ingest", job).status == 400
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    assert fake.send("POST", BASE + "jobs/ingest", b"--x\r\n", headers=multipart).status == 400
    assert fake.send("POST", "/services/async/60.0/job", b"<x/>").status == 404
    assert fake.send("POST", "/cometd/60.0", [{}]).status == 404


PROJECT, TABLE = 1, 2


@pytest.mark.parametrize(
    ("service", "method", "members"),
    [
        ("contacts", "Get", {"idProject": PROJECT, "Clause": {"$type": "AndClause", "Clauses": []}}),
        ("contacts", "Insert", {"idProject": PROJECT, "Records": []}),
        (
            "contacts",
            "Merge",
            {"idProject": PROJECT, "Records": [], "MergeOptions": {"AllowInsert": True, "FieldOptions": {}}},
        ),
        ("relationaltables", "List", {"idProject": PROJECT}),
        ("relationaltables", "GetDefinition", {"idTable": TABLE}),
        ("projects", "GetTables", {"idProject": PROJECT}),
    ],
)
def test_what_is_absent_of_dialog_insight_is_refused(service: str, method: str, members: dict[str, Any]) -> None:
    """A clause, an option or a method that nobody has seen is a refused call."""
    fake = FakeDialogInsight()
    fake.add_project(Project(PROJECT, fields=[ProjectField("EMail", key=True)]))
    fake.add_table(Table(TABLE, project=PROJECT, columns=[Column("id", key=True)]))
    assert fake.call(service, method, **members)["Success"] is False


@pytest.mark.parametrize("service", ["Sendings", "Messages", "SMSSendings", "KillFile", "Push", "Mobile", "Connector"])
def test_services_that_are_not_played_say_so(service: str) -> None:
    """A service that exists and is not played answers 501; XML in a body is no JSON, GET is no verb."""
    fake = FakeDialogInsight()
    address = f"/webservices/ofc4/{service}.ashx?method=Get"
    assert fake.handle(parse_request("POST", address, {}, b"{}")).status == 501
    projects = "/webservices/ofc4/projects.ashx?method=List"
    assert json.loads(fake.handle(parse_request("POST", projects, {}, b"<a/>")).body)["Success"] is False
    assert fake.handle(parse_request("GET", projects, {}, b"")).status == 405
