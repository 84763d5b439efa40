"""What is remembered: exact in its stored form, clear about what it cannot read, careful when it is not trusted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import (
    Baseline,
    Context,
    CoverageRecord,
    FieldState,
    Life,
    OpenItem,
    Outcome,
    Plan,
    Relation,
    Settlement,
    SyncReport,
    Tombstone,
    settle,
)
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import UNSET, Side
from di_salesforce.testing._pairs import LinkedPair, linked, told
from di_salesforce.testing.strategies import fates, live_one_round, transfers, worlds
from di_salesforce.testing.world import World
from di_salesforce.triggers import Deletes

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@st.composite
def lived(draw: st.DrawFn, /) -> World:
    world = draw(worlds(draw(transfers()), rekeys=True, refusing=True, context=Context(allow_empty=frozenset(Side))))
    live_one_round(draw, world, fates())
    return world


def transfer(*more: FieldMapping) -> ObjectTransfer:
    return ObjectTransfer(
        "t", sobject="T", fields=[FieldMapping("Key", "key", key=True), FieldMapping("A", "a"), *more]
    )


def pair() -> LinkedPair:
    return LinkedPair.of(transfer(), {"Key": "k", "A": "x"}, {"key": "k", "a": "x"})


def stored(baseline: Baseline) -> list[dict[str, Any]]:  # JSON data
    return list(json.loads(json.dumps(baseline.to_dicts())))


@given(data=st.data(), world=lived())
def test_the_stored_form_is_exact_in_any_order(data: st.DataObject, world: World) -> None:
    """Rows written as JSON and read in any order give an equal baseline."""
    rows = data.draw(st.permutations(stored(world.baseline)))
    assert Baseline.from_dicts(rows) == world.baseline


@given(world=lived())
def test_a_settlement_is_a_delta(world: World) -> None:
    """What a settlement does not name stays as it is, and settling nothing changes nothing."""
    before = {link.id: link for link in world.baseline.links}
    plan = world.plan()
    settlement = settle(plan, {}, now=world.now)
    after = world.baseline.updated(settlement)
    touched = {link.id for link in settlement.changed_links} | set(settlement.removed_links)
    assert {link.id: link for link in after.links if link.id not in touched} == {
        name: link for name, link in before.items() if name not in touched
    }
    assert world.baseline.updated(Settlement(SyncReport())) == world.baseline


def test_a_quiet_run_changes_no_link() -> None:
    """Where nothing moved, a settlement names no link: storing it costs nothing."""
    one = pair()
    settlement = settle(one.look(), {}, now=one.world.now)
    assert not settlement.changed_links and not settlement.removed_links and not settlement.open_items


def test_other_transfers_are_left_out() -> None:
    """Of the settlement of a joined plan, a baseline takes its own transfer's part."""
    one, two = pair(), pair()
    other = ObjectTransfer("u", sobject="U", fields=transfer().fields)
    two.world.transfer = other
    two.world.baseline = Baseline.empty()
    two.world.sides[S].transfer = two.world.sides[D].transfer = other
    one.edit(S, A="y")
    settlement = settle(Plan.joined([one.look(), two.look()]), {}, now=one.world.now)
    assert {link.transfer for link in settlement.changed_links} == {"t", "u"}
    after = one.world.baseline.updated(settlement.of("t"))
    assert {link.transfer for link in after.links} == {"t"}
    assert one.world.baseline.updated(settlement) == after
    assert one.world.baseline.updated(settlement.of("u")) == one.world.baseline
    with pytest.raises(ConfigurationError, match=r"t, u.*settlement\.of"):
        Baseline.empty().updated(settlement)  # it does not know yet whose it is


@given(world=lived(), data=st.data())
def test_a_settlement_that_is_stored_again_changes_nothing(world: World, data: st.DataObject) -> None:
    """Whoever died while storing one may store it again: what it removes is gone already, what it brings is there."""
    plan = world.plan()
    outcomes = {write.id: data.draw(st.sampled_from([Outcome.stale(), Outcome.unknown()])) for write in plan.writes}
    once = world.baseline.updated(settle(plan, outcomes, now=world.now))
    assert once.updated(settle(plan, outcomes, now=world.now)) == once


def test_what_a_settlement_removes_is_gone_and_may_be_gone_already() -> None:
    """An ended link, a closed item, a tombstone that has served its time."""
    one = pair()
    (link,) = one.world.baseline.links
    item = OpenItem("t", f"link:{link.id}", "", "outcome.stale", NOW)
    stone = Tombstone("t", S, "1", None, NOW, "unlink.deleted")
    full = Baseline([link], [item], [stone])
    settlement = Settlement(
        SyncReport(), removed_links=(link.id,), closed_items=(item.id,), removed_tombstones=(stone.id,)
    )
    assert full.updated(settlement) == full.updated(settlement).updated(settlement) == Baseline.empty()


# --------------------------------------------------------------------------------------------------- bad input


def test_a_newer_format_is_refused() -> None:
    """Rows of a format that this version does not know are named with their place."""
    rows = stored(pair().world.baseline)
    rows[0]["format"] = 2
    with pytest.raises(ConfigurationError) as caught:
        Baseline.from_dicts(rows)
    assert [(problem.path, problem.code) for problem in caught.value.problems] == [("rows[0]", "baseline.newer")]


NO_ROW = "is no row of a baseline", "baseline.unknown_row"
TOLD: list[tuple[Any, tuple[str, str]]] = [
    ({}, NO_ROW),
    ("link", NO_ROW),
    ({"kind": "nothing", "format": 1}, NO_ROW),
    ({"kind": "link", "format": 2}, ("has format 2; this version reads up to 1", "baseline.newer")),
    ({"kind": "link", "format": 1}, ("is damaged (KeyError)", "baseline.damaged")),
]


@pytest.mark.parametrize(("row", "flaw"), TOLD, ids=str)
def test_what_is_wrong_with_a_row_is_said(row: Any, flaw: tuple[str, str]) -> None:
    """Its place among the rows, what is wrong with it in words, and a code that a program can go by."""
    rows = stored(pair().world.baseline)
    place = len(rows)
    with pytest.raises(ConfigurationError, match=rf"^baseline: rows\[{place}\]") as caught:
        Baseline.from_dicts([*rows, row])
    assert caught.value.problems == (Problem(f"rows[{place}]", *flaw),)


def test_of_very_many_damaged_rows_the_first_are_named() -> None:
    """A file that is no baseline at all would fill the screen with what is wrong with it."""
    with pytest.raises(ConfigurationError) as caught:
        Baseline.from_dicts([{}] * 1000)
    assert [problem.path for problem in caught.value.problems] == [f"rows[{place}]" for place in range(20)]


DAMAGE: list[Any] = [  # a row, or what a row is changed by
    {},
    {"kind": "link"},
    {"kind": "nothing", "format": 1},
    {"kind": ["link"], "format": 1},
    {"kind": "link", "format": 1},
    {"kind": "link", "format": "1"},
    1,
    None,
    "link",
    {"change": {"fields": []}},
    {"change": {"fields": {"A:a": []}}},
    {"change": {"fields": {"A:a": [["x"], "=", None, 0, None, False, "", None]}}},
    {"change": {"fields": {"A:a": [[{"$decimal": "q"}, "x"], "=", None, 0, None, False, "", None]}}},
    {"change": {"fields": {"A:a": [[{"$what": "q"}, "x"], "=", None, 0, None, False, "", None]}}},
    {"change": {"life": ["asleep", None, ""]}},
    {"change": {"salesforce": None}},
    {"change": {"salesforce": ["1", ["k"], "yesterday"]}},
]


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_damaged_rows_are_listed(damage: Any) -> None:
    """Whatever is wrong with a row, the error is ours and names its place; nothing is half read."""
    rows: list[Any] = stored(pair().world.baseline)
    place = next(i for i, row in enumerate(rows) if row["kind"] == "link")
    rows[place] = {**rows[place], **damage["change"]} if isinstance(damage, dict) and "change" in damage else damage
    with pytest.raises(ConfigurationError) as caught:
        Baseline.from_dicts(rows)
    assert [problem.path for problem in caught.value.problems] == [f"rows[{place}]"]


def test_all_damaged_rows_are_listed_at_once() -> None:
    """Every damaged row is named, not only the first."""
    with pytest.raises(ConfigurationError) as caught:
        Baseline.from_dicts([{}, {"kind": "link", "format": 1}, {}])
    assert [problem.path for problem in caught.value.problems] == ["rows[0]", "rows[1]", "rows[2]"]


# ----------------------------------------------------------------------------------------- distrust, other mappings


def test_distrust_keeps_links_and_forgets_values() -> None:
    """A baseline from an older copy: pairs stay pairs, what agrees is noted, what differs is held."""
    one = pair()
    one.world.distrust()
    assert one.link.fields["A:a"].base is None and one.link.as_of(S) is None
    one.world.one_pass()
    assert one.state("A:a").base == ("x", "x")
    one.world.distrust()
    one.edit(S, A="y")
    assert [(a.kind, a.reason) for a in one.world.plan().actions] == [("conflict", "conflict.first_match")]


def test_distrust_forgets_all_that_was_seen_of_a_field_and_nothing_else() -> None:
    """Who is linked with whom, what is open and what must not be created again is as true as it was."""
    (link,) = pair().world.baseline.links
    state = FieldState(
        ("x", "y"), Relation.REWRITTEN, ("z", UNSET), bounce=2, wrote=D, unverified=True, version="v", group="g"
    )
    known = attrs.evolve(link, salesforce_as_of=NOW, dialog_insight_as_of=NOW, fields={"A:a": state})
    items = [OpenItem("t", f"link:{link.id}", "", "outcome.unknown", NOW)]
    stones = [Tombstone("t", S, "1", None, NOW, "unlink.deleted")]
    coverage = CoverageRecord("t", S, None, ("A",), NOW, NOW)
    forgotten = attrs.evolve(
        known,
        salesforce_as_of=None,
        dialog_insight_as_of=None,
        fields={"A:a": FieldState(None, Relation.REWRITTEN, wrote=D, unverified=True, version="v", group="g")},
    )
    assert Baseline([known], items, stones, [coverage]).distrust() == Baseline([forgotten], items, stones)


def test_a_line_that_is_taken_out_keeps_its_state() -> None:
    """A field that leaves the mapping and comes back is compared with what was remembered of it."""
    one = LinkedPair.of(
        transfer(FieldMapping("B", "b")), {"Key": "k", "A": "x", "B": 1}, {"key": "k", "a": "x", "b": 1}
    )
    one.world.transfer = transfer()
    one.edit(S, A="y")
    one.world.one_pass()
    assert one.state("B:b").base == (1, 1)
    one.edit(S, B=2)
    one.world.transfer = transfer(FieldMapping("B", "b"))
    assert [(write.kind, dict(write.values)) for write in one.world.one_pass().writes] == [("update", {"b": 2})]


def test_a_line_that_is_added_meets_for_the_first_time() -> None:
    """A new line has no base: equal values are noted, different ones are held, nothing is overwritten."""
    one = LinkedPair.of(
        transfer(FieldMapping("B", "b")), {"Key": "k", "A": "x", "B": 1}, {"key": "k", "a": "x", "b": 1}
    )
    rows = stored(one.world.baseline)
    for row in rows:
        if row["kind"] == "link":
            del row["fields"]["B:b"]
    one.world.baseline = Baseline.from_dicts(rows)
    one.edit(D, b=2)
    assert [(a.kind, a.reason) for a in one.world.plan().actions] == [("conflict", "conflict.first_match")]
    one.edit(D, b=1)
    assert not one.world.one_pass().actions
    assert (one.state("B:b").base, one.state("B:b").rel) == ((1, 1), Relation.AGREED)


def test_lookups_by_id_and_key() -> None:
    """A link is found by either side's id and key; what is not there is None."""
    one = pair()
    baseline = one.world.baseline
    for side in Side:
        assert baseline.find(side, one.names[side]) is one.link
        assert baseline.find_key(side, ("k",)) is one.link
        assert baseline.find(side, "nobody") is None and baseline.find_key(side, ("nobody",)) is None
    assert one.state("A:a").seen == (UNSET, UNSET) and len(baseline) == 1


def test_of_several_links_with_one_key_the_living_one_is_found() -> None:
    """A record was deleted and made again with its key: the link that sleeps does not keep the key from the new one."""
    (living,) = pair().world.baseline.links
    for other in ("0", "z"):  # an id before and one behind it
        sleeping = attrs.evolve(living, id=other, life=Life.DORMANT, salesforce_id="s", dialog_insight_id="d")
        for links in ([living, sleeping], [sleeping, living]):
            assert [Baseline(links).find_key(side, ("k",)) for side in Side] == [living, living]


def test_a_row_without_an_id_is_remembered_as_gone_by_its_key() -> None:
    """A relational row has no other name: the one whose counterpart was deleted is not created back from it."""
    one = linked(table="Orders", converter=converters.text(), deletes=Deletes.UNLINK)
    one.remove(S)
    one.world.one_pass()
    (stone,) = one.world.baseline.tombstones.values()
    assert (stone.side, stone.record_id, stone.key, stone.cause) == (D, None, ("k",), "unlink.deleted")
    assert told(one.world.plan()) == [("skip", "tombstone")]


def test_a_memory_is_never_false() -> None:
    """One without a link may still hold open items and tombstones: nobody may take it for none at all."""
    assert Baseline.empty() and len(Baseline.empty()) == 0
