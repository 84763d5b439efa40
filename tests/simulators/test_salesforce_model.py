"""The simulated Salesforce against a small independent model: random call sequences leave both in the same state.

The model is a list of rows that is searched from end to end: it shares neither code nor index with the simulator.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import quote

import attrs
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing import FakeClock, FakeSalesforce, Field

BASE = "/services/data/v60.0/"
MAX = 12  # characters of Code__c, so that short texts can be too long


@attrs.frozen
class Create:
    values: dict[str, str | None]


@attrs.frozen
class Change:
    which: int
    values: dict[str, str | None]


@attrs.frozen
class Upsert:
    code: str
    values: dict[str, str | None]


@attrs.frozen
class Delete:
    which: int


@attrs.frozen
class Bring:
    """Take a row out of the bin."""

    which: int


@attrs.frozen
class Batch:
    """A collection create."""

    rows: tuple[dict[str, str | None], ...]
    all_or_none: bool


@attrs.frozen
class ChangeMany:
    """A collection update; a row may occur twice."""

    rows: tuple[tuple[int, dict[str, str | None]], ...]
    all_or_none: bool


@attrs.frozen
class UpsertMany:
    """A collection upsert by the external id."""

    rows: tuple[tuple[str, dict[str, str | None]], ...]
    all_or_none: bool


@attrs.frozen
class DeleteMany:
    """A collection delete."""

    which: tuple[int, ...]
    all_or_none: bool


@attrs.frozen
class Merge:
    """A person merges rows into one."""

    winner: int
    losers: tuple[int, ...]


@attrs.frozen
class Wait:
    """Time goes by."""

    seconds: int


Step: TypeAlias = (
    Create | Change | Upsert | Delete | Bring | Batch | ChangeMany | UpsertMany | DeleteMany | Merge | Wait
)

CODES = st.sampled_from(["a", "A", "b", " b ", "c", "x" * (MAX + 1)])
NAMES = st.sampled_from(["Roy", " Roy", "", "Ünal", "  "])
VALUES = st.fixed_dictionaries(
    {}, optional={"LastName": st.none() | NAMES, "Code__c": st.none() | CODES, "Title": st.none() | NAMES}
)
UPSERTED = st.fixed_dictionaries({}, optional={"LastName": st.none() | NAMES, "Title": NAMES})
WHICH = st.integers(0, 4)
STEPS = st.lists(
    st.builds(Create, VALUES)
    | st.builds(Change, WHICH, VALUES)
    | st.builds(Upsert, CODES, UPSERTED)
    | st.builds(Delete, WHICH)
    | st.builds(Bring, WHICH)
    | st.builds(Batch, st.lists(VALUES, min_size=1, max_size=3).map(tuple), st.booleans())
    | st.builds(ChangeMany, st.lists(st.tuples(WHICH, VALUES), min_size=1, max_size=3).map(tuple), st.booleans())
    | st.builds(UpsertMany, st.lists(st.tuples(CODES, UPSERTED), min_size=1, max_size=3).map(tuple), st.booleans())
    | st.builds(DeleteMany, st.lists(WHICH, min_size=1, max_size=3).map(tuple), st.booleans())
    | st.builds(Merge, WHICH, st.lists(WHICH, min_size=1, max_size=3).map(tuple))
    | st.builds(Wait, st.integers(1, 200)),
    max_size=12,
)


class Model:
    """What Salesforce holds, as plainly as it can be said: a list of rows, searched from end to end."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.rows: list[dict[str, str | None]] = []
        self.deleted: list[bool] = []
        self.stamps: list[datetime] = []
        self.masters: dict[int, int] = {}

    def clean(self, values: dict[str, str | None]) -> dict[str, str | None]:
        return {name: (value or "").strip() or None for name, value in values.items()}

    def refuses(self, row: dict[str, str | None], own: int | None) -> bool:
        code = row.get("Code__c")
        taken = any(
            code is not None and (other.get("Code__c") or "").lower() == code.lower()
            for number, other in enumerate(self.rows)
            if number != own and not self.deleted[number]
        )
        return not row.get("LastName") or len(code or "") > MAX or taken

    def create(self, values: dict[str, str | None]) -> bool:
        row = self.clean(values)
        if self.refuses(row, None):
            return False
        self.rows.append(row)
        self.deleted.append(False)
        self.stamps.append(self.clock())
        return True

    def change(self, which: int, values: dict[str, str | None]) -> bool:
        row = self.rows[which] | self.clean(values)
        if self.deleted[which] or self.refuses(row, which):
            return False
        self.rows[which] = row
        self.stamps[which] = self.clock()
        return True

    def upsert(self, code: str, values: dict[str, str | None]) -> bool:
        wanted = code.lower()
        for number, row in enumerate(self.rows):
            if not self.deleted[number] and (row.get("Code__c") or "").lower() == wanted:
                return self.change(number, values)
        return self.create({**values, "Code__c": code})

    def delete(self, which: int) -> bool:
        if self.deleted[which]:
            return False
        self.deleted[which] = True
        self.stamps[which] = self.clock()
        return True

    def bring(self, which: int) -> bool:
        if not self.deleted[which] or self.refuses(self.rows[which], which):
            return False
        self.deleted[which] = False
        self.stamps[which] = self.clock()
        return True

    def merge(self, winner: int, losers: tuple[int, ...]) -> bool:
        people = {winner, *losers}
        if len(losers) > 2 or len(people) <= len(losers) or any(self.deleted[one] for one in people):
            return False
        for loser in losers:
            self.delete(loser)
            self.masters[loser] = winner
        self.stamps[winner] = self.clock()
        return True

    def batch(self, acts: Iterable[Callable[[], bool]], *, all_or_none: bool) -> list[bool]:
        before = copy.deepcopy((self.rows, self.deleted, self.stamps))
        done = [act() for act in acts]
        if all_or_none and not all(done):
            self.rows, self.deleted, self.stamps = before
            return [False] * len(done)
        return done

    def upsert_many(self, rows: tuple[tuple[str, dict[str, str | None]], ...]) -> list[Callable[[], bool]]:
        named: list[str] = []

        def one(code: str, values: dict[str, str | None]) -> bool:
            key = code.strip().lower()
            if not key or len(key) > MAX or key in named:
                return False
            named.append(key)
            return self.upsert(code.strip(), values)

        return [lambda row=row: one(*row) for row in rows]

    def found(self, meets: Callable[[dict[str, str | None]], bool]) -> list[int]:
        return [number for number, row in enumerate(self.rows) if not self.deleted[number] and meets(row)]

    def window(self, since: datetime, until: datetime, *, deleted: bool) -> list[int]:
        stamps = enumerate(self.stamps)
        return [number for number, when in stamps if since <= when < until and self.deleted[number] is deleted]

    def live(self) -> list[tuple[str | None, ...]]:
        return [
            (row.get("LastName"), row.get("Code__c"), row.get("Title"))
            for row, gone in zip(self.rows, self.deleted, strict=True)
            if not gone
        ]


CLOCK = FakeClock()
BEGIN = CLOCK()
ORG = FakeSalesforce(clock=CLOCK)
ORG.add_field("Contact", Field("Code__c", length=MAX, external_id=True, unique=True))
NO_ID = "003Fk0zzzzzzzzzEAA"  # well formed, and nobody's


def known(ids: list[str], which: int) -> str:
    return ids[which] if which < len(ids) else NO_ID


def row_of(record_id: str, values: dict[str, str | None]) -> dict[str, Any]:
    return {"attributes": {"type": "Contact"}, "id": record_id, **values}


def many(method: str, path: str, body: object = None) -> tuple[list[bool], list[str]]:
    """Send a collection; give what came of each row, and the ids of created ones."""
    _, outcomes = call(method, f"composite/sobjects{path}", body)
    return [one["success"] for one in outcomes], [one["id"] for one in outcomes if one.get("created")]


def acting(count: int, act: Callable[..., bool], rows: Iterable[tuple[Any, ...]]) -> list[Callable[[], bool]]:
    """Give what the model is to do for rows that may name nobody."""
    return [(lambda row=row: act(*row)) if row[0] < count else (lambda: False) for row in rows]


def call(method: str, path: str, body: object = None) -> tuple[int, Any]:
    response = ORG.send(method, BASE + path, body)
    return response.status, json.loads(response.body) if response.body else None


def carry_out(step: Step, ids: list[str], model: Model) -> None:
    """Take one step in both, and compare what they say."""
    match step:
        case Create(values):
            status, body = call("POST", "sobjects/Contact", values)
            assert (status == 201) is model.create(values), (step, body)
            ids += [body["id"]] if status == 201 else []
        case Upsert(code, values):
            path = f"sobjects/Contact/Code__c/{quote(code, safe='')}"
            status, body = call("PATCH", path, values)
            assert (status in (200, 201)) is model.upsert(code, values), (step, body)
            ids += [body["id"]] if status == 201 else []
        case Change(which, values) if which < len(ids):
            status, body = call("PATCH", f"sobjects/Contact/{ids[which]}", values)
            assert (status == 204) is model.change(which, values), (step, body)
        case Delete(which) if which < len(ids):
            status, body = call("DELETE", f"sobjects/Contact/{ids[which]}")
            assert (status == 204) is model.delete(which), (step, body)
        case Merge(winner, losers) if max(winner, *losers) < len(ids):
            try:
                ORG.merge("Contact", ids[winner], [ids[loser] for loser in losers])
            except ConfigurationError:
                assert not model.merge(winner, losers), step
            else:
                assert model.merge(winner, losers), step
        case Wait(seconds):
            CLOCK.advance(seconds)
        case Bring(which) if which < len(ids) and model.bring(which):
            ORG.undelete("Contact", ids[which])
        case Batch() | ChangeMany() | UpsertMany() | DeleteMany():
            carry_out_many(step, ids, model)
        case _:
            pass  # the row that it speaks of is not there


def carry_out_many(step: Batch | ChangeMany | UpsertMany | DeleteMany, ids: list[str], model: Model) -> None:
    """Send a collection, and compare what came of each row."""
    match step:
        case Batch(rows, all_or_none):
            records = [{"attributes": {"type": "Contact"}, **row} for row in rows]
            _, outcomes = call("POST", "composite/sobjects", {"allOrNone": all_or_none, "records": records})
            done = [one["success"] for one in outcomes]
            acts = [lambda row=row: model.create(row) for row in rows]
            assert done == model.batch(acts, all_or_none=all_or_none), (step, outcomes)
            ids += [one["id"] for one in outcomes if one["success"]]
        case ChangeMany(rows, all_or_none):
            records = [row_of(known(ids, which), values) for which, values in rows]
            done, _ = many("PATCH", "", {"allOrNone": all_or_none, "records": records})
            assert done == model.batch(acting(len(ids), model.change, rows), all_or_none=all_or_none), step
        case UpsertMany(rows, all_or_none):
            records = [{"attributes": {"type": "Contact"}, **values, "Code__c": code} for code, values in rows]
            done, made = many("PATCH", "/Contact/Code__c", {"allOrNone": all_or_none, "records": records})
            assert done == model.batch(model.upsert_many(rows), all_or_none=all_or_none), step
            ids += made
        case DeleteMany(which_ones, all_or_none):
            listed = ",".join(known(ids, which) for which in which_ones)
            done, _ = many("DELETE", f"?ids={listed}&allOrNone={str(all_or_none).lower()}")
            acts = acting(len(ids), model.delete, [(which,) for which in which_ones])
            assert done == model.batch(acts, all_or_none=all_or_none), step


Row: TypeAlias = dict[str, str | None]
CONDITIONS: dict[str, Callable[[Row], bool]] = {
    "LastName = 'roy'": lambda row: (row.get("LastName") or "").lower() == "roy",
    "Code__c != 'A'": lambda row: (row.get("Code__c") or "").lower() != "a",
    "Title = null": lambda row: row.get("Title") is None,
    "Title != null AND Code__c IN ('A', 'b')": lambda row: (
        row.get("Title") is not None and (row.get("Code__c") or "").lower() in ("a", "b")
    ),
    "LastName LIKE 'R%' OR Code__c = 'c'": lambda row: (
        (row.get("LastName") or "").lower().startswith("r") or (row.get("Code__c") or "").lower() == "c"
    ),
    "NOT (Code__c LIKE '_' AND Title = null)": lambda row: (
        len(row.get("Code__c") or "") != 1 or row.get("Title") is not None
    ),
}


FIRST = (Create({"LastName": "Roy", "Code__c": "b"}), Create({"LastName": "Ünal"}), Create({"LastName": "R"}))
"""Some rows to begin with, so that nearly every step finds what it speaks of."""


@given(STEPS, st.integers(0, 10))
def test_any_sequence_of_calls_leaves_what_the_model_holds(steps: list[Step], minutes: int) -> None:
    """After any sequence of calls each answer agreed with the model's, and so do the rows, however they are read."""
    ORG.reset()
    CLOCK.set(BEGIN)
    model = Model(CLOCK)
    ids: list[str] = []
    for step in (*FIRST, *steps):
        carry_out(step, ids, model)
    assert [(row["LastName"], row["Code__c"], row["Title"]) for row in ORG.rows("Contact")] == model.live()
    soql = quote("SELECT LastName, Code__c, Title FROM Contact ORDER BY Id")
    records = call("GET", f"query?q={soql}")[1]["records"]
    assert [(row["LastName"], row["Code__c"], row["Title"]) for row in records] == model.live()
    for _, code, _ in model.live():
        if code is not None:
            assert call("GET", f"sobjects/Contact/Code__c/{quote(code, safe='')}")[1]["Code__c"] == code
    for condition, meets in CONDITIONS.items():
        query = quote(f"SELECT Id FROM Contact WHERE {condition} ORDER BY Id")
        shown = [row["Id"] for row in call("GET", f"query?q={query}")[1]["records"]]
        assert shown == [ids[number] for number in model.found(meets)], condition
    gone = {row["Id"]: row["MasterRecordId"] for row in ORG.rows("Contact", include_deleted=True) if row["IsDeleted"]}
    assert gone == {
        ids[number]: ids[model.masters[number]] if number in model.masters else None
        for number, deleted in enumerate(model.deleted)
        if deleted
    }
    windows_agree(model, ids, minutes)


def windows_agree(model: Model, ids: list[str], minutes: int) -> None:
    """Compare `updated` and `deleted` from so many minutes after the beginning on."""
    CLOCK.advance(90)  # so that all is older than the minute under way, which no answer covers yet
    since, until = BEGIN + timedelta(minutes=minutes), CLOCK() + timedelta(hours=1)
    window = f"?start={since:%Y-%m-%dT%H:%M:%SZ}&end={until:%Y-%m-%dT%H:%M:%SZ}"
    updated = call("GET", f"sobjects/Contact/updated{window}")[1]
    deleted = call("GET", f"sobjects/Contact/deleted{window}")[1]
    assert sorted(updated["ids"]) == sorted(ids[one] for one in model.window(since, until, deleted=False))
    told = sorted(one["id"] for one in deleted["deletedRecords"])
    assert told == sorted(ids[one] for one in model.window(since, until, deleted=True))
