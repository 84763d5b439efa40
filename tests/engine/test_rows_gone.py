"""The row table, second half: records that are gone, come back, leave the scope, or were seen too long ago."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from di_salesforce import converters
from di_salesforce.engine import (
    Baseline,
    Context,
    Coverage,
    EngineCapabilities,
    Life,
    OpenItem,
    Plan,
    Snapshot,
    settle,
)
from di_salesforce.exceptions import EmptySideError
from di_salesforce.records import Row, Side
from di_salesforce.testing._pairs import (
    NOW,
    ORDERS,
    asked,
    contacts,
    link_of,
    linked,
    plan_of,
    row,
    told,
)
from di_salesforce.testing._served import Fate
from di_salesforce.testing.world import World
from di_salesforce.triggers import Deletes, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


def takes_part(row: Row) -> bool:
    return row.get("a") != "out"


# ------------------------------------------------------------------------------------------- gone and back


def test_a_relational_row_is_asked_for_by_its_key() -> None:
    """A row without a native id is named by its key, also when it is missing."""
    memory = Baseline.empty().updated(
        settle(plan_of([row(S, 1), row(S, 2, "k2")], [row(D, None), row(D, None, "k2")], transfer=ORDERS), {}, now=NOW)
    )
    later = NOW + timedelta(hours=1)
    plan = plan_of([row(S, 1), row(S, 2, "k2")], [row(D, None, "k2")], memory, transfer=ORDERS, now=later)
    assert asked(plan) == [(D, None, "k")]
    assert told(plan.supplied()) == [("skip", "deleted.reported")]


@pytest.mark.parametrize("gone", Side)
def test_deleted_and_reported(gone: Side) -> None:
    """deletes=REPORT: told once, the link sleeps with its state, and nothing is deleted."""
    one = linked()
    one.remove(gone)
    assert told(one.world.one_pass()) == [("skip", "deleted.reported")]
    link = link_of(one)
    assert (link.life, link.gone) == (Life.DORMANT, gone) and link.fields["A:a"].base == ("x", "x")
    assert not one.world.one_pass().actions
    assert one.names[gone.other] in one.world.rows(gone.other)


@pytest.mark.parametrize("gone", Side)
def test_undeleted_and_revived(gone: Side) -> None:
    """The same record is back: the link lives again with its state, and edits of both sides are compared."""
    one = linked()
    one.remove(gone)
    one.world.one_pass()
    one.edit(gone.other, **{"A" if gone is D else "a": "meanwhile"})
    one.world.one_pass()
    assert one.world.undelete(gone, one.names[gone])
    assert sorted(told(one.world.one_pass())) == [("link", "link.revived"), ("update", "update.changed")]
    assert {one.row(S)["A"], one.row(D)["a"]} == {"meanwhile"}


@pytest.mark.parametrize("gone", Side)
def test_an_edit_while_the_link_sleeps_is_not_overwritten(gone: Side) -> None:
    """Under changes: what the survivor's side edits while the link sleeps is known, or looked up, when it wakes."""
    field = {S: "A", D: "a"}
    one = linked()

    def by_changes() -> Plan:
        plan = one.world.plan(*(one.world.snapshot(side, Coverage.CHANGES) for side in Side))
        one.world.apply(plan)
        return plan

    one.remove(gone)
    assert told(by_changes()) == [("skip", "deleted.reported")]
    one.edit(gone.other, **{field[gone.other]: "theirs"})
    by_changes()
    one.world.undelete(gone, one.names[gone])
    one.edit(gone, **{field[gone]: "ours"})
    assert ("conflict", "conflict.both_changed") in told(by_changes())


@pytest.mark.parametrize("gone", Side)
def test_deleted_and_unlinked(gone: Side) -> None:
    """deletes=UNLINK: the link ends with a tombstone, so that the survivor does not bring the record back."""
    one = linked(deletes=Deletes.UNLINK)
    one.remove(gone)
    assert told(one.world.one_pass()) == [("unlink", "unlink.deleted")]
    assert link_of(one) is None
    assert [stone.record_id for stone in one.world.baseline.tombstones.values()] == [one.names[gone.other]]
    assert told(one.world.one_pass()) == [("skip", "tombstone")]
    assert one.names[gone.other] in one.world.rows(gone.other)


def test_a_record_with_a_new_id_is_no_ghost() -> None:
    """A tombstone names native ids: a person who creates the record again under a new id is news."""
    one = linked(deletes=Deletes.UNLINK)
    one.remove(S)
    one.world.one_pass()
    one.world.remove(D, one.names[D])
    one.world.one_pass()
    one.world.add(S, {"Email": "k", "A": "again"})
    assert told(one.world.one_pass()) == [("create", "create.new")]


def test_deleted_and_deleted() -> None:
    """deletes=DELETE: the counterpart goes too where it holds nothing new, and neither comes back."""
    one = linked(deletes=Deletes.DELETE)
    one.remove(D)
    assert told(one.world.one_pass()) == [("delete", "delete.proven")]
    assert one.names[S] not in one.world.rows(S) and link_of(one) is None
    assert not one.world.one_pass().actions


def test_a_delete_says_what_it_deletes() -> None:
    """A delete carries what the record held: a record that was edited since is not deleted."""
    one = linked(deletes=Deletes.DELETE)
    one.remove(D)
    plan = one.world.plan()
    assert {change.field: change.before for change in plan.writes[0].changes} == {"Email": "k", "A": "x"}
    one.edit(S, A="edited in the meantime")
    one.world.apply(plan)
    assert one.names[S] in one.world.rows(S)


def test_nothing_is_deleted_for_a_record_that_was_made_anew() -> None:
    """deletes=DELETE, but somebody made the deleted record again under a new id: linked to it, nothing is deleted."""
    one = linked(deletes=Deletes.DELETE)
    one.remove(D)
    name = one.world.add(D, {"EMail": "k", "a": "x"})
    plan = one.world.plan()
    assert not plan.writes
    one.world.apply(plan)
    one.world.settle_down(most=2)
    link = one.world.baseline.find(D, name or "")
    assert link is not None and link.salesforce_id == one.names[S] and one.names[S] in one.world.rows(S)


@pytest.mark.parametrize("deletes", [Deletes.UNLINK, Deletes.DELETE])
def test_nothing_is_done_to_a_record_out_of_scope(deletes: Deletes) -> None:
    """A record that the filter leaves out is not touched, not even by the delete of its counterpart."""
    context = Context(capabilities=EngineCapabilities(deletes=frozenset(Side)))
    one = linked(dialog_insight_filter=takes_part, deletes=deletes, context=context)
    one.edit(D, a="out")
    one.remove(S)
    assert told(one.world.one_pass()) == [("skip", "deleted.reported")]
    assert one.names[D] in one.world.rows(D) and link_of(one) is not None


def test_both_deleted() -> None:
    """Both records are gone: the link is dropped, and both names are remembered."""
    one = linked()
    one.remove(S)
    one.remove(D)
    assert told(one.world.one_pass()) == [("unlink", "unlink.both_deleted")]
    assert {stone.record_id for stone in one.world.baseline.tombstones.values()} == set(one.names.values())
    assert not one.world.one_pass().actions


def test_the_key_of_two_deleted_records_is_free_at_once() -> None:
    """Both records of a link are gone: the same plan lets another pair take their key, and the next one is quiet."""
    one = linked(converter=converters.text(), context=Context(allow_empty=frozenset(Side)))
    for side in Side:
        one.remove(side)
    other = next(iter(one.world.rows(D)))
    one.world.edit(D, other, {"EMail": "k"})
    assert sorted(told(one.world.one_pass())) == [("unlink", "unlink.both_deleted"), ("update", "update.changed")]
    assert not one.world.one_pass().actions


def test_evidence_spares_the_look_up() -> None:
    """A source that names what was deleted proves it, under changes too."""
    one = linked()
    one.remove(S)
    plan = one.look(*(one.world.snapshot(side, Coverage.CHANGES) for side in Side))
    assert told(plan) == [("skip", "deleted.reported")] and not plan.needs


def test_old_evidence_is_not_believed() -> None:
    """A delete that was observed before the record was last seen alive proves nothing."""
    one = linked()
    before = one.world.now
    one.world.rest()
    one.edit(S, A="alive")
    one.world.one_pass()
    plan = one.look(Snapshot.sample([], deleted=[one.names[S]], as_of=before), one.world.snapshot(D, Coverage.CHANGES))
    assert not plan.actions


@pytest.mark.parametrize("evidence", ["merged", "converted"])
def test_merged_and_converted_records_are_held(evidence: str) -> None:
    """A record that was merged into another, or a lead that was converted, is reported and held; nothing flows."""
    one = linked()
    one.edit(D, a="y")
    shot = Snapshot.changes([], as_of=one.world.now, **{evidence: {one.names[S]: "someone else"}})
    assert told(one.look(salesforce=shot)) == [("conflict", f"conflict.{evidence}")]


# ---------------------------------------------------------------------------------------------------- scope


def test_a_row_outside_the_dialog_insight_filter_takes_no_part() -> None:
    """A row that the filter leaves out is not created, and a linked one that leaves it sleeps."""
    one = linked(dialog_insight_filter=takes_part)
    one.world.add(D, {"EMail": "stranger", "a": "out"})
    assert not one.world.one_pass().actions
    one.edit(D, a="out")
    assert told(one.world.one_pass()) == [("skip", "scope.left")]


# ----------------------------------------------------------------------------------------------- old views, guards


def test_a_link_does_not_come_back_to_a_record_that_another_transfer_took_over() -> None:
    """A record is back, but meanwhile its counterpart belongs to another transfer: the link keeps sleeping."""
    one = linked()
    one.remove(S)
    one.world.one_pass()
    one.world.undelete(S, one.names[S])
    one.world.context = Context(claims={one.names[D]: "leads"})
    assert told(one.world.one_pass()) == [("skip", "claimed")]
    assert link_of(one).life is Life.DORMANT
    one.world.context = Context()
    assert told(one.world.one_pass()) == [("link", "link.revived")]


def test_an_old_export_writes_nothing_old() -> None:
    """Values that were taken before the last look are ignored, and so is the absence of rows."""
    one = linked()
    old = one.world.seconds
    one.world.rest()
    one.edit(S, A="new")
    one.world.add(S, {"Email": "later"})
    one.world.settle_down()
    for side in Side:
        stale = one.world.snapshot(side, at=old)
        plan = one.world.plan(**{side.value: stale})
        assert not plan.actions


def test_an_old_export_of_one_side_is_a_hint_to_look() -> None:
    """An unlinked row of an old export is looked up; what the look-up finds counts."""
    one = linked()
    old = one.world.seconds
    one.world.tick()
    one.world.one_pass()
    row_now: Row = {"Id": "later", "Email": "later", "A": "x"}
    taken = one.world.now - timedelta(seconds=one.world.seconds - old)
    shot = Snapshot.complete([*one.world.rows(S).values(), row_now], as_of=taken)
    plan = one.look(salesforce=shot)
    assert not plan.writes and (S, "later", None) in asked(plan)
    while plan.needs:
        plan = plan.supplied(salesforce=[row_now])
    assert told(plan) == [("create", "create.new")]


@pytest.mark.parametrize(
    ("now", "then"),
    [("later", [("create", "create.new")]), (None, [("reject", "key.missing")]), ("gone", [])],
)
def test_an_old_row_without_a_key_is_a_hint_to_look_as_well(now: str | None, then: list[tuple[str, str]]) -> None:
    """That it lacked one then says nothing of what it has now: it is looked up, and that counts."""
    one = linked()
    old = Snapshot.complete(
        [*one.world.rows(S).values(), {"Id": "later", "Email": None, "A": "x"}],
        as_of=one.world.now - timedelta(seconds=1),
    )
    one.world.one_pass()
    plan = one.look(salesforce=old)
    assert not plan.actions and (S, "later", None) in asked(plan)
    while plan.needs:
        plan = plan.supplied(salesforce=[{"Id": "later", "Email": now, "A": "x"}] if now != "gone" else [])
    assert told(plan) == then


def test_a_quiet_look_counts_as_a_look() -> None:
    """A sample that finds nothing new is still the last look: an older sample is ignored after it."""
    one = linked()
    one.edit(S, A="for a moment")
    moment = one.world.seconds
    one.edit(S, A="x")
    one.world.apply(one.world.plan(*(one.world.snapshot(side, Coverage.SAMPLE) for side in Side)))
    late = one.world.snapshot(S, Coverage.SAMPLE, at=moment)
    assert not one.look(late, one.world.snapshot(D, Coverage.SAMPLE)).writes


def test_changes_that_come_late_are_a_hint_to_look() -> None:
    """A row of changes that were read before the last look is not taken as it is: it is asked for."""
    one = linked()
    one.edit(S, A="for a moment")
    moment = one.world.seconds
    one.world.tick()
    one.edit(S, A="x")
    one.world.one_pass()
    late = one.world.snapshot(S, at=moment)
    plan = one.look(Snapshot.changes(late.rows, as_of=late.as_of), one.world.snapshot(D, Coverage.CHANGES))
    assert not plan.writes and (S, one.names[S], None) in asked(plan)


def test_an_old_export_does_not_name_a_record_that_was_created_since() -> None:
    """A record created without its id is known by its key: not in an export made before, when another had it."""
    world = World(contacts(triggers=Trigger.SALESFORCE_CREATED))
    other = world.add(D, {"EMail": "k"})
    moment = world.seconds
    world.edit(D, other or "", {"EMail": "k2"})
    world.add(S, {"Email": "k"})
    world.apply(world.plan(), lambda write: Fate.NAMELESS)
    assert world.baseline.links[0].dialog_insight_id is None
    world.apply(world.plan(dialog_insight=world.snapshot(D, at=moment)))
    assert world.baseline.links[0].dialog_insight_id is None
    world.one_pass()
    assert world.baseline.links[0].dialog_insight_id == "2"


def test_an_emptied_side_is_refused() -> None:
    """A complete read without any row, of a side that holds linked records, is no mass delete."""
    one = linked()
    with pytest.raises(EmptySideError):
        one.look(salesforce=Snapshot.complete([], as_of=one.world.now))


def test_the_row_that_was_read_twice_counts_once() -> None:
    """The same row twice with the same values is one row; where its values differ, the field counts as not read."""
    one = linked()
    twice = [{"Id": one.names[S], "Email": "k", "A": value} for value in ("p", "q")]
    for shot in (Snapshot.changes(twice, as_of=one.world.now), Snapshot.sample(twice, as_of=one.world.now)):
        plan = one.look(shot, Snapshot.changes([], as_of=one.world.now))
        assert not plan.writes
    one.edit(D, a="theirs")
    for make in (Snapshot.changes, Snapshot.sample):
        plan = one.look(make(twice, as_of=one.world.now))
        assert not plan.writes and (S, one.names[S], None) in asked(plan)
    same = [{"Id": one.names[S], "Email": "k", "A": "p"}] * 2
    assert told(one.look(Snapshot.changes(same, as_of=one.world.now))) == [("conflict", "conflict.both_changed")]


def test_a_link_of_which_one_side_is_nameless_lets_nothing_flow() -> None:
    """A damaged memory names neither an id nor a key of one record: nothing is written, and nobody is made anew."""
    one = linked(deletes=Deletes.DELETE)
    nameless = attrs.evolve(one.link, dialog_insight_id=None, dialog_insight_key=None)
    links = [nameless, *(link for link in one.world.baseline.links if link.id != one.link.id)]
    one.edit(S, A="y")
    plan = plan_of(one.world.snapshot(S), one.world.snapshot(D), Baseline(links, (), (), ()), now=one.world.now)
    assert not plan.writes


def test_a_record_without_a_key_that_is_gone_was_not_made_anew() -> None:
    """A person linked it by hand, so that its counterpart has no key by which another record could be its successor."""
    one = linked(deletes=Deletes.DELETE, triggers=Trigger.NONE)
    one.edit(S, Email=None)
    one.world.one_pass()
    one.remove(D)
    assert told(one.world.one_pass()) == [("delete", "delete.proven")] or link_of(one) is not None


def test_a_survivor_whose_counterpart_is_nameless_is_deleted_by_rule() -> None:
    """Nobody can have made anew what has no name: the proven delete is what it is, told once."""
    one = linked()
    nameless = attrs.evolve(one.link, dialog_insight_id=None, dialog_insight_key=None)
    links = [nameless, *(link for link in one.world.baseline.links if link.id != one.link.id)]
    gone = Snapshot.changes([], as_of=one.world.now, deleted=[one.names[S]])
    for rule, action in ((Deletes.REPORT, "skip"), (Deletes.UNLINK, "unlink")):
        plan = plan_of(
            gone,
            Snapshot.changes([]),
            Baseline(links, (), (), ()),
            now=one.world.now,
            transfer=contacts(deletes=rule),
        )
        assert [kind for kind, _ in told(plan)] == [action] and not plan.writes
    later = plan_of(Snapshot.sample([]), one.world.snapshot(D), Baseline(links, (), (), ()), now=one.world.now)
    assert not later.writes


def test_what_is_open_may_have_been_made_anew() -> None:
    """A row with the deleted one's key waits as an open item, and was not read: nothing is deleted before it is."""
    one = linked(deletes=Deletes.DELETE)
    slept = attrs.evolve(one.link, life=Life.DORMANT, gone=D, cause="deleted.reported")
    waits = OpenItem("t", "row:dialog_insight:77", "", "key.duplicate", NOW, key=("k",))
    seen = Snapshot.changes([one.row(S)], as_of=one.world.now)
    nothing = Snapshot.changes([], as_of=one.world.now)
    for items, kinds in (((), {"delete"}), ((waits,), set())):
        memory = Baseline((slept,), items, (), ())
        plan = plan_of(seen, nothing, memory, now=one.world.now, transfer=one.world.transfer)
        assert {action.kind for action in plan.actions} - {"skip"} == kinds


def test_a_write_to_a_nameless_record_that_failed_asks_for_nothing() -> None:
    """Neither an id nor a key says what to look up: the link waits, and nothing flows."""
    one = linked()
    nameless = attrs.evolve(one.link, dialog_insight_id=None, dialog_insight_key=None, fields={})
    item = OpenItem("t", f"link:{nameless.id}", "", "outcome.refused", NOW, side=D)
    plan = plan_of(
        one.world.snapshot(S), Snapshot.changes([]), Baseline((nameless,), (item,), (), ()), now=one.world.now
    )
    assert not plan.writes and asked(plan) == [(D, None, "other")], "of the other record alone"
