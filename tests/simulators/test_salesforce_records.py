"""Laws of the simulated Salesforce's single-record calls: statuses, errors, ids, stamps, conditions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from di_salesforce.records import record_id_18
from di_salesforce.testing._clock import FakeClock
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_schema import Field

BASE = "/services/data/v60.0/sobjects/"
UNKNOWN = record_id_18("003Fk0zzzzzzzzz") or ""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 5, 1, 7, 25, 37, tzinfo=UTC))


@pytest.fixture
def fake(clock: FakeClock) -> FakeSalesforce:
    fake = FakeSalesforce(clock=clock)
    fake.add_field("Contact", Field("Ext__c", length=40, external_id=True, unique=True))
    fake.add_field("Contact", Field("Group__c", length=40, external_id=True))
    fake.add_field("Contact", Field("Number__c", "double", external_id=True, precision=8, scale=0))
    fake.add_field("Contact", Field("Tier__c", "picklist", values=["Gold", "Silver"], restricted=True))
    fake.add_field("Contact", Field("Tags__c", "multipicklist", values=["a", "b"], restricted=True))
    fake.add_field("Contact", Field("Points__c", "double", precision=6, scale=2))
    fake.add_field("Contact", Field("Seen__c", "datetime"))
    return fake


def call(fake: FakeSalesforce, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    response = fake.send(method, BASE + path, body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return response.status, json.loads(response.body) if response.body else None


def create(fake: FakeSalesforce, **values: object) -> str:
    status, body = call(fake, "POST", "Contact/", {"LastName": "Roy", **values})
    assert status == 201, body
    return str(body["id"])


def test_create_answers_201_with_id_and_location(fake: FakeSalesforce) -> None:
    """[seen] A create gives 201, `{id, success, errors}`, an 18-character id with its checksum, and a `Location`."""
    response = fake.send("POST", BASE + "Contact", {"LastName": "Roy"})
    body = json.loads(response.body)
    assert (response.status, body["success"], body["errors"]) == (201, True, [])
    assert record_id_18(body["id"][:15]) == body["id"]
    assert body["id"].startswith("003")
    assert response.headers["Location"].endswith(f"/sobjects/Contact/{body['id']}")


def test_15_and_18_characters_name_the_same_record(fake: FakeSalesforce) -> None:
    """[seen] Both forms of an id are accepted, in addresses and in values; answers always have 18 characters."""
    [account] = fake.load("Account", [{"Name": "Acme"}])
    record_id = create(fake, AccountId=account[:15])
    assert call(fake, "GET", f"Contact/{record_id[:15]}?fields=Id,AccountId")[1]["AccountId"] == account
    assert call(fake, "GET", f"Contact/{record_id}?fields=Id")[1]["Id"] == record_id


@pytest.mark.parametrize(
    ("values", "code", "fields"),
    [
        ({"LastName": None}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"LastName": "   "}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"Nope__c": 1}, "INVALID_FIELD", []),
        ({"CreatedDate": "2020-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["CreatedDate"]),
        ({"Id": UNKNOWN}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Id"]),
        ({"Name": "Roy"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Name"]),
        ({"LastName": "x" * 81}, "STRING_TOO_LONG", ["LastName"]),
        ({"Email": "nobody"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ({"Tier__c": "Bronze"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Tier__c"]),
        ({"Tags__c": "a;c"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Tags__c"]),
        ({"AccountId": "nonsense"}, "MALFORMED_ID", ["AccountId"]),
        ({"AccountId": UNKNOWN}, "MALFORMED_ID", ["AccountId"]),
        ({"AccountId": record_id_18("001Fk0zzzzzzzzz")}, "INVALID_CROSS_REFERENCE_KEY", []),
        ({"Account": {"Name": "Acme"}}, "INVALID_FIELD", []),
        ({"Points__c": 10000}, "NUMBER_OUTSIDE_VALID_RANGE", ["Points__c"]),
    ],
)
def test_what_a_save_refuses(fake: FakeSalesforce, values: dict[str, object], code: str, fields: list[str]) -> None:
    """[seen] Each wrong value is a 400 with its code and its fields, and nothing is stored."""
    status, body = call(fake, "POST", "Contact", {"LastName": "Roy", **values})
    assert (status, body[0]["errorCode"], body[0]["fields"]) == (400, code, fields)
    assert fake.rows("Contact") == []


@pytest.mark.parametrize(
    "values",
    [
        {"HasOptedOutOfEmail": "yes"},
        {"HasOptedOutOfEmail": "true"},
        {"LastName": 5},
        {"LastName": {"a": 1}},
        {"Points__c": "12"},
        {"Birthdate": "01/02/2000"},
        {"Birthdate": "2000-02-30"},
        {"Birthdate": "1699-12-31"},
        {"Seen__c": "2026-05-01 07:00:00"},
        {"Seen__c": "2026-05-01"},
    ],
)
def test_a_value_of_the_wrong_type_is_a_parser_error_with_its_place(
    fake: FakeSalesforce, values: dict[str, object]
) -> None:
    """[seen] The wrong JSON type is a `JSON_PARSER_ERROR` that names line and column, without `fields`."""
    status, body = call(fake, "POST", "Contact", {"LastName": "Roy", **values})
    assert (status, body[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert "at [line:1, column:" in body[0]["message"]
    assert "fields" not in body[0]


def test_lenient_json_also_takes_text(fake: FakeSalesforce) -> None:
    """[unknown] With the switch, numbers and checkboxes may come as text: the other answer to an open question."""
    fake.switches = attrs.evolve(fake.switches, lenient_json=True)
    create(fake, Points__c="12.345", HasOptedOutOfEmail="true")
    [row] = fake.rows("Contact")
    assert (row["Points__c"], row["HasOptedOutOfEmail"]) == (12.35, True)


def test_stored_values_are_normalised(fake: FakeSalesforce) -> None:
    """[inferred] Text is trimmed, blank is null, numbers round half up, datetimes become UTC, no checkbox is null."""
    create(
        fake,
        LastName="  Roy ",
        FirstName=" ",
        Points__c=0.125,
        Seen__c="2026-05-01T09:25:37.9+02:00",
        HasOptedOutOfEmail=None,
    )
    [row] = fake.rows("Contact")
    shown = {name: row[name] for name in ("LastName", "FirstName", "Points__c", "Seen__c", "HasOptedOutOfEmail")}
    assert shown == {
        "LastName": "Roy",
        "FirstName": None,
        "Points__c": 0.13,
        "Seen__c": "2026-05-01T07:25:37.000+0000",
        "HasOptedOutOfEmail": False,
    }


def test_absent_leaves_and_null_clears(fake: FakeSalesforce) -> None:
    """[documented] A key that is absent leaves its field, null and blank text clear it."""
    record_id = create(fake, FirstName="Ada", Title="Dr", Department="X")
    assert call(fake, "PATCH", f"Contact/{record_id}", {"FirstName": None, "Title": ""}) == (204, None)
    row = fake.row("Contact", record_id)
    assert (row["FirstName"], row["Title"], row["Department"]) == (None, None, "X")


def test_every_save_moves_the_stamps(fake: FakeSalesforce, clock: FakeClock) -> None:
    """[documented] A save without a change moves both stamps, `touch` SystemModstamp alone, creation keeps its date."""
    record_id = create(fake)
    born = fake.row("Contact", record_id)["CreatedDate"]
    clock.advance(10)
    call(fake, "PATCH", f"Contact/{record_id}", {"LastName": "Roy"})
    saved = fake.row("Contact", record_id)
    clock.advance(10)
    fake.touch("Contact", record_id)
    touched = fake.row("Contact", record_id)
    assert born == saved["CreatedDate"] == touched["CreatedDate"]
    assert saved["LastModifiedDate"] == saved["SystemModstamp"] == "2026-05-01T07:25:47.000+0000"
    assert touched["LastModifiedDate"] == saved["LastModifiedDate"]
    assert touched["SystemModstamp"] == "2026-05-01T07:25:57.000+0000"


def test_a_unique_value_is_held_without_regard_to_case(fake: FakeSalesforce) -> None:
    """[inferred] A second holder is a `DUPLICATE_VALUE` that names the 15-character id; deletion frees the value."""
    holder = create(fake, Ext__c="K-1")
    status, body = call(fake, "POST", "Contact", {"LastName": "Roy", "Ext__c": "k-1"})
    assert (status, body[0]["errorCode"], body[0]["fields"]) == (400, "DUPLICATE_VALUE", [])
    assert body[0]["message"].endswith(f"id: {holder[:15]}")
    fake.delete("Contact", holder)
    create(fake, Ext__c="k-1")


def test_delete_puts_into_the_bin_and_says_so_the_second_time(fake: FakeSalesforce) -> None:
    """[seen] A delete is 204, again 404 `ENTITY_IS_DELETED`, an unknown id 404 `INVALID_CROSS_REFERENCE_KEY`."""
    record_id = create(fake)
    assert call(fake, "DELETE", f"Contact/{record_id}") == (204, None)
    status, body = call(fake, "DELETE", f"Contact/{record_id}")
    assert (status, body[0]["errorCode"], body[0]["fields"]) == (404, "ENTITY_IS_DELETED", [])
    status, body = call(fake, "DELETE", f"Contact/{UNKNOWN}")
    assert (status, body[0]["errorCode"]) == (404, "INVALID_CROSS_REFERENCE_KEY")
    assert [row["Id"] for row in fake.rows("Contact", include_deleted=True)] == [record_id]


def test_deleting_a_parent_takes_cascading_children_and_clears_lookups(fake: FakeSalesforce) -> None:
    """[documented] An account takes its contacts along; a case, whose lookup does not cascade, loses the lookup."""
    [account] = fake.load("Account", [{"Name": "Acme"}])
    [contact] = fake.load("Contact", [{"LastName": "Roy", "AccountId": account}])
    [case] = fake.load("Case", [{"Subject": "Help", "AccountId": account, "ContactId": contact}])
    fake.delete("Account", account)
    assert fake.row("Contact", contact)["IsDeleted"] is True
    kept = fake.row("Case", case)
    assert (kept["IsDeleted"], kept["AccountId"], kept["ContactId"]) == (False, None, None)


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_unknown_records_are_404(fake: FakeSalesforce, method: str) -> None:
    """[seen] An id that names nothing is 404 `NOT_FOUND`, on reading and on writing."""
    status, body = call(fake, method, f"Contact/{UNKNOWN}", {} if method == "PATCH" else None)
    assert (status, body[0]["errorCode"]) == (404, "NOT_FOUND")


def test_read_shows_chosen_fields_or_all(fake: FakeSalesforce) -> None:
    """[seen] `fields` chooses, with parents; without it all come, compound too; a wrong name is `INVALID_FIELD`."""
    [account] = fake.load("Account", [{"Name": "Acme"}])
    record_id = create(fake, AccountId=account, MailingCity="Laval")
    _, chosen = call(fake, "GET", f"Contact/{record_id}?fields=LastName,Account.Name")
    assert {key: chosen[key] for key in chosen if key != "attributes"} == {
        "LastName": "Roy",
        "Account": {
            "attributes": {"type": "Account", "url": f"/services/data/v60.0/sobjects/Account/{account}"},
            "Name": "Acme",
        },
    }
    _, whole = call(fake, "GET", f"Contact/{record_id}")
    assert whole["MailingAddress"]["city"] == "Laval"
    status, body = call(fake, "GET", f"Contact/{record_id}?fields=Id,Nope")
    assert (status, body[0]["errorCode"]) == (400, "INVALID_FIELD")
    assert "ERROR at Row:1:Column:4\nNo such column 'Nope' on entity 'Contact'" in body[0]["message"]


# External ids -------------------------------------------------------------------------------------------------------


def test_upsert_creates_then_updates(fake: FakeSalesforce) -> None:
    """[seen] An upsert by external id is 201 `created: true`, then 200 `created: false`, same id; any characters do."""
    value = quote("a/b ü#?", safe="")
    first = call(fake, "PATCH", f"Contact/Ext__c/{value}", {"LastName": "Roy"})
    second = call(fake, "PATCH", f"Contact/Ext__c/{value}", {"FirstName": "Ada"})
    assert (first[0], first[1]["created"], second[0], second[1]["created"]) == (201, True, 200, False)
    assert first[1]["id"] == second[1]["id"]
    [row] = fake.rows("Contact")
    assert (row["Ext__c"], row["Name"]) == ("a/b ü#?", "Ada Roy")


def test_upsert_by_an_ambiguous_key_is_300_with_the_paths(fake: FakeSalesforce) -> None:
    """[seen] Several holders are a 300 and an array of record paths; nothing is written."""
    ids = [create(fake, Group__c="g"), create(fake, Group__c="G")]
    status, body = call(fake, "PATCH", "Contact/Group__c/g", {"FirstName": "Ada"})
    assert (status, body) == (300, [f"{BASE}Contact/{one}" for one in ids])
    assert [row["FirstName"] for row in fake.rows("Contact")] == [None, None]


def test_update_only_never_creates(fake: FakeSalesforce) -> None:
    """[documented] With `updateOnly=true` a miss is 404."""
    assert call(fake, "PATCH", "Contact/Ext__c/x?updateOnly=true", {"LastName": "Roy"})[0] == 404
    assert fake.rows("Contact") == []


@pytest.mark.parametrize("key", ["Email/ada@example.com", "Number__c/7", "Ext__c/K"])
def test_id_lookup_fields_address_records_too(fake: FakeSalesforce, key: str) -> None:
    """[seen] Any external-id or idLookup field addresses a record, numbers as numbers, text without case."""
    record_id = create(fake, Email="Ada@Example.com", Number__c=7, Ext__c="k")
    assert call(fake, "GET", f"Contact/{key}?fields=Id")[1]["Id"] == record_id
    assert call(fake, "PATCH", f"Contact/{key}", {"FirstName": "Ada"})[0] == 200
    assert call(fake, "DELETE", f"Contact/{key}")[0] == 204


def test_a_field_that_is_no_key_is_named(fake: FakeSalesforce) -> None:
    """[seen] A field that is neither external id nor idLookup is 404 with the recorded text."""
    status, body = call(fake, "PATCH", "Contact/LastName/x", {})
    assert (status, body[0]["errorCode"]) == (404, "NOT_FOUND")
    assert body[0]["message"] == "Provided external ID field does not exist or is not accessible: LastName"


def test_the_key_may_not_stand_in_the_body(fake: FakeSalesforce) -> None:
    """[documented] The external-id field in the body of an upsert is refused."""
    assert call(fake, "PATCH", "Contact/Ext__c/x", {"LastName": "Roy", "Ext__c": "x"})[0] == 400


def test_upsert_answers_204_before_version_46(fake: FakeSalesforce) -> None:
    """[documented] Before version 46 an upsert that updates has no body."""
    create(fake, Ext__c="k")
    assert fake.send("PATCH", "/services/data/v45.0/sobjects/Contact/Ext__c/k", {}).status == 204


def test_a_lookup_may_be_named_by_the_parents_external_id(fake: FakeSalesforce) -> None:
    """[seen] `{"Account": {"Key__c": "x"}}` finds the parent; a miss is `INVALID_FIELD`; polymorphic needs a type."""
    fake.add_field("Account", Field("Key__c", external_id=True))
    [account] = fake.load("Account", [{"Name": "Acme", "Key__c": "x"}])
    record_id = create(fake, Account={"Key__c": "X"})
    assert fake.row("Contact", record_id)["AccountId"] == account
    status, body = call(fake, "POST", "Contact", {"LastName": "Roy", "Account": {"Key__c": "y"}})
    assert (status, body[0]["errorCode"]) == (400, "INVALID_FIELD")
    task = {"Subject": "Call", "What": {"Key__c": "x"}}
    assert call(fake, "POST", "Task", task)[1][0]["errorCode"] == "JSON_PARSER_ERROR"
    typed = {"Subject": "Call", "What": {"attributes": {"type": "Account"}, "Key__c": "x"}}
    assert call(fake, "POST", "Task", typed)[0] == 201


# Conditions ---------------------------------------------------------------------------------------------------------


def test_conditional_reads_and_writes_use_the_system_stamp(fake: FakeSalesforce, clock: FakeClock) -> None:
    """[documented] `If-Modified-Since` gives 304 when nothing moved; `If-Unmodified-Since` 412 for a row that did."""
    record_id = create(fake)
    read = format_datetime(clock(), usegmt=True)
    assert call(fake, "GET", f"Contact/{record_id}", If_Modified_Since=read) == (304, None)
    assert call(fake, "PATCH", f"Contact/{record_id}", {"FirstName": "A"}, If_Unmodified_Since=read)[0] == 204
    clock.advance(5)
    fake.edit("Contact", record_id, FirstName="B")
    status, _ = call(fake, "PATCH", f"Contact/{record_id}", {"FirstName": "C"}, If_Unmodified_Since=read)
    assert (status, fake.row("Contact", record_id)["FirstName"]) == (412, "B")
    assert call(fake, "GET", f"Contact/{record_id}", If_Modified_Since=read)[0] == 200
    assert call(fake, "PATCH", f"Contact/{record_id}", {}, If_Unmodified_Since="yesterday")[0] == 400


def test_only_accounts_have_entity_tags(fake: FakeSalesforce) -> None:
    """[seen] An account's `ETag` works with `If-Match`; a contact has none."""
    [account] = fake.load("Account", [{"Name": "Acme"}])
    tag = fake.send("GET", f"{BASE}Account/{account}").headers["ETag"]
    assert call(fake, "PATCH", f"Account/{account}", {"Name": "B"}, If_Match=tag)[0] == 204
    assert call(fake, "PATCH", f"Account/{account}", {"Name": "C"}, If_Match=tag)[0] == 412
    assert "ETag" not in fake.send("GET", f"{BASE}Contact/{create(fake)}").headers


# Bad requests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b"\xff", b'{"LastName": NaN}', b"[" * 100_000])
def test_what_is_no_json_object_is_a_parser_error(fake: FakeSalesforce, content: bytes) -> None:
    """[inferred] A body that is not one JSON object is 400 `JSON_PARSER_ERROR` with line and column."""
    status, body = call(fake, "POST", "Contact", content)
    assert (status, body[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert "[line:" in body[0]["message"]


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/services/data/v60.0/nope", 404, "NOT_FOUND"),
        ("GET", "/services/data/v99.0/limits", 404, "NOT_FOUND"),
        ("GET", "/", 404, "NOT_FOUND"),
        ("GET", BASE + "Nope__c/describe", 404, "NOT_FOUND"),
        ("PUT", BASE + "Contact", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", f"{BASE}Contact/{UNKNOWN}", 405, "METHOD_NOT_ALLOWED"),
        ("GET", f"{BASE}Contact/Account", 404, "NOT_FOUND"),
        ("GET", f"{BASE}Contact/001Fk0000000001IAA", 404, "MALFORMED_ID"),
    ],
)
def test_wrong_addresses_and_verbs(fake: FakeSalesforce, method: str, target: str, status: int, code: str) -> None:
    """[documented] Unknown routes are 404, wrong verbs 405 with the allowed ones, both in the error array."""
    response = fake.send(method, target)
    assert (response.status, json.loads(response.body)[0]["errorCode"]) == (status, code)


def test_an_over_long_address_is_414(fake: FakeSalesforce) -> None:
    """[documented] An address above 16,384 bytes is 414."""
    query = "/services/data/v60.0/query?q=" + "x" * 16_400
    assert fake.send("GET", query).status == 414
