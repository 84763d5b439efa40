"""Laws of the sieve: passing over what did not change changes no plan, and takes nothing for the same that is not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import (
    Baseline,
    BoundTransfer,
    Context,
    FieldState,
    LinkRecord,
    Plan,
    Snapshot,
    _sift,
    reconcile,
    settle,
)
from di_salesforce.engine._bytes import differing, pack, same, unpack
from di_salesforce.engine._packed import LazyFields, tight
from di_salesforce.engine._sieve import Sieve
from di_salesforce.exceptions import DISalesforceError
from di_salesforce.records import Row, Side, Value
from di_salesforce.testing.strategies import change_something, coverages, fates, live_one_round, transfers, worlds
from di_salesforce.testing.world import START, World
from di_salesforce.triggers import Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


@pytest.fixture(autouse=True)
def _sieve_in_use() -> Iterator[None]:
    assert _sift.IN_USE
    yield
    _sift.IN_USE = True


def planned(world: World, snapshots: dict[Side, Snapshot], *, sifted: bool) -> dict[str, Any] | str:
    """Plan from the same looks with or without the sieve, look-ups included; an error counts by its words."""
    _sift.IN_USE = sifted
    try:
        plan = world.plan(snapshots[S], snapshots[D])
    except DISalesforceError as error:
        return str(error)
    finally:
        _sift.IN_USE = True
    return plan.to_dict()


@given(st.data())
def test_a_sieve_changes_no_plan(data: st.DataObject) -> None:
    """Letter by letter the same plan, whatever happened before, whatever was read, look-ups included."""
    transfer = data.draw(transfers())
    world = data.draw(worlds(transfer, rekeys=True, past=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(0, 2))):
        live_one_round(data.draw, world, fates(sure=True), rekeys=True)
    snapshots = {side: world.snapshot(side, data.draw(coverages())) for side in Side}
    assert planned(world, snapshots, sifted=True) == planned(world, snapshots, sifted=False)


@given(st.data())
def test_a_sieve_passes_over_what_is_at_rest(data: st.DataObject) -> None:
    """Of a world that came to rest, the links that no person touched are passed over, and its plan is the same."""
    transfer = data.draw(transfers(triggers=st.just(Trigger.ALL), first_match=st.just(None)))
    world = data.draw(worlds(transfer, honest=True, past=False))
    for _ in range(3):
        if all(world.rows(side) for side in Side):
            world.apply(world.plan())
            world.rest()
    for side in Side:
        for name in sorted(world.rows(side))[:1]:
            change_something(data.draw, world, side, name)
    snapshots = {side: world.snapshot(side) for side in Side}
    assert planned(world, snapshots, sifted=True) == planned(world, snapshots, sifted=False)


# ---------------------------------------------------------------------------------------------------------- traps

_TRAPS: tuple[Value, ...] = (
    *(1, True, 1.0, Decimal(1), Decimal("1.0"), "1", "1.0"),
    *(0, False, 0.0, -0.0, Decimal(0), Decimal("-0"), None, ""),
    *("é", "e\u0301", "\ud800", "a\x00b", 2**70, 2**70 + 1),
    *(date(2026, 5, 1), "2026-05-01", datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 1)),
    *(datetime(2026, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 5, 1, fold=1)),
)


def _exact(value: Value) -> tuple[type, str, int]:
    return type(value), repr(value), getattr(value, "fold", 0)


@pytest.mark.parametrize(("one", "other"), list(itertools.product(_TRAPS, repeat=2)))
def test_bytes_tell_apart_what_python_calls_equal(one: Value, other: Value) -> None:
    """Packed values are equal exactly where type and every digit are, and read back as they were."""
    is_same = _exact(one) == _exact(other)
    first, second, packed = pack([one, "x"]), pack([other, "x"]), pack([one, other])
    assert first is not None and second is not None and packed is not None
    assert (first == second) is is_same
    assert differing(first, second, 2) == ([] if is_same else [0])
    read = unpack(packed, 2)
    assert list(map(_exact, read)) == [_exact(one), _exact(other)]
    assert same(one, other) is is_same and same(one, read[1]) is is_same  # an equal value is seldom the same object


class _Text(str):
    __slots__ = ()


@pytest.mark.parametrize("value", [float("nan"), Decimal("NaN"), _Text("a"), ["a"], ("a",), {"a": 1}, b"a", 1j])
def test_what_is_no_known_value_is_never_passed_over(value: Any) -> None:
    """Values that are not equal to themselves, or of a type of which nothing is known, are looked at."""
    fields = tight({"A": FieldState(base=("a", value), version="v"), "B": FieldState(base=("b", "b"), version="v")})
    assert fields.loose is not None
    assert set(fields.loose) == {"A"}
    assert fields["A"].base == ("a", value)


TRANSFER = ObjectTransfer(
    "t",
    sobject="T",
    fields=[FieldMapping("Key", "key", key=True), FieldMapping("A", "a"), FieldMapping("N", "n")],
    triggers=Trigger.ALL,
)


def link(number: int, *base: Value, transfer: ObjectTransfer = TRANSFER, **more: Any) -> LinkRecord:
    fields = {
        line.name: FieldState(base=(value, value), version=(line.converter or converters.AS_IS).version)
        for line, value in zip(transfer.lines, base, strict=True)
    }
    key = (str(base[0]),)
    return LinkRecord("t", f"link{number}", f"00{number}", str(number), key, key, fields, **more)


def compared(salesforce: list[Row], dialog_insight: list[Row], *links: LinkRecord) -> Plan:
    """Plan with and without the sieve, and give the one plan that both are."""
    plans: list[Plan] = []
    for _sift.IN_USE in (True, False):
        plans.append(
            reconcile(
                TRANSFER,
                salesforce=Snapshot.complete(salesforce),
                dialog_insight=Snapshot.complete(dialog_insight),
                baseline=Baseline(links),
                now=START,
            )
        )
    assert plans[0].to_dict() == plans[1].to_dict()
    return plans[0]


@pytest.mark.parametrize(("base", "now"), list(itertools.product(_TRAPS[:15], repeat=2)))
def test_an_edit_that_python_calls_equal_is_decided_as_ever(base: Value, now: Value) -> None:
    """A truth value that became 1, or 1.10 that became 1.1, is what the converter says: never overlooked."""
    row = {"Id": "001", "Key": "k", "A": base, "N": base}
    compared([{**row, "N": now}], [{"idContact": 1, "key": "k", "a": base, "n": base}], link(1, "k", base, base))


def test_a_truth_value_is_no_number() -> None:
    """1 that became true is an edit, though Python calls them equal."""
    plan = compared(
        [{"Id": "001", "Key": "k", "A": True, "N": 1}],
        [{"idContact": 1, "key": "k", "a": 1, "n": 1}],
        link(1, "k", 1, 1),
    )
    assert [(write.side, dict(write.values)) for write in plan.writes] == [(D, {"a": True})]


ROW_S: Row = {"Id": "001", "Key": "k", "A": "a", "N": 1}
ROW_D: Row = {"idContact": 1, "key": "k", "a": "a", "n": 1}


@pytest.mark.parametrize(
    ("salesforce", "dialog_insight", "links", "kinds"),
    [
        ([ROW_S], [ROW_D], [link(1, "k", "a", 1)], []),
        # A second row with the key of a link that is at rest is a duplicate, on either side.
        ([ROW_S, {**ROW_S, "Id": "002"}], [ROW_D], [link(1, "k", "a", 1)], ["reject"]),
        ([ROW_S], [ROW_D, {**ROW_D, "idContact": 2}], [link(1, "k", "a", 1)], ["reject"]),
        # A row that was read twice, differently, is asked for.
        ([ROW_S, {**ROW_S, "A": "b"}], [ROW_D], [link(1, "k", "a", 1)], []),
        # Twice the same is once.
        ([ROW_S, ROW_S], [ROW_D], [link(1, "k", "a", 1)], []),
        # A key that moves onto one that is held by a link at rest is held.
        (
            [ROW_S, {"Id": "002", "Key": "k", "A": "b", "N": 2}],
            [ROW_D, {"idContact": 2, "key": "j", "a": "b", "n": 2}],
            [link(1, "k", "a", 1), link(2, "j", "b", 2)],
            ["conflict"],
        ),
        # The memory's key is not the row's: a link is not known by what it does not hold.
        ([ROW_S, {**ROW_S, "Id": "002", "Key": "z"}], [ROW_D],
         [attrs.evolve(link(1, "k", "a", 1), salesforce_key=("z",), dialog_insight_key=("z",))], ["create"]),
        # Two links of one record: neither is passed over in the other's name.
        ([ROW_S], [ROW_D], [link(1, "k", "a", 1), attrs.evolve(link(1, "k", "a", 1), id="again")], []),
    ],
)  # fmt: skip
def test_what_touches_a_link_at_rest_is_decided_with_it(
    salesforce: list[Row], dialog_insight: list[Row], links: list[LinkRecord], kinds: list[str]
) -> None:
    """Rows that share a key, an id or a link with what is at rest are decided as if it had not been passed over."""
    assert [action.kind for action in compared(salesforce, dialog_insight, *links).actions] == kinds


def test_a_row_that_was_read_twice_with_different_keys_is_asked_for() -> None:
    """Which of the two keys is the record's nobody knows: nothing is paired or created by either."""
    plan = compared([ROW_S], [ROW_D, {**ROW_D, "key": "z"}], link(1, "k", "a", 1))
    assert plan.writes == () and [(side, need.record_id) for side, need in plan.needs] == [(D, "1")]
    alone = compared([], [ROW_D, {**ROW_D, "key": "z"}])
    assert alone.writes == () and [(side, need.record_id) for side, need in alone.needs] == [(D, "1")]


def test_a_key_of_several_parts_is_passed_over_like_any_other() -> None:
    """Equal rows at rest give no action; one whose second part moved is looked at."""
    transfer = attrs.evolve(TRANSFER, fields=[*TRANSFER.fields, FieldMapping("K2", "k2", key=True)])
    rows = [{**ROW_S, "K2": "p"}], [{**ROW_D, "k2": "p"}]
    first = reconcile(
        transfer,
        salesforce=Snapshot.complete(rows[0]),
        dialog_insight=Snapshot.complete(rows[1]),
        baseline=Baseline.empty(),
        now=START,
    )
    memory = Baseline.empty().updated(settle(first, {}, now=START))
    for k2, kinds in (("p", []), ("q", ["conflict"])):
        plan = reconcile(
            transfer,
            salesforce=Snapshot.complete([{**rows[0][0], "K2": k2}]),
            dialog_insight=Snapshot.complete(rows[1]),
            baseline=memory,
            now=START + timedelta(hours=1),
        )
        assert [action.kind for action in plan.actions] == kinds


def test_what_is_worked_out_late_is_a_mapping_too() -> None:
    """The states of a record that is to be created are there for whoever asks, and only then."""
    asked: list[int] = []
    lazy = LazyFields(lambda: asked.append(1) or {"A": FieldState(version="v")})
    assert repr(lazy) == "<LazyFields>" and not asked
    assert len(lazy) == 1 and list(lazy) == ["A"] and lazy["A"].version == "v" and asked == [1]
    packed = tight({"A": FieldState(base=(1, 1), version="v")})
    assert list(packed.values()) == [FieldState(base=(1, 1), version="v")]


@pytest.mark.parametrize("value", [["a"], {"a": 1}, object(), float("nan")])
@pytest.mark.parametrize("side", Side)
def test_what_is_no_value_is_never_taken_for_rest(side: Side, value: Any) -> None:
    """A pair at rest whose row suddenly holds an object or no number is rejected by the field's name."""
    rows = {S: dict(ROW_S), D: dict(ROW_D)}
    rows[side]["A" if side is S else "a"] = value
    plan = compared([rows[S]], [rows[D]], link(1, "k", "a", 1))
    assert [(each.side, [field for field, _ in each.causes]) for each in plan.rejects] == [
        (side, ["A" if side is S else "a"])
    ]


@pytest.mark.parametrize("side", Side)
def test_a_look_that_is_older_than_the_memory_is_not_taken_for_rest(side: Side) -> None:
    """An old export that shows the same is no look of today: nothing is noted of it."""
    seen = attrs.evolve(link(1, "k", "a", 1), salesforce_as_of=START, dialog_insight_as_of=START)
    shots = {S: Snapshot.complete([ROW_S]), D: Snapshot.complete([ROW_D])}
    shots[side] = attrs.evolve(shots[side], as_of=START - timedelta(hours=1))
    plan = reconcile(
        TRANSFER,
        salesforce=shots[S],
        dialog_insight=shots[D],
        baseline=Baseline((seen,)),
        now=START + timedelta(hours=1),
    )
    assert not plan.actions and not plan.parts[0].counts.get("agreed")


@pytest.mark.parametrize("side", Side)
def test_two_pairs_of_one_key_at_rest_both_hold_it(side: Side) -> None:
    """A person linked them by hand: a third record with their key is a duplicate, passed over or not."""
    rows = {S: [ROW_S, {**ROW_S, "Id": "002"}], D: [ROW_D, {**ROW_D, "idContact": 2}]}
    third = {S: {**ROW_S, "Id": "003"}, D: {**ROW_D, "idContact": 3}}[side]
    rows[side] = [*rows[side], third]
    links = link(1, "k", "a", 1), link(2, "k", "a", 1)
    plan = compared(rows[S], rows[D], *links)
    assert [(each.reason, each.side) for each in plan.rejects] == [("key.duplicate", side)]


def test_a_sieve_tells_of_loose_states_what_it_tells_of_packed_ones() -> None:
    """A memory packs its links; whoever asks about one that is not packed gets the same answer."""
    sieve = Sieve(BoundTransfer.of(TRANSFER, Context()), is_in_use=True)
    loose = attrs.evolve(link(1, "k", "a", 1), fields=dict(link(1, "k", "a", 1).fields))
    for each in (loose, loose.tight()):
        assert sieve.passes(each, ROW_S, ROW_D)
        assert not sieve.passes(each, {**ROW_S, "A": "b"}, ROW_D) and not sieve.passes(each, ROW_S, {**ROW_D, "n": 2})


@pytest.mark.parametrize("size", [1, 2, 3])
def test_fields_that_are_decided_as_one_are_passed_over_like_any_other(size: int) -> None:
    """A link remembers of which group a line was; only one that was decided alone, or with others, is looked into."""
    names = [f"F{place}" for place in range(size)]
    lines = [FieldMapping("Key", "key", key=True), *(FieldMapping(name, name.lower(), group="g") for name in names)]
    transfer = ObjectTransfer("t", sobject="T", fields=lines, triggers=Trigger.ALL)
    sieve = Sieve(BoundTransfer.of(transfer, Context()), is_in_use=True)
    row: Row = {"Id": "001", "Key": "k", **dict.fromkeys(names, "a")}
    other: Row = {"idContact": 1, "key": "k", **{name.lower(): "a" for name in names}}
    for group in (None, "g", "h"):
        one = link(1, "k", *"a" * size, transfer=transfer)
        known = {name: attrs.evolve(state, group=group) for name, state in one.fields.items()}
        grouped = {**known, "Key:key": one.fields["Key:key"]}
        is_known = group == ("g" if size > 1 else None)
        assert sieve.passes(attrs.evolve(one, fields=grouped).tight(), row, other) is is_known
