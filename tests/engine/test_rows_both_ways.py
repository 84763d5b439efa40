"""The row table with Salesforce and Dialog Insight exchanged: what an entry says of one side, it says of the other.

Only merges, conversions and claims belong to one side.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from di_salesforce import converters
from di_salesforce.engine import (
    Baseline,
    Context,
    Coverage,
    EngineCapabilities,
    Life,
    LinkRecord,
    Plan,
    Snapshot,
    settle,
)
from di_salesforce.records import Row, Side
from di_salesforce.testing._pairs import NOW, LinkedPair, asked, contacts, link_of, linked, plan_of, row, told
from di_salesforce.testing._served import Fate, Saving
from di_salesforce.testing.world import World
from di_salesforce.triggers import Deletes

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD, KEY = {S: "A", D: "a"}, {S: "Email", D: "EMail"}
ABLE = EngineCapabilities(deletes=frozenset(Side), writes_key=frozenset(Side))  # no service stands in a rule's way
both_ways = pytest.mark.parametrize("side", Side)  # S of an entry of the table; its `other` is D there


def plan_from(
    side: Side, own: Snapshot | Iterable[Row], theirs: Snapshot | Iterable[Row], *more: Baseline, **settings: Any
) -> Plan:
    """Plan once from what was read of a side and of the other one."""
    return plan_of(*((own, theirs) if side is S else (theirs, own)), *more, **settings)


def loose(**settings: Any) -> LinkedPair:
    """Give a linked pair where both services take a key twice, and do whatever a rule would have them do."""
    free = dict.fromkeys(Side, Saving(unique_key=False))
    return linked(saving=free, context=Context(capabilities=ABLE), converter=converters.text(), **settings)


def by_changes(one: LinkedPair) -> Plan:
    """Plan from what changed on both sides, without looking anything up."""
    return one.look(*(one.world.snapshot(each, Coverage.CHANGES) for each in Side))


# ---------------------------------------------------------------------------------------- an unlinked row, and proof


@both_ways
@pytest.mark.parametrize("coverage", [Snapshot.changes, Snapshot.sample])
def test_a_side_that_cannot_prove_is_asked(side: Side, coverage: Any) -> None:
    """Changes or a sample cannot prove that a key is free: it is asked for, and then the row is created or linked."""
    plan = plan_from(side, [row(side, 1)], coverage([]))
    assert not plan.actions and asked(plan) == [(side.other, None, "k")]
    assert told(plan.supplied()) == [("create", "create.new")]
    assert told(plan.supplied(**{side.other.value: [row(side.other, 1)]})) == [("link", "link.key")]


@both_ways
def test_the_own_side_must_be_known_too(side: Side) -> None:
    """A side that was never read completely may hold the key twice; once it was, changes show all that came since."""
    plan = plan_from(side, Snapshot.changes([row(side, 1)]), [])
    assert not plan.actions and asked(plan) == [(side, None, "k")]
    twice = [row(side, 1), row(side, 2)]
    assert told(plan.supplied(**{side.value: twice})) == [("reject", "key.ambiguous")] * 2
    assert told(plan.supplied(**{side.value: twice[:1]})) == [("create", "create.new")]
    memory = Baseline.empty().updated(settle(plan_from(side, [], []), {}, now=NOW))
    later = NOW + timedelta(hours=1)
    known = plan_from(side, Snapshot.changes([row(side, 1)], as_of=later), [], memory, now=later)
    assert told(known) == [("create", "create.new")] and not known.needs


@both_ways
def test_no_second_record_is_created_beside_one_that_is_out_of_scope(side: Side) -> None:
    """The other side has the key, and the filter leaves its record out: told, and neither linked nor created."""
    if side is S:
        transfer = contacts(dialog_insight_filter=lambda values: values["a"] != "out")
        plan = plan_of([row(S, 1)], [row(D, 9, value="out")], transfer=transfer)
    else:
        plan = plan_of(Snapshot.complete([], scope="A != 'out'"), [row(D, 1)])
        plan = plan.supplied(salesforce=[row(S, 9, value="out")])
    assert told(plan) == [("skip", "scope.out")]


def lost_create(side: Side, fate: Fate) -> World:
    """Give a world where the answer to a create from one side was lost; the target would take the same key twice."""
    world = World(contacts(), dict.fromkeys(Side, Saving(unique_key=False)))
    world.add(side, {KEY[side]: "k", FIELD[side]: "x"})
    world.apply(world.plan(), lambda write: fate)
    return world


@both_ways
@pytest.mark.parametrize("fate", [Fate.LOST, Fate.LATE])
def test_a_create_whose_answer_was_lost_waits(side: Side, fate: Fate) -> None:
    """While a lost create may still land, it is not repeated; afterwards it is, unless it has landed."""
    world = lost_create(side, fate)
    end = int(world.context.quarantine[side.other] / timedelta(seconds=1))
    for _ in range(5):
        assert told(world.one_pass()) in ([("skip", "outcome.quarantine")], [("link", "link.key")], [])
        world.tick(end // 5 - 3)
    assert fate is not Fate.LOST or told(world.plan()) == [("skip", "outcome.quarantine")]
    world.rest()
    world.settle_down(most=2)
    assert len(world.rows(side.other)) == 1 and world.agrees()


@both_ways
def test_a_look_from_within_the_quarantine_proves_nothing(side: Side) -> None:
    """That a lost create is not there is proven by a look taken after it could last have landed."""
    world = lost_create(side, Fate.LATE)
    world.tick(5)
    early = world.seconds
    world.rest()
    shots = {side.value: world.snapshot(side), side.other.value: world.snapshot(side.other, at=early)}
    plan = plan_of(**shots, baseline=world.baseline, now=world.now, context=world.context)
    assert not plan.writes and (side.other, None, "k") in asked(plan)


# ------------------------------------------------------------------------------- a row whose key a linked record has


@both_ways
def test_a_duplicate_of_a_record_that_was_not_read_is_asked_about(side: Side) -> None:
    """Whether the linked record with that key still lives is asked before its namesake is called a duplicate."""
    one = loose()
    name = one.world.add(side, {KEY[side]: "k"})
    shots = [one.world.snapshot(each, Coverage.SAMPLE, pick=lambda each, field: each == name) for each in Side]
    plan = one.look(*shots)
    assert not plan.actions and (side, one.names[side], None) in asked(plan)
    rows = one.world.rows(side)
    found = [rows[one.names[side]], rows[name or ""]]
    assert told(plan.supplied(**{side.value: found})) == [("reject", "key.duplicate")]


@both_ways
@pytest.mark.parametrize("deletes", Deletes)
def test_a_record_created_again_with_the_key_of_a_deleted_one_is_relinked(side: Side, deletes: Deletes) -> None:
    """s1 proven deleted, d lives, s2 has its key: linked as at a first meeting, never deleted, whatever the rule."""
    one = loose(deletes=deletes)
    one.remove(side)
    name = one.world.add(side, {KEY[side]: "k", FIELD[side]: "other"}) or ""
    assert sorted(told(one.world.one_pass())) == [
        ("conflict", "conflict.first_match"),
        ("link", "link.key"),
        ("skip", "deleted.reported"),
    ]
    assert one.names[side.other] in one.world.rows(side.other)
    link = one.world.baseline.find(side, name)
    assert link is not None and link.record_id(side.other) == one.names[side.other]
    assert one.world.baseline.find(side, one.names[side]) is None


@both_ways
def test_a_survivor_is_looked_at_before_it_is_relinked(side: Side) -> None:
    """s1 proven deleted, s2 has its key, and nothing was read of d: it is asked for, and lives or not."""
    one = loose()
    one.remove(side)
    one.world.add(side, {KEY[side]: "k", FIELD[side]: "x"})
    plan = by_changes(one)
    assert not plan.writes and (side.other, one.names[side.other], None) in asked(plan)
    lives = plan.supplied(**{side.other.value: [one.row(side.other)]})
    assert ("link", "link.key") in told(lives) and not lives.needs
    gone = plan.supplied()
    assert ("unlink", "unlink.both_deleted") in told(gone) and ("create", "create.new") not in told(gone)


@both_ways
def test_which_of_several_new_records_is_the_deleted_one_nobody_guesses(side: Side) -> None:
    """s1 proven deleted, d lives, s2 and s3 have its key: both are told, and d keeps the link that sleeps."""
    one = loose()
    one.remove(side)
    one.world.one_pass()
    for value in ("x", "y"):
        one.world.add(side, {KEY[side]: "k", FIELD[side]: value})
    plan = one.world.one_pass()
    assert told(plan) == [("reject", "key.ambiguous")] * 2
    assert all(reject.causes == ((KEY[side], "key.ambiguous"),) for reject in plan.rejects)
    link = next(link for link in one.world.baseline.links if link.id == one.link.id)
    assert (link.life, link.record_id(side.other)) == (Life.DORMANT, one.names[side.other])


@both_ways
def test_which_of_several_survivors_a_new_record_belongs_to_nobody_guesses(side: Side) -> None:
    """Two records of one key were deleted, and their counterparts live: one new record is told, and none is linked."""
    ids = {S: ("s1", "s2"), D: ("d1", "d2")}
    pairs = [LinkRecord("t", f"l{n}", ids[S][n], ids[D][n], ("k",), ("k",), {}) for n in range(2)]
    alive = [row(side.other, 1), row(side.other, 2)]
    gone = Snapshot.changes([row(side, 3)], deleted=ids[side])
    plan = plan_from(side, gone, alive, Baseline(pairs, (), (), ()))
    assert sorted(told(plan)) == [("reject", "key.ambiguous"), *[("skip", "deleted.reported")] * 2]


@both_ways
def test_a_record_made_anew_waits_for_a_survivor_out_of_scope(side: Side) -> None:
    """The key of a deleted record comes back under a new id while the survivor is out of scope: told, and left."""
    one = loose(
        **({"dialog_insight_filter": lambda values: values["a"] != "out"} if side is S else {"salesforce_filter": "f"})
    )
    one.remove(side)
    one.world.one_pass()
    one.world.add(side, {KEY[side]: "k"})
    one.edit(side.other, **{FIELD[side.other]: "out"})
    one.world.scope = lambda values: values["A"] != "out"
    assert told(one.world.plan()) == [("skip", "scope.out")]
    assert one.world.unaccounted(one.world.plan()) == []


@both_ways
def test_a_record_made_anew_is_left_to_another_transfer_that_holds_the_person(side: Side) -> None:
    """The person of Dialog Insight, new or surviving, is another transfer's: told, and the link keeps sleeping."""
    one = loose()
    one.remove(side)
    one.world.one_pass()
    new = one.world.add(side, {KEY[side]: "k"}) or ""
    one.world.context = Context(claims={new if side is D else one.names[D]: "leads"})
    assert told(one.world.one_pass()) == [("skip", "claimed")]
    (slept,) = [link for link in one.world.baseline.links if link.record_id(side) == one.names[side]]
    assert slept.life is Life.DORMANT


# ------------------------------------------------------------------------------------------------- gone, and back


@both_ways
def test_absence_is_looked_up_before_it_means_anything(side: Side) -> None:
    """Missing from a complete read, without evidence: asked for by id, and nothing flows meanwhile."""
    one = loose()
    one.edit(side.other, **{FIELD[side.other]: "y"})
    rows = one.world.rows(side)
    shot = Snapshot.complete([each for name, each in rows.items() if name != one.names[side]], as_of=one.world.now)
    plan = one.look(**{side.value: shot})
    assert not plan.actions and asked(plan) == [(side, one.names[side], None)]
    assert told(plan.supplied()) == [("skip", "deleted.reported")]
    # Found all the same: it is there, and where a filter was read, outside of it.
    assert told(plan.supplied(**{side.value: [one.row(side)]})) == [("update", "update.changed")]


@both_ways
@pytest.mark.parametrize("moved", ["", "A", "key"])
def test_a_proven_delete_is_followed_only_where_nothing_was_edited(side: Side, moved: str) -> None:
    """deletes=DELETE: the counterpart goes too where it holds what it held at the last agreement, else it is held."""
    one = loose(deletes=Deletes.DELETE)
    one.remove(side)
    if moved:
        one.edit(side.other, **{(FIELD if moved == "A" else KEY)[side.other]: "edited"})
    assert told(one.world.one_pass()) == [
        ("conflict", "conflict.delete_edited") if moved else ("delete", "delete.proven")
    ]
    assert (one.names[side.other] in one.world.rows(side.other)) is bool(moved)


@both_ways
def test_nothing_is_deleted_unseen(side: Side) -> None:
    """deletes=DELETE: what the counterpart holds now is asked for before it goes, and is said in the delete."""
    one = loose(deletes=Deletes.DELETE)
    one.remove(side)
    plan = by_changes(one)
    assert not plan.actions and asked(plan) == [(side.other, one.names[side.other], None)]
    (write,) = plan.supplied(**{side.other.value: [one.row(side.other)]}).writes
    assert (write.kind, dict(write.based_on)) == ("delete", {KEY[side.other]: "k", FIELD[side.other]: "x"})


@both_ways
def test_deletes_need_the_service(side: Side) -> None:
    """Where the service that holds the counterpart is not known to delete, a delete is only reported."""
    for able, action in ((side, ("skip", "deleted.reported")), (side.other, ("delete", "delete.proven"))):
        context = Context(capabilities=EngineCapabilities(deletes=frozenset({able})))
        one = linked(deletes=Deletes.DELETE, context=context)
        one.remove(side)
        assert told(one.world.one_pass()) == [action]


# ---------------------------------------------------------------------------------------------------------- scope


def scoped(side: Side) -> LinkedPair:
    """Give a pair under a filter of one side, which leaves out what holds "out"."""
    if side is D:
        return linked(dialog_insight_filter=lambda values: values.get("a") != "out")
    one = linked(salesforce_filter="A != 'out'")
    one.world.scope = lambda values: values["A"] != "out"
    return one


@both_ways
def test_left_the_filter_and_came_back(side: Side) -> None:
    """Out of scope nothing flows and the state is kept; back in scope, the ordinary comparison goes on."""
    one = scoped(side)
    one.edit(side, **{FIELD[side]: "out"})
    assert told(one.world.one_pass()) == [("skip", "scope.left")]
    slept = link_of(one)
    assert slept is not None and (slept.life, slept.gone) == (Life.DORMANT, side)
    one.edit(side.other, **{FIELD[side.other]: "theirs"})
    assert not one.world.one_pass().actions
    one.edit(side, **{FIELD[side]: "back"})
    assert sorted(told(one.world.one_pass())) == [("conflict", "conflict.both_changed"), ("link", "link.revived")]


@both_ways
def test_deleted_on_the_other_side_while_out_of_scope(side: Side) -> None:
    """A link that sleeps out of scope, and whose other record is deleted meanwhile, is told when it is back."""
    one = scoped(side)
    one.edit(side, **{FIELD[side]: "out"})
    one.world.one_pass()
    one.remove(side.other)
    heard = told(one.world.one_pass())
    one.edit(side, **{FIELD[side]: "back"})
    heard += told(one.world.one_pass())
    assert ("skip", "deleted.reported") in heard


# ------------------------------------------------------------------------------------------------- a changed key


@both_ways
def test_a_changed_key_flows_by_record_id(side: Side) -> None:
    """The link holds by native id: where the service takes changed keys, one is written like any field."""
    one = loose()
    one.edit(side, **{KEY[side]: "new"})
    (write,) = one.world.one_pass().writes
    target = side.other
    assert (write.side, write.record_id, dict(write.values)) == (target, one.names[target], {KEY[target]: "new"})
    assert not one.world.one_pass().actions


@both_ways
def test_a_key_in_use_elsewhere_is_held(side: Side) -> None:
    """A new key that another linked record has is not written."""
    one = loose()
    one.edit(side, **{KEY[side]: "other"})
    plan = one.world.plan()
    assert ("conflict", "conflict.key_changed") in told(plan) and not plan.writes


@both_ways
def test_a_new_key_is_proven_free_before_it_is_written(side: Side) -> None:
    """Under changes, whether the new key is free there is asked for; found with somebody, it is held."""
    one = loose()
    one.edit(side, **{KEY[side]: "new"})
    plan = by_changes(one)
    assert not plan.writes and (side.other, None, "new") in asked(plan)
    assert [write.kind for write in plan.supplied().writes] == ["update"]
    taken = plan.supplied(**{side.other.value: [row(side.other, 9, "new")]})
    assert ("conflict", "conflict.key_changed") in told(taken) and not taken.writes


@both_ways
def test_two_records_that_take_the_same_new_key_are_both_held(side: Side) -> None:
    """A key that two linked records take at once is in use elsewhere for both."""
    one = loose()
    for name in list(one.world.rows(side)):
        one.world.edit(side, name, {KEY[side]: "same"})
    plan = one.world.plan()
    assert told(plan) == [("conflict", "conflict.key_changed")] * 2
