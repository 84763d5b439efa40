"""Leads that were converted: held by default; where that is declared, their links move to the contacts' transfer."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from di_salesforce import DestinationProject, FieldMapping, Integration, ObjectTransfer, converters
from di_salesforce.engine import Baseline, Context, EngineCapabilities, Life, Snapshot, reconcile
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Row, Side
from di_salesforce.testing._loop import KEY, Loop
from di_salesforce.triggers import Deletes, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
LEAD, OTHER_LEAD = "00Q000000000001AAA", "00Q000000000002AAA"
CONTACT, OTHER_CONTACT = "003000000000001AAA", "003000000000002AAA"
POINTS = FieldMapping("Points__c", "a", converter=converters.integer())
TABLE = DestinationProject("people", id=1)


def leads_and_contacts(**settings: Any) -> tuple[Loop, Loop]:
    """Give a lead that is linked to a person, and the transfer of the contacts on the same table."""
    leads = Loop(POINTS, name="leads", project=TABLE)
    contacts = Loop(POINTS, name="contacts", project=TABLE, **settings)
    leads.salesforce(LEAD, Email="ada", Points__c=1)
    leads.salesforce(OTHER_LEAD, Email="bo", Points__c=5)
    leads.person(1, EMail="ada", a="1")
    leads.person(2, EMail="bo", a="5")
    contacts.rows[D] = leads.rows[D]
    leads.run()
    return leads, contacts


def claims(*loops: Loop) -> dict[str, str]:
    return {link.dialog_insight_id or "": loop.transfer.name for loop in loops for link in loop.baseline.links}


def convert(leads: Loop, contacts: Loop, **values: Any) -> list[tuple[str, str]]:
    """Convert the lead to a contact, and let first the leads' transfer and then the contacts' run."""
    del leads.rows[S][LEAD]
    contacts.salesforce(CONTACT, **{"Email": "ada", "Points__c": 1, **values})
    told = leads.run(Snapshot.complete(leads.rows[S].values(), converted={LEAD: CONTACT}))
    contacts.context = Context(links={"leads": leads.baseline}, claims=claims(leads))
    return told


def test_a_converted_lead_is_held_and_reported_by_default() -> None:
    """Where nothing else is declared a person is told, and the person in Dialog Insight is created nowhere again."""
    leads, contacts = leads_and_contacts()
    assert convert(leads, contacts) == [("conflict", "conflict.converted")]
    assert contacts.run() == [("skip", "claimed")] * 3
    assert contacts.baseline.links == ()
    assert leads.run() == [("conflict", "conflict.converted")]


def test_a_converted_lead_moves_where_that_is_declared() -> None:
    """The contact takes the link over with what the lead's remembers of the person; then the lead's is ended."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    convert(leads, contacts)
    assert ("link", "link.converted") in contacts.run()
    assert contacts.links() == {(CONTACT, "1")}
    leads.context = Context(claims=claims(contacts))
    assert leads.run() == [("unlink", "unlink.converted")]
    contacts.context = Context(links={"leads": leads.baseline}, claims=claims(leads))
    assert contacts.run() == leads.run() == [("skip", "claimed")]  # each other's person


def test_what_a_person_keeps_from_ending_for_a_conversion_is_no_delete() -> None:
    """The contacts' transfer has the person: the lead's link ends with the next plan, and nobody is deleted for it."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    convert(leads, contacts)
    contacts.run()
    leads.transfer = attrs.evolve(leads.transfer, deletes=Deletes.DELETE)
    leads.context = Context(claims=claims(contacts), capabilities=EngineCapabilities(deletes=frozenset(Side)))
    leads.baseline = Baseline(
        [attrs.evolve(link, life=Life.LIVE, gone=None, cause="") for link in leads.baseline.links]
    )
    evidence: Snapshot | None = Snapshot.complete(leads.rows[S].values(), converted={LEAD: CONTACT})
    for _ in range(2):
        plan = leads.plan(evidence)
        assert [(action.kind, action.reason) for action in plan.actions] == [("unlink", "unlink.converted")]
        leads.carry_out(plan.without(kind="unlink"))
        evidence = None  # it came once
    assert set(leads.rows[D]) == {"1", "2"}


def test_what_the_contact_was_given_is_a_change_of_salesforce() -> None:
    """Its base is what the lead would have held, so that an edit on either side since is told from an echo."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    convert(leads, contacts, Points__c=7)
    assert ("update", "update.changed") in contacts.run()
    assert contacts.rows[D]["1"]["a"] == 7
    leads, contacts = leads_and_contacts(converted_from="leads")
    leads.person(1, a="3")
    convert(leads, contacts)
    assert ("update", "update.changed") in contacts.run()
    assert contacts.rows[S][CONTACT]["Points__c"] == 3


def test_a_contact_with_a_link_of_its_own_keeps_it() -> None:
    """The lead was converted into a contact that was linked before: nothing is looked up, and its link stays."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    contacts.salesforce(CONTACT, Email="ada.contact", Points__c=1)
    contacts.person(9, EMail="ada.contact", a="1")
    contacts.context = Context(claims=claims(leads))
    contacts.run()
    convert(leads, contacts, Email="ada.contact")
    assert not contacts.plan(answers=False).needs
    assert ("link", "link.converted") not in contacts.run()
    assert contacts.links() == {(CONTACT, "9")}


@pytest.mark.parametrize("table", ["Contact", "People"])
def test_a_person_with_another_contact_keeps_it(table: str) -> None:
    """The lead's person has a contact of its own already, under whatever key: it does not get a second one."""
    project = DestinationProject("people", id=1, tables={"People": 2})
    leads = Loop(POINTS, name="leads", project=project, table=table)
    contacts = Loop(POINTS, name="contacts", project=project, table=table, converted_from="leads")
    contacts.rows[D] = leads.rows[D]
    leads.salesforce(LEAD, Email="ada", Points__c=1)
    leads.salesforce(OTHER_LEAD, Email="bo", Points__c=5)
    for name, key, points in (("1", "ada", "1"), ("2", "bo", "5")):
        id_field: Row = {"idContact": int(name)} if table == "Contact" else {}
        leads.rows[D][name] = {**id_field, "EMail": key, "a": points}
    leads.run()
    contacts.salesforce(OTHER_CONTACT, Email="ada", Points__c=1)
    contacts.run()
    convert(leads, contacts, Email="ada.contact")
    if table == "Contact":  # a row without an id is another one under another key
        contacts.person(1, EMail="ada.new")
        contacts.salesforce(OTHER_CONTACT, Email="ada.new")
        known, contacts.context = contacts.context, Context()
        contacts.transfer = attrs.evolve(contacts.transfer, triggers=Trigger.NONE)
        contacts.run()
        contacts.context = known
    plan = contacts.plan(answers=False)
    assert "link" not in {action.kind for action in plan.actions} and not [each for each in plan.needs if each[0] is D]
    assert [link.salesforce_id for link in contacts.baseline.links if link.salesforce_key != ("bo",)] == [OTHER_CONTACT]


def test_a_contact_that_a_merge_gives_a_person_keeps_that_one() -> None:
    """In one and the same plan a linked contact is merged into the one that the lead was converted to."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    contacts.salesforce(OTHER_CONTACT, Email="eve", Points__c=1)
    contacts.person(9, EMail="eve", a="1")
    contacts.context = Context(claims=claims(leads))
    contacts.run()
    convert(leads, contacts, Email="eve")
    contacts.run(contacts.merge(OTHER_CONTACT, CONTACT))
    assert contacts.links() == {(CONTACT, "9")}


def test_a_contact_that_was_not_read_is_asked_for() -> None:
    """Nothing moves before both records are seen."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    convert(leads, contacts)
    plan = contacts.plan(Snapshot.changes([]), answers=False)
    assert (S, CONTACT) in [(side, need.record_id) for side, need in plan.needs]
    assert ("link", "link.converted") in contacts.run(Snapshot.changes([]))


@pytest.mark.parametrize(
    ("table", "source", "code"), [("Contact", "x", "reference.unknown"), ("T", "leads", "conversion.table")]
)
def test_a_conversion_stays_within_one_table(table: str, source: str, code: str) -> None:
    """A link can only move to a transfer of the same table, which must exist."""
    project = DestinationProject("people", id=1, tables={"T": 2})
    one = ObjectTransfer("leads", sobject="Lead", fields=[KEY], project=project)
    two = ObjectTransfer("c", sobject="Contact", fields=[KEY], project=project, table=table, converted_from=source)
    with pytest.raises(ConfigurationError) as raised:
        Integration([one, two])
    assert code in {problem.code for problem in raised.value.problems}


def test_a_converted_lead_moves_only_between_records_that_take_part() -> None:
    """The contact's transfer leaves the person out by its filter: the link stays where it is."""
    leads, contacts = leads_and_contacts(converted_from="leads", dialog_insight_filter=lambda row: row["a"] != "1")
    convert(leads, contacts)
    assert "link.converted" not in {reason for _, reason in contacts.run()}
    assert contacts.links() == set()


def test_a_person_that_was_not_read_is_asked_for() -> None:
    """The contact is seen and the person is not: nothing moves before that."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    convert(leads, contacts)
    plan = reconcile(
        contacts.transfer,
        salesforce=Snapshot.complete(contacts.rows[S].values()),
        dialog_insight=Snapshot.changes([]),
        baseline=contacts.baseline,
        now=contacts.now,
        context=contacts.context,
    )
    assert (D, "1") in [(side, need.record_id) for side, need in plan.needs]
    assert "link" not in {action.kind for action in plan.actions}
    plan = plan.supplied(salesforce=[contacts.rows[S][CONTACT]], dialog_insight=[contacts.rows[D]["1"]])
    assert [(action.kind, action.reason) for action in plan.actions if action.kind == "link"] == [
        ("link", "link.converted")
    ]


@pytest.mark.parametrize("old", Side)
def test_a_converted_lead_takes_nothing_over_from_an_old_export(old: Side) -> None:
    """What either record held then is no edit: it is looked up first, and the link moves with what it holds now."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    convert(leads, contacts, Points__c=9)
    contacts.person(1, a="9")
    shots = {side: Snapshot.complete(contacts.rows[side].values(), as_of=contacts.now) for side in Side}
    known, contacts.context = contacts.context, Context(claims={"1": "leads", "2": "leads"})
    contacts.run()  # both sides were looked at since that export
    contacts.context = known
    contacts.salesforce(CONTACT, Points__c=1)
    contacts.person(1, a="1")
    shot = shots[old]
    plan = contacts.plan(*(shot if side is old else None for side in Side), answers=False)
    assert not plan.writes and (old, CONTACT if old is S else "1") in [
        (side, need.record_id) for side, need in plan.needs
    ]
    assert ("link", "link.converted") in contacts.run(*(shot if side is old else None for side in Side))
    assert (contacts.rows[S][CONTACT]["Points__c"], contacts.rows[D]["1"]["a"]) == (1, "1")


def test_what_was_read_before_the_lead_s_last_write_is_no_edit_of_the_person() -> None:
    """Both transfers had read the person when the lead's wrote to it: it is looked up before its link moves."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    before = Snapshot.complete(contacts.rows[D].values(), as_of=leads.now)
    leads.salesforce(LEAD, Points__c=2)
    assert leads.run() == [("update", "update.changed")]
    convert(leads, contacts, Points__c=2)
    told = contacts.run(None, before)
    assert ("link", "link.converted") in told and ("update", "update.changed") not in told
    assert (contacts.rows[S][CONTACT]["Points__c"], contacts.rows[D]["1"]["a"]) == (2, 2)


def test_what_was_read_as_late_as_the_lead_s_link_is_asked_for_no_more() -> None:
    """Both transfers look at the same moment: the person is as the link knows it, and the pair stands under its key."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    convert(leads, contacts, Email="ada.contact")
    lead = next(link for link in leads.baseline.links if link.salesforce_id == LEAD)
    assert lead.dialog_insight_as_of is not None
    people = Snapshot.complete(contacts.rows[D].values(), as_of=lead.dialog_insight_as_of)
    contacts.now = lead.dialog_insight_as_of
    plan = contacts.plan(None, people, answers=False)
    (made,) = [action for action in plan.actions if action.kind == "link"]
    assert (made.reason, made.key) == ("link.converted", "ada.contact")
    assert "1" not in {need.record_id for _, need in plan.needs}


def test_a_converted_lead_moves_without_a_key() -> None:
    """The contact has no address: it is known by its id and the lead's link, and nothing else is taken for it."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    convert(leads, contacts, Email=None)
    plan = contacts.plan()
    (made,) = [action for action in plan.actions if action.reason == "link.converted"]
    assert (made.key, made.key_text) == ("ada", ("ada",)), "the person's, by which it is found in a plan"
    contacts.carry_out(plan)
    (link,) = contacts.baseline.links
    assert (link.salesforce_id, link.dialog_insight_id) == (CONTACT, "1")
    assert link.salesforce_key == link.dialog_insight_key == ("ada",), "and by which a namesake is a duplicate"


def test_what_the_lead_never_remembered_meets_for_the_first_time() -> None:
    """A line of the contact that the lead has not, or of which its value has no form there, carries no base."""
    text = FieldMapping("Points__c", "a")
    number = FieldMapping("Points__c", "a", converter=converters.integer())
    other = FieldMapping("B", "b")  # before the others, which are carried all the same
    both = FieldMapping("C", "c")
    leads = Loop(text, both, name="leads", project=TABLE)
    contacts = Loop(other, number, both, name="contacts", project=TABLE, converted_from="leads")
    leads.salesforce(LEAD, Email="ada", Points__c="many", C="x")
    leads.salesforce(OTHER_LEAD, Email="bo", Points__c="5", C="x")
    leads.person(1, EMail="ada", a="many", b="x", c="x")
    leads.person(2, EMail="bo", a="5", b="x", c="x")
    contacts.rows[D] = leads.rows[D]
    leads.run()
    convert(leads, contacts, B="y", C="edited")
    told = contacts.run()
    assert ("link", "link.converted") in told and ("conflict", "conflict.first_match") in told
    assert leads.rows[D]["1"]["c"] == "edited", "an edit, since what the lead held is remembered"
    (link,) = contacts.baseline.links
    assert link.fields["B:b"].base is None and link.fields["Email:EMail"].base == ("ada", "ada")
