"""Laws of what is passed over: all that is at rest and nothing else, and of a link that moved just the lines that did.

That a plan is the same with and without it stands in `test_sifting.py`; here stands that it happens at all.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import Baseline, BoundTransfer, Context, FieldState, Life, LinkRecord, Snapshot
from di_salesforce.engine._memory import digest
from di_salesforce.engine._observe import Lookup, RowRef, SideView
from di_salesforce.engine._sieve import Sieve
from di_salesforce.engine._sift import Sifted, sift
from di_salesforce.records import Row, Side, Value
from di_salesforce.testing._pairs import NOW, contacts

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
LATER = NOW + timedelta(hours=1)
SECOND = {1, 3}  # all but the second link
ALL = {1, 2, 3}


TRANSFER = contacts(converter=converters.text())


@attrs.frozen
class Look:
    """Three linked pairs at rest, of which each case changes something about the second one."""

    transfer: ObjectTransfer = TRANSFER
    links: Mapping[int, LinkRecord] = attrs.field(factory=dict[int, LinkRecord])  # by number, beside the plain ones
    rows: Mapping[Side, Mapping[int, list[Row]]] = attrs.field(factory=dict[Side, Mapping[int, list[Row]]])  # likewise
    changes: Side | None = None  # the side of which only changes are read
    evidence: Mapping[str, Any] = attrs.field(factory=dict[str, Any])  # of a Snapshot of Salesforce
    lookup: Mapping[Side, Lookup] = attrs.field(factory=dict[Side, Lookup])
    subjects: tuple[str, ...] = ()
    as_of: Mapping[Side, datetime] = attrs.field(factory=dict[Side, datetime])

    def sifted(self) -> Sifted:
        """Sift, and see to it that every link and every row is passed over or left, just once."""
        bound = BoundTransfer.of(self.transfer, Context())
        links = [*({number: linked(number) for number in ALL} | self.links).values()]
        read: dict[Side, list[Row]] = {}
        views: dict[Side, SideView] = {}
        for side in Side:
            rows = {number: [row(side, number)] for number in ALL} | self.rows.get(side, {})
            read[side] = list(itertools.chain.from_iterable(rows.values()))
            make = Snapshot.changes if side is self.changes else Snapshot.complete
            shot = make(read[side], as_of=self.as_of.get(side, LATER), **(self.evidence if side is S else {}))
            views[side] = SideView(bound, side, shot, self.lookup.get(side, Lookup()), Baseline(links), LATER)
            read[side] = [*shot.rows]
        told = sift(bound, views, Sieve(bound, is_in_use=True), links, self.subjects)
        assert Counter(each.id for each in links) == Counter(each.id for each in (*told.passed, *told.links))
        for side in Side:
            seen = [*(each for each in told.passed_rows[side] if each is not None), *told.rows[side]]
            assert Counter(map(id, seen)) == Counter(map(id, read[side]))
        return told


def row(side: Side, number: Any, value: Value = "x") -> Row:  # whatever a service may number a record by
    if side is S:
        return {"Id": f"00{number}", "Email": f"k{number}", "A": value}
    return {"idContact": number, "EMail": f"k{number}", "a": value}


def linked(number: int, *, name: str = "A:a", base: tuple[Value, Value] = ("x", "x"), **more: Any) -> LinkRecord:
    key = (f"k{number}",)
    fields = {
        "Email:EMail": FieldState(base=(*key, *key), version=converters.text().version),
        name: FieldState(base=base, version=converters.AS_IS.version),
    }
    plain = LinkRecord("t", f"l{number}", f"00{number}", str(number), key, key, fields)
    return attrs.evolve(plain, **{"salesforce_as_of": NOW, "dialog_insight_as_of": NOW, **more})


def _id(side: Side) -> str:
    return "Id" if side is S else "idContact"


def _name(side: Side, number: int) -> str:
    return f"00{number}" if side is S else str(number)


def _key(side: Side, value: str) -> Row:
    return {"Email" if side is S else "EMail": value}


def _seen(side: Side) -> LinkRecord:
    """Give the second link as of a later look at one side."""
    return linked(2, **{f"{side.value}_as_of": LATER + timedelta(minutes=1)})


def on_both(make: Callable[[Side], Look]) -> list[Look]:
    return [make(side) for side in Side]


def second(side: Side, *rows: Row) -> dict[Side, Mapping[int, list[Row]]]:
    """Say what was read of the second record on one side."""
    return {side: {2: [*rows]}}


def twice(side: Side) -> dict[Side, Mapping[int, list[Row]]]:
    return second(side, row(side, 2), row(side, 2, "y"))


GONE = {"deleted": ["002"]}
EXTRA = {**linked(2).fields, "B:b": FieldState(base=(1, 1), version="v")}
LINES = TRANSFER.fields
TURNED = dict(reversed(linked(2).fields.items()))
HELD = {**linked(2).fields, "A:a": FieldState()}
OUT = linked(2, base=("out", "out"))
DROP = ObjectTransfer("t", sobject="T", fields=LINES, dialog_insight_filter=lambda held: held["a"] != "out")
LOOKUP_LINE = FieldMapping("A", "a", references="parents")

CASES: list[tuple[str, list[Look], set[int]]] = [
    ("nothing happened", [Look()], ALL),
    ("an edit", on_both(lambda side: Look(rows=second(side, row(side, 2, "y")))), SECOND),
    ("a row of another's key", on_both(lambda side: Look(rows=second(side, row(side, 2) | _key(side, "z")))), SECOND),
    ("not read", on_both(lambda side: Look(rows=second(side))), SECOND),
    ("not among the changes", on_both(lambda side: Look(rows=second(side), changes=side)), ALL),
    ("among the changes, unchanged", on_both(lambda side: Look(changes=side)), ALL),
    ("among the changes, edited",
     on_both(lambda side: Look(rows=second(side, row(side, 2, "y")), changes=side)), SECOND),
    ("read twice", on_both(lambda side: Look(rows=twice(side))), SECOND),
    ("read twice among the changes", on_both(lambda side: Look(rows=twice(side), changes=side)), SECOND),
    ("read twice, and evidence of another", [Look(rows=twice(S), evidence={"deleted": ["003"]})], {1}),
    ("a row without a name", on_both(lambda side: Look(rows={side: {4: [{**row(side, 4), _id(side): None}]}})), ALL),
    ("a number written otherwise", [Look(rows=second(D, row(D, 2) | {"idContact": Decimal("2.0")}))], ALL),
    ("evidence", [Look(evidence=GONE), Look(evidence=GONE, changes=S, rows=second(S))], SECOND),
    ("looked up", on_both(lambda side: Look(lookup={side: Lookup((), frozenset({_name(side, 2)}))})), SECOND),
    ("looked up by key", [Look(lookup={S: Lookup(((row(S, 2),),))})], SECOND),
    ("an open item of the link", [Look(subjects=("link:l2",)), Look(subjects=("link:l2", "link:l4"))], SECOND),
    ("an open item of the row", on_both(lambda side: Look(subjects=(f"row:{side.value}:{_name(side, 2)}",))), SECOND),
    ("open items of others", [Look(subjects=("link:l4", "row:salesforce:004"))], ALL),
    ("asleep", [Look(links={2: linked(2, life=Life.DORMANT)})], SECOND),
    ("two links name one row", [
        Look(links={4: linked(2, id="l4", dialog_insight_id="4")}),
        Look(links={4: linked(2, id="l4", salesforce_id="004")}),
    ], SECOND),
    ("of the same moment", on_both(lambda side: Look(as_of={side: NOW})), ALL),
    ("of the same moment, not among the changes",
     on_both(lambda side: Look(as_of={side: NOW}, changes=side, rows=second(side))), ALL),
    ("older than what is remembered", on_both(lambda side: Look(links={2: _seen(side)})), SECOND),
    ("older, not among the changes",
     on_both(lambda side: Look(links={2: _seen(side)}, changes=side, rows=second(side))), SECOND),
    ("out of the filter", [
        Look(DROP, {2: OUT}, rows=second(S, row(S, 2, "out")) | second(D, row(D, 2, "out"))),
    ], SECOND),
    ("each side's own words", [Look(links={2: linked(2, base=("x", "y"))}, rows=second(D, row(D, 2, "y")))], ALL),
    ("a line that is mapped no more", [Look(links={2: attrs.evolve(linked(2), fields=EXTRA)})], ALL),
    ("lines in another order", [Look(links={2: attrs.evolve(linked(2), fields=TURNED)})], ALL),
    ("a line that was not mapped", [Look(links={2: linked(2, name="B:b")})], SECOND),
    ("never agreed", [Look(links={2: attrs.evolve(linked(2), fields=HELD)})], SECOND),
]  # fmt: skip


@pytest.mark.parametrize(("looks", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("is_packed", [True, False], ids=["packed", "loose"])
def test_just_what_is_at_rest_is_passed_over(looks: list[Look], expected: set[int], is_packed: bool) -> None:
    """Of three pairs at rest all are passed over but the one that something happened to, on whichever side."""
    for look in looks:
        kept = {number: each.tight() if is_packed else each for number, each in look.links.items()}
        told = attrs.evolve(look, links=kept).sifted()
        assert {int(each.id.removeprefix("l")) for each in told.passed} == expected


def test_a_lookup_is_never_at_rest() -> None:
    """Its value may be another one by now on the other side, without having moved: the parent's link tells."""
    transfer = attrs.evolve(TRANSFER, fields=[LINES[0], LOOKUP_LINE])
    version = BoundTransfer.of(transfer, Context()).lines["A:a"].version
    links = {number: linked(number) for number in ALL}
    for number, link in links.items():
        fields = {**link.fields, "A:a": attrs.evolve(link.fields["A:a"], version=version)}
        links[number] = attrs.evolve(link, fields=fields).tight()
    assert not Look(transfer, links).sifted().passed


def test_a_row_of_a_table_whose_key_is_not_known_is_not_unchanged() -> None:
    """No read of changes says of a link without a key, or an id, that its row did not change."""
    orders = contacts(table="Orders", converter=converters.text())
    named = {number: linked(number, dialog_insight_id=None) for number in ALL}
    look = Look(orders, named, changes=D, rows={D: {number: [] for number in ALL}})
    assert len(look.sifted().passed) == 3
    look = attrs.evolve(look, links={**named, 2: attrs.evolve(named[2], dialog_insight_key=None)})
    assert {each.id for each in look.sifted().passed} == {"l1", "l3"}
    look = attrs.evolve(look, links=named, subjects=(f"row:dialog_insight:{digest(('k2',))}",))
    assert {each.id for each in look.sifted().passed} == {"l1", "l3"}


# ------------------------------------------------------------------------------------- of a link that moved

NAMES = ("Key", "Zip", "City", "Age", "Name")
PEOPLE = ObjectTransfer(
    "t", sobject="T", fields=[FieldMapping(name, name.lower(), key=name == "Key") for name in NAMES]
)
LINE = {name: f"{name}:{name.lower()}" for name in NAMES}
BASE: dict[str, tuple[Value, Value]] = {name: (f"{name} in S", f"{name} in D") for name in NAMES}
BASE["Age"] = (None, None)  # a null is read: it is not the same as a field that was left out


def person(fields: Mapping[str, FieldState] | None = None, *, order: Iterable[str] = NAMES) -> LinkRecord:
    """Give a link that remembers what each side held, which need not be the same."""
    known = {LINE[name]: FieldState(base=BASE[name], version=converters.AS_IS.version) for name in order}
    return LinkRecord("t", "l", "001", "1", ("k",), ("k",), {**known, **(fields or {})}).tight()


def held(side: Side, **changed: Value) -> Row:
    rows = {name if side is S else name.lower(): values[0 if side is S else 1] for name, values in BASE.items()}
    return rows | {name if side is S else name.lower(): value for name, value in changed.items()}


def loud(
    link: LinkRecord, salesforce: Row | None, dialog_insight: Row | None, *unclear: str, gap_free: bool = True
) -> list[str]:
    """Give the names of the lines to be decided; with `gap_free`, what was not read did not change."""
    refs = [
        None if row is None else RowRef(side, "1", "1", ("k",), row, NOW, unclear=frozenset(unclear))
        for side, row in ((S, salesforce), (D, dialog_insight))
    ]
    sieve = Sieve(BoundTransfer.of(PEOPLE, Context()), is_in_use=True)
    lines = sieve.loud(link, [(ref, gap_free) for ref in refs])
    assert sieve.loud(link, [(ref, gap_free) for ref in refs]) == lines  # asked again, now that it knows the shape
    return [name.partition(":")[0] for name in lines]


SHAPES = {
    "as mapped": person(),
    "in another order": person(order=NAMES[::-1]),
    "with a line that is mapped no more": person({"Old:old": FieldState(base=("o", "o"), version="v")}),
}


@pytest.mark.parametrize("link", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("names", [(), *itertools.combinations(NAMES, 1), *itertools.combinations(NAMES, 2), NAMES])
def test_just_the_lines_that_moved_are_decided(link: LinkRecord, names: tuple[str, ...]) -> None:
    """On whichever side, in the transfer's order, whether both rows were read whole, in part or not at all."""
    moved = dict.fromkeys(names, "moved")
    expected = list(names)
    assert loud(link, held(S, **moved), held(D)) == expected
    assert loud(link, held(S), held(D, **moved)) == expected
    assert loud(link, held(S, **moved), None) == expected
    assert loud(link, None, held(D, **moved)) == expected
    assert loud(link, dict(moved), None) == expected  # only these fields were read, of changes alone
    lower = {name.lower(): value for name, value in moved.items()}
    assert loud(link, None, lower) == expected
    for name in names[:1]:  # a field that was read twice is not known
        assert loud(link, held(S), held(D), name, name.lower()) == [name]
        rest = {other: value for other, value in held(S).items() if other != name}
        assert loud(link, rest, held(D), gap_free=False) == [name]  # a complete read that left a field out
        assert loud(link, rest, held(D)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_line_that_never_agreed_is_decided_at_every_look(name: str) -> None:
    """It was held, or is new, or was decided under another mapping; the others are left alone."""
    known = FieldState(base=BASE[name], version=converters.AS_IS.version)
    for state in (
        FieldState(),
        attrs.evolve(known, version="v"),
        attrs.evolve(known, bounce=1),
        attrs.evolve(known, unverified=True),
    ):
        link = person({LINE[name]: state})
        assert loud(link, held(S), held(D)) == [name]
        assert loud(link, None, held(D)) == [name]


def test_of_a_side_that_was_not_read_nothing_is_known() -> None:
    """Unless only its changes were read: then what was not read did not change."""
    assert loud(person(), None, held(D)) == []
    assert loud(person(), None, held(D), gap_free=False) == list(NAMES)
