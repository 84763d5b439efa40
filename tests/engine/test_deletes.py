"""What is deleted for a record that is gone, and what never is: anything edited, not seen whole, or made anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from di_salesforce.engine import Baseline, Context, EngineCapabilities, Life, OpenItem, Snapshot, settle
from di_salesforce.engine._memory import digest
from di_salesforce.records import Row, Side
from di_salesforce.testing._pairs import NOW, ORDERS, asked, contacts, linked, plan_of, row, told
from di_salesforce.testing._served import Fate, Saving
from di_salesforce.triggers import Deletes

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
DELETING = contacts(deletes=Deletes.DELETE)
CAN_DELETE = Context(capabilities=EngineCapabilities(deletes=frozenset(Side)))
LATER = NOW + timedelta(hours=1)


def memory_of(salesforce: Row, dialog_insight: Row, **more: Any) -> Baseline:  # of `plan_of`
    """Give the memory of two records that were linked by their key."""
    return Baseline.empty().updated(settle(plan_of([salesforce], [dialog_insight], **more), {}, now=NOW))


SURVIVORS: dict[str, tuple[Any, list[Row]]] = {  # what the pair held, and how the survivor is read afterwards
    "edited": ("x", [row(S, 1, value="y")]),
    "read twice, once as edited": ("x", [row(S, 1, value="y"), row(S, 1, value="x")]),
    "read without a field": ("x", [{"Id": "s1", "Email": "k"}]),
    "read without a field that was blank": (None, [{"Id": "s1", "Email": "k"}]),
    "read with what is no value": ("x", [row(S, 1, value=["x"])]),
}


@pytest.mark.parametrize("survivor", SURVIVORS)
def test_a_record_that_may_hold_something_new_is_not_deleted(survivor: str) -> None:
    """Whatever is not seen to be as it was at the last agreement is held for a person."""
    value, rows = SURVIVORS[survivor]
    memory = memory_of(row(S, 1, value=value), row(D, 1, value=value))
    gone = Snapshot.changes([], deleted=["d1"], as_of=LATER)
    plan = plan_of(Snapshot.changes(rows, as_of=LATER), gone, memory, transfer=DELETING, now=LATER)
    assert told(plan) == [("conflict", "conflict.delete_edited")]


@pytest.mark.parametrize("side", Side)
def test_a_delete_names_its_record_and_all_that_it_held(side: Side) -> None:
    """A row without an id is addressed by its key; what is lost with the record stands in the plan."""
    memory = memory_of(row(S, 1), row(D, None), transfer=ORDERS)
    transfer = attrs.evolve(ORDERS, deletes=Deletes.DELETE)
    shots = {S: Snapshot.complete([row(S, 2, "k2")], as_of=LATER), D: Snapshot.complete([], as_of=LATER)}
    shots[side] = Snapshot.complete([row(side, 1 if side is S else None)], as_of=LATER)
    context = attrs.evolve(CAN_DELETE, allow_empty=frozenset(Side))
    plan = plan_of(shots[S], shots[D], memory, transfer=transfer, now=LATER, context=context)
    while plan.needs:
        plan = plan.supplied()
    (delete,) = [write for write in plan.writes if write.kind == "delete"]
    names = {S: ("Email", "A"), D: ("EMail", "a")}[side]
    assert (delete.side, delete.record_id) == (side, "s1" if side is S else None)
    assert dict(delete.address) == {names[0]: "k"}
    assert dict(delete.based_on) == {names[0]: "k", names[1]: "x"}


def test_a_linked_namesake_of_a_deleted_record_is_nobody_made_anew() -> None:
    """Another linked record took the key meanwhile: it has its own counterpart, and the proven delete stands."""
    one = linked(deletes=Deletes.DELETE, saving=dict.fromkeys(Side, Saving(unique_key=False)))
    other = next(name for name in one.world.rows(D) if name != one.names[D])
    one.world.edit(D, other, {"EMail": "k"})
    one.remove(D)
    assert ("delete", "delete.proven") in told(one.world.plan())


@pytest.mark.parametrize("known_by", ["a read", "a look-up", "evidence", "a complete read", "nothing"])
def test_an_open_row_of_which_is_known_what_became_of_it_is_nobody_made_anew(known_by: str) -> None:
    """It has another key now, or is gone: the proven delete stands; before that is known, nothing is deleted."""
    link = attrs.evolve(linked().link, life=Life.DORMANT, gone=D, cause="deleted.reported")
    ours: Row = {"Id": link.salesforce_id, "Email": "k", "A": "x"}
    # What is open about a write is asked for again, so that a look-up tells of it.
    reason = "outcome.refused" if known_by == "a look-up" else "key.duplicate"
    waits = OpenItem("t", "row:dialog_insight:77", "", reason, NOW, key=("k",))
    theirs: Row = {"idContact": 77, "EMail": "other", "a": "x"}
    shots = {
        "a read": Snapshot.changes([theirs], as_of=LATER),
        "evidence": Snapshot.changes([], deleted=["77"], as_of=LATER),
        "a complete read": Snapshot.complete([{**theirs, "idContact": 78}], as_of=LATER),
    }
    shot = shots.get(known_by, Snapshot.changes([], as_of=LATER))
    memory = Baseline((link,), (waits,), (), ())
    plan = plan_of(Snapshot.changes([ours], as_of=LATER), shot, memory, transfer=DELETING, now=LATER)
    if known_by == "a look-up":
        assert (D, "77", None) in asked(plan) and not plan.writes
        plan = plan.supplied(salesforce=[ours], dialog_insight=[theirs])
    assert [write.kind for write in plan.writes if write.kind == "delete"] == ["delete"] * (known_by != "nothing")


def test_an_open_row_of_a_table_that_a_look_up_does_not_find_is_nobody_made_anew() -> None:
    """It has no id: its key was asked for, and nobody has it."""
    link = attrs.evolve(
        memory_of(row(S, 1), row(D, None), transfer=ORDERS).links[0],
        dialog_insight_key=("k2",),  # the row over there had taken another key before it was deleted
        life=Life.DORMANT,
        gone=D,
        cause="deleted.reported",
    )
    waits = OpenItem("t", f"row:dialog_insight:{digest(('k',))}", "", "outcome.refused", NOW, key=("k",))
    transfer = attrs.evolve(ORDERS, deletes=Deletes.DELETE)
    shots = [Snapshot.changes(rows, as_of=LATER) for rows in ([row(S, 1)], [])]
    plan = plan_of(*shots, Baseline((link,), (waits,), (), ()), transfer=transfer, now=LATER)
    assert (D, None, "k") in asked(plan) and not plan.writes
    plan = plan.supplied(salesforce=[row(S, 1)])
    assert told(plan) == [("delete", "delete.proven")]


def test_a_look_from_within_the_quarantine_of_a_delete_proves_nothing() -> None:
    """The answer to a delete was lost: that the record was there soon afterwards does not say that it still is."""
    one = linked(deletes=Deletes.DELETE, context=CAN_DELETE)
    one.remove(D)
    one.world.apply(one.world.plan(), lambda write: Fate.LANDED)
    rows = [{"Id": one.names[S], "Email": "k", "A": "x"}, *one.world.rows(S).values()]
    early = Snapshot.complete(rows, as_of=one.world.now)
    one.world.rest()
    plan = one.look(early)
    assert not plan.writes and (S, one.names[S], None) in asked(plan)
    plan = plan.supplied()
    assert told(plan) == [("unlink", "unlink.both_deleted")]


# --------------------------------------------------------------------------------------------------- made anew


@pytest.mark.parametrize("made_anew", Side)
def test_a_survivor_that_another_transfer_holds_is_not_linked_anew(made_anew: Side) -> None:
    """Whichever of the two was made anew: what another transfer holds in Dialog Insight is left to it."""
    one = linked()
    one.remove(made_anew)
    one.world.one_pass()
    new = one.world.add(made_anew, {"Email" if made_anew is S else "EMail": "k"})
    one.world.context = Context(claims={(one.names[D] if made_anew is S else new) or "": "leads"})
    plan = one.world.plan()
    assert told(plan) == [("skip", "claimed")]
    assert {action.link for action in plan.actions} == {None}


@pytest.mark.parametrize("made_anew", Side)
def test_a_survivor_without_a_key_is_linked_anew_under_the_key_that_is_there(made_anew: Side) -> None:
    """The pair stands in the plan, and is remembered, by the key of the record that has one."""
    one = linked()
    one.edit(made_anew.other, **{"EMail" if made_anew is S else "Email": None})
    one.remove(made_anew)
    one.world.one_pass()
    name = one.world.add(made_anew, {"Email" if made_anew is S else "EMail": "k", "A" if made_anew is S else "a": "x"})
    plan = one.world.plan()
    (made,) = [action for action in plan.actions if action.kind == "link"]
    assert (made.reason, made.key, made.key_text) == ("link.key", "k", ("k",))
    one.world.apply(plan)
    link = one.world.baseline.find(made_anew, name or "")
    assert link is not None and link.record_id(made_anew.other) == one.names[made_anew.other]
    assert (link.key(made_anew), link.key(made_anew.other)) == (("k",), None)
