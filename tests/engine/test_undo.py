"""Undo: the before-image comes back where what was written still stands, and never past a trigger or a refusal."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import Constant, FieldMapping, ObjectTransfer, OptIn, OptInDate, converters
from di_salesforce.engine import (
    Applied,
    Baseline,
    Context,
    Limits,
    Plan,
    Relation,
    Settlement,
    settle,
    undo,
)
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side, Value
from di_salesforce.testing import strategies
from di_salesforce.testing._pairs import NOW, LinkedPair, contacts, linked
from di_salesforce.testing._served import Fate, Saving
from di_salesforce.testing.world import World
from di_salesforce.triggers import ConflictPolicy, Deletes, Direction, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD = {S: "A", D: "a"}
UPDATED = {S: Trigger.SALESFORCE_UPDATED, D: Trigger.DIALOG_INSIGHT_UPDATED}


def told(plan: Plan) -> list[tuple[str, str]]:
    return [(action.kind, action.reason) for action in plan.actions]


def one_pass(world: World) -> tuple[Applied, ...]:
    """Run one pass, and give what the history keeps of it, through its stored form."""
    settlement = world.apply(world.plan())
    assert settlement is not None
    return stored(settlement)


def stored(settlement: Settlement) -> tuple[Applied, ...]:
    read = tuple(Applied.from_dict(json.loads(json.dumps(each.to_dict()))) for each in settlement.applied)
    assert read == settlement.applied
    return read


def written(side: Side = D, **settings: Any) -> tuple[LinkedPair, tuple[Applied, ...]]:
    """Give a pair whose field A was changed from x to y on the other side, and written."""
    one = linked(**settings)
    one.edit(side.other, **{FIELD[side.other]: "y"})
    return one, one_pass(one.world)


@pytest.mark.parametrize("side", Side)
def test_a_write_is_taken_back_and_stays_so(side: Side) -> None:
    """The value from before is written; the difference counts as accepted, so that no later plan writes it again."""
    one, applied = written(side)
    plan = one.world.undo(applied)
    assert told(plan) == [("update", "undo.write")]
    (write,) = plan.writes
    assert (write.side, dict(write.values), dict(write.based_on)) == (side, {FIELD[side]: "x"}, {FIELD[side]: "y"})
    one.world.apply(Plan.from_dict(plan.to_dict()))
    assert (one.row(side)[FIELD[side]], one.row(side.other)[FIELD[side.other]]) == ("x", "y")
    assert one.state("A:a").rel is Relation.ACCEPTED
    assert one.world.one_pass().actions == ()


def test_what_moved_since_is_left_alone() -> None:
    """Somebody edited the field after our write: that edit is not ours to take back, and nothing stays open for it."""
    one, applied = written()
    one.edit(D, a="z")
    plan = one.world.undo(applied)
    assert told(plan) == [("skip", "undo.moved")]
    one.world.apply(plan)
    assert one.row(D)["a"] == "z"
    assert not one.world.baseline.open_items


def test_several_writes_of_one_field_go_back_to_the_first() -> None:
    """A run that wrote a field twice is taken back to what stood there before all of it."""
    one, first = written()
    one.edit(S, A="z")
    second = one_pass(one.world)
    one.world.apply(one.world.undo([*first, *second]))
    assert one.row(D)["a"] == "x"


def test_what_the_service_made_of_the_value_counts() -> None:
    """A value that was cut on saving is still what our write left there."""
    one = linked(saving={S: Saving(), D: Saving(truncate=1)})
    one.edit(S, A="yes")
    applied = one_pass(one.world)
    assert told(one.world.undo(applied)) == [("update", "undo.write")]


@pytest.mark.parametrize("side", Side)
def test_undo_obeys_the_triggers(side: Side) -> None:
    """What may not be written by rule may not be written back either."""
    one, applied = written(side)
    one.world.transfer = attrs.evolve(one.world.transfer, triggers=Trigger.ALL & ~UPDATED[side.other])
    assert told(one.world.undo(applied)) == [("skip", "undo.trigger")]


def test_undo_obeys_the_mapping_as_it_is_now() -> None:
    """A line that flows the other way now, or is gone, is not written."""
    one, applied = written()
    lines = one.world.transfer.lines
    one.world.transfer = contacts()
    turned = attrs.evolve(lines[1], direction=Direction.TO_SALESFORCE)
    one.world.transfer = attrs.evolve(one.world.transfer, fields=[lines[0], turned])
    assert told(one.world.undo(applied)) == [("skip", "undo.direction")]
    one.world.transfer = attrs.evolve(one.world.transfer, fields=[lines[0]])
    assert told(one.world.undo(applied)) == [("skip", "undo.not_mapped")]


def test_a_refusal_is_never_lifted() -> None:
    """An opt-out that we wrote is not taken back, an opt-in that we wrote is."""
    status = FieldMapping("News__c", OptIn("news"), converter=converters.boolean())
    when = FieldMapping("News_On__c", OptInDate("news"), converter=converters.datetime())
    transfer = ObjectTransfer("t", sobject="T", fields=[FieldMapping("Email", "EMail", key=True), status, when])
    for before, after, reason in ((True, False, "undo.consent"), (False, True, "undo.write")):
        one = LinkedPair.of(
            transfer, {"Email": "k", "News__c": before}, {"EMail": "k", "optin_news": before, "dtOptin_news": None}
        )
        one.edit(D, optin_news=after, dtOptin_news="2026.05.02 10:00:00")
        applied = one_pass(one.world)
        assert [reason for _, reason in told(one.world.undo(applied))] == [reason]


def test_a_changed_key_is_for_a_person() -> None:
    """Whether the old key is still free is not known."""
    one = linked()
    one.edit(D, EMail="new")
    applied = one_pass(one.world)
    assert one.row(S)["Email"] == "new"
    assert told(one.world.undo(applied)) == [("skip", "undo.key")]


def test_a_group_is_taken_back_as_one_value() -> None:
    """Where one line of a group moved, none of the group is written."""
    lines = [FieldMapping("Email", "EMail", key=True)]
    lines += [FieldMapping(name.upper(), name, group="g", conflict=ConflictPolicy.HOLD) for name in "ab"]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    for edit, kinds in (({}, ["update"]), ({"b": "edited"}, ["skip"])):
        one = LinkedPair.of(transfer, {"Email": "k", "A": 1, "B": 1}, {"EMail": "k", "a": 1, "b": 1})
        one.edit(S, A=2, B=2)
        applied = one_pass(one.world)
        if edit:
            one.edit(D, **edit)
        plan = one.world.undo(applied)
        assert [action.kind for action in plan.actions] == kinds
        one.world.apply(plan)
        assert one.row(D)["a"] == (2 if edit else 1)


# ------------------------------------------------------------------------------------------------ creates, deletes


def created(**settings: Any) -> tuple[World, tuple[Applied, ...]]:
    """Give a world in which a contact of Dialog Insight was created in Salesforce, besides a pair that stays."""
    one = linked(**settings)
    one.world.add(D, {"EMail": "born", "a": "x"})
    return one.world, one_pass(one.world)


def test_a_create_is_taken_back_only_when_asked_for() -> None:
    """Undo of a create is a delete, and has its own switch; then the record is not created again."""
    world, applied = created()
    assert told(world.undo(applied)) == [("skip", "undo.create")]
    count = len(world.rows(S))
    plan = world.undo(applied, deletes=True)
    assert told(plan) == [("delete", "undo.write")]
    world.apply(plan)
    assert len(world.rows(S)) == count - 1
    assert told(world.one_pass()) == [("skip", "tombstone")]


def test_a_create_that_somebody_edited_stays() -> None:
    """What people put into the record since would be lost with it."""
    world, applied = created()
    (record_id,) = [each.record_id for each in applied]
    assert record_id is not None
    world.edit(S, record_id, {"A": "edited"})
    assert told(world.undo(applied, deletes=True)) == [("skip", "undo.moved")]


def test_a_create_is_not_deleted_where_deletes_are_not_possible() -> None:
    """Dialog Insight's deletes are not shown yet to work: the capability stands before the wish."""
    one = linked()
    one.world.add(S, {"Email": "born", "A": "x"})
    applied = one_pass(one.world)
    assert told(one.world.undo(applied, deletes=True)) == [("skip", "undo.not_deletable")]


def test_constants_of_a_create_do_not_keep_it() -> None:
    """No line keeps a constant, so that it says nothing about edits."""
    one = linked()
    one.world.transfer = attrs.evolve(
        one.world.transfer, fields=[*one.world.transfer.fields, Constant("Source", "sync", side=S)]
    )
    one.world.add(D, {"EMail": "born", "a": "x"})
    applied = one_pass(one.world)
    assert told(one.world.undo(applied, deletes=True)) == [("delete", "undo.write")]


def test_a_delete_is_told_and_not_taken_back() -> None:
    """A deleted record comes back under another id, or from the recycle bin: neither is a write of ours."""
    one = linked(deletes=Deletes.DELETE)
    one.remove(D)
    applied = one_pass(one.world)
    assert [each.kind for each in applied] == ["delete"]
    assert told(one.world.undo(applied)) == [("skip", "undo.unlinked")]


# ------------------------------------------------------------------------------------------- what cannot be undone


def test_a_record_that_is_gone_is_said_to_be() -> None:
    """Nothing is written to a record of which the counterpart is gone."""
    one, applied = written()
    one.remove(S)
    assert told(one.world.undo(applied)) == [("skip", "undo.gone")]


def test_writes_that_are_not_sure_and_those_of_others_are_passed_over() -> None:
    """What may not have happened is not taken back, and another transfer's writes are its own."""
    one = linked()
    one.edit(S, A="y")
    settlement = one.world.apply(one.world.plan(), lambda write: Fate.LANDED)
    assert settlement is not None
    (unsure,) = stored(settlement)
    assert not unsure.sure
    assert one.world.undo([unsure]).actions == ()
    assert one.world.undo([attrs.evolve(unsure, sure=True, transfer="other")]).actions == ()
    assert told(one.world.undo([attrs.evolve(unsure, sure=True)])) == [("skip", "undo.lost")]


def test_nothing_is_claimed_to_have_been_read() -> None:
    """An undo looks at its own records only: the coverage of both sides stays as it was, and so do open items."""
    one, applied = written()
    settlement = one.world.apply(one.world.undo(applied))
    assert settlement is not None
    # Not even as it was: a run may have read further since the undo was planned.
    assert (settlement.coverages, settlement.removed_tombstones, settlement.closed_items) == ((), (), ())


def test_a_record_of_a_write_is_read_back_exactly_or_refused() -> None:
    """The stored form carries its number; what is damaged, newer or something else is a clear error."""
    _, (each,) = written()
    plain = each.to_dict()
    for broken in ({}, {**plain, "kind": "x"}, {**plain, "format": 99}, {**plain, "changes": [1]}, {**plain, "at": 1}):
        with pytest.raises(ConfigurationError):
            Applied.from_dict(broken)
    assert repr(each) == "<Applied t update dialog_insight: 1 fields by update.changed>"


def test_a_naive_time_is_refused() -> None:
    """As everywhere, `now` is a moment."""
    with pytest.raises(ConfigurationError, match="aware"):
        undo(contacts(), [], baseline=Baseline.empty(), now=NOW.replace(tzinfo=None))


@given(data=st.data())
def test_law_undo_restores_what_was_there(data: st.DataObject) -> None:
    """After any pass and its undo each written field holds its before-image, or it is said why not; and so it stays."""
    transfer = data.draw(strategies.transfers(triggers=st.just(Trigger.ALL)))
    world = data.draw(strategies.worlds(transfer, honest=True))
    if not all(world.rows(side) for side in Side):
        return
    settlement = world.apply(world.plan())
    assert settlement is not None
    applied = stored(settlement)
    after = {side: dict(world.rows(side)) for side in Side}
    plan = world.undo(applied)
    left = {(action.link, field) for action in plan.actions if action.kind == "skip" for field in action.fields}
    whole = {action.link for action in plan.actions if action.kind == "skip" and not action.fields}
    world.apply(plan)
    now = {side: dict(world.rows(side)) for side in Side}
    undone: set[tuple[Side, str, str]] = set()
    for each in applied:
        if each.kind != "update" or each.link in whole:
            continue
        link = next(link for link in world.baseline.links if link.id == each.link)
        name = world.name_of(each.side, link)
        for change in each.changes:
            if (each.link, change.line) not in left:
                line = next(line for line in transfer.lines if line.name == change.line)
                assert _same(line, each.side, now[each.side][name].get(change.field), change.before)
                undone.add((each.side, name, change.field))
    for side in Side:
        for name, row in now[side].items():
            for field, value in row.items():
                if (side, name, field) not in undone:
                    assert after[side][name].get(field) == value
    again = world.plan()
    for write in again.writes:
        link = next((link for link in world.baseline.links if link.id == write.link), None)
        if link is not None:
            assert not {(write.side, world.name_of(write.side, link), field) for field in write.values} & undone


def _same(line: FieldMapping, side: Side, one: Value, other: Any) -> bool:
    converter = line.converter or converters.AS_IS
    try:
        return converter.normal(side, one) == converter.normal(side, other)
    except Exception:  # noqa: BLE001 - what has no normal form is compared as it is
        return bool(one == other)


@given(data=st.data())
def test_law_undo_of_an_undo_is_the_write_again(data: st.DataObject) -> None:
    """Taking back what took something back brings the first value again: undo is a write like any other."""
    one, applied = written()
    rounds = data.draw(st.integers(1, 4))
    for number in range(rounds):
        settlement = one.world.apply(one.world.undo(applied))
        assert settlement is not None
        applied = stored(settlement)
        assert one.row(D)["a"] == ("x" if number % 2 == 0 else "y")


def test_limits_hold_for_an_undo_too() -> None:
    """A plan that takes back more than a limit allows is stopped like any other."""
    one, applied = written()
    one.world.context = Context(limits=Limits(writes=0))
    plan = one.world.undo(applied)
    assert [problem.code for problem in plan.guards] == ["limit.writes"]
    assert settle(plan, {}, now=one.world.now).applied == ()


@pytest.mark.parametrize("side", Side)
def test_an_edit_that_had_not_flowed_yet_still_flows_after_an_undo(side: Side) -> None:
    """Somebody edited the source again before the undo: that edit is neither accepted nor forgotten."""
    one, applied = written(side)
    one.edit(side.other, **{FIELD[side.other]: "z"})
    one.world.apply(one.world.undo(applied))
    assert (one.row(side.other)[FIELD[side.other]], one.row(side)[FIELD[side]]) == ("z", "x")
    assert told(one.world.one_pass()) == [("update", "update.changed")]
    assert one.row(side)[FIELD[side]] == "z"


def test_a_delete_that_an_older_memory_does_not_know_of_is_told() -> None:
    """The memory is from before the delete, so that the link still stands: a delete is not taken back all the same."""
    one = linked(deletes=Deletes.DELETE)
    before = one.world.remember()
    one.remove(D)
    applied = one_pass(one.world)
    one.world.restore(before)
    assert told(one.world.undo(applied)) == [("skip", "undo.deleted")]
