"""The row table: what becomes of records without a link, and of keys; a test per row that is built."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import (
    Baseline,
    Context,
    Coverage,
    LinkRecord,
    Plan,
    Snapshot,
    reconcile,
    settle,
)
from di_salesforce.records import Side
from di_salesforce.testing._pairs import (
    NOW,
    ORDERS,
    LinkedPair,
    asked,
    contacts,
    linked,
    plan_of,
    row,
    told,
)
from di_salesforce.testing._served import Fate, Saving
from di_salesforce.testing.world import World
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
CREATED = {S: Trigger.SALESFORCE_CREATED, D: Trigger.DIALOG_INSIGHT_CREATED}


# -------------------------------------------------------------------------------------------------- creating


@pytest.mark.parametrize("born", Side)
def test_a_record_that_is_proven_to_stand_alone_is_created(born: Side) -> None:
    """Unlinked, and no row with its key on the other side, proven by a complete read: create."""
    rows: dict[str, Any] = {side.value: [row(side, 1)] if side is born else [] for side in Side}
    plan = plan_of(**rows)
    assert told(plan) == [("create", "create.new")] and plan.writes[0].side is born.other
    assert set(plan.writes[0].values.values()) == {"k", "x"}


@pytest.mark.parametrize("born", Side)
def test_a_record_is_not_created_where_the_trigger_is_off(born: Side) -> None:
    """The created trigger of its side is off: skip."""
    rows: dict[str, Any] = {side.value: [row(side, 1)] if side is born else [] for side in Side}
    assert told(plan_of(**rows, transfer=contacts(triggers=Trigger.ALL & ~CREATED[born]))) == [("skip", "trigger.off")]


@pytest.mark.parametrize("born", Side)
@pytest.mark.parametrize("blank", [None, ""])
def test_a_blank_key_is_rejected_where_it_would_be_created(born: Side, blank: str | None) -> None:
    """Key blank: reject; with the created trigger off, skip, so that rows born on the other side are no errors."""
    rows: dict[str, Any] = {side.value: [row(side, 1, blank)] if side is born else [] for side in Side}
    assert told(plan_of(**rows)) == [("reject", "key.missing")]
    assert told(plan_of(**rows, transfer=contacts(triggers=Trigger.ALL & ~CREATED[born]))) == [("skip", "trigger.off")]


def test_a_read_of_a_filter_cannot_prove_either() -> None:
    """A complete read of a filter's scope does not show what lies outside: found there, nothing is created."""
    plan = plan_of(Snapshot.complete([], scope="A != null"), [row(D, 1)])
    assert asked(plan) == [(S, None, "k")]
    assert told(plan.supplied(salesforce=[row(S, 9)])) == [("skip", "scope.out")]
    assert told(plan.supplied()) == [("create", "create.new")]


def test_a_key_without_a_form_on_the_other_side_is_told() -> None:
    """A key that cannot be converted is rejected, whatever the coverage: nothing disappears in silence."""
    choice = contacts(converter=converters.choice({"English": "en"}))
    for shot in (Snapshot.complete([]), Snapshot.complete([], scope="f"), Snapshot.changes([])):
        plan = plan_of(shot, [row(D, 1, "xx")], transfer=choice)
        while plan.needs:
            plan = plan.supplied()
        assert [action.kind for action in plan.actions] == ["reject"]
    assert told(plan_of([row(S, 1, "Klingon")], [], transfer=choice)) == [("reject", "key.invalid")]


def test_a_value_without_a_form_rejects_the_create_with_every_cause() -> None:
    """Values that cannot be converted reject the create as a whole, each field with its code."""
    lines = [
        FieldMapping("Email", "EMail", key=True),
        *(FieldMapping(f"N{i}", f"n{i}", converter=converters.integer()) for i in range(2)),
    ]
    plan = plan_of(
        [{"Id": "1", "Email": "k", "N0": "one", "N1": "two"}],
        [],
        transfer=ObjectTransfer("t", sobject="T", fields=lines),
    )
    assert told(plan) == [("reject", "value.not_convertible")]
    assert [field for field, _ in plan.rejects[0].causes] == ["N0", "N1"]


def test_a_child_waits_for_its_parent() -> None:
    """A record whose lookup refers to one that is not linked yet is not created without it."""
    child = ObjectTransfer(
        "t",
        sobject="T",
        fields=[FieldMapping("Email", "EMail", key=True), FieldMapping("Parent", "p", references="parents")],
    )
    plan = plan_of([{"Id": "1", "Email": "k", "Parent": "p1"}], [], transfer=child)
    assert told(plan) == [("skip", "reference.waiting")]


def test_a_waiting_row_is_asked_for_again() -> None:
    """Under changes, a row that waits is asked for again, since its parent may be linked now."""
    child = ObjectTransfer(
        "t",
        sobject="T",
        fields=[FieldMapping("Email", "EMail", key=True), FieldMapping("Parent", "p", references="parents")],
    )
    first = plan_of([{"Id": "1", "Email": "k", "Parent": "p1"}], [], transfer=child)
    memory = Baseline.empty().updated(settle(first, {}, now=NOW))
    later = plan_of(Snapshot.changes([]), Snapshot.changes([]), memory, transfer=child, now=NOW + timedelta(hours=1))
    assert asked(later) == [(S, "1", None)]


# ------------------------------------------------------------------------------------------------- linking


def test_rows_within_the_scope_are_linked_without_a_look_up() -> None:
    """A complete read of a filter's scope shows all that takes part: pairs within it are linked at once."""
    plan = plan_of(Snapshot.complete([row(S, 1)], scope="A != null"), [row(D, 1)])
    assert told(plan) == [("link", "link.key")] and not plan.needs


def test_two_records_with_one_key_are_linked() -> None:
    """One unlinked row on each side with the same key: link, whatever the spelling that the key's converter ignores."""
    plan = plan_of([row(S, 1, "Ada@test.example")], [row(D, 1, " ada@TEST.example")])
    assert told(plan)[0] == ("link", "link.key")


def test_ids_of_15_and_18_characters_are_one() -> None:
    """A record is known by its id in either form, and never by case folding."""
    short, other = "001D000000IRFma", "001d000000IRFma"
    one = plan_of([{**row(S, None), "Id": short}], [row(D, 1)])
    memory = Baseline.empty().updated(settle(one, {}, now=NOW))
    later = NOW + timedelta(hours=1)
    assert memory.find(S, short + "IAH") is not None
    gone = plan_of(Snapshot.changes([], deleted=[short]), Snapshot.changes([]), memory, now=later)
    assert told(gone) == [("skip", "deleted.reported")]
    plan = plan_of([{**row(S, None, "k2"), "Id": other}], [row(D, 1)], memory, now=later)
    assert (S, short + "IAH", None) in asked(plan)


@pytest.mark.parametrize("twice", Side)
def test_several_unlinked_rows_of_one_key_are_all_rejected(twice: Side) -> None:
    """A key that several unlinked rows have is ambiguous: all of the group are listed, nobody guesses."""
    rows: dict[str, Any] = {twice.value: [row(twice, 1), row(twice, 2)], twice.other.value: [row(twice.other, 1)]}
    plan = plan_of(**rows)
    assert told(plan) == [("reject", "key.ambiguous")] * 3 and len(plan.ambiguous) == 3


def test_ambiguity_is_not_forgotten_when_only_one_of_them_comes_again() -> None:
    """Under changes, a row of an ambiguous key brings the others back: they are asked for, and still nobody guesses."""
    world = World(contacts(), dict.fromkeys(Side, Saving(unique_key=False)))
    names = [world.add(S, {"Email": "k", "A": value}) for value in ("x", "y")]
    assert told(world.one_pass()) == [("reject", "key.ambiguous")] * 2
    world.edit(S, names[1] or "", {"A": "z"})
    plan = world.plan(*(world.snapshot(side, Coverage.CHANGES) for side in Side))
    assert told(plan) == [("reject", "key.ambiguous")] * 2


def test_existing_links_keep_working_beside_an_ambiguous_group() -> None:
    """A duplicate of a linked record is rejected, and the linked pair goes on."""
    one = linked(saving=dict.fromkeys(Side, Saving(unique_key=False)))
    one.world.add(S, {"Email": "k", "A": "copy"})
    one.edit(S, A="y")
    assert sorted(told(one.world.one_pass())) == [("reject", "key.duplicate"), ("update", "update.changed")]
    assert one.row(D)["a"] == "y"


@pytest.mark.parametrize("side", Side)
def test_a_key_that_a_linked_record_holds_is_a_duplicate(side: Side) -> None:
    """An unlinked row whose key a linked row has, on either side, while that one lives: reject."""
    one = linked(saving=dict.fromkeys(Side, Saving(unique_key=False)))
    one.world.add(side, {"Email" if side is S else "EMail": "k"})
    assert told(one.world.plan()) == [("reject", "key.duplicate")]


# ------------------------------------------------------------------------------------------------- claims


def test_a_record_that_another_transfer_claims_is_left_to_it() -> None:
    """A claimed Dialog Insight record is neither linked nor created again."""
    context = Context(claims={"d1": "leads"})
    assert told(plan_of([row(S, 1)], [row(D, 1)], context=context)) == [("skip", "claimed")] * 2
    assert told(plan_of([], [row(D, 1)], context=context)) == [("skip", "claimed")]


# ----------------------------------------------------------------------------------------------------- keys


def test_a_changed_key_flows_by_record_id() -> None:
    """The link holds by native id: a key that changed in Dialog Insight is written like any field where it is free."""
    one = linked()
    one.edit(D, EMail="new")
    writes = one.world.one_pass().writes
    assert [(w.side, w.record_id, dict(w.values)) for w in writes] == [(S, one.names[S], {"Email": "new"})]
    assert not one.world.one_pass().actions


def test_a_changed_key_is_held_where_it_cannot_be_written() -> None:
    """Writing a key into Dialog Insight is postponed until shown to work: held; other fields go on."""
    one = linked()
    one.edit(S, Email="new", A="y")
    assert sorted(told(one.world.one_pass())) == [
        ("conflict", "conflict.key_not_writable"),
        ("update", "update.changed"),
    ]


def test_a_relational_row_cannot_take_another_key() -> None:
    """A row without a native id is addressed by its key: a changed key is held."""
    one = LinkedPair.of(ORDERS, {"Email": "k", "A": "x"}, {"EMail": "k", "a": "x"})
    one.edit(S, Email="new")
    assert told(one.world.plan()) == [("conflict", "conflict.key_not_writable")]


def test_a_relational_row_whose_key_the_server_cut_is_known_again() -> None:
    """The stored row tells the key that a new row really has: it is not taken for a stranger at the next run."""
    world = World(ORDERS, {S: Saving(), D: Saving(truncate=3)})
    world.add(S, {"Email": "long key", "A": "x"})
    assert world.settle_down(most=2) == 1


# ------------------------------------------------------------------------------------------ rows that stay open


def refused(world: World, *names: str) -> World:
    """Give a world in which the create of each of these Salesforce rows was refused, so that it stays open."""
    for name in names:
        world.add(S, {"Email": name, "A": "x"})
    world.apply(world.plan(), lambda write: Fate.REFUSED)
    assert len(world.baseline.open_items) == len(names)
    return world


def changes_of(world: World, **rows: Any) -> Plan:
    """Plan from changes of both sides alone, without look-ups."""
    shots = {side: Snapshot.changes(rows.get(side.value, ()), as_of=world.now) for side in Side}
    return reconcile(
        world.transfer,
        salesforce=shots[S],
        dialog_insight=shots[D],
        baseline=world.baseline,
        now=world.now,
        context=world.context,
    )


def test_every_row_whose_write_failed_is_asked_for_again() -> None:
    """Not only the first, and each by its id: nothing tells of them by itself."""
    world = refused(linked().world, "a", "b", "c")
    names = {name for name, values in world.rows(S).items() if values["Email"] in "abc"}
    assert {(side, need.record_id) for side, need in changes_of(world).needs} == {(S, name) for name in names}


def test_an_open_row_of_a_table_is_asked_for_by_its_key() -> None:
    """A relational row has no id: its key is what the item remembers of it."""
    world = World(ORDERS)
    world.add(D, {"EMail": "a", "a": "x"})
    world.add(D, {"EMail": "b", "a": "x"})
    world.add(S, {"Email": "z", "A": "x"})
    world.apply(world.plan(), lambda write: Fate.REFUSED)
    asked_for = [(side, need.key) for side, need in changes_of(world).needs if side is D]
    assert sorted(asked_for, key=str) == [(D, "a"), (D, "b")]


def test_an_open_row_that_is_gone_is_forgotten() -> None:
    """Its source says that it was deleted: it is not asked for again, and leaves no open item."""
    world = refused(linked().world, "a", "b")
    gone = next(name for name, values in world.rows(S).items() if values["Email"] == "a")
    world.remove(S, gone)
    shots = [Snapshot.changes([], as_of=world.now, deleted=deleted) for deleted in ([gone], [])]
    plan = world.plan(*shots)
    assert gone not in {need.record_id for _, need in plan.needs}
    world.apply(plan)
    assert gone not in {item.subject.rpartition(":")[2] for item in world.baseline.open_items.values()}


def test_a_row_that_comes_again_under_another_key_makes_its_old_key_looked_at() -> None:
    """Two rows of one key are ambiguous; when one of them takes another key, the other one is looked at again."""
    world = World(contacts(), {S: Saving(unique_key=False), D: Saving()})
    one, two = (world.add(S, {"Email": "k", "A": value}) for value in ("x", "y"))
    assert one is not None and two is not None
    world.one_pass()
    world.edit(S, two, {"Email": "other"})
    plan = changes_of(world, salesforce=[world.rows(S)[two]])
    assert (S, one) in {(side, need.record_id) for side, need in plan.needs}


def test_rows_that_wait_are_asked_for_again_and_what_a_person_decided_is_not() -> None:
    """A decision of the mapping that changed since is made again; one of the same mapping stands as long as the row."""
    world = World(contacts(triggers=Trigger.NONE))
    world.add(S, {"Email": "a", "A": "x"})
    world.one_pass()
    assert not changes_of(world).needs, "nothing about it has changed"
    world.transfer = contacts()
    assert [side for side, _ in changes_of(world).needs if side is S] == [S], "its trigger is on now"


def test_why_a_row_cannot_be_paired_is_told_for_each_part_of_its_key() -> None:
    """A part that was not read is asked for, then rejected by name; one that is blank or no value is told as such."""
    part = FieldMapping("Part", "part", key=True)
    transfer = attrs.evolve(contacts(), fields=[*contacts().fields, part])
    short = {"Id": "001", "Email": "k", "A": "x"}
    plan = plan_of(Snapshot.sample([short]), [], transfer=transfer)
    assert asked(plan) == [(S, "001", None)]
    plan = plan.supplied(salesforce=[short])
    assert [(each.reason, each.causes) for each in plan.rejects] == [("value.not_read", (("Part", "value.not_read"),))]
    blank = plan_of([{**short, "Part": None}], [], transfer=transfer)
    assert [(each.reason, each.causes) for each in blank.rejects] == [
        ("key.missing", (("Email", "key.missing"), ("Part", "key.missing")))
    ]
    wrong = plan_of([{**short, "Part": ["a"]}], [], transfer=transfer)
    assert [(each.reason, {code for _, code in each.causes}) for each in wrong.rejects] == [
        ("value.not_scalar", {"value.not_scalar"})
    ]


def test_of_an_old_and_a_fresh_row_with_one_key_the_old_one_is_read_again() -> None:
    """Nothing is decided about the key before both are known as they are now; the fresh one is not asked for."""
    fresh = Snapshot.complete([row(D, 1)])
    memory = plan_of([row(S, 5, "other")], [], now=NOW)
    baseline = Baseline.empty().updated(settle(memory, {}, now=NOW))
    old = Snapshot.complete([row(S, 1)], as_of=NOW - timedelta(hours=1))
    plan = plan_of(old, fresh, baseline, now=NOW + timedelta(hours=1))
    assert not plan.actions and asked(plan) == [(S, "s1", None), (S, "s5", None)]


# --------------------------------------------------------------------------------------------- proof, once more


def read_whole() -> World:
    """A world of which both sides were read completely once."""
    world = World(contacts())
    world.add(S, {"Email": "first", "A": "x"})
    world.one_pass()
    return world


def test_two_new_records_of_one_key_are_linked_without_a_look() -> None:
    """Both sides were read completely, and gap-free since: nobody else can have the key."""
    world = read_whole()
    names = {S: world.add(S, {"Email": "k", "A": "x"}), D: world.add(D, {"EMail": "k", "a": "x"})}
    shots = {side.value: [world.rows(side)[str(names[side])]] for side in Side}
    plan = changes_of(world, **shots)
    assert told(plan) == [("link", "link.key")] and asked(plan) == []


@pytest.mark.parametrize("coverage", [Coverage.COMPLETE, Coverage.CHANGES])
def test_the_other_side_is_asked_even_where_nothing_would_be_created(coverage: Coverage) -> None:
    """Its record with the key may be there to be linked, whatever the triggers say of creating."""
    world = read_whole()
    world.transfer = contacts(triggers=Trigger.NONE)
    world.add(S, {"Email": "k", "A": "x"})
    plan = reconcile(
        world.transfer,
        salesforce=world.snapshot(S, coverage),
        dialog_insight=Snapshot.changes([], as_of=world.now),
        baseline=world.baseline,
        now=world.now,
    )
    assert asked(plan) == [(D, None, "k")] and not plan.actions


def test_each_side_is_asked_for_the_key_as_it_writes_it() -> None:
    """Of a sample neither side is known: the own one by its own spelling, the other by what it is converted to."""
    transfer = contacts(converter=converters.choice({"one": "eins"}))
    plan = plan_of(Snapshot.sample([row(S, 1, "one")]), Snapshot.changes([]), transfer=transfer)
    assert sorted(asked(plan), key=str) == [(D, None, "eins"), (S, None, "one")]


def test_a_deleted_record_with_another_key_over_there_is_no_survivor() -> None:
    """Its counterpart has taken another key since: a new record with the old key is somebody else's."""
    one = linked(triggers=Trigger.SALESFORCE_CREATED, converter=converters.text())
    one.edit(D, EMail="k2")
    one.world.one_pass()
    one.remove(S)
    one.world.add(S, {"Email": "k", "A": "x"})
    plan = one.world.plan()
    assert "link" not in {action.kind for action in plan.actions}
    assert ("create", "create.new") in told(plan)


def test_a_relinked_survivor_is_named_by_the_key_that_both_have() -> None:
    """The new pair stands in the plan under its key, as any other."""
    one = linked()
    one.remove(S)
    one.world.add(S, {"Email": "k", "A": "x"})
    (made,) = [action for action in one.world.plan().actions if action.kind == "link"]
    assert (made.key, made.key_text) == ("k", ("k",))


def test_a_duplicate_is_told_once_and_nothing_else_is_done_with_it() -> None:
    """On either side, whatever else is in the plan."""
    for side in Side:
        one = linked()
        plan = plan_of(
            [row(S, 1), *([row(S, 9)] if side is S else [])],
            [row(D, 1), *([row(D, 9)] if side is D else [])],
            plan_baseline(),
        )
        assert told(plan) == [("reject", "key.duplicate")], side
        assert one.link.life.value == "live"


def plan_baseline() -> Baseline:
    """The memory of one pair, linked by its key."""
    return Baseline.empty().updated(settle(plan_of([row(S, 1)], [row(D, 1)]), {}, now=NOW))


def test_a_row_that_was_linked_meanwhile_is_open_no_more() -> None:
    """It waited as a row; the memory holds a link of it now: it is not asked for as a row, and its item is closed."""
    world = refused(World(contacts()), "a")
    (item,) = world.baseline.open_items.values()
    name = item.subject.rpartition(":")[2]
    number = world.add(D, {"EMail": "a", "a": "x"})
    link = LinkRecord("t", "l", name, str(number), ("a",), ("a",), {})
    memory = Baseline((link,), tuple(world.baseline.open_items.values()), (), ())
    shots = {side: Snapshot.changes([], as_of=world.now) for side in Side}
    shots[D] = Snapshot.changes([{"idContact": number, "EMail": "a", "a": "y"}], as_of=world.now)
    plan = plan_of(shots[S], shots[D], memory, now=world.now)
    settlement = settle(plan, {}, now=world.now)
    assert item.id in settlement.closed_items or not plan.needs


def test_a_row_that_waits_for_a_match_is_looked_at_once_the_other_side_is_known() -> None:
    """Nothing proved that it has no namesake; a full read of the other side may."""
    transfer = contacts(match=(("A:a",),))
    first = plan_of(Snapshot.complete([row(S, 1)]), Snapshot.changes([]), transfer=transfer)
    while first.needs:
        first = first.supplied(salesforce=[row(S, 1)])
    memory = Baseline.empty().updated(settle(first, {}, now=NOW))
    assert [item.reason for item in memory.open_items.values()] == ["match.unproven"]
    later = NOW + timedelta(hours=1)
    whole = Snapshot.complete([row(D, 2, "z", "q")], as_of=later)
    plan = plan_of(Snapshot.changes([], as_of=later), whole, memory, transfer=transfer, now=later)
    assert (S, "s1", None) in asked(plan)
    nothing = Snapshot.changes([], as_of=later)
    assert (S, "s1", None) not in asked(plan_of(nothing, nothing, memory, transfer=transfer, now=later))
    off = attrs.evolve(transfer, triggers=Trigger.NONE)
    memory = Baseline.empty().updated(settle(plan_of([row(S, 1)], [], transfer=off), {}, now=NOW))
    assert [item.reason for item in memory.open_items.values()] == ["trigger.off"]
    plan = plan_of(nothing, whole, memory, transfer=off, now=later)
    assert (S, "s1", None) not in asked(plan), "no namesake would change that"


def test_an_open_item_of_another_key_is_of_no_key_of_this_mapping() -> None:
    """The key had one part when the item was made, and has two now: the row is asked for by its id, as ever."""
    world = refused(World(contacts()), "a")
    part = FieldMapping("Part", "part", key=True)
    transfer = attrs.evolve(contacts(), fields=[*contacts().fields, part])
    shots = [Snapshot.changes([], as_of=world.now) for _ in Side]
    plan = plan_of(*shots, world.baseline, transfer=transfer, now=world.now)
    assert [side for side, _, _ in asked(plan)] == [S]
    orders = refused(World(ORDERS), "a")
    orders.add(D, {"EMail": "b", "a": "x"})
    orders.apply(orders.plan(), lambda write: Fate.REFUSED)
    tables = attrs.evolve(ORDERS, fields=[*ORDERS.fields, part])
    plan = plan_of(*shots, orders.baseline, transfer=tables, now=orders.now)
    assert D not in {side for side, _, _ in asked(plan)}, "a row without an id has no name without its key"


def test_a_create_whose_answer_is_lost_is_not_looked_at_while_it_may_land() -> None:
    """An early look would prove nothing: the row is asked for once the quarantine is over."""
    world = World(contacts())
    name = world.add(S, {"Email": "a", "A": "x"})
    world.apply(world.plan(), lambda write: Fate.LOST)
    assert (S, name, None) not in asked(changes_of(world))
    world.rest()
    assert (S, name, None) in asked(changes_of(world))


def test_a_key_that_does_not_come_back_from_its_conversion_is_asked_for_once() -> None:
    """What was looked up is not the key that the row has: nothing is created by it, and nobody asks for ever."""
    lower = converters.pair(lambda value: value, lambda value: str(value).lower())
    plan = plan_of(Snapshot.sample([]), [row(D, 1, "K")], transfer=contacts(converter=lower))
    assert asked(plan) == [(S, None, "k")]
    assert not plan.supplied().needs and not plan.supplied().writes


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_a_key_of_its_own_kind(value: bool) -> None:
    """True is neither 1 nor the text "True"."""
    transfer = contacts(converter=converters.boolean(blank=None))
    plan = plan_of([row(S, 1, value)], [row(D, 1, value)], transfer=transfer)
    assert told(plan) == [("link", "link.key")]
    text = contacts(converter=converters.text())
    assert ("link", "link.key") not in told(plan_of([row(S, 1, "1")], [row(D, 1, "True")], transfer=text))


# ------------------------------------------------------------------------------------------- creates, once more


def test_a_row_that_was_read_twice_is_created_as_the_look_up_has_it() -> None:
    """Which of two values is right nobody knows: the row is asked for, and rejected where even that is not clear."""
    twice = [row(S, 1, value="x"), row(S, 1, value="y")]
    plan = plan_of(twice, [])
    assert asked(plan) == [(S, "s1", None)] and not plan.actions
    (write,) = plan.supplied(salesforce=[twice[1]]).writes
    assert write.values["a"] == "y"
    unclear = plan.supplied(salesforce=twice)
    assert [(each.reason, each.causes) for each in unclear.rejects] == [("value.unclear", (("A", "value.unclear"),))]


def test_a_row_that_comes_without_a_field_even_when_asked_is_rejected_by_its_name() -> None:
    """A create writes every field of the mapping, or none."""
    short = {"Id": "s1", "Email": "k"}
    plan = plan_of([short], [])
    assert asked(plan) == [(S, "s1", None)] and not plan.actions
    told_off = plan.supplied(salesforce=[short])
    assert [(each.reason, each.causes) for each in told_off.rejects] == [("value.not_read", (("A", "value.not_read"),))]


def test_what_has_no_form_there_is_told_apart_by_key_and_value() -> None:
    """A key that cannot be written makes the whole record impossible; it is named before any other field."""
    choice = converters.choice({"one": "eins"})
    lines = [FieldMapping("Email", "EMail", key=True, converter=choice), FieldMapping("A", "a", converter=choice)]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    for key, value, reason in (("zwei", "drei", "key.invalid"), ("eins", "drei", "value.not_convertible")):
        plan = plan_of([], [row(D, 1, key, value)], transfer=transfer)
        assert [each.reason for each in plan.rejects] == [reason]


def test_a_group_is_remembered_as_one_value_from_birth() -> None:
    """A record that is created knows which of its lines are decided together."""
    lines = [FieldMapping("Email", "EMail", key=True)]
    lines += [FieldMapping(name.upper(), name, group="g") for name in "ab"]
    world = World(ObjectTransfer("t", sobject="T", fields=lines))
    world.add(S, {"Email": "k", "A": "x", "B": None})
    world.one_pass()
    (made,) = world.baseline.links
    assert {name: state.group for name, state in made.fields.items()} == {"Email:EMail": None, "A:a": "g", "B:b": "g"}
