"""Records that became others: links follow a merge, and a conversion where that is declared."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from di_salesforce import DestinationProject, FieldMapping, Integration, ObjectTransfer, OptIn, converters
from di_salesforce.engine import (
    Context,
    Life,
    Outcome,
    Snapshot,
    reconcile,
    settle,
)
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side
from di_salesforce.testing._loop import KEY, Loop
from di_salesforce.testing._pairs import NOW
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
A = FieldMapping("A", "a")
NEWS = FieldMapping("News__c", OptIn("news"), converter=converters.boolean())


ONE, TWO, THREE = "003000000000001AAA", "003000000000002AAA", "003000000000003AAA"


def one_linked_one_not(*lines: FieldMapping, **settings: Any) -> Loop:
    """Give a linked pair, and a Salesforce record that waits since creates from there are off."""
    loop = Loop(*(lines or (A,)), triggers=Trigger.ALL & ~Trigger.SALESFORCE_CREATED, **settings)
    loop.salesforce(ONE, Email="ada", A="x")
    loop.person(1, EMail="ada", a="x")
    loop.salesforce(TWO, Email="ada.b", A="y")
    loop.salesforce(THREE, Email="other", A="z")
    loop.person(3, EMail="other", a="z")
    loop.run()
    return loop


def two_linked(*lines: FieldMapping) -> Loop:
    loop = Loop(*(lines or (A,)))
    for number, name in ((1, ONE), (2, TWO), (3, THREE)):
        loop.salesforce(name, Email=f"p{number}", A="x", News__c=True)
        loop.person(number, EMail=f"p{number}", a="x", optin_news=True)
    loop.run()
    return loop


# ------------------------------------------------------------------------------------------------------------ merges


def test_a_link_moves_to_the_record_that_its_own_was_merged_into() -> None:
    """The winner had no link: the counterpart is its own now, and what the winner holds is what the merger chose."""
    loop = one_linked_one_not()
    assert loop.run(loop.merge(ONE, TWO)) == [("link", "link.merged"), ("update", "update.changed"), *KEY_HELD]
    assert (TWO, "1") in loop.links()
    assert loop.rows[D]["1"]["a"] == "y"
    assert loop.run() == KEY_HELD


KEY_HELD = [("conflict", "conflict.key_not_writable")]  # a contact's key in Dialog Insight is not written, by default


def test_what_the_counterpart_was_given_meanwhile_is_a_conflict_with_what_the_merger_chose() -> None:
    """The base is carried: both sides moved, and nobody is overruled in silence."""
    loop = one_linked_one_not()
    loop.person(1, a="edited")
    told = loop.run(loop.merge(ONE, TWO))
    assert ("conflict", "conflict.both_changed") in told
    assert loop.rows[D]["1"]["a"] == "edited"


def test_a_merge_is_followed_once_the_winner_is_seen() -> None:
    """Under changes that do not show the winner it is asked for; a plan without the answer says what it awaits."""
    loop = one_linked_one_not()
    del loop.rows[S][ONE]
    evidence = Snapshot.changes([], merged={ONE: TWO})
    plan = loop.plan(evidence, answers=False)
    assert [(side, need.record_id) for side, need in plan.needs] == [(S, TWO)]
    loop.carry_out(plan)
    (link,) = [link for link in loop.baseline.links if link.salesforce_id == ONE]
    assert (link.life, link.cause) == (Life.DORMANT, f"merged:{TWO}")
    assert ("link", "link.merged") in loop.run(Snapshot.changes([]))  # the evidence came once
    assert (TWO, "1") in loop.links()


def test_a_winner_that_is_not_to_be_seen_holds_the_link() -> None:
    """No permission, or deleted since: a person has to look."""
    loop = one_linked_one_not()
    del loop.rows[S][ONE], loop.rows[S][TWO]
    assert ("conflict", "conflict.merged") in loop.run(Snapshot.complete(loop.rows[S].values(), merged={ONE: TWO}))
    assert ("conflict", "conflict.merged") in loop.run()


def test_a_counterpart_of_a_record_merged_into_a_linked_one_is_a_duplicate() -> None:
    """The winner keeps its own link; the other person is reported as a duplicate, never deleted, never recreated."""
    loop = two_linked()
    plan = loop.plan(loop.merge(ONE, TWO))
    (unlink,) = [action for action in plan.actions if action.kind == "unlink"]
    assert (unlink.reason, unlink.dialog_insight_id, unlink.duplicate_of) == ("unlink.merged", "1", "2")
    assert plan.explain("1").splitlines()[1:] == ["  a duplicate of 2 in Dialog Insight"]
    loop.carry_out(plan)
    assert loop.links() == {(TWO, "2"), (THREE, "3")}
    assert loop.run() == [("skip", "tombstone")]
    assert set(loop.rows[D]) == {"1", "2", "3"}


def test_an_open_refusal_goes_into_the_winner() -> None:
    """Somebody refused in the duplicate, and Salesforce did not hold that yet: the winner gets it, with its rule."""
    loop = two_linked(NEWS)
    loop.person(1, optin_news=False)
    plan = loop.plan(loop.merge(ONE, TWO))
    (write,) = plan.writes
    assert (write.record_id, write.reason, dict(write.values)) == (TWO, "update.merged", {"News__c": False})
    loop.carry_out(plan)
    assert loop.rows[S][TWO]["News__c"] is False
    assert loop.run() == [("skip", "tombstone")]  # known to differ from the other person's own consent from now on
    loop.person(2, optin_news=False)
    assert loop.run() == [("skip", "tombstone")]
    loop.person(2, optin_news=True)
    assert ("update", "update.changed") in loop.run()  # who consents anew, later, is heard


@pytest.mark.parametrize("trigger", [True, False])
def test_a_refusal_is_passed_on_until_it_is_there(trigger: bool) -> None:
    """The merge is told once: a write that fails, or a trigger that is off, does not let the refusal be forgotten."""
    loop = two_linked(NEWS)
    loop.person(1, optin_news=False)
    if not trigger:
        off = Trigger.ALL & ~Trigger.DIALOG_INSIGHT_UPDATED
        loop.transfer = attrs.evolve(loop.transfer, triggers=off)
    plan = loop.plan(loop.merge(ONE, TWO))
    assert len(plan.writes) == int(trigger)
    refused = {write.id: Outcome.refused("LOCKED", "") for write in plan.writes}
    loop.baseline = loop.baseline.updated(settle(plan, refused, now=loop.now))
    loop.transfer = attrs.evolve(loop.transfer, triggers=Trigger.ALL)
    loop.context = Context(retry_refused=True)
    assert ("update", "update.merged") in loop.run()
    assert loop.rows[S][TWO]["News__c"] is False


def test_a_refusal_that_salesforce_held_is_not_passed_on() -> None:
    """What the record said that was merged away, whoever merged has seen: the winner's own consent is their choice."""
    loop = Loop(NEWS)
    for number, name in ((1, ONE), (2, TWO)):
        loop.salesforce(name, Email=f"p{number}", News__c=number == 2)
        loop.person(number, EMail=f"p{number}", optin_news=number == 2)
    loop.run()
    assert loop.run(loop.merge(ONE, TWO)) == [("unlink", "unlink.merged")]


def test_two_losers_of_one_unlinked_winner_are_held() -> None:
    """Which of two people the winner is, nobody guesses; the order of the memory does not decide it."""
    loop = two_linked()
    loop.transfer = attrs.evolve(loop.transfer, triggers=Trigger.ALL & ~Trigger.SALESFORCE_CREATED)
    winner = "003000000000009AAA"
    loop.salesforce(winner, Email="new", A="x")
    loop.run()
    del loop.rows[S][ONE], loop.rows[S][TWO]
    told = loop.run(Snapshot.complete(loop.rows[S].values(), merged={ONE: winner, TWO: winner}))
    assert told.count(("conflict", "conflict.merged")) == 2
    assert not [link for link in loop.links() if link[0] == winner]


def test_a_chain_of_merges_is_followed_to_its_end() -> None:
    """With none but the first linked the link moves to the last record; a linked one in between ends it."""
    loop = one_linked_one_not()
    last = "003000000000009AAA"
    loop.salesforce(last, Email="last", A="x")
    loop.run()
    del loop.rows[S][ONE], loop.rows[S][TWO]
    evidence = {ONE: TWO, TWO: last}
    assert ("link", "link.merged") in loop.run(Snapshot.complete(loop.rows[S].values(), merged=evidence))
    assert (last, "1") in loop.links()
    loop = two_linked()
    del loop.rows[S][ONE], loop.rows[S][TWO]
    loop.salesforce(last, Email="p2", A="x")
    told = loop.run(Snapshot.complete(loop.rows[S].values(), merged={ONE: TWO, TWO: last}))
    assert set(told) == {("unlink", "unlink.merged"), ("link", "link.merged")}
    assert loop.links() == {(last, "2"), (THREE, "3")}


def test_a_circle_of_merges_ends() -> None:
    """Evidence that contradicts itself moves nothing, and does not go round for ever."""
    loop = one_linked_one_not()
    del loop.rows[S][ONE], loop.rows[S][TWO]
    circle = {ONE: TWO, TWO: ONE}
    assert ("conflict", "conflict.merged") in loop.run(Snapshot.complete(loop.rows[S].values(), merged=circle))


def test_a_merge_told_late_is_not_believed() -> None:
    """Evidence from before the link was last looked at says nothing."""
    loop = one_linked_one_not()
    old = Snapshot.sample([], merged={ONE: TWO}, as_of=NOW - timedelta(days=1))
    assert loop.plan(old).actions == ()


# ------------------------------------------------------------------------------------------------------ conversions

LEAD = "00Q000000000001AAA"
TABLE = DestinationProject("people", id=1)


def leads_and_contacts(**settings: Any) -> tuple[Loop, Loop]:
    """Give a lead that is linked to a person, and the transfer of the contacts on the same table."""
    points = FieldMapping("Points__c", "a", converter=converters.integer())
    leads = Loop(points, name="leads", project=TABLE)
    contacts = Loop(points, name="contacts", project=TABLE, **settings)
    leads.salesforce(LEAD, Email="ada", Points__c=1)
    leads.salesforce("00Q000000000002AAA", Email="bo", Points__c=5)
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
    contacts.salesforce(ONE, **{"Email": "ada", "Points__c": 1, **values})
    told = leads.run(Snapshot.complete(leads.rows[S].values(), converted={LEAD: ONE}))
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
    assert contacts.links() == {(ONE, "1")}
    leads.context = Context(claims=claims(contacts))
    assert leads.run() == [("unlink", "unlink.converted")]
    contacts.context = Context(links={"leads": leads.baseline}, claims=claims(leads))
    assert contacts.run() == leads.run() == [("skip", "claimed")]  # each other's person


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
    assert contacts.rows[S][ONE]["Points__c"] == 3


def test_a_contact_with_a_link_of_its_own_keeps_it() -> None:
    """The lead was converted into a contact that was linked before: its link is not given up for the lead's."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    contacts.salesforce(ONE, Email="ada.contact", Points__c=1)
    contacts.person(9, EMail="ada.contact", a="1")
    contacts.context = Context(claims=claims(leads))
    contacts.run()
    convert(leads, contacts, Email="ada.contact")
    assert ("link", "link.converted") not in contacts.run()
    assert contacts.links() == {(ONE, "9")}


def test_a_contact_that_was_not_read_is_asked_for() -> None:
    """Nothing moves before both records are seen."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    convert(leads, contacts)
    plan = contacts.plan(Snapshot.changes([]), answers=False)
    assert (S, ONE) in [(side, need.record_id) for side, need in plan.needs]
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


# ----------------------------------------------------------------------------------------- what is not passed on


def test_a_merge_without_a_refusal_writes_nothing() -> None:
    """Both people consent: the winner's consent is not touched."""
    loop = two_linked(NEWS)
    assert loop.run(loop.merge(ONE, TWO)) == [("unlink", "unlink.merged")]
    assert loop.rows[S][TWO]["News__c"] is True


def test_a_refusal_is_passed_on_once_the_winner_was_read() -> None:
    """The merge is told without the winner's row: the row is asked for, and the refusal is written to it."""
    loop = two_linked(NEWS)
    loop.person(1, optin_news=False)
    del loop.rows[S][ONE]
    told = Snapshot.sample([], merged={ONE: TWO})
    assert (S, TWO) in [(side, need.record_id) for side, need in loop.plan(told, answers=False).needs]
    assert ("update", "update.merged") in loop.run(told)
    assert loop.rows[S][TWO]["News__c"] is False


def test_a_refusal_waits_while_the_winner_comes_without_its_consent() -> None:
    """Even the look-up lacks the field: nothing is written, the refusal stays open, and is written once it is seen."""
    loop = two_linked(NEWS)
    loop.person(1, optin_news=False)
    del loop.rows[S][ONE]
    plan = loop.plan(Snapshot.sample([], merged={ONE: TWO}), answers=False)
    short = {name: value for name, value in loop.rows[S][TWO].items() if name != "News__c"}
    plan = plan.supplied(salesforce=[short])
    assert not plan.writes and not plan.needs
    loop.carry_out(plan)
    assert ("update", "update.merged") in loop.run()


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
    plan = plan.supplied(salesforce=[contacts.rows[S][ONE]], dialog_insight=[contacts.rows[D]["1"]])
    assert [(action.kind, action.reason) for action in plan.actions if action.kind == "link"] == [
        ("link", "link.converted")
    ]


def test_a_converted_lead_moves_without_a_key() -> None:
    """The contact has no address: it is known by its id and the lead's link, and nothing else is taken for it."""
    leads, contacts = leads_and_contacts(converted_from="leads")
    convert(leads, contacts, Email=None)
    assert ("link", "link.converted") in contacts.run()
    assert contacts.links() == {(ONE, "1")}


def test_what_the_lead_never_remembered_meets_for_the_first_time() -> None:
    """A line of the contact that the lead has not, or of which its value has no form there, carries no base."""
    text = FieldMapping("Points__c", "a")
    number = FieldMapping("Points__c", "a", converter=converters.integer())
    other = FieldMapping("B", "b")
    leads = Loop(text, name="leads", project=TABLE)
    contacts = Loop(number, other, name="contacts", project=TABLE, converted_from="leads")
    leads.salesforce(LEAD, Email="ada", Points__c="many")
    leads.salesforce("00Q000000000002AAA", Email="bo", Points__c="5")
    leads.person(1, EMail="ada", a="many", b="x")
    leads.person(2, EMail="bo", a="5", b="x")
    contacts.rows[D] = leads.rows[D]
    leads.run()
    convert(leads, contacts, B="y")
    told = contacts.run()
    assert ("link", "link.converted") in told and ("conflict", "conflict.first_match") in told
    (link,) = contacts.baseline.links
    assert link.fields["B:b"].base is None and link.fields["Email:EMail"].base == ("ada", "ada")
