"""What one look at a side tells: of the record of a link, of a row without one, of a key; and what it does not tell."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from di_salesforce import ObjectTransfer, converters
from di_salesforce.engine import Baseline, BoundTransfer, Context, CoverageRecord, Life, LinkRecord, Snapshot, settle
from di_salesforce.engine._memory import digest
from di_salesforce.engine._observe import Lookup, Observation, Presence, RowRef, SideView
from di_salesforce.engine._sieve import Sieve
from di_salesforce.engine._sift import Sifted, sift
from di_salesforce.records import UNSET, Row, Side
from di_salesforce.testing._pairs import NOW, ORDERS, asked, contacts, plan_of, row, told

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
LINK = LinkRecord("t", "l", "s1", "d1", ("k",), ("k",), fields={}, salesforce_as_of=NOW, dialog_insight_as_of=NOW)
HERE, DELETED, NOT_READ = Presence.HERE, Presence.DELETED, Presence.NOT_READ
TOO_OLD, OUT_OF_SCOPE = Presence.TOO_OLD, Presence.OUT_OF_SCOPE


def view(
    snapshot: Snapshot,
    side: Side = S,
    *,
    transfer: ObjectTransfer | None = None,
    found: Iterable[Iterable[Row]] = (),
    ids: Iterable[str] = (),
    keys: Iterable[str] = (),
    covered: datetime | None = None,
    links: Iterable[LinkRecord] = (),
) -> SideView:
    """Look at a side in the hour after `NOW`: a read, what was looked up, and when it was read before."""
    lookup = Lookup(tuple(map(tuple, found)), frozenset(ids), frozenset((key,) for key in keys))
    coverages = () if covered is None else (CoverageRecord("t", side, None, (), covered, covered),)
    bound = BoundTransfer.of(transfer or contacts(), Context())
    one = SideView(bound, side, snapshot, lookup, Baseline(links, (), (), coverages), LATER)
    one.read(Sifted((), {side: snapshot.rows}))
    return one


def at(snapshot: Snapshot, **more: Any) -> Callable[[], SideView]:  # of `view`
    """Say how to look, for a table."""
    return functools.partial(view, snapshot, **more)


def ref(held: Row | None = None) -> RowRef:
    """Give Salesforce's row of the link as it is told of."""
    return RowRef(S, "s1", "s1", ("k",), held or row(S, 1), LATER)


# ------------------------------------------------------------------------------------------- the record of a link

ASLEEP = attrs.evolve(LINK, life=Life.DORMANT, gone=S, cause="scope.left")
TWO = attrs.evolve(LINK, id="two", salesforce_id="s2", dialog_insight_id="d2")
NAMELESS = attrs.evolve(LINK, salesforce_id=None)
OTHER = row(S, 2, "k2")
LOOKED_UP: dict[str, Any] = {"found": [[row(S, 1)]], "ids": ["s1"]}


@pytest.mark.parametrize(
    ("link", "look", "told"),
    [
        # What a row, and what its absence, says hangs on how the side was read.
        (LINK, at(Snapshot.complete([row(S, 1)])), Observation(HERE, ref(), LATER, False, True)),
        (LINK, at(Snapshot.changes([row(S, 1)])), Observation(HERE, ref(), LATER, True, True)),
        (LINK, at(Snapshot.sample([row(S, 1)])), Observation(HERE, ref(), LATER, False, False)),
        (LINK, at(Snapshot.complete([OTHER])), Observation(Presence.ABSENT)),
        (LINK, at(Snapshot.changes([OTHER])), Observation(NOT_READ, gap_free=True)),
        (LINK, at(Snapshot.sample([OTHER])), Observation(NOT_READ)),
        # Evidence is believed more than a row, and as of when it was given.
        (LINK, at(Snapshot.complete([row(S, 1)], deleted=["s1"])), Observation(DELETED, None, LATER, False, True)),
        (LINK, at(Snapshot.changes([], deleted=["s1"], as_of=NOW)), Observation(DELETED, None, NOW, False, True)),
        (LINK, at(Snapshot.sample([], deleted=["s1"])), Observation(DELETED, None, LATER, False, False)),
        (
            LINK,
            at(Snapshot.changes([], deleted=["s1"], merged={"s1": "s2"})),
            Observation(Presence.MERGED, None, LATER, False, True),
        ),
        # A look-up is believed more than either; what it does not find is deleted.
        (LINK, at(Snapshot.changes([], deleted=["s1"]), **LOOKED_UP), Observation(HERE, ref(), LATER)),
        (LINK, at(Snapshot.changes([row(S, 1, "k", "old")]), **LOOKED_UP), Observation(HERE, ref(), LATER)),
        (LINK, at(Snapshot.complete([row(S, 1)]), found=[[]], ids=["s1"]), Observation(DELETED, None, LATER)),
        (LINK, at(Snapshot.complete([OTHER]), found=[[]], ids=["s2"]), Observation(Presence.ABSENT)),
        # What is older than what is remembered says nothing; that a row was not read says nothing anyway.
        (LINK, at(Snapshot.complete([row(S, 1)], as_of=EARLIER)), Observation(TOO_OLD)),
        (LINK, at(Snapshot.changes([], deleted=["s1"], as_of=EARLIER)), Observation(TOO_OLD)),
        (LINK, at(Snapshot.complete([OTHER], as_of=EARLIER)), Observation(NOT_READ)),
        (LINK, at(Snapshot.complete([row(S, 1)], as_of=EARLIER), **LOOKED_UP), Observation(HERE, ref(), LATER)),
        # A record that was made without telling its id is the one with its key that no other link names.
        (NAMELESS, at(Snapshot.changes([row(S, 1)])), Observation(HERE, ref(), LATER)),
        (NAMELESS, at(Snapshot.sample([row(S, 1), row(S, 2)]), links=[TWO]), Observation(HERE, ref(), LATER)),
        (NAMELESS, at(Snapshot.sample([row(S, 1), row(S, 2)])), Observation(Presence.ABSENT)),
        (NAMELESS, at(Snapshot.changes([row(S, 2)]), links=[TWO]), Observation(Presence.ABSENT)),
        (NAMELESS, at(Snapshot.changes([]), found=[[row(S, 1), row(S, 2)]], keys=["k"]), Observation(NOT_READ)),
        (
            NAMELESS,
            at(Snapshot.changes([row(S, 2)]), found=[[row(S, 1)]], keys=["k"]),
            Observation(HERE, ref(), LATER),
        ),
        (
            NAMELESS,
            at(Snapshot.changes([]), found=[[row(S, 2)]], keys=["k"], links=[TWO]),
            Observation(DELETED, None, LATER),
        ),
        (NAMELESS, at(Snapshot.complete([row(S, 1)], as_of=EARLIER)), Observation(TOO_OLD)),
        (NAMELESS, at(Snapshot.complete([OTHER], as_of=EARLIER)), Observation(NOT_READ)),
        (
            NAMELESS,
            at(Snapshot.complete([OTHER], as_of=EARLIER), found=[[row(S, 1)]], keys=["k"]),
            Observation(HERE, ref(), LATER),
        ),
        (NAMELESS, at(Snapshot.changes([]), found=[[]], keys=["k"]), Observation(DELETED, None, LATER)),
        (attrs.evolve(NAMELESS, salesforce_key=None), at(Snapshot.complete([row(S, 1)])), Observation(NOT_READ)),
        # Only Salesforce knows what satisfies its filter, and a look-up does not ask: what has left it is not back.
        (ASLEEP, at(Snapshot.changes([]), **LOOKED_UP), Observation(OUT_OF_SCOPE, ref(), LATER)),
        (ASLEEP, at(Snapshot.changes([row(S, 1)]), **LOOKED_UP), Observation(HERE, ref(), LATER)),
        (attrs.evolve(ASLEEP, gone=D), at(Snapshot.changes([]), **LOOKED_UP), Observation(HERE, ref(), LATER)),
        (
            attrs.evolve(ASLEEP, cause="deleted.reported"),
            at(Snapshot.changes([]), **LOOKED_UP),
            Observation(HERE, ref(), LATER),
        ),
        (LINK, at(Snapshot.changes([]), **LOOKED_UP), Observation(HERE, ref(), LATER)),
        # A complete read of a filter's scope holds all that satisfies it; one that is too old says nothing of now.
        (LINK, at(Snapshot.complete([OTHER], scope="A"), **LOOKED_UP), Observation(OUT_OF_SCOPE, ref(), LATER)),
        (LINK, at(Snapshot.complete([OTHER]), **LOOKED_UP), Observation(HERE, ref(), LATER)),
        (
            LINK,
            at(Snapshot.complete([OTHER], scope="A", as_of=EARLIER), covered=NOW, **LOOKED_UP),
            Observation(HERE, ref(), LATER),
        ),
    ],
)
def test_what_a_look_tells_of_a_links_record(link: LinkRecord, look: Callable[[], SideView], told: Observation) -> None:
    """A look-up is believed more than evidence, evidence more than a row; and nothing that is older than the memory."""
    assert look().of_link(link) == told


@pytest.mark.parametrize(("value", "presence"), [("in", HERE), ("out", OUT_OF_SCOPE)])
def test_a_look_up_asks_the_filter_of_dialog_insight(value: str, presence: Presence) -> None:
    """That filter is the declaration's own: a record that has left it is back once a look-up shows it so."""
    asleep = attrs.evolve(ASLEEP, gone=D)
    transfer = contacts(dialog_insight_filter=lambda row: row["a"] == "in")
    look = view(Snapshot.changes([]), D, transfer=transfer, found=[[row(D, 1, "k", value)]], ids=["d1"])
    assert look.of_link(asleep).presence is presence


# ------------------------------------------------------------------------------------------ rows without a link


@pytest.mark.parametrize(
    ("look", "is_gone", "is_accounted_for"),
    [
        (at(Snapshot.complete([row(S, 1)])), False, True),
        (at(Snapshot.complete([OTHER])), True, True),
        (at(Snapshot.changes([row(S, 1)])), False, True),
        (at(Snapshot.changes([])), False, False),
        (at(Snapshot.changes([], deleted=["s1"])), True, True),
        (at(Snapshot.sample([])), False, False),
        # An old read, and old evidence, proves nothing.
        (at(Snapshot.complete([OTHER], as_of=EARLIER), covered=NOW), False, False),
        (at(Snapshot.changes([], deleted=["s1"], as_of=EARLIER), covered=NOW), False, False),
        # A look-up proves it, whatever was read before; that of a key says nothing of a row that has an id.
        (at(Snapshot.complete([OTHER]), **LOOKED_UP), False, True),
        (at(Snapshot.changes([row(S, 1)]), found=[[]], ids=["s1"]), True, True),
        (at(Snapshot.changes([]), found=[[]], keys=["k"]), False, False),
    ],
)
def test_what_has_become_of_a_row_without_a_link(
    look: Callable[[], SideView], is_gone: bool, is_accounted_for: bool
) -> None:
    """It is gone only if a look-up, evidence or a complete read says so; else it was read, or nobody knows."""
    one = look()
    assert (one.is_gone("s1", ("k",)), one.is_accounted_for("s1", ("k",))) == (is_gone, is_accounted_for)


@pytest.mark.parametrize(("found", "is_gone", "is_accounted_for"), [([row(D, None)], False, True), ([], True, True)])
def test_a_row_without_an_id_is_looked_up_by_its_key(found: list[Row], is_gone: bool, is_accounted_for: bool) -> None:
    """A look-up of its key tells whether it is gone."""
    look = view(Snapshot.changes([]), D, transfer=ORDERS, found=[found], keys=["k"])
    name = digest(("k",))
    assert (look.is_gone(name, ("k",)), look.is_accounted_for(name, ("k",))) == (is_gone, is_accounted_for)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["s1", "s2"]),
        ({"found": [[row(S, 2)]], "ids": ["s2"]}, ["s2", "s1"]),
        ({"found": [[row(S, 3)], [row(S, 4)]], "keys": ["k"]}, ["s3", "s4", "s1", "s2"]),
        ({"found": [[]], "ids": ["s1"]}, ["s2"]),
        ({"found": [[row(S, 2)]], "ids": ["s1", "s2"]}, ["s2"]),
        ({"found": [[]], "keys": ["k"]}, ["s1", "s2"]),
    ],
)
def test_a_row_that_a_look_up_did_not_find_is_not_there(asked: Mapping[str, Any], names: list[str]) -> None:
    """Whatever the read before it holds; every other row is given once, as the last look-up found it."""
    look = view(Snapshot.complete([row(S, 1), row(S, 2)]), **asked)
    assert [each.name for each in look.refs()] == names


def test_a_row_without_an_id_that_a_look_up_did_not_find_is_not_there() -> None:
    """What was asked for is its key."""
    rows = [row(D, None), row(D, None, "k2")]
    look = view(Snapshot.complete(rows), D, transfer=ORDERS, found=[[]], keys=["k"])
    assert [each.row for each in look.refs()] == rows[1:]


@pytest.mark.parametrize(("since", "is_settled"), [(None, True), (LATER, True), (LATER + timedelta(seconds=1), False)])
def test_a_key_is_known_to_be_free_as_of_the_read(since: datetime | None, is_settled: bool) -> None:
    """A complete read shows what was written before it began, also at that very moment, and nothing that came later."""
    assert view(Snapshot.complete([row(S, 1)])).key_is_settled(("new",), since) is is_settled


# ------------------------------------------------------------------------------------------------ read twice


def test_two_readings_of_a_row_are_joined() -> None:
    """What only one of them gives is known, what both give differently is not, and its key is that of the whole row."""
    look = view(
        Snapshot.sample([{"Id": "s1", "A": "x", "B": 1}, {"Id": "s1", "Email": "K@x.example", "A": "y", "B": 1}])
    )
    joined: Row = {"Id": "s1", "Email": "K@x.example", "A": "y", "B": 1}
    (one,) = look.refs()
    assert one == RowRef(S, "s1", "s1", ("k@x.example",), joined, LATER, unclear=frozenset({"A"}))
    assert (one.value("A"), one.value("B")) == (UNSET, 1)


@pytest.mark.parametrize(
    ("value", "flaw"),
    [
        ("x", ""),
        (None, ""),
        (1.5, ""),
        (float("nan"), "value.not_number"),
        (["x"], "value.not_scalar"),
        (UNSET, ""),
    ],
)
def test_what_is_no_value_is_not_known(value: Any, flaw: str) -> None:
    """A field that holds what no converter could take has no value, and what is wrong with it is said."""
    one = ref({"Id": "s1", **({} if value is UNSET else {"A": value})})
    assert one.value("A") is (UNSET if flaw else value) and one.flaw("A") == flaw
    twice = attrs.evolve(one, unclear=frozenset({"A"}))
    assert (twice.value("A"), twice.flaw("A")) == (UNSET, "value.unclear")


# ---------------------------------------------------------------------------------------------- passed over


@pytest.mark.parametrize("scope", [None, "A != null"])
@pytest.mark.parametrize("transfer", [contacts(converter=converters.text()), ORDERS], ids=["contacts", "orders"])
def test_of_a_row_that_was_passed_over_the_same_is_told(transfer: ObjectTransfer, scope: str | None) -> None:
    """Whoever asks for a row or a key hears of it as if the sieve had left it to be decided."""
    number = {S: range(1, 4), D: [None] * 3 if transfer is ORDERS else range(1, 4)}
    rows = {side: [row(side, each, f"k{at}") for at, each in enumerate(number[side])] for side in Side}
    memory = Baseline.empty().updated(settle(plan_of(rows[S], rows[D], transfer=transfer), {}, now=NOW))
    bound = BoundTransfer.of(transfer, Context())
    snapshots = {side: Snapshot.complete(rows[side], scope=scope) for side in Side}
    views = [{side: SideView(bound, side, snapshots[side], Lookup(), memory, LATER) for side in Side} for _ in range(2)]
    passing = sift(bound, views[0], Sieve(bound, is_in_use=True), memory.links, ())
    assert len(passing.passed) == 3
    for side in Side:
        views[0][side].read(passing)
        views[1][side].read(Sifted((), rows))
        for link in memory.links:
            key = link.key(side) or ()
            assert views[0][side].of_link(link) == views[1][side].of_link(link)
            assert views[0][side].with_key(key) == views[1][side].with_key(key) != []


# ------------------------------------------------------------------------------------------------ evidence


@pytest.mark.parametrize("evidence", ["merged", "converted"])
def test_what_a_record_of_dialog_insight_became_is_not_followed(evidence: str) -> None:
    """It is not known to merge or convert anything: the pair is held, and its word names no record of Salesforce."""
    shot = Snapshot.changes([], **{evidence: {"d1": "d2"}})
    plan = plan_of(Snapshot.changes([]), shot, Baseline((LINK,)), now=LATER)
    assert told(plan) == [("conflict", f"conflict.{evidence}")] and not plan.needs
    assert plan.parts[0].links["l"].cause == f"conflict.{evidence}"


@pytest.mark.parametrize(
    ("merged", "cause", "wanted"),
    [
        ({"s1": "s2"}, "merged:s2", ["s2"]),
        ({"s1": "s2", "s2": "s3"}, "merged:s2", ["s3"]),
        ({"s1": "s2", "s2": ""}, "merged:s2", ["s2"]),
        ({"s1": ""}, "conflict.merged", []),
        ({"s1": "", "": "s2"}, "conflict.merged", []),
    ],
)
def test_a_record_without_a_name_is_not_looked_up(merged: dict[str, str], cause: str, wanted: list[str]) -> None:
    """Evidence may say that a record was merged, and not into which: the pair is held, and nobody is asked for."""
    plan = plan_of(Snapshot.changes([], merged=merged), Snapshot.changes([]), Baseline((LINK,)), now=LATER)
    assert told(plan) == [("conflict", "conflict.merged")] and plan.parts[0].links["l"].cause == cause
    assert asked(plan) == [(S, each, None) for each in wanted]


@pytest.mark.parametrize("cause", ["scope.left", "deleted.reported", "conflict.delete_edited", "conflict.merged"])
def test_a_link_that_sleeps_asks_for_nothing(cause: str) -> None:
    """Only of a record that was merged into a known one is the other looked at again."""
    asleep = attrs.evolve(ASLEEP, cause=cause)
    plan = plan_of(Snapshot.changes([]), Snapshot.changes([row(D, 1)], as_of=LATER), Baseline((asleep,)), now=LATER)
    assert not plan.needs
    known = attrs.evolve(ASLEEP, cause="merged:s2")
    assert asked(plan_of(Snapshot.changes([]), Snapshot.changes([row(D, 1)]), Baseline((known,)), now=LATER)) == [
        (S, "s2", None)
    ]
