"""Laws of the simulated org itself: describe, permissions, automation, replication, limits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from urllib.parse import quote

import attrs
import pytest

from di_salesforce.testing._clock import FakeClock
from di_salesforce.testing._salesforce import FakeSalesforce
from di_salesforce.testing._sf_errors import Refusal
from di_salesforce.testing._sf_schema import Field, FieldType, SObject, StoredRow

BASE = "/services/data/v60.0/"
START = datetime(2026, 5, 20, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def fake(clock: FakeClock) -> FakeSalesforce:
    return FakeSalesforce(clock=clock)


def call(fake: FakeSalesforce, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = fake.send(method, BASE + path, body, headers=sent)
    return response.status, json.loads(response.body) if response.body else None


def describe(fake: FakeSalesforce, name: str) -> dict[str, Any]:
    return {field["name"]: field for field in call(fake, "GET", f"sobjects/{name}/describe")[1]["fields"]}


def refusal(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1][0]["errorCode"]


# Describe -----------------------------------------------------------------------------------------------------------


STANDARD = {
    "Account": "001", "Contact": "003", "Lead": "00Q", "Opportunity": "006", "Campaign": "701", "CampaignMember": "00v",
    "Order": "801", "Case": "500", "Task": "00T", "User": "005",
}  # fmt: skip


@pytest.mark.parametrize("name", [*STANDARD, "Membership__c"])
def test_describe_has_all_keys_of_version_58(fake: FakeSalesforce, name: str) -> None:
    """[seen] An object's describe has 45 keys and each field's 57, as recorded; `type` is one of describe's own."""
    fake.declare(SObject("Membership__c", [Field("Tier__c", "picklist", values=["Gold"], restricted=True)]))
    whole = call(fake, "GET", f"sobjects/{name}/describe")[1]
    assert len(whole) == 45
    assert {len(field) for field in whole["fields"]} == {57}
    assert {field["type"] for field in whole["fields"]} <= set(get_args(FieldType))
    assert STANDARD.get(name, whole["keyPrefix"]) == whole["keyPrefix"]
    fields = {field["name"]: field for field in whole["fields"]}
    assert {"Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp"} <= fields.keys()
    for field in whole["fields"]:
        assert bool(field["referenceTo"]) is (field["type"] == "reference")
        assert bool(field["relationshipName"]) is (field["type"] == "reference")
        assert not field["picklistValues"] or field["type"] in ("picklist", "multipicklist", "combobox")
        assert not (field["calculated"] and (field["createable"] or field["updateable"]))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Account", {"Name": "Acme", "BillingCity": "Laval", "NumberOfEmployees": 5, "AnnualRevenue": 1000}),
        ("Contact", {"LastName": "Roy", "Email": "roy@example.com", "Birthdate": "1990-05-04", "DoNotCall": True}),
        ("Lead", {"LastName": "Roy", "Company": "Acme", "Status": "Open - Not Contacted", "HasOptedOutOfEmail": True}),
        ("Opportunity", {"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-12-31", "Amount": 10.5}),
        ("Campaign", {"Name": "Spring", "Status": "Planned", "StartDate": "2026-04-01", "BudgetedCost": 100}),
        ("CampaignMember", {"CampaignId": "Campaign", "ContactId": "Contact", "Status": "Sent"}),
        ("Order", {"AccountId": "Account", "EffectiveDate": "2026-05-01", "Status": "Draft"}),
        ("Case", {"Subject": "Help", "ContactId": "Contact", "Priority": "High"}),
        ("Task", {"Subject": "Call", "WhoId": "Contact", "ActivityDate": "2026-05-02", "Priority": "Normal"}),
        ("User", {"LastName": "Roy", "Username": "roy@org.example", "Email": "roy@example.com", "Alias": "roy"}),
    ],
)
def test_every_standard_object_keeps_a_usual_record(fake: FakeSalesforce, name: str, values: dict[str, Any]) -> None:
    """[documented] The standard objects take the records that people keep in them, and show what they were given."""
    parents = {
        "Account": fake.load("Account", [{"Name": "Acme"}])[0],
        "Contact": fake.load("Contact", [{"LastName": "Roy"}])[0],
        "Campaign": fake.load("Campaign", [{"Name": "Spring"}])[0],
    }
    sent = {field: parents.get(value, value) if field.endswith("Id") else value for field, value in values.items()}
    status, body = call(fake, "POST", f"sobjects/{name}", sent)
    assert status == 201, body
    shown = call(fake, "GET", f"sobjects/{name}/{body['id']}")[1]
    assert {field: shown[field] for field in sent} == sent


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("Account", {"Name"}),
        ("Contact", {"LastName"}),
        ("Lead", {"LastName", "Company"}),
        ("Opportunity", {"Name", "StageName", "CloseDate"}),
    ],
)
def test_required_on_create_follows_from_describe(fake: FakeSalesforce, name: str, required: set[str]) -> None:
    """[seen] Createable, not nillable, not defaulted: exactly what the recordings give, and what a create asks for."""
    fields = describe(fake, name)
    keys = {
        key
        for key, field in fields.items()
        if field["createable"] and not field["nillable"] and not field["defaultedOnCreate"]
    }
    assert keys == required
    _, body = call(fake, "POST", f"sobjects/{name}", {})
    assert set(body[0]["fields"]) == required


def test_text_counts_three_bytes_a_character(fake: FakeSalesforce) -> None:
    """[seen] `byteLength` is three times the length."""
    field = describe(fake, "Account")["Name"]
    assert (field["length"], field["byteLength"], field["soapType"]) == (255, 765, "xsd:string")


def test_describe_answers_304_until_the_schema_changes(fake: FakeSalesforce, clock: FakeClock) -> None:
    """[documented] `If-Modified-Since` spares an unchanged describe, and a schema change ends that."""
    seen = fake.send("GET", BASE + "sobjects/Contact/describe").headers["Last-Modified"]
    assert call(fake, "GET", "sobjects/Contact/describe", If_Modified_Since=seen) == (304, None)
    clock.advance(timedelta(seconds=2))
    fake.add_field("Contact", Field("New__c"))
    assert call(fake, "GET", "sobjects/Contact/describe", If_Modified_Since=seen)[0] == 200
    assert "New__c" in describe(fake, "Contact")


def test_discovery_lists_versions_objects_and_resources(fake: FakeSalesforce) -> None:
    """[seen] Versions need no session and have their season; objects and resources are listed."""
    response = fake.send("GET", "/services/data", headers={"Authorization": ""})
    versions = {entry["version"]: entry["label"] for entry in json.loads(response.body)}
    assert (versions["60.0"], versions["65.0"], versions["59.0"]) == ("Spring '24", "Winter '26", "Winter '24")
    assert "Sforce-Limit-Info" not in response.headers
    listed = call(fake, "GET", "sobjects")[1]["sobjects"]
    assert {"Account", "Contact", "Lead", "Organization"} <= {entry["name"] for entry in listed}
    assert call(fake, "GET", "")[1]["query"] == "/services/data/v60.0/query"
    [organization] = call(fake, "GET", "query?q=SELECT+Id+FROM+Organization")[1]["records"]
    assert organization["Id"] == fake.org_id


# Permissions and automation -----------------------------------------------------------------------------------------


def test_a_hidden_field_is_gone_for_the_api_and_there_for_the_org(fake: FakeSalesforce) -> None:
    """[documented] A hidden field leaves describe and reads, refuses writes, and comes back with its values."""
    [record_id] = fake.load("Contact", [{"LastName": "A", "Title": "Dr"}])
    fake.hide_field("Contact", "Title")
    assert "Title" not in describe(fake, "Contact")
    assert refusal(call(fake, "GET", "query?q=SELECT+Title+FROM+Contact")) == (400, "INVALID_FIELD")
    assert "Title" not in call(fake, "GET", f"sobjects/Contact/{record_id}")[1]
    refused = call(fake, "PATCH", f"sobjects/Contact/{record_id}", {"Title": "Mr"})
    assert refusal(refused) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    fake.edit("Contact", record_id, Title="Prof")
    fake.hide_field("Contact", "Title", hidden=False)
    assert call(fake, "GET", f"sobjects/Contact/{record_id}")[1]["Title"] == "Prof"


def test_a_read_only_field_is_read_and_not_written(fake: FakeSalesforce) -> None:
    """[seen] Without the permission to write, describe says so and writes are refused by name."""
    [record_id] = fake.load("Contact", [{"LastName": "A"}])
    fake.read_only_field("Contact", "Title")
    assert describe(fake, "Contact")["Title"]["updateable"] is False
    _, body = call(fake, "PATCH", f"sobjects/Contact/{record_id}", {"Title": "Mr"})
    assert (body[0]["errorCode"], body[0]["fields"]) == ("INVALID_FIELD_FOR_INSERT_UPDATE", ["Title"])


def test_automation_rewrites_what_is_saved(fake: FakeSalesforce) -> None:
    """[documented] What a save hook writes is stored, checked like anything else, by whatever way the row comes."""

    def tidy(row: StoredRow) -> None:
        row["LastName"] = str(row["LastName"]).upper()
        row["Title"] = " from the org "

    fake.on_save("Contact", tidy)
    [record_id] = fake.load("Contact", [{"LastName": "roy"}])
    assert (fake.row("Contact", record_id)["LastName"], fake.row("Contact", record_id)["Title"]) == (
        "ROY",
        "from the org",
    )
    call(fake, "PATCH", f"sobjects/Contact/{record_id}", {"LastName": "smith"})
    assert fake.row("Contact", record_id)["LastName"] == "SMITH"


def test_a_hook_may_refuse_with_any_code(fake: FakeSalesforce) -> None:
    """A hook that raises `Refusal` refuses that row alone."""

    def lock(row: StoredRow) -> None:
        if row["LastName"] == "B":
            raise Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", ())

    fake.on_save("Contact", lock)
    rows = [{"attributes": {"type": "Contact"}, "LastName": name} for name in "ABC"]
    outcomes = call(fake, "POST", "composite/sobjects", {"records": rows})[1]
    assert [one["success"] for one in outcomes] == [True, False, True]
    assert outcomes[1]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"


def test_validation_rules_speak_with_the_administrators_words(fake: FakeSalesforce) -> None:
    """[documented] A validation rule sees computed fields too and refuses with its own text."""
    fake.validation_rule("Contact", lambda row: "No." if row["Name"] == "Ada Roy" else None)
    status, body = call(fake, "POST", "sobjects/Contact", {"FirstName": "Ada", "LastName": "Roy"})
    assert (status, body[0]["errorCode"], body[0]["message"]) == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "No.")
    assert call(fake, "POST", "sobjects/Contact", {"LastName": "Roy"})[0] == 201


def test_duplicate_rules_answer_with_the_vendors_spelling(fake: FakeSalesforce) -> None:
    """[seen] A duplicate carries `duplicateResut`; the header overrides a rule that may be overridden, no other."""
    fake.load("Contact", [{"LastName": "Roy", "Email": "a@example.com"}])
    fake.duplicate_rule("Contact", ["Email", "LastName"])
    row = {"LastName": "ROY", "Email": "A@example.com"}
    _, body = call(fake, "POST", "sobjects/Contact", row)
    assert body[0]["errorCode"] == "DUPLICATES_DETECTED"
    assert body[0]["duplicateResut"]["matchResults"][0]["size"] == 1
    allow = {"Sforce_Duplicate_Rule_Header": "allowSave=true"}
    assert call(fake, "POST", "sobjects/Contact", row, **allow)[0] == 201
    assert call(fake, "POST", "sobjects/Contact", {**row, "LastName": "Other"})[0] == 201
    fake.duplicate_rule("Contact", ["Email"], allow_save=False)
    assert refusal(call(fake, "POST", "sobjects/Contact", row, **allow)) == (400, "DUPLICATES_DETECTED")


def test_formulas_are_computed_and_move_no_stamp(fake: FakeSalesforce, clock: FakeClock) -> None:
    """[documented] A formula follows what it is computed from; no save, no stamp."""
    [record_id] = fake.load("Contact", [{"LastName": "Roy"}])
    stamp = fake.row("Contact", record_id)["SystemModstamp"]
    clock.advance(timedelta(hours=1))
    factor = {"by": 1}
    fake.add_field("Contact", Field("Twice__c", "double", formula=lambda _row: 2.0 * factor["by"]))
    factor["by"] = 5
    assert (fake.row("Contact", record_id)["Twice__c"], fake.row("Contact", record_id)["SystemModstamp"]) == (
        10.0,
        stamp,
    )
    assert describe(fake, "Contact")["Twice__c"]["calculated"] is True
    assert call(fake, "GET", "query?q=SELECT+Id+FROM+Contact+WHERE+Twice__c=10")[1]["totalSize"] == 1


def test_auto_numbers_count_up(fake: FakeSalesforce) -> None:
    """[documented] The server numbers cases; nobody can write the number."""
    fake.load("Case", [{"Subject": "a"}, {"Subject": "b"}])
    assert [row["CaseNumber"] for row in fake.rows("Case")] == ["00000001", "00000002"]
    assert call(fake, "POST", "sobjects/Case", {"CaseNumber": "7"})[0] == 400


# Replication --------------------------------------------------------------------------------------------------------


def window(start: datetime, end: datetime) -> str:
    return f"?start={quote(start.isoformat())}&end={quote(end.isoformat())}"


def test_updated_and_deleted_tell_of_their_window(fake: FakeSalesforce, clock: FakeClock) -> None:
    """[seen] `updated` gives live rows saved in the window, `deleted` those that went, emptied bin or not."""
    first, second, third = fake.load("Contact", [{"LastName": name} for name in "ABC"])
    clock.advance(timedelta(minutes=5))
    fake.edit("Contact", first, LastName="Z")
    fake.delete("Contact", second)
    clock.advance(timedelta(minutes=5))
    late = window(START + timedelta(minutes=4), clock())
    assert call(fake, "GET", "sobjects/Contact/updated/" + late)[1]["ids"] == [first]
    whole = window(START, clock())
    assert call(fake, "GET", "sobjects/Contact/updated" + whole)[1]["ids"] == [first, third]
    gone = call(fake, "GET", "sobjects/Contact/deleted" + whole)[1]
    assert gone["deletedRecords"] == [{"id": second, "deletedDate": "2026-05-20T12:05:30.000+0000"}]
    fake.empty_bin()
    assert call(fake, "GET", "sobjects/Contact/deleted" + whole)[1]["deletedRecords"] == gone["deletedRecords"]
    assert fake.rows("Contact", include_deleted=True) == fake.rows("Contact")


def test_seconds_are_ignored_and_the_covered_date_lags(fake: FakeSalesforce, clock: FakeClock) -> None:
    """[documented] A window goes by whole minutes; `latestDateCovered` lags as told, and nothing after it shows."""
    [record_id] = fake.load("Contact", [{"LastName": "A"}])
    clock.advance(timedelta(minutes=10))
    asked = window(START + timedelta(seconds=20), clock())
    answer = call(fake, "GET", "sobjects/Contact/updated" + asked)[1]
    assert answer == {"ids": [record_id], "latestDateCovered": "2026-05-20T12:10:00.000+0000"}
    fake.switches = attrs.evolve(fake.switches, coverage_lag=11 * 60)
    answer = call(fake, "GET", "sobjects/Contact/updated" + asked)[1]
    assert answer == {"ids": [], "latestDateCovered": "2026-05-20T12:00:00.000+0000"}


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [("updated", timedelta(days=31), timedelta()), ("deleted", timedelta(days=16), timedelta())]
    + [(kind, timedelta(seconds=20), timedelta()) for kind in ("updated", "deleted")],
)
def test_windows_too_old_or_too_short_are_refused(
    fake: FakeSalesforce, kind: str, start: timedelta, end: timedelta
) -> None:
    """[documented] 30 days back for `updated`, 15 for `deleted`, and at least a minute."""
    asked = window(START - start, START - end)
    assert refusal(call(fake, "GET", f"sobjects/Contact/{kind}{asked}")) == (400, "INVALID_REPLICATION_DATE")


def test_an_undeleted_row_counts_as_updated(fake: FakeSalesforce, clock: FakeClock) -> None:
    """[inferred] A row taken out of the bin has its old id, and shows as updated, not as deleted."""
    [record_id] = fake.load("Contact", [{"LastName": "A"}])
    clock.advance(timedelta(minutes=5))
    fake.delete("Contact", record_id)
    fake.undelete("Contact", record_id)
    asked = window(START + timedelta(minutes=1), clock() + timedelta(minutes=1))
    clock.advance(timedelta(minutes=2))
    assert call(fake, "GET", "sobjects/Contact/updated" + asked)[1]["ids"] == [record_id]
    assert call(fake, "GET", "sobjects/Contact/deleted" + asked)[1]["deletedRecords"] == []


# Limits -------------------------------------------------------------------------------------------------------------


def test_calls_are_counted_shown_and_refused_when_gone(fake: FakeSalesforce) -> None:
    """[seen] Calls count, show in `Sforce-Limit-Info`, and past the allowance get 403 `REQUEST_LIMIT_EXCEEDED`."""
    fake.daily_limit = 2
    assert fake.send("GET", BASE + "sobjects").headers["Sforce-Limit-Info"] == "api-usage=1/2"
    assert call(fake, "GET", "limits")[1]["DailyApiRequests"] == {"Max": 2, "Remaining": 0}
    assert refusal(call(fake, "GET", "sobjects")) == (403, "REQUEST_LIMIT_EXCEEDED")


@pytest.mark.parametrize(("answer", "shown"), [(True, True), (False, False)])
def test_an_answer_without_a_body_may_lack_the_limits(fake: FakeSalesforce, answer: bool, shown: bool) -> None:
    """[unknown] Recorded 204 answers lack `Sforce-Limit-Info`, perhaps cut off on the way: `limits_on_204`."""
    fake.switches = attrs.evolve(fake.switches, limits_on_204=answer)
    [record_id] = fake.load("Contact", [{"LastName": "A"}])
    headers = fake.send("PATCH", f"{BASE}sobjects/Contact/{record_id}", {"LastName": "B"}).headers
    assert ("Sforce-Limit-Info" in headers) is shown


def test_record_counts(fake: FakeSalesforce) -> None:
    """[seen] `recordCount` counts live rows of the named objects."""
    ids = fake.load("Contact", [{"LastName": "A"}, {"LastName": "B"}])
    fake.delete("Contact", ids[0])
    assert call(fake, "GET", "limits/recordCount?sObjects=Contact")[1] == {
        "sObjects": [{"count": 1, "name": "Contact"}]
    }
