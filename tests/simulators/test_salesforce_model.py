"""The simulated Salesforce against a small independent model: random call sequences leave both in the same state."""

from __future__ import annotations

import json
from typing import Any, TypeAlias
from urllib.parse import quote

import attrs
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_schema import Field

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


Step: TypeAlias = Create | Change | Upsert | Delete | Bring | Batch

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
    | st.builds(Batch, st.lists(VALUES, min_size=1, max_size=3).map(tuple), st.booleans()),
    max_size=12,
)


class Model:
    """What Salesforce holds, as plainly as it can be said: a list of rows, searched from end to end."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str | None]] = []
        self.deleted: list[bool] = []

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
        return True

    def change(self, which: int, values: dict[str, str | None]) -> bool:
        row = self.rows[which] | self.clean(values)
        if self.deleted[which] or self.refuses(row, which):
            return False
        self.rows[which] = row
        return True

    def upsert(self, code: str, values: dict[str, str | None]) -> bool:
        wanted = code.lower()
        for number, row in enumerate(self.rows):
            if not self.deleted[number] and (row.get("Code__c") or "").lower() == wanted:
                return self.change(number, values)
        return self.create({**values, "Code__c": code})

    def delete(self, which: int) -> bool:
        done = not self.deleted[which]
        self.deleted[which] = True
        return done

    def bring(self, which: int) -> bool:
        if not self.deleted[which] or self.refuses(self.rows[which], which):
            return False
        self.deleted[which] = False
        return True

    def batch(self, rows: tuple[dict[str, str | None], ...], *, all_or_none: bool) -> list[bool]:
        before = len(self.rows)
        done = [self.create(row) for row in rows]
        if all_or_none and not all(done):
            del self.rows[before:], self.deleted[before:]
            return [False] * len(done)
        return done

    def live(self) -> list[tuple[str | None, ...]]:
        return [
            (row.get("LastName"), row.get("Code__c"), row.get("Title"))
            for row, gone in zip(self.rows, self.deleted, strict=True)
            if not gone
        ]


ORG = FakeSalesforce()
ORG.add_field("Contact", Field("Code__c", length=MAX, external_id=True, unique=True))


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
        case Batch(rows, all_or_none):
            records = [{"attributes": {"type": "Contact"}, **row} for row in rows]
            _, outcomes = call("POST", "composite/sobjects", {"allOrNone": all_or_none, "records": records})
            done = [one["success"] for one in outcomes]
            assert done == model.batch(rows, all_or_none=all_or_none), (step, outcomes)
            ids += [one["id"] for one in outcomes if one["success"]]
        case Change(which, values) if which < len(ids):
            status, body = call("PATCH", f"sobjects/Contact/{ids[which]}", values)
            assert (status == 204) is model.change(which, values), (step, body)
        case Delete(which) if which < len(ids):
            status, body = call("DELETE", f"sobjects/Contact/{ids[which]}")
            assert (status == 204) is model.delete(which), (step, body)
        case Bring(which) if which < len(ids) and model.bring(which):
            ORG.undelete("Contact", ids[which])
        case _:
            pass  # the row that it speaks of is not there


@given(STEPS)
def test_any_sequence_of_calls_leaves_what_the_model_holds(steps: list[Step]) -> None:
    """After any sequence of calls each answer agreed with the model's, and so do the rows, however they are read."""
    ORG.reset()
    model = Model()
    ids: list[str] = []
    for step in steps:
        carry_out(step, ids, model)
    assert [(row["LastName"], row["Code__c"], row["Title"]) for row in ORG.rows("Contact")] == model.live()
    soql = quote("SELECT LastName, Code__c, Title FROM Contact ORDER BY Id")
    records = call("GET", f"query?q={soql}")[1]["records"]
    assert [(row["LastName"], row["Code__c"], row["Title"]) for row in records] == model.live()
    for _, code, _ in model.live():
        if code is not None:
            assert call("GET", f"sobjects/Contact/Code__c/{quote(code, safe='')}")[1]["Code__c"] == code
