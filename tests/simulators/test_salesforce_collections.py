"""Laws of the simulated Salesforce's sObject Collections: an outcome for each row, in order, all or none."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.records import record_id_18
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_schema import Field

BASE = "/services/data/v60.0/composite/sobjects"
UNKNOWN = record_id_18("003Fk0zzzzzzzzz") or ""


def make() -> FakeSalesforce:
    fake = FakeSalesforce()
    fake.add_field("Contact", Field("Ext__c", length=40, external_id=True, unique=True))
    fake.add_field("Contact", Field("Group__c", length=40, external_id=True))
    return fake


@pytest.fixture
def fake() -> FakeSalesforce:
    return make()


def contact(**values: object) -> dict[str, object]:
    return {"attributes": {"type": "Contact"}, **values}


def send(
    fake: FakeSalesforce, method: str, *records: object, path: str = "", all_or_none: bool = False
) -> tuple[int, Any]:
    response = fake.send(method, BASE + path, {"allOrNone": all_or_none, "records": list(records)})
    return response.status, json.loads(response.body)


def codes(outcomes: list[dict[str, Any]]) -> list[str | None]:
    return [None if one["success"] else one["errors"][0]["statusCode"] for one in outcomes]


def test_outcomes_stand_in_the_order_of_the_rows(fake: FakeSalesforce) -> None:
    """[seen] Each row has its outcome: an id where it was saved, else `statusCode`, message, fields and no id."""
    status, outcomes = send(fake, "POST", contact(LastName="A"), contact(), contact(LastName="C"))
    assert status == 200
    assert codes(outcomes) == [None, "REQUIRED_FIELD_MISSING", None]
    assert set(outcomes[0]) == {"id", "success", "errors"}
    assert outcomes[1] == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [LastName]",
                "fields": ["LastName"],
            }
        ],
    }
    assert [row["LastName"] for row in fake.rows("Contact")] == ["A", "C"]


@pytest.mark.parametrize("status", [200, 400])
def test_all_or_none_takes_everything_back(fake: FakeSalesforce, status: int) -> None:
    """[seen] With allOrNone one failure rolls all back; the others say so.  The HTTP status is a switch."""
    fake.switches = attrs.evolve(fake.switches, all_or_none_status=status)
    before = fake.load("Contact", [{"LastName": "Old", "Ext__c": "k"}])
    rows = [contact(LastName="A"), contact(), contact(LastName="C", Ext__c="other")]
    assert send(fake, "POST", *rows, all_or_none=True)[0] == status
    outcomes = send(fake, "POST", *rows, all_or_none=True)[1]
    rolled_back = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert codes(outcomes) == [rolled_back, "REQUIRED_FIELD_MISSING", rolled_back]
    assert [row["Id"] for row in fake.rows("Contact")] == before


def test_all_or_none_also_takes_back_updates_and_deletes(fake: FakeSalesforce) -> None:
    """[documented] Rolled-back updates and deletes leave every row and every index as they were."""
    ids = fake.load("Contact", [{"LastName": "A", "Ext__c": "a"}, {"LastName": "B", "Ext__c": "b"}])
    before = fake.rows("Contact")
    send(fake, "PATCH", contact(id=ids[0], Ext__c="z"), contact(id=UNKNOWN), all_or_none=True)
    fake.send("DELETE", f"{BASE}?allOrNone=true&ids={ids[1]},{UNKNOWN}")
    assert fake.rows("Contact") == before
    assert codes(send(fake, "POST", contact(LastName="C", Ext__c="A"))[1]) == ["DUPLICATE_VALUE"]
    assert codes(send(fake, "POST", contact(LastName="C", Ext__c="z"))[1]) == [None]


def test_update_tells_each_way_of_missing_a_row(fake: FakeSalesforce) -> None:
    """[seen] No id, an unknown one, one of another object and a deleted one have each their own code."""
    live, gone = fake.load("Contact", [{"LastName": "A"}, {"LastName": "B"}])
    fake.delete("Contact", gone)
    rows = [
        contact(id=live, FirstName="x"),
        contact(FirstName="x"),
        contact(id=UNKNOWN),
        contact(id=fake.user_id),
        contact(Id=gone),
    ]
    outcomes = send(fake, "PATCH", *rows)[1]
    assert codes(outcomes) == [
        None,
        "MISSING_ARGUMENT",
        "INVALID_CROSS_REFERENCE_KEY",
        "MALFORMED_ID",
        "ENTITY_IS_DELETED",
    ]
    assert fake.row("Contact", live)["FirstName"] == "x"


def test_upsert_says_created_for_every_row(fake: FakeSalesforce) -> None:
    """[seen] Upserted rows say whether they were created; failed ones say `created: false`."""
    fake.load("Contact", [{"LastName": "A", "Ext__c": "a"}, {"LastName": "G", "Group__c": "g"}])
    fake.load("Contact", [{"LastName": "G", "Group__c": "g"}])
    rows = [contact(LastName="x", Ext__c=key) for key in ("A", "new", "x" * 41, None, "NEW")]
    outcomes = send(fake, "PATCH", *rows, path="/Contact/Ext__c")[1]
    assert [one["created"] for one in outcomes] == [False, True, False, False, False]
    assert codes(outcomes) == [None, None, "STRING_TOO_LONG", "MISSING_ARGUMENT", "DUPLICATE_VALUE"]
    ambiguous = send(fake, "PATCH", contact(LastName="x", Group__c="G"), path="/Contact/Group__c")[1]
    assert codes(ambiguous) == ["DUPLICATE_EXTERNAL_ID"]


def test_upsert_by_id_creates_where_there_is_none(fake: FakeSalesforce) -> None:
    """[seen] By `Id`, a null id creates, a known one updates, an unknown one fails."""
    [known] = fake.load("Contact", [{"LastName": "A"}])
    rows = [contact(Id=None, LastName="B"), contact(Id=known, LastName="C"), contact(Id=UNKNOWN, LastName="D")]
    outcomes = send(fake, "PATCH", *rows, path="/Contact/Id")[1]
    assert codes(outcomes) == [None, None, "INVALID_CROSS_REFERENCE_KEY"]
    assert sorted(str(row["LastName"]) for row in fake.rows("Contact")) == ["B", "C"]


def test_delete_takes_mixed_ids(fake: FakeSalesforce) -> None:
    """[documented] Ids of several objects are deleted in one call, each with its outcome."""
    [person] = fake.load("Contact", [{"LastName": "A"}])
    [account] = fake.load("Account", [{"Name": "A"}])
    response = fake.send("DELETE", f"{BASE}?ids={person},{account},{UNKNOWN},nonsense,{person}")
    outcomes = json.loads(response.body)
    assert codes(outcomes) == [None, None, "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID", "ENTITY_IS_DELETED"]
    assert fake.rows("Contact") == fake.rows("Account") == []


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_retrieve_aligns_with_the_ids(fake: FakeSalesforce, method: str) -> None:
    """[documented] Rows come in the order of the ids, null for what is not there; a wrong field refuses the call."""
    first, second = fake.load("Contact", [{"LastName": "A"}, {"LastName": "B"}])
    ids = [second, UNKNOWN, "nonsense", first[:15]]

    def ask(fields: str) -> tuple[int, Any]:
        body = {"ids": ids, "fields": fields.split(",")} if method == "POST" else None
        target = f"{BASE}/Contact" + ("" if body else f"?ids={','.join(ids)}&fields={fields}")
        response = fake.send(method, target, body)
        return response.status, json.loads(response.body)

    status, rows = ask("Id,LastName")
    assert (status, [row and row["LastName"] for row in rows]) == (200, ["B", None, None, "A"])
    status, error = ask("Id,Nope")
    assert (status, error[0]["errorCode"]) == (400, "INVALID_FIELD")
    assert fake.writes == ()


@pytest.mark.parametrize(
    ("records", "code"),
    [
        ([], "REQUIRED_FIELD_MISSING"),
        ([contact(LastName="x")] * 201, "EXCEEDED_ID_LIMIT"),
        ([{"LastName": "x"}], "JSON_PARSER_ERROR"),
        ([5], "JSON_PARSER_ERROR"),
        ([{"attributes": {"type": "Nope"}}], "INVALID_TYPE"),
        ([contact(LastName="x"), {"attributes": {"type": "Account"}, "Name": "y"}] * 6, "LIMIT_EXCEEDED"),
    ],
)
def test_what_refuses_a_call_as_a_whole(fake: FakeSalesforce, records: list[object], code: str) -> None:
    """[documented] No rows, too many, rows without type, too many changes of type: a 400 array, nothing saved."""
    status, body = send(fake, "POST", *records)
    assert (status, body[0]["errorCode"]) == (400, code)
    assert fake.rows("Contact") == []


@pytest.mark.parametrize(
    ("wrong", "code"), [({"Nope__c": 1}, "INVALID_FIELD"), ({"Birthdate": "x"}, "JSON_PARSER_ERROR")]
)
def test_a_malformed_row_refuses_the_call_or_itself(fake: FakeSalesforce, wrong: dict[str, object], code: str) -> None:
    """[unknown] Whether an unknown field or a wrong type in one row refuses all of them is a switch."""
    rows = [contact(LastName="A"), contact(LastName="B", **wrong)]
    status, body = send(fake, "POST", *rows)
    assert (status, body[0]["errorCode"], fake.rows("Contact")) == (400, code, [])
    fake.switches = attrs.evolve(fake.switches, parse_errors_refuse_request=False)
    status, body = send(fake, "POST", *rows)
    assert (status, codes(body), len(fake.rows("Contact"))) == (200, [None, code], 1)


def test_mixed_types_are_saved_in_runs(fake: FakeSalesforce) -> None:
    """[documented] A call may hold rows of several objects."""
    outcomes = send(fake, "POST", contact(LastName="A"), {"attributes": {"type": "Account"}, "Name": "B"})[1]
    assert [one["id"][:3] for one in outcomes] == ["003", "001"]


def test_a_collection_is_one_call_and_one_log_entry(fake: FakeSalesforce) -> None:
    """[documented] 200 rows count as one call of the day; the log says how many rows there were."""
    send(fake, "POST", *[contact(LastName="x")] * 200)
    [entry] = fake.requests
    assert (fake.calls_used, entry.is_write, entry.sobject, entry.row_count) == (1, True, "Contact", 200)
    assert entry.route == "composite/sobjects"


ROWS = st.fixed_dictionaries(
    {"Ext__c": st.sampled_from(["a", "b", "c"]), "LastName": st.sampled_from(["x", "", "y" * 81])}
)
ORG = make()


@given(st.lists(ROWS, min_size=1, max_size=8), st.booleans())
def test_outcomes_agree_with_what_is_stored(rows: list[dict[str, str]], all_or_none: bool) -> None:
    """[documented] A row that reports success is stored with its values, one that does not left nothing behind."""
    ORG.reset()
    outcomes = send(ORG, "POST", *[contact(**row) for row in rows], all_or_none=all_or_none)[1]
    expected = {
        outcome["id"]: (row["Ext__c"], row["LastName"])
        for row, outcome in zip(rows, outcomes, strict=True)
        if outcome["success"]
    }
    assert {row["Id"]: (row["Ext__c"], row["LastName"]) for row in ORG.rows("Contact")} == expected
    if all_or_none:
        assert len(expected) in (0, len(rows))
