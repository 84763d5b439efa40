"""What is remembered: exact in its stored form, clear about what it cannot read, careful when it is not trusted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer
from di_salesforce.engine import Baseline, Context, Plan, Relation, Settlement, SyncReport, settle
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import UNSET, Side
from di_salesforce.testing._pairs import LinkedPair
from di_salesforce.testing.strategies import fates, live_one_round, transfers, worlds
from di_salesforce.testing.world import World

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


# --------------------------------------------------------------------------------------------------- bad input


def test_a_newer_format_is_refused() -> None:
    """Rows of a format that this version does not know are named with their place."""
    rows = stored(pair().world.baseline)
    rows[0]["format"] = 2
    with pytest.raises(ConfigurationError) as caught:
        Baseline.from_dicts(rows)
    assert [(problem.path, problem.code) for problem in caught.value.problems] == [("rows[0]", "baseline.newer")]


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


def test_a_memory_is_never_false() -> None:
    """One without a link may still hold open items and tombstones: nobody may take it for none at all."""
    assert Baseline.empty() and len(Baseline.empty()) == 0
