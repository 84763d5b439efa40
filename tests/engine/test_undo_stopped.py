"""What stands against taking a write back, and how it is told: of which record, which side, which fields."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, OptIn, converters
from di_salesforce.engine import (
    Applied,
    Baseline,
    Context,
    EngineCapabilities,
    Plan,
    Relation,
    Skip,
    Update,
    undo,
)
from di_salesforce.records import Side, Value
from di_salesforce.testing._pairs import NOW, LinkedPair, contacts, linked, told
from di_salesforce.testing._served import Fate
from di_salesforce.testing.world import World
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD = {S: "A", D: "a"}


def one_pass(world: World) -> tuple[Applied, ...]:
    """Run one pass, and give what the history keeps of it."""
    settlement = world.apply(world.plan())
    assert settlement is not None
    return settlement.applied


def orders(**settings: Any) -> LinkedPair:
    """A linked row of a relational table, which has no id but its key."""
    return linked(table="Orders", converter=converters.text(), **settings)


def three() -> LinkedPair:
    """A pair of three lines."""
    lines = [FieldMapping("Email", "EMail", key=True), *(FieldMapping(name.upper(), name) for name in "abc")]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    return LinkedPair.of(transfer, {"Email": "k", "A": 1, "B": 1, "C": 1}, {"EMail": "k", "a": 1, "b": 1, "c": 1})


def said(plan: Plan) -> list[tuple[str, Side | None, tuple[str, ...]]]:
    """Say what stays: why, on which side, which lines."""
    return sorted((skip.reason, skip.side, skip.fields) for skip in plan.actions if isinstance(skip, Skip))


def test_all_that_is_taken_back_of_a_record_is_one_write() -> None:
    """Several fields of one record go back together, as they were written."""
    one = three()
    one.edit(S, A=2, C=2)
    plan = one.world.undo(one_pass(one.world))
    (write,) = plan.actions
    assert isinstance(write, Update)
    assert (dict(write.values), dict(write.based_on)) == ({"a": 1, "c": 1}, {"a": 2, "c": 2})


def test_each_field_that_stays_is_named() -> None:
    """Whether lines left the mapping or may not be written any more: each is told by itself."""
    one = three()
    one.edit(S, A=2, C=2)
    applied = one_pass(one.world)
    whole = one.world.transfer
    one.world.transfer = attrs.evolve(whole, triggers=Trigger.DIALOG_INSIGHT_UPDATED)
    assert said(one.world.undo(applied)) == [("undo.trigger", D, ("A:a",)), ("undo.trigger", D, ("C:c",))]
    one.world.transfer = attrs.evolve(whole, fields=[whole.lines[0], whole.lines[2]])
    assert said(one.world.undo(applied)) == [("undo.not_mapped", D, ("A:a",)), ("undo.not_mapped", D, ("C:c",))]


def test_a_refused_undo_is_not_sent_again_as_it_is() -> None:
    """The service did not take it, and nothing changed since: that is said, with the fields that it was about."""
    one = linked()
    one.edit(S, A="y")
    applied = one_pass(one.world)
    one.world.apply(one.world.undo(applied), lambda write: Fate.REFUSED)
    assert said(one.world.undo(applied)) == [("refused.unchanged", D, ("A:a",))]


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("lacks", Side)
def test_a_field_that_was_not_read_on_either_side_is_not_written(side: Side, lacks: Side) -> None:
    """What stands there now, or what the other side holds, is not known: nothing is known to be taken back."""
    one = linked()
    one.edit(side.other, **{FIELD[side.other]: "y"})
    applied = one_pass(one.world)
    plan = undo(one.world.transfer, applied, baseline=one.world.baseline, now=one.world.now, context=one.world.context)
    rows = {each: dict(one.row(each)) for each in Side}
    del rows[lacks][FIELD[lacks]]
    assert said(plan.supplied(salesforce=[rows[S]], dialog_insight=[rows[D]])) == [("undo.not_read", side, ("A:a",))]


STRICT = {True: 0, None: 1, False: 2}  # a refusal is stricter than nothing said, and that than consent


@pytest.mark.parametrize(
    ("before", "after"),
    # That somebody says nothing any more is not written over a refusal to begin with.
    [pair for pair in itertools.permutations(STRICT, 2) if pair != (False, None)],
)
def test_consent_only_goes_back_to_what_is_as_strict(before: bool | None, after: bool | None) -> None:
    """A write is taken back where what stood there before was no laxer than what stands there now."""
    lines = [FieldMapping("Email", "EMail", key=True), FieldMapping("News__c", OptIn("news"))]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    one = LinkedPair.of(transfer, {"Email": "k", "News__c": before}, {"EMail": "k", "optin_news": before})
    one.edit(D, optin_news=after)
    applied = one_pass(one.world)
    assert one.row(S)["News__c"] is after
    reason = "undo.write" if STRICT[before] >= STRICT[after] else "undo.consent"
    assert [reason for _, reason in told(one.world.undo(applied))] == [reason]


def test_nothing_is_taken_back_while_a_link_sleeps() -> None:
    """A record came back from the bin: the next run wakes its link, if it is nobody else's by then."""
    one = linked()
    one.edit(S, A="y")
    applied = one_pass(one.world)
    one.remove(D)
    one.world.one_pass()
    assert one.world.undelete(D, one.names[D])
    assert said(one.world.undo(applied)) == [("undo.gone", D, ())]
    assert told(one.world.one_pass()) == [("link", "link.revived")]
    assert told(one.world.undo(applied)) == [("update", "undo.write")]


# --------------------------------------------------------------------------------------------- rows without an id


def test_a_row_without_an_id_is_taken_back_by_its_key() -> None:
    """A relational row is addressed by its key, and looked up by it."""
    one = orders()
    one.edit(S, A="y")
    one.world.apply(one.world.undo(one_pass(one.world)))
    assert one.row(D)["a"] == "x"
    assert one.state("A:a").rel is Relation.ACCEPTED


def test_a_row_without_an_id_that_is_gone_is_said_to_be() -> None:
    """Once it was looked up by its key and not found, nothing more is asked for."""
    one = orders()
    one.edit(S, A="y")
    applied = one_pass(one.world)
    one.remove(D)
    assert said(one.world.undo(applied)) == [("undo.gone", D, ())]


def test_a_created_row_without_an_id_is_deleted_by_its_key() -> None:
    """Where Dialog Insight's deletes are switched on, a create there is taken back too, with or without an id."""
    one = orders(context=Context(capabilities=EngineCapabilities(deletes=frozenset(Side))))
    one.world.add(S, {"Email": "born", "A": "x"})
    applied = one_pass(one.world)
    count = len(one.world.rows(D))
    one.world.apply(one.world.undo(applied, deletes=True))
    assert len(one.world.rows(D)) == count - 1


# --------------------------------------------------------------------------------------------------------- creates


def created(**born: Value) -> tuple[World, tuple[Applied, ...], str]:
    """Give a world in which a contact of Dialog Insight was created in Salesforce, and its name there."""
    one = linked()
    lines = [*contacts().lines, FieldMapping("B", "b")]
    one.world.transfer = attrs.evolve(one.world.transfer, fields=lines)
    for side in Side:
        one.world.sides[side].transfer = one.world.transfer
        one.world.records[side].columns["B" if side is S else "b"] = None
        one.world.edit(side, one.names[side], {"B" if side is S else "b": None})
    name = one.world.add(D, {"EMail": "born", **born})
    assert name is not None
    applied = one_pass(one.world)
    return one.world, applied, name


def test_a_create_is_not_taken_back_unless_that_is_said() -> None:
    """A delete is never what one gets by default."""
    world, applied, _ = created(a="x")
    plan = undo(world.transfer, applied, baseline=world.baseline, now=world.now, context=world.context)
    rows = {side: list(world.rows(side).values()) for side in Side}
    assert told(plan.supplied(salesforce=rows[S], dialog_insight=rows[D])) == [("skip", "undo.create")]


def test_a_create_that_somebody_edited_stays_when_the_edit_has_flowed_on() -> None:
    """Both sides hold the edit by now and agree on it: it is still somebody's, and would be lost with the record."""
    world, applied, _ = created(a="x")
    (record_id,) = [each.record_id for each in applied]
    assert record_id is not None
    world.edit(S, record_id, {"A": "edited"})
    assert [write.side for write in world.one_pass().writes] == [D]
    assert told(world.undo(applied, deletes=True)) == [("skip", "undo.moved")]


def test_what_we_wrote_into_a_created_record_later_is_no_edit() -> None:
    """A field that was blank when the record was created was filled by a later write of ours, not by a person."""
    world, applied, name = created(a="x")
    world.edit(D, name, {"b": "filled later"})
    assert [write.side for write in world.one_pass().writes] == [S]
    assert told(world.undo(applied, deletes=True)) == [("delete", "undo.write")]


# --------------------------------------------------------------------------------- memories that lost something


def test_a_write_is_taken_back_for_good_although_the_memory_forgot_the_values() -> None:
    """After a restored backup nothing is known of the values: what both sides hold now is what was accepted."""
    one = linked()
    one.edit(S, A="y")
    applied = one_pass(one.world)
    one.world.distrust()
    one.world.apply(one.world.undo(applied))
    assert (one.state("A:a").base, one.state("A:a").rel) == (("y", "x"), Relation.ACCEPTED)
    assert one.world.one_pass().actions == ()


def test_a_write_that_an_older_memory_does_not_know_of_is_taken_back() -> None:
    """The history knows the write, the memory is from before it: what is remembered is that we wrote that side back."""
    one = linked()
    before = one.world.remember()
    one.edit(S, A="y")
    applied = one_pass(one.world)
    one.world.restore(before)
    assert one.state("A:a").wrote is None
    one.world.apply(one.world.undo(applied))
    assert (one.row(S)["A"], one.row(D)["a"]) == ("y", "x")
    assert (one.state("A:a").wrote, one.state("A:a").rel) == (D, Relation.ACCEPTED)


def test_the_count_of_rounds_starts_afresh_with_an_undo() -> None:
    """Both sides rewrote the field in turn, which would be held after some rounds: a person has looked at it now."""
    one = linked()
    applied: tuple[Applied, ...] = ()
    for side, value in ((S, "1"), (D, "2"), (S, "3")):
        one.edit(side, **{FIELD[side]: value})
        applied = one_pass(one.world)
    assert one.state("A:a").bounce > 0
    one.world.apply(one.world.undo(applied))
    assert (one.row(D)["a"], one.state("A:a").bounce) == ("2", 0)


def test_what_is_not_linked_any_more_is_told_for_each_record() -> None:
    """Each record by its own name, whatever other transfers call their links, and by the key that it had."""
    one = three()
    one.edit(S, A=2)
    (done,) = one_pass(one.world)
    links = [attrs.evolve(done, link=link, side=side, key=("k", 1)) for link in ("one", "two") for side in Side]
    plans = []
    for name in "tu":
        transfer = attrs.evolve(one.world.transfer, name=name)
        own = [attrs.evolve(each, transfer=name) for each in links]
        plans.append(undo(transfer, own, baseline=Baseline.empty(), now=NOW))
    plan = Plan.joined(plans)
    assert len({action.id for action in plan.actions}) == len(plans) * len(links)
    assert {(skip.transfer, skip.subject, skip.side, skip.key) for skip in plan.actions if isinstance(skip, Skip)} == {
        (name, f"link:{each.link}", each.side, ("k", 1)) for name in "tu" for each in links
    }
