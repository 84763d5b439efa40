"""Records that were merged into others: links follow them, or end where another link holds the winner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, OptIn, converters
from di_salesforce.engine import Context, EngineCapabilities, Life, Outcome, Snapshot, settle
from di_salesforce.records import Side
from di_salesforce.testing._loop import Loop
from di_salesforce.testing._pairs import NOW
from di_salesforce.triggers import ConflictPolicy, Deletes, Trigger

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


@pytest.mark.parametrize(
    ("make", "kind", "reason"), [(two_linked, "unlink", "unlink.merged"), (one_linked_one_not, "link", "link.merged")]
)
def test_what_a_person_keeps_from_following_a_merge_is_no_delete(
    make: Callable[[], Loop], kind: str, reason: str
) -> None:
    """The merge is told once, and taken out of the plan: it is proposed again, and nobody is deleted for it."""
    loop = make()
    can_delete = EngineCapabilities(deletes=frozenset(Side))
    loop.transfer, loop.context = attrs.evolve(loop.transfer, deletes=Deletes.DELETE), Context(capabilities=can_delete)
    loser = loop.rows[S][ONE]
    evidence: Snapshot | None = loop.merge(ONE, TWO)
    for _ in range(3):
        plan = loop.plan(evidence)
        assert (kind, reason) in {(action.kind, action.reason) for action in plan.actions}
        loop.carry_out(plan.without(kind=kind).without(kind="update"))
        assert (ONE, "1") in loop.links()
        evidence = None  # it came once
    loop.rows[S][ONE] = loser  # the merge is undone
    assert ("link", "link.revived") in loop.run()
    assert (ONE, "1") in loop.links() and "1" in loop.rows[D]


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


HELD_APART = attrs.evolve(NEWS, first_match=ConflictPolicy.HOLD)


@pytest.mark.parametrize("known_by", ["a look", "an earlier look", "a person's word"])
def test_a_refusal_counts_however_it_is_known(known_by: str) -> None:
    """Read just now, read when it could not be written, or accepted by a person as differing: the winner gets it."""
    loop = two_linked(HELD_APART)
    if known_by == "a person's word":
        loop.baseline = loop.baseline.distrust()
    loop.person(1, optin_news=False)
    if known_by == "an earlier look":
        loop.transfer = attrs.evolve(loop.transfer, triggers=Trigger.ALL & ~Trigger.DIALOG_INSIGHT_UPDATED)
        assert loop.run() == [("skip", "trigger.off")]
        loop.transfer = attrs.evolve(loop.transfer, triggers=Trigger.ALL)
    elif known_by == "a person's word":
        loop.carry_out(loop.plan().accept("p1"))
    people = None if known_by == "a look" else Snapshot.changes([])
    assert ("update", "update.merged") in loop.run(loop.merge(ONE, TWO), people)
    assert loop.rows[S][TWO]["News__c"] is False


@pytest.mark.parametrize("refused_in_salesforce", [True, False])
def test_what_salesforce_said_last_decides_whether_it_held_the_refusal(refused_in_salesforce: bool) -> None:
    """An edit there that was seen, and could not flow: whoever merged has seen a refusal, and no consent undoes one."""
    loop = Loop(NEWS)
    for number, name in ((1, ONE), (2, TWO)):
        loop.salesforce(name, Email=f"p{number}", News__c=refused_in_salesforce or number == 2)
        loop.person(number, EMail=f"p{number}", optin_news=refused_in_salesforce or number == 2)
    loop.run()
    loop.salesforce(ONE, News__c=not refused_in_salesforce)
    assert loop.run() == [("skip", "direction.one_way")]
    loop.person(1, optin_news=False)
    is_passed_on = ("update", "update.merged") in loop.run(loop.merge(ONE, TWO))
    assert is_passed_on is not refused_in_salesforce
    assert loop.rows[S][TWO]["News__c"] is not is_passed_on


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


def test_a_loser_that_is_back_keeps_its_own_link() -> None:
    """Its merge was told while nobody saw the winner; now it is undeleted itself, and the link lives on as it was."""
    loop = one_linked_one_not()
    loser = loop.rows[S].pop(ONE)
    loop.carry_out(loop.plan(Snapshot.changes([], merged={ONE: TWO}), answers=False))
    loop.rows[S][ONE] = loser
    assert loop.run() == [("link", "link.revived"), ("skip", "trigger.off")]
    assert (ONE, "1") in loop.links()


def test_each_of_several_merges_is_followed_beside_whatever_else_changed() -> None:
    """One link moves, two end, and an edit of a fourth record flows, in one and the same plan."""
    loop = two_linked()
    winner, four = "003000000000000AAA", "003000000000004AAA"
    loop.salesforce(four, Email="p4", A="x", News__c=True)
    loop.run()
    loop.transfer = attrs.evolve(loop.transfer, triggers=Trigger.ALL & ~Trigger.SALESFORCE_CREATED)
    for name in (ONE, TWO, four):
        del loop.rows[S][name]
    loop.salesforce(winner, Email="new", A="x")
    loop.salesforce(THREE, A="edited")
    evidence = {ONE: THREE, TWO: THREE, four: winner}
    told = loop.run(Snapshot.complete(loop.rows[S].values(), merged=evidence))
    assert told.count(("unlink", "unlink.merged")) == 2 and ("link", "link.merged") in told
    assert ("update", "update.changed") in told and loop.rows[D]["3"]["a"] == "edited"
    assert {THREE, winner} <= {name for name, _ in loop.links()}


def test_a_refusal_is_passed_on_by_changes_alone() -> None:
    """Neither side is read as a whole, and nothing tells of the winner itself: it is asked for, and refused for."""
    loop = two_linked(NEWS)
    loop.person(1, optin_news=False)
    del loop.rows[S][ONE]
    told = loop.run(Snapshot.changes([], merged={ONE: TWO}), Snapshot.changes([loop.rows[D]["1"]]))
    assert sorted(told) == [("skip", "merge.refusal"), ("unlink", "unlink.merged"), ("update", "update.merged")]
    assert loop.rows[S][TWO]["News__c"] is False


def test_a_link_that_moves_while_a_write_may_land_tells_both() -> None:
    """An answer was lost, and its record was merged meanwhile: the link moves, and nothing flows until it is over."""
    loop = one_linked_one_not()
    loop.context = Context(quarantine=dict.fromkeys(Side, timedelta(days=1)))
    loop.salesforce(ONE, A="edited")
    plan = loop.plan()
    (write,) = plan.writes
    loop.baseline = loop.baseline.updated(settle(plan, {write.id: Outcome.unknown()}, now=loop.now))
    assert loop.run(loop.merge(ONE, TWO)) == [("link", "link.merged"), ("skip", "outcome.quarantine")]


def test_a_link_whose_person_is_gone_sleeps_on_beside_the_winner() -> None:
    """A merge says nothing of the person who was deleted: that was told, and nothing flows until there is somebody."""
    loop = one_linked_one_not()
    del loop.rows[D]["1"]
    assert loop.run() == [("skip", "deleted.reported"), ("skip", "trigger.off")]
    assert loop.run(loop.merge(ONE, TWO)) == [("link", "link.merged")]
    (link,) = [link for link in loop.baseline.links if link.salesforce_id == TWO]
    assert (link.life, link.gone, link.cause) == (Life.DORMANT, D, "deleted.reported")


def test_a_link_that_sleeps_for_another_reason_is_not_merged() -> None:
    """Its record was deleted, which was told: nobody is asked for as if that were the id of a winner."""
    loop = one_linked_one_not()
    del loop.rows[S][ONE]
    loop.run()
    plan = loop.plan(answers=False)
    assert [action.reason for action in plan.actions] == ["trigger.off"] and not plan.needs


def test_a_winner_that_the_evidence_does_not_name_holds_the_link() -> None:
    """Merged is not deleted, at any later run: nothing is deleted for it, whatever the transfer deletes otherwise."""
    can_delete = EngineCapabilities(deletes=frozenset(Side))
    loop = two_linked()
    loop.transfer, loop.context = attrs.evolve(loop.transfer, deletes=Deletes.DELETE), Context(capabilities=can_delete)
    del loop.rows[S][ONE]
    evidence = Snapshot.complete(loop.rows[S].values(), merged={ONE: ""})
    assert not loop.plan(evidence, answers=False).needs
    for shot in (evidence, Snapshot.changes([]), None):
        assert loop.run(shot) == [("conflict", "conflict.merged")]


def test_the_winner_of_several_is_not_even_looked_up() -> None:
    """Whatever it holds, nobody could say whose it is."""
    loop = two_linked()
    del loop.rows[S][ONE], loop.rows[S][TWO]
    winner = "003000000000009AAA"
    assert not loop.plan(Snapshot.changes([], merged={ONE: winner, TWO: winner}), answers=False).needs


def test_a_row_of_the_winner_from_before_the_merge_writes_nothing() -> None:
    """What the merger chose is not in it: the link follows, and the winner's values are taken from a later look."""
    loop = one_linked_one_not()
    before = Snapshot.sample([loop.rows[S][TWO]], as_of=loop.now + timedelta(minutes=1))
    del loop.rows[S][ONE]
    loop.carry_out(loop.plan(Snapshot.sample([], merged={ONE: TWO}), answers=False))
    loop.salesforce(TWO, A="chosen")
    assert loop.run(before) == [("link", "link.merged")]
    assert loop.rows[D]["1"]["a"] == "x"
    loop.run()
    assert loop.rows[D]["1"]["a"] == "chosen"


def test_a_merge_told_late_is_not_believed() -> None:
    """Evidence from before the link was last looked at says nothing."""
    loop = one_linked_one_not()
    old = Snapshot.sample([], merged={ONE: TWO}, as_of=NOW - timedelta(days=1))
    assert loop.plan(old).actions == ()


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
