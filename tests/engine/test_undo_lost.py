"""An undo whose answer was lost: if it was carried out, what it left is no edit; everything else still is one."""

from __future__ import annotations

import json

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer
from di_salesforce.engine import Applied, Outcome, Plan, Relation, Snapshot, settle
from di_salesforce.records import Side, Value
from di_salesforce.testing import strategies
from di_salesforce.testing._invariants import normal
from di_salesforce.testing._pairs import LinkedPair, linked, told
from di_salesforce.testing._served import Fate
from di_salesforce.testing.world import World
from di_salesforce.triggers import ConflictPolicy, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD = {S: "A", D: "a"}


def one_pass(world: World) -> tuple[Applied, ...]:
    """Run one pass, and give what the history keeps of it."""
    settlement = world.apply(world.plan())
    assert settlement is not None
    return settlement.applied


def written(side: Side = D) -> tuple[LinkedPair, tuple[Applied, ...]]:
    """Give a pair whose field A was changed from x to y on the other side, and written."""
    one = linked()
    one.edit(side.other, **{FIELD[side.other]: "y"})
    return one, one_pass(one.world)


def grouped() -> tuple[LinkedPair, tuple[Applied, ...]]:
    """Give a pair with a group of two lines, of which one was changed from 1 to 2 and written."""
    lines = [FieldMapping("Email", "EMail", key=True)]
    lines += [FieldMapping(name.upper(), name, group="g", conflict=ConflictPolicy.HOLD) for name in "ab"]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    one = LinkedPair.of(transfer, {"Email": "k", "A": 1, "B": 1}, {"EMail": "k", "a": 1, "b": 1})
    one.edit(S, A=2)
    return one, one_pass(one.world)


def lose(one: LinkedPair, applied: tuple[Applied, ...], fate: Fate, *, saved: bool = False) -> None:
    """Undo, and lose the answer; let the quarantine pass."""
    plan = one.world.undo(applied)
    one.world.apply(Plan.from_dict(plan.to_dict()) if saved else plan, lambda write: fate)
    one.world.rest()


@pytest.mark.parametrize("saved", [False, True], ids=["as planned", "saved and read back"])
@pytest.mark.parametrize("fate", [Fate.LOST, Fate.LANDED, Fate.LATE])
@pytest.mark.parametrize("side", Side)
def test_an_undo_whose_answer_was_lost_does_not_turn_round(side: Side, fate: Fate, saved: bool) -> None:
    """If it was carried out, what it left is no edit of that side; if not, nothing happened."""
    one, applied = written(side)
    lose(one, applied, fate, saved=saved)
    for _ in range(3):
        one.world.one_pass()
    assert one.row(side.other)[FIELD[side.other]] == "y"
    assert one.row(side)[FIELD[side]] == ("y" if fate is Fate.LOST else "x")
    assert one.world.one_pass().actions == ()


@pytest.mark.parametrize("saved", [False, True], ids=["as planned", "saved and read back"])
def test_what_a_lost_undo_would_have_left_is_kept_open(saved: bool) -> None:
    """Besides the write itself, once for each group that it was about, until the record is seen again."""
    one, applied = written()
    plan = one.world.undo(applied)
    plan = Plan.from_dict(plan.to_dict()) if saved else plan
    settlement = settle(plan, {write.id: Outcome.unknown() for write in plan.writes}, now=one.world.now)
    assert {(item.reason, item.group, item.side, item.key) for item in settlement.open_items} == {
        ("outcome.unknown", "", D, ("k",)),
        ("undo.unsure", "A:a", None, ("k",)),
    }


def test_an_edit_after_an_undo_whose_answer_was_lost_is_an_edit() -> None:
    """Only what the undo would have left is taken for it."""
    one, applied = written()
    lose(one, applied, Fate.LANDED)
    one.edit(D, a="edited")
    assert [write.side for write in one.world.one_pass().writes] == [S]


def test_the_same_value_on_the_other_side_is_an_edit() -> None:
    """The undo did not arrive, and somebody put the old value into the source by hand: that flows as any edit does."""
    one, applied = written()
    lose(one, applied, Fate.LOST)
    one.edit(S, A="x")
    assert [write.side for write in one.world.one_pass().writes] == [D]
    assert (one.row(S)["A"], one.row(D)["a"]) == ("x", "x")


def test_a_group_whose_undo_lost_its_answer_is_settled_as_one_value() -> None:
    """Where it shows to have been carried out, only the lines that it moved count as taken back; then all is quiet."""
    one, applied = grouped()
    lose(one, applied, Fate.LANDED)
    for _ in range(2):
        one.world.one_pass()
    assert (one.row(S)["A"], one.row(D)["a"]) == (2, 1)
    assert (one.state("A:a").rel, one.state("B:b").rel) == (Relation.ACCEPTED, Relation.AGREED)
    assert one.world.one_pass().actions == ()


def test_a_group_that_somebody_had_edited_is_known_again_by_the_edit_too() -> None:
    """What the record held besides, an edit that had not flowed yet, belongs to what the undo would have left."""
    one, applied = grouped()
    one.edit(D, b=7)
    lose(one, applied, Fate.LANDED)
    plan = one.world.one_pass()
    assert (one.row(S)["A"], one.row(D)["a"]) == (2, 1), told(plan)
    assert one.state("A:a").rel is Relation.ACCEPTED


def test_a_lost_undo_of_one_field_is_no_excuse_for_another() -> None:
    """Somebody puts into a second field just what the undo left in the first: that is an edit, and flows."""
    lines = [FieldMapping("Email", "EMail", key=True), *(FieldMapping(name.upper(), name) for name in "ab")]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    one = LinkedPair.of(transfer, {"Email": "k", "A": "x", "B": "y"}, {"EMail": "k", "a": "x", "b": "y"})
    one.edit(S, A="y")
    lose(one, one_pass(one.world), Fate.LANDED)
    one.edit(D, b="x")
    assert [(write.side, dict(write.values)) for write in one.world.one_pass().writes] == [(S, {"B": "x"})]
    assert (one.state("A:a").rel, one.state("B:b").rel) == (Relation.ACCEPTED, Relation.AGREED)


def test_a_lost_undo_stays_open_while_its_field_is_not_seen() -> None:
    """Even the look-up lacks the field: whenever it is seen, what the undo left there is no edit."""
    one, applied = written()
    lose(one, applied, Fate.LANDED)
    short = {name: value for name, value in one.row(D).items() if name != "a"}
    plan = one.look(dialog_insight=Snapshot.sample([], as_of=one.world.now)).supplied(dialog_insight=[short])
    assert not plan.needs and not plan.actions
    one.world.baseline = one.world.baseline.updated(settle(plan, {}, now=one.world.now))
    assert "undo.unsure" in {item.reason for item in one.world.baseline.open_items.values()}
    assert not one.world.one_pass().writes
    assert one.state("A:a").rel is Relation.ACCEPTED


def test_the_plan_that_finds_a_lost_undo_carried_out_lets_later_edits_flow() -> None:
    """The source was edited again meanwhile: the undo counts as accepted, and that edit as one, in one plan."""
    one, applied = written()
    lose(one, applied, Fate.LANDED)
    one.edit(S, A="z")
    assert told(one.world.one_pass()) == [("update", "update.changed")]
    assert (one.row(S)["A"], one.row(D)["a"]) == ("z", "z")


@given(data=st.data())
def test_law_what_a_lost_undo_left_never_flows_back(data: st.DataObject) -> None:
    """Whatever the mapping, and from a file as well: the other side keeps what it held when the undo landed."""
    transfer = data.draw(strategies.transfers(triggers=st.just(Trigger.ALL)))
    world = data.draw(strategies.worlds(transfer, honest=True))
    if not all(world.rows(side) for side in Side):
        return  # an emptied side is refused
    applied = one_pass(world)
    side = data.draw(st.sampled_from(Side))
    for name in sorted(world.rows(side)):
        strategies.change_something(data.draw, world, side, name)
    if not world.rows(side):
        return
    plan = world.undo([*applied, *one_pass(world)])
    fates = {write.id: data.draw(st.sampled_from([Fate.LOST, Fate.LANDED, Fate.LATE])) for write in plan.writes}
    world.apply(Plan.from_dict(json.loads(json.dumps(plan.to_dict()))), lambda write: fates[write.id])
    world.rest()
    links = {link.id: link for link in world.baseline.links}
    lines = {line.name: line for line in transfer.lines}
    kept: dict[tuple[Side, str, str], Value] = {}
    for write in plan.writes:
        link, other = links[write.link or ""], write.side.other
        here, there = (world.rows(side)[world.name_of(side, link)] for side in (write.side, other))
        for change in write.changes:
            if fates[write.id] is not Fate.LOST and here[change.field] == change.after:
                kept[other, world.name_of(other, link), change.line] = there[lines[change.line].field(other)]
    event(f"carried out: {bool(kept)}")
    for _ in range(3):
        world.one_pass()
    for (side, name, line), value in kept.items():
        now = world.rows(side)[name][lines[line].field(side)]
        assert normal(lines[line], side, now) == normal(lines[line], side, value)
