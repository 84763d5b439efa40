"""Laws of plans that are made from exports: what moved since the export was made is not written over."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from di_salesforce import (
    Baseline,
    DestinationProject,
    DialogInsightClient,
    FieldMapping,
    Integration,
    MemoryStore,
    ObjectTransfer,
    Plan,
    SalesforceClient,
    Side,
    Snapshot,
    Synchronizer,
    reconcile,
)
from di_salesforce.csvfiles import read_csv
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.salesforce import AccessToken
from di_salesforce.testing import FakeDialogInsight, FakeSalesforce, Project, ProjectField

PEOPLE = ObjectTransfer(
    "people",
    sobject="Contact",
    project=DestinationProject("acquisition", id=4322),
    fields=[FieldMapping("Email", "EMail", key=True), FieldMapping("LastName", "LastName")],
)
EXPORTED = [{"idContact": 1, "EMail": "ada@example.ca", "LastName": "King"}]


@pytest.fixture
def org() -> Iterator[FakeSalesforce]:
    with FakeSalesforce() as org:
        org.load("Contact", [{"Email": "ada@example.ca", "LastName": "Lovelace"}])
        yield org


@pytest.fixture
def sync(org: FakeSalesforce) -> Iterator[Synchronizer]:
    with FakeDialogInsight() as account:
        account.add_project(Project(4322, "acquisition", fields=[ProjectField("EMail", "email", key=True)]))
        account.load_contacts(4322, EXPORTED)
        may_read = Capabilities(clauseless_get=True)
        with (
            SalesforceClient(auth=AccessToken(org.url, org.access_token())) as salesforce,
            DialogInsightClient(
                id_key=account.id_key, key=account.key, host=account.url, capabilities=may_read
            ) as dialog_insight,
            Synchronizer(
                Integration([PEOPLE]), salesforce=salesforce, dialog_insight=dialog_insight, store=MemoryStore()
            ) as sync,
        ):
            yield sync


@pytest.fixture
def export(org: FakeSalesforce, tmp_path: Path) -> Path:
    """Give a file of the org's people as they are, exported a day ago."""
    [row] = org.rows("Contact")
    path = tmp_path / "contacts.csv"
    path.write_text(f"Id,Email,LastName\n{row['Id']},{row['Email']},{row['LastName']}\n", encoding="utf-8")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).timestamp()
    os.utime(path, (yesterday, yesterday))
    return path


def decided(plan: Plan) -> Plan:
    return plan.resolve("ada@example.ca", keep=Side.DIALOG_INSIGHT)


def planned(sync: Synchronizer, export: Path) -> Plan:
    return reconcile(
        sync.resolved().transfers[0],
        salesforce=Snapshot.complete(read_csv(export)),
        dialog_insight=Snapshot.complete(EXPORTED),
        baseline=Baseline.empty(),
        now=datetime.now(UTC),
    )


@pytest.mark.parametrize("how", ["files alone", "an export for a side", "saved and read back"])
def test_what_moved_since_the_export_is_stale(how: str, org: FakeSalesforce, sync: Synchronizer, export: Path) -> None:
    """A plan is as old as the oldest rows that it was made from, however lately it was made."""
    [row] = org.rows("Contact")
    org.edit("Contact", str(row["Id"]), LastName="Byron")
    plan = planned(sync, export)
    if how == "an export for a side":
        plan = sync.plan(salesforce=Snapshot.complete(read_csv(export)))
    plan = decided(plan)
    if how == "saved and read back":
        plan = Plan.from_dict(plan.to_dict())
    report = sync.apply(plan)
    assert [(line.kind, line.outcome) for line in report.lines if line.kind == "update"] == [("update", "stale")]
    assert [row["LastName"] for row in org.rows("Contact")] == ["Byron"]


def test_what_did_not_move_is_written(org: FakeSalesforce, sync: Synchronizer, export: Path) -> None:
    """An export that still holds is as good as a reading."""
    assert sync.apply(decided(planned(sync, export))).ok
    assert [row["LastName"] for row in org.rows("Contact")] == ["King"]


def test_a_file_tells_when_it_was_last_written(export: Path) -> None:
    """Rows of a file are observed no later than it was written; an upload does not know, and the caller knows best."""
    written = datetime.fromtimestamp(export.stat().st_mtime, UTC)
    assert read_csv(export).as_of == written == Snapshot.complete(read_csv(export)).as_of
    with export.open("rb") as file:
        assert read_csv(file).as_of == written
    assert read_csv(io.BytesIO(export.read_bytes())).as_of is None
    given = datetime(2026, 1, 2, tzinfo=UTC)
    assert Snapshot.complete(read_csv(export), as_of=given).as_of == given
