"""Records that became others, through both services: merges and conversions as Salesforce tells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from di_salesforce.mapping import FieldMapping, Integration, ObjectTransfer
from di_salesforce.triggers import Trigger

if TYPE_CHECKING:
    from tests.sync.conftest import World

FIELDS = [
    FieldMapping("Email", "EMail", key=True),
    FieldMapping("FirstName", "FirstName"),
    FieldMapping("LastName", "LastName"),
]


@pytest.fixture
def leads(make_world: Callable[..., World], people_transfer: Callable[..., ObjectTransfer]) -> World:
    """Give a world with a lead who is known in Dialog Insight, and somebody who is a contact."""
    contacts = people_transfer(fields=FIELDS, converted_from="leads")
    lead = ObjectTransfer(
        "leads",
        sobject="Lead",
        project=contacts.project,
        fields=FIELDS,
        triggers=Trigger.ALL & ~Trigger.DIALOG_INSIGHT_CREATED,
        salesforce_filter="IsConverted = false",
    )
    world = make_world(integration=Integration([lead, contacts]))
    for name in ("Lea", "Max"):
        email = f"{name.lower()}@example.com"
        world.salesforce.load("Lead", [{"Email": email, "FirstName": name, "LastName": "Roy", "Company": "Inc."}])
        world.person(email, first=name)
    world.pair("ann@example.com", first="Ann")
    return world


def kinds(report: Any) -> set[tuple[str, str, str]]:
    return {(line.transfer, line.kind, line.reason) for line in report.lines}


def test_a_converted_lead_goes_on_as_a_contact(leads: World) -> None:
    """Its person in Dialog Insight is the contact's from then on: nothing is created, and edits flow both ways."""
    leads.sync().run(first_run=True)
    people = len(leads.dialog_insight.contacts(4400))
    (lead,) = [row for row in leads.salesforce.rows("Lead") if row["FirstName"] == "Lea"]
    leads.clock.sleep(3600)
    leads.salesforce.convert_lead(str(lead["Id"]))
    leads.clock.sleep(3600)
    seen = kinds(leads.sync().run())
    leads.clock.sleep(3600)
    seen |= kinds(leads.sync().run())
    assert ("people", "link", "link.converted") in seen
    assert ("leads", "unlink", "unlink.converted") in seen
    assert len(leads.dialog_insight.contacts(4400)) == people
    leads.dialog_insight.edit_contact(4400, leads.person_id("lea@example.com"), FirstName="Léa")
    leads.clock.sleep(3600)
    assert len(leads.sync().run().written) == 1
    assert {row["FirstName"] for row in leads.salesforce.rows("Contact")} == {"Léa", "Ann"}


def test_a_merged_contact_leaves_its_person_as_a_duplicate(settled: World) -> None:
    """The winner goes on with its own person; the other one is reported, and neither deleted nor created again."""
    winner, loser = settled.contact_id("ann@example.com"), settled.contact_id("bob@example.com")
    settled.clock.sleep(3600)
    settled.salesforce.merge("Contact", winner, [loser])
    settled.clock.sleep(3600)
    report = settled.sync().run()
    assert ("people", "unlink", "unlink.merged") in kinds(report)
    for _ in range(2):
        settled.clock.sleep(3600)
        assert settled.sync().run().written == ()
    assert len(settled.dialog_insight.contacts(4400)) == 3
    assert len(settled.salesforce.rows("Contact")) == 2
