"""A linked pair while it is decided: what is said of it, what is remembered of a look at it, and what is looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import Baseline, Context, EngineCapabilities, FieldState, LinkRecord, Plan, Snapshot, settle
from di_salesforce.engine._memory import KeyText
from di_salesforce.engine._sieve import _RowBytes
from di_salesforce.records import Row, Side
from di_salesforce.testing._pairs import NOW, ORDERS, LinkedPair, asked, contacts, linked, plan_of, row, told
from di_salesforce.triggers import Deletes

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
LATER = NOW + timedelta(hours=1)
FIELD = {S: "A", D: "a"}


def remembered(pair: LinkedPair, **changes: Any) -> Baseline:  # of a LinkRecord
    """Give the pair's memory, with its link as nobody but a store could have changed it."""
    links = [attrs.evolve(each, **changes) if each.id == pair.link.id else each for each in pair.world.baseline.links]
    return Baseline(links, (), (), tuple(each for side in Side if (each := pair.world.baseline.coverage(side))))


def planned(pair: LinkedPair, salesforce: Snapshot, dialog_insight: Snapshot, memory: Baseline) -> Plan:
    return plan_of(salesforce, dialog_insight, memory, now=pair.world.now, transfer=pair.world.transfer)


# ------------------------------------------------------------------------------------------------- what is said

TWO_PARTS = ObjectTransfer(
    "t",
    sobject="T",
    fields=[
        FieldMapping("First", "first", key=True),
        FieldMapping("Last", "last", key=True),
        FieldMapping("A", "a"),
    ],
)
AGREED = {"A:a": FieldState(("x", "x"), version=converters.AS_IS.version)}


@pytest.mark.parametrize(
    ("salesforce", "dialog_insight", "keys", "key", "key_text"),
    [
        # As Salesforce's row spells it, else as the other's does, and where only a part was read, as it is remembered.
        (
            {"First": "Ada ", "Last": "L"},
            {"first": "Ada", "last": "L"},
            (("ada", "l"), ("ada", "l")),
            ("Ada ", "L"),
            ("Ada ", "L"),
        ),
        ({"First": "Ada"}, {"first": "Ida", "last": "L"}, (("a", "l"), None), ("Ida", "L"), ("a", "l")),
        ({"First": "Ada"}, {"last": "L"}, (("a", "l"), None), ("a", "l"), ("a", "l")),
        ({"First": "Ada"}, {"last": "L"}, (None, ("a", "\x005")), ("a", "5"), ("a", "\x005")),
        ({}, {}, (None, None), None, ()),
        # A blank part is no key: as the other record spells it, or as it was; only where there never was one, that.
        (
            {"First": None, "Last": "L"},
            {"first": "Ida", "last": "L"},
            (("a", "l"), ("a", "l")),
            ("Ida", "L"),
            ("a", "l"),
        ),
        ({"First": "Ada", "Last": ""}, {"first": "", "last": "L"}, (None, ("a", "l")), ("a", "l"), ("a", "l")),
        ({"First": "Ada", "Last": None}, {"first": None, "last": None}, (None, None), ("Ada", None), ()),
        ({"First": "Ada"}, {"first": None, "last": "L"}, (None, None), (None, "L"), ()),
    ],
)
def test_what_is_done_to_a_pair_is_named_by_the_key_that_there_is(
    salesforce: Row,
    dialog_insight: Row,
    keys: tuple[KeyText | None, KeyText | None],
    key: tuple[str, str] | None,
    key_text: KeyText,
) -> None:
    """As Salesforce's record spells it now, else as the other one does, else as the link remembers it."""
    link = LinkRecord("t", "l", "s1", "d1", *keys, AGREED)
    looks = [
        Snapshot.sample([{"Id": "s1", "A": "y", **salesforce}]),
        Snapshot.sample([{"idContact": "d1", "a": "x", **dialog_insight}]),
    ]
    plan = plan_of(*looks, Baseline((link,)), now=LATER, transfer=TWO_PARTS)
    said = [action for action in plan.actions if getattr(action, "changes", ())]
    assert [(each.key, each.key_text) for each in said] == [(key, key_text)]


def test_a_group_may_have_the_name_of_a_side() -> None:
    """What is written to a side, and what is said of a group with its name, are two actions with an id each."""
    fields = [FieldMapping("Email", "EMail", key=True)]
    fields += [FieldMapping(name, name.lower(), group=group) for name, group in (("A", "salesforce"), ("B", "b"))]
    fields += [FieldMapping("C", "c", group="salesforce")]
    transfer = ObjectTransfer("t", sobject="T", fields=fields)
    pair = LinkedPair.of(transfer, {"Email": "k", "A": 1, "B": 1, "C": 1}, {"EMail": "k", "a": 1, "b": 1, "c": 1})
    pair.edit(S, A=2)
    pair.edit(D, a=3, b=3)
    plan = pair.world.plan()
    assert sorted(told(plan)) == [("conflict", "conflict.both_changed"), ("update", "update.changed")]
    assert len({action.id for action in plan.actions}) == 2


# --------------------------------------------------------------------------------------------- what is remembered


@pytest.mark.parametrize("wrong", [["y"], float("nan")], ids=["no scalar", "no number"])
@pytest.mark.parametrize("side", Side)
def test_what_is_no_value_is_rejected_and_not_remembered(side: Side, wrong: Any) -> None:
    """A field that holds what no converter could take is told of, and its line is remembered as it was."""
    pair = linked()
    looks = {each: Snapshot.complete(pair.world.rows(each).values(), as_of=pair.world.now) for each in Side}
    rows = [
        {**held, FIELD[side]: wrong} if name == pair.names[side] else held
        for name, held in pair.world.rows(side).items()
    ]
    looks[side] = Snapshot.complete(rows, as_of=pair.world.now)
    plan = planned(pair, looks[S], looks[D], pair.world.baseline)
    assert [(kind, reason.partition(".")[0]) for kind, reason in told(plan)] == [("reject", "value")]
    assert plan.parts[0].links[pair.link.id].fields["A:a"] == pair.state("A:a")


def test_a_line_that_was_added_and_not_read_is_asked_for() -> None:
    """Neither side's read held the new line's field: nothing is known of it, and what the other side holds is asked."""
    pair = linked()
    added = [*pair.world.transfer.fields, FieldMapping("B", "b")]
    pair.world.transfer = attrs.evolve(pair.world.transfer, fields=added)
    shots = {side: Snapshot.sample(pair.world.rows(side).values(), as_of=pair.world.now) for side in Side}
    unread = {
        side: Snapshot.sample(
            [{name: value for name, value in each.items() if name not in ("B", "b")} for each in shots[side].rows],
            as_of=pair.world.now,
        )
        for side in Side
    }
    both = planned(pair, unread[S], unread[D], pair.world.baseline)
    assert not both.actions and not both.needs
    told_one = [{**each, "B": "new"} for each in unread[S].rows]
    one = planned(pair, Snapshot.sample(told_one, as_of=pair.world.now), unread[D], pair.world.baseline)
    assert {(side, name) for side, name, _ in asked(one)} == {
        (D, link.dialog_insight_id) for link in pair.world.baseline.links
    }


@pytest.mark.parametrize("side", Side)
def test_an_id_that_was_not_told_is_taken_over_where_nothing_else_is_new(side: Side) -> None:
    """A row that holds just what its link remembers still tells the link its id."""
    pair = linked(converter=converters.text())
    memory = remembered(pair, **{f"{side.value}_id": None})
    looks = [Snapshot.changes([pair.row(each)], as_of=pair.world.now) for each in Side]
    plan = planned(pair, *looks, memory)
    assert not plan.actions
    assert plan.parts[0].links[pair.link.id].record_id(side) == pair.names[side]


@pytest.mark.parametrize("side", Side)
def test_a_row_that_was_read_twice_is_not_known_to_agree(side: Side) -> None:
    """The last reading holds what the link remembers, another one does not: the pair counts as not read in full."""
    pair = linked(converter=converters.text())
    twice = [{**pair.row(side), FIELD[side]: value} for value in ("y", "x")]
    looks = {each: Snapshot.changes([pair.row(each)], as_of=pair.world.now) for each in Side}
    looks[side] = Snapshot.changes(twice, as_of=pair.world.now)
    plan = planned(pair, looks[S], looks[D], pair.world.baseline)
    assert not plan.actions
    assert asked(plan) == [(side, pair.names[side], None)]


# ------------------------------------------------------------------------------------- made without telling its id


def named(number: int, key: str, side: Side, *, is_nameless: bool) -> LinkRecord:
    """Give a link at rest, of which one record may have been made without telling its id."""
    fields = {
        "Email:EMail": FieldState((key, key), version=converters.email().version),
        "A:a": FieldState(("x", "x"), version=converters.AS_IS.version),
    }
    link = LinkRecord("t", f"l{number}", f"s{number}", f"d{number}", (key,), (key,), fields)
    return link.with_side(side, record_id=None) if is_nameless else link


@pytest.mark.parametrize("read", [Snapshot.complete, Snapshot.changes, Snapshot.sample])
@pytest.mark.parametrize("side", Side)
def test_a_record_that_has_a_link_is_never_taken_for_one_that_was_made_without_telling_its_id(
    side: Side, read: Callable[[list[Row]], Snapshot]
) -> None:
    """A linked record has taken over its key: nothing flows between the two pairs, and each keeps its records."""
    links = [named(1, "k", side, is_nameless=True), named(2, "b", side, is_nameless=False)]
    rows = {side: [row(side, 2, "k", "theirs")], side.other: [row(side.other, 1, "k", "edited")]}
    plan = plan_of(*(read(rows[each]) for each in Side), Baseline(links), now=LATER)
    assert (side, None, "k") in asked(plan)
    rows[side.other].append(row(side.other, 2, "b"))
    while plan.needs:
        plan = plan.supplied(salesforce=rows[S], dialog_insight=rows[D])
    assert {write.link for write in plan.writes} == {"l2"}
    assert [(each.kind, each.reason) for each in plan.actions if each.link == "l1"] == [("skip", "deleted.reported")]
    ids = {link.id: (link.salesforce_id, link.dialog_insight_id) for link in plan.parts[0].links.values()}
    assert ids == {link.id: (link.salesforce_id, link.dialog_insight_id) for link in links}


@pytest.mark.parametrize("deletes", Deletes)
@pytest.mark.parametrize("side", Side)
def test_which_of_two_records_was_made_without_telling_its_id_nobody_says(side: Side, deletes: Deletes) -> None:
    """Both have its key, and neither a link: none is taken, nothing is called deleted, and both are told."""
    link = named(1, "k", side, is_nameless=True)
    rows = {side: [row(side, 1), row(side, 2)], side.other: [row(side.other, 1)]}
    plan = plan_of(rows[S], rows[D], Baseline([link]), now=LATER, transfer=contacts(deletes=deletes))
    assert not plan.actions and set(asked(plan)) == {(side, None, "k")}
    plan = plan.supplied(salesforce=rows[S], dialog_insight=rows[D])
    assert told(plan) == [("reject", "key.duplicate")] * 2 and not plan.needs


@pytest.mark.parametrize(("is_nameless", "kind"), [(True, "skip"), (False, "delete")])
@pytest.mark.parametrize("side", Side)
def test_nothing_is_deleted_for_a_record_that_never_told_its_id(side: Side, is_nameless: bool, kind: str) -> None:
    """It is looked for by its key, which somebody may have changed: that it is not found is told, and no proof."""
    link = named(1, "k", side, is_nameless=is_nameless)
    rows = {side: [row(side, 2, "b")], side.other: [row(side.other, 1), row(side.other, 2, "b")]}
    plan = plan_of(
        rows[S],
        rows[D],
        Baseline([link, named(2, "b", side, is_nameless=False)]),
        now=LATER,
        transfer=contacts(deletes=Deletes.DELETE),
        context=Context(capabilities=EngineCapabilities(deletes=frozenset(Side))),
    )
    assert not plan.actions and len(plan.needs) == 1
    assert [action.kind for action in plan.supplied().actions] == [kind]


@pytest.mark.parametrize(("found", "kind"), [([row(D, None)], "update"), ([], "delete")])
def test_a_row_that_has_no_id_is_proven_gone_by_its_key(found: list[Row], kind: str) -> None:
    """Its key is all that names it: a look-up of that which finds nothing is proof."""
    shots = [row(S, 1), row(S, 2, "k2")], [row(D, None), row(D, None, "k2")]
    orders = attrs.evolve(ORDERS, deletes=Deletes.DELETE)
    memory = Baseline.empty().updated(settle(plan_of(*shots, transfer=orders), {}, now=NOW))
    edited = [row(S, 1, "k", "y"), row(S, 2, "k2")] if found else shots[0]
    plan = plan_of(edited, [row(D, None, "k2")], memory, transfer=orders, now=LATER)
    assert not plan.actions and asked(plan) == [(D, None, "k")]
    assert [action.kind for action in plan.supplied(dialog_insight=found).actions] == [kind]


# -------------------------------------------------------------------------------------------- what is looked at


def test_a_row_that_the_sieve_went_through_is_not_gone_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes that told that a record changed tell which of its lines did."""
    pair = linked(converter=converters.text())
    for side in Side:
        pair.edit(side, **{FIELD[side]: f"new {side.value}"})
    looks = [pair.world.snapshot(side) for side in Side]
    monkeypatch.setattr(_RowBytes, "of", None)  # one row; those of a whole read go another way
    assert told(planned(pair, *looks, pair.world.baseline)) == [("conflict", "conflict.both_changed")]


@pytest.mark.parametrize("look", [{}, {"EMail": "k"}], ids=["not found", "field not read"])
def test_a_row_of_a_table_is_not_looked_up_twice(look: Row) -> None:
    """It is asked for by its key, once: what that did not bring is told of."""
    shots = [row(S, 1), row(S, 2, "k2")], [row(D, None), row(D, None, "k2")]
    memory = Baseline.empty().updated(settle(plan_of(*shots, transfer=ORDERS), {}, now=NOW))
    edited = Snapshot.changes([row(S, 1, "k", "y")], as_of=LATER)
    plan = plan_of(edited, Snapshot.sample([], as_of=LATER), memory, transfer=ORDERS, now=LATER)
    assert asked(plan) == [(D, None, "k")]
    again = plan.supplied(dialog_insight=[look] if look else [])
    assert not again.needs
    assert told(again) == [("reject", "value.not_read") if look else ("skip", "deleted.reported")]


def test_of_a_row_that_is_older_than_its_link_no_line_is_known() -> None:
    """It differs, and says nothing of now: no line of the pair counts as agreed, and nothing is asked or done."""
    pair = linked(converter=converters.text())
    memory = remembered(pair, salesforce_as_of=pair.world.now + timedelta(seconds=1))
    rows = [{**each, "A": "before"} for each in pair.world.rows(S).values() if each["Email"] == "k"]
    shot = Snapshot.complete([*rows, *(each for each in pair.world.rows(S).values() if each["Email"] != "k")])
    later = pair.world.now + timedelta(seconds=2)
    plan = plan_of(
        attrs.evolve(shot, as_of=pair.world.now),
        pair.world.snapshot(D),
        memory,
        now=later,
        transfer=pair.world.transfer,
    )
    assert not plan.actions and not plan.needs
    assert plan.parts[0].counts == {"agreed": 1, "line_2": 2}


def test_a_record_that_never_told_its_id_may_win_a_merge() -> None:
    """It is another pair's: the loser's link is held, and ends once that pair has taken the winner's id."""
    links = [named(1, "a", S, is_nameless=False), named(2, "k", S, is_nameless=True)]
    people = [row(D, 1, "a"), row(D, 2, "k")]
    first = plan_of(Snapshot.complete([row(S, 9, "k")], merged={"s1": "s9"}), people, Baseline(links))
    assert told(first) == [("conflict", "conflict.merged")]
    memory = Baseline(links).updated(settle(first, {}, now=NOW))
    assert {link.salesforce_id: link.dialog_insight_id for link in memory.links} == {"s1": "d1", "s9": "d2"}
    then = plan_of([row(S, 9, "k")], people, memory, now=LATER)
    assert told(then) == [("unlink", "unlink.merged")]
