"""Which records are looked up again, by what name, and what waits for the answer: no more than need be, and no less."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, converters
from di_salesforce.engine import Baseline, Context, FieldState, LinkRecord, OpenItem, Outcome, Plan, Snapshot, settle
from di_salesforce.engine._memory import KeyText
from di_salesforce.records import Row, Side
from di_salesforce.testing._pairs import NOW, ORDERS, asked, contacts, linked, plan_of, row, told
from di_salesforce.testing._served import Fate, Saving
from di_salesforce.testing.world import World
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
LATER = NOW + timedelta(hours=1)


def changes(*rows: Row, **evidence: Any) -> Snapshot:  # of Snapshot.changes
    return Snapshot.changes(rows, as_of=LATER, **evidence)


def after(plan: Plan, outcomes: dict[str, Outcome] | None = None, now: datetime = NOW) -> Baseline:
    """Give what is remembered after a first plan."""
    return Baseline.empty().updated(settle(plan, outcomes or {}, now=now))


# ------------------------------------------------------------------------------------------------------ open rows


def test_the_open_rows_of_every_key_that_something_happened_to_are_asked_for() -> None:
    """One of a key's rows is gone, another has a new key, a third key got a new row; a key without news is left alone.

    And nothing is decided of a key before all of its rows are known.
    """
    keys = {"a": "quiet", "b": "gone", "c": "moved", "d": "new"}
    rows = [{**row(S, None, f"{key}@x"), "Id": f"{name}{number}"} for name, key in keys.items() for number in (1, 2)]
    memory = after(plan_of(rows, []))
    news = [{**rows[4], "Email": "z@x"}, row(S, 8, "new@x"), row(S, 9, "gone@x")]
    plan = plan_of(changes(*news, deleted=["b1"]), Snapshot.complete([], as_of=LATER), memory, now=LATER)
    assert {need.record_id for side, need in plan.needs if side is S} == {"b2", "c2", "d1", "d2"}
    assert [(action.kind, action.salesforce_id) for action in plan.actions] == [("create", "c1")]


def test_an_open_row_without_a_key_is_forgotten_once_it_is_gone() -> None:
    """It was rejected for its blank key; the next complete read does not show it any more."""
    memory = after(plan_of([row(S, 1, None), row(S, 2)], []))
    plan = plan_of([row(S, 2)], [], memory, now=LATER)
    assert {item.subject for item in plan.parts[0].items} >= {"row:salesforce:s1"}
    assert "s1" not in {need.record_id for _, need in plan.needs}


def test_an_open_row_of_a_table_is_forgotten_once_its_key_is_not_found() -> None:
    """It has no id: nobody has the key that it was asked for by."""
    first = plan_of([], [row(D, None)], transfer=ORDERS)
    memory = after(first, {write.id: Outcome.refused("no", "") for write in first.writes})
    plan = plan_of(changes(), changes(), memory, transfer=ORDERS, now=LATER)
    assert asked(plan) == [(D, None, "k")]
    plan = plan.supplied()
    assert not plan.actions and [item.id for item in plan.parts[0].items] == list(memory.open_items)


def test_a_row_of_a_table_that_stays_unclear_is_rejected_and_not_passed_over() -> None:
    """Read twice with different values, and the look-up by its key tells no more."""
    twice = [row(D, None), row(D, None, value="y")]
    plan = plan_of([], twice, transfer=ORDERS)
    assert asked(plan) == [(D, None, "k")] and not plan.actions
    assert told(plan.supplied(dialog_insight=twice)) == [("reject", "value.unclear")]


# ----------------------------------------------------------------------------- keys that a link takes, or gives up

HAPPENED: dict[str, tuple[Snapshot, Snapshot, Side]] = {  # on either side, and where somebody waits for the key k
    "its record was deleted": (changes(deleted=["s1"]), changes(), S),
    "its record took another key": (changes(row(S, 1, "k2")), changes(), S),
    "its person took another key": (changes(), changes(row(D, 1, "k2")), D),
}


@pytest.mark.parametrize("what", HAPPENED)
def test_who_waits_for_a_key_is_looked_at_once_its_holder_changed(what: str) -> None:
    """A duplicate may be one no more: it is asked for, though nothing tells of it."""
    salesforce, dialog_insight, side = HAPPENED[what]
    memory = waiting_for_k(side)
    plan = plan_of(salesforce, dialog_insight, memory, now=LATER)
    assert (side, f"{side.value[0]}9", None) in asked(plan)


@pytest.mark.parametrize("side", Side)
def test_who_waits_for_a_key_is_left_alone_while_its_holder_keeps_it(side: Side) -> None:
    """An edit of another field changes nothing for a duplicate."""
    plan = plan_of(changes(row(S, 1, value="y")), changes(), waiting_for_k(side), now=LATER)
    assert told(plan) == [("update", "update.changed")] and not plan.needs


def waiting_for_k(side: Side) -> Baseline:
    """Give the memory of a pair with the key k, and of a row on that side that has it too."""
    linked_once = after(plan_of([row(S, 1)], [row(D, 1)]))
    both = {each: [row(each, 1), *([row(each, 9)] if each is side else [])] for each in Side}
    second = plan_of(both[S], both[D], linked_once)
    assert told(second) == [("reject", "key.duplicate")]
    return linked_once.updated(settle(second, {}, now=NOW))


def test_nothing_is_decided_about_a_key_while_its_holder_is_not_known() -> None:
    """The linked record was not in the sample: whether its namesake is a duplicate or its successor is found out."""
    memory = after(plan_of([row(S, 1)], [row(D, 1), row(D, 2, "other")]))
    sample = Snapshot.sample([row(S, 9)], as_of=LATER)
    plan = plan_of(sample, Snapshot.complete([row(D, 2, "other")], as_of=LATER), memory, now=LATER)
    assert (S, "s1", None) in asked(plan)
    assert [action for action in plan.actions if action.salesforce_id == "s9"] == []


def test_two_successors_of_a_deleted_record_are_both_rejected_once() -> None:
    """Nobody guesses which of them it is."""
    memory = after(plan_of([row(S, 1)], [row(D, 1)]))
    new = [row(S, 8), row(S, 9)]
    plan = plan_of(changes(*new, deleted=["s1"]), changes(), memory, now=LATER)
    while plan.needs:
        plan = plan.supplied(salesforce=new, dialog_insight=[row(D, 1)])
    about = [(each.kind, each.reason, each.salesforce_id) for each in plan.actions if each.link is None]
    assert about == [("reject", "key.ambiguous", "s8"), ("reject", "key.ambiguous", "s9")]


def test_a_namesake_of_a_deleted_record_whose_person_has_another_key_is_decided_once() -> None:
    """It is nobody's successor: it is created, and not called ambiguous besides."""
    memory = after(plan_of([row(S, 1)], [row(D, 1)]))
    (link,) = memory.links
    moved = Baseline((attrs.evolve(link, dialog_insight_key=("k2",)),), (), (), ())
    people = Snapshot.complete([row(D, 1, "k2")], as_of=LATER)
    plan = plan_of(changes(row(S, 9), deleted=["s1"]), people, moved, now=LATER)
    while plan.needs:
        plan = plan.supplied(salesforce=[row(S, 9)])
    assert sorted(told(plan)) == [("create", "create.new"), ("skip", "deleted.reported")]


# ------------------------------------------------------------------------------------------------ asked for by key

BY_KEY: list[tuple[Any, KeyText | None, dict[str, FieldState], list[Any]]] = [  # converter, key, fields, asked
    (converters.email(), ("ada@x",), {"Email:EMail": FieldState(("Ada@x", "ADA@x"), version="v")}, ["ADA@x"]),
    (converters.email(), ("ada@x",), {"Email:EMail": FieldState((None, None), version="v")}, ["ada@x"]),
    (converters.email(), ("ada@x",), {}, ["ada@x"]),
    (converters.integer(), ("\x005",), {}, ["5"]),
    (converters.email(), None, {}, []),
]


@pytest.mark.parametrize(("converter", "key", "fields", "names"), BY_KEY)
def test_a_row_without_an_id_is_asked_for_by_its_key_as_its_side_writes_it(
    converter: Any, key: KeyText | None, fields: dict[str, FieldState], names: list[Any]
) -> None:
    """As it was last read there; else in the form in which keys are compared, without the mark of a number."""
    link = LinkRecord("t", "l", "s1", None, key, key, fields)
    transfer = attrs.evolve(contacts(converter=converter), table="Orders")
    item = OpenItem("t", "link:l", "", "outcome.refused", NOW, side=D)
    plan = plan_of(changes(row(S, 1)), changes(), Baseline((link,), (item,), (), ()), transfer=transfer, now=LATER)
    assert [name for side, _, name in asked(plan) if side is D] == names


# ---------------------------------------------------------------------------------------------------- what stays open


def two_fields() -> World:
    """A world of one linked pair with two fields, on whose records a write of the first one was refused."""
    lines = [FieldMapping("Email", "EMail", key=True), FieldMapping("A", "a"), FieldMapping("B", "b")]
    world = World(attrs.evolve(contacts(), fields=lines), dict.fromkeys(Side, Saving()))
    name = world.add(S, {"Email": "k", "A": "x", "B": "x"}) or ""
    world.add(D, {"EMail": "k", "a": "x", "b": "x"})
    world.one_pass()
    world.edit(S, name, {"A": "y"})
    world.apply(world.plan(), lambda write: Fate.REFUSED)
    return world


@pytest.mark.parametrize(("missing", "said"), [("A", []), ("B", [("skip", "refused.unchanged")])])
def test_a_refused_write_stays_open_while_a_field_of_its_record_is_not_decided(
    missing: str, said: list[tuple[str, str]]
) -> None:
    """It may have been about any of the fields; where its own one was decided, it is told as refused before."""
    world = two_fields()
    (item,) = world.baseline.open_items.values()
    (name,) = world.rows(S)
    short = {field: value for field, value in world.rows(S)[name].items() if field != missing}
    shots = Snapshot.sample([short], as_of=world.now), Snapshot.complete(world.rows(D).values(), as_of=world.now)
    plan = plan_of(*shots, world.baseline, transfer=world.transfer, now=world.now)
    assert told(plan) == said
    after_it = world.baseline.updated(settle(plan, {}, now=world.now))
    assert after_it.open_items == {item.id: item}


def test_the_quarantine_of_a_lost_write_is_that_of_the_service_that_was_written() -> None:
    """The other service's may be longer: nobody waits for that."""
    one = linked(context=Context(quarantine={S: timedelta(hours=2), D: timedelta(seconds=30)}))
    one.edit(S, A="y")
    one.world.apply(one.world.plan(), lambda write: Fate.LOST)
    one.world.tick(60)
    assert told(one.world.plan()) == [("update", "update.changed")]


@pytest.mark.parametrize("seconds", [-1, 0])
def test_a_lost_create_is_repeated_from_the_very_end_of_its_quarantine_on(seconds: int) -> None:
    """Not a second sooner, and not a second later."""
    world = World(contacts(), context=Context(quarantine=dict.fromkeys(Side, timedelta(seconds=60))))
    world.add(S, {"Email": "k", "A": "x"})
    world.apply(world.plan(), lambda write: Fate.LOST)
    (item,) = world.baseline.open_items.values()
    world.tick(world.second_of(item.since) + 60 - world.seconds + seconds)
    shots = [world.snapshot(side) for side in Side]
    plan = plan_of(*shots, world.baseline, transfer=world.transfer, now=world.now, context=world.context)
    assert told(plan) == [("create", "create.new") if seconds == 0 else ("skip", "outcome.quarantine")]
    assert not plan.needs


def test_when_a_side_was_last_seen_stays_while_it_is_not_read() -> None:
    """A look at the other side alone, in which the link changes, forgets nothing of this one."""
    one = linked()
    one.world.apply(one.world.plan(*(Snapshot.sample([one.row(side)], as_of=one.world.now) for side in Side)))
    one.edit(S, A="y")
    seen = one.link.as_of(D)
    plan = one.look(Snapshot.sample([one.row(S)], as_of=one.world.now), Snapshot.sample([], as_of=one.world.now))
    link = plan.parts[0].links[one.link.id]
    assert (link.as_of(S), link.as_of(D)) == (one.world.now, seen) and seen is not None


def test_a_wrong_key_is_told_with_its_cause_before_anybody_is_asked() -> None:
    """It has no form on the other side, so that nobody there can be asked for it."""
    choice = contacts(converter=converters.choice({"English": "en"}), triggers=Trigger.ALL)
    (reject,) = plan_of(Snapshot.complete([], scope="f"), [row(D, 1, "xx")], transfer=choice).rejects
    assert (reject.reason, reject.causes) == ("key.invalid", (("EMail", "value.not_mapped"),))
